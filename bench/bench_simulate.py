"""Simulating the example rules over a million log rows, against the agent draining the same rows."""

from __future__ import annotations

import json
from pathlib import Path

from bench.agent import COMMAND, configure
from bench.bench_catchup import Ours as Draining
from bench.frame import Sample, Watched, alternate, publish, watch
from bench.generate import generate
from bench.mariadb import mariadb
from bench.population import Size
from tests.servers import MariaDatabase

ROWS = 1_000_000
AT_LEAST = 1 / 1.5


class Simulating:
    """Runs `rules simulate --from log` as a process of its own; keeps what it said."""

    def __init__(self, database: MariaDatabase, rows: int, directory: Path) -> None:
        self._rows = rows
        self._directory = directory
        self._config = configure(directory, database)
        self.runs: list[Watched] = []
        self.told = ""

    def __call__(self) -> Sample:
        """One simulation."""
        command: list[str | Path] = [COMMAND, "rules", "simulate", "--from", "log", "--json", "--config", self._config]
        run = watch(command, cwd=self._directory)
        assert run.returncode == 0, run.output[-3000:]
        assert not (self._directory / "data").exists(), "a simulation writes nothing"
        self.runs.append(run)
        found = json.loads(run.output)
        self.told = f"{found['events']:,} events met a rule, {found['learners']:,} learners gain"
        return Sample(units=self._rows, wall_s=run.wall_s, cpu_s=run.cpu_s, peak_mb=max(run.memory_mb))


def main(*, quick: bool = False) -> None:
    """Run it; ``quick`` reads a tenth, once."""
    with mariadb() as server:
        database = server.create_database()
        made = generate(database, Size(rows=ROWS // 10 if quick else ROWS))
        draining = Draining(database, made.rows)
        simulating = Simulating(database, made.rows, server.directory / "simulation")
        outcome = alternate("rows", draining, simulating, repeats=1 if quick else 3)
    body = [
        outcome.table(),
        f"Wanted: at least {AT_LEAST:.2f}; bare is the agent itself, `run --until-caught-up` with its ledger.",
        f"{made.rows:,} rows; {draining.paid}. Simulated: {simulating.told}.",
    ]
    publish("simulate", f"Simulating {made.rows:,} log rows (MariaDB, example rules)", "\n\n".join(body), quick=quick)


if __name__ == "__main__":
    main()
