"""Looking through a million rows of a CSV file, against the bare reading of them: `rewards-agent import csv`."""

from __future__ import annotations

import csv
import json
import tempfile
from pathlib import Path

from bench.agent import COMMAND
from bench.frame import Sample, Watched, alternate, publish, timed, watch

ROWS = 1_000_000
PER_S = 20_000
"""Rows a second that are wanted."""
BEGAN = 1_760_000_000
COLUMNS = "event,distinct_id,time,course_id,lesson_id,progress_pct,time_on_task_sec,event_id,email"


def written(path: Path, rows: int) -> Path:
    """A file of completed lessons with every column that a form sends, all of them good."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS.split(","))
        writer.writerows(
            ("lesson.completed", f"U-{n % 50_000}", BEGAN + n, f"C{n % 300}", f"L{n % 6_000}", n % 101, n % 3_600,
             f"e{n}", f"u{n % 50_000}@dept.example.org")
            for n in range(rows)
        )  # fmt: skip
    return path


class Looking:
    """Runs the command as a process of its own; keeps how it went."""

    def __init__(self, path: Path, rows: int) -> None:
        self._path = path
        self._rows = rows
        self.runs: list[Watched] = []

    def __call__(self) -> Sample:
        """One look through the file; every row must be good."""
        run = watch([COMMAND, "import", "csv", self._path, "--json"], cwd=self._path.parent)
        assert run.returncode == 0, run.output[-3000:]
        assert json.loads(run.output)["good rows"] == self._rows
        self.runs.append(run)
        return Sample(units=self._rows, wall_s=run.wall_s, cpu_s=run.cpu_s, peak_mb=max(run.memory_mb))


def bare(path: Path) -> int:
    """The rows of a file, read and counted."""
    with path.open(encoding="utf-8", newline="") as file:
        return sum(1 for _ in csv.reader(file)) - 1


def main(*, quick: bool = False) -> None:
    """Run it; ``quick`` looks through a twentieth, once."""
    rows = ROWS // 20 if quick else ROWS
    with tempfile.TemporaryDirectory() as directory:
        path = written(Path(directory) / "events.csv", rows)
        outcome = alternate("rows", lambda: timed(lambda: bare(path)), Looking(path, rows), repeats=1 if quick else 3)
    body = [
        outcome.table(),
        f"Wanted: at least {PER_S:,} rows a second, in memory that does not grow with the file; bare is `csv.reader`.",
    ]
    publish("csv", f"Looking through a CSV file of {rows:,} rows", "\n\n".join(body), quick=quick)


if __name__ == "__main__":
    main()
