"""How a benchmark is run and told: the measurement and its bare limit by turns, a table, a section of RESULTS.md."""

from __future__ import annotations

import os
import platform
import re
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

RESULTS = Path(__file__).with_name("RESULTS.md")
SAMPLE_S = 0.05
_HEAD = """# Figures

Written by `make bench` (`python -m bench`). Machines differ, so read the ratios: each figure stands beside a bare limit
measured in the same run. A section is replaced when its benchmark runs again.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One run: ``units`` done in ``wall_s``; CPU and memory of the process that did it (0 where not measured)."""

    units: int
    wall_s: float
    cpu_s: float = 0.0
    peak_mb: float = 0.0

    @property
    def rate(self) -> float:
        """Units per second of wall clock."""
        return self.units / self.wall_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Ours beside the bare limit; both lists are in the order in which they ran."""

    unit: str
    bare: tuple[Sample, ...]
    ours: tuple[Sample, ...]

    @property
    def ratio(self) -> float:
        """Median rate of ours ÷ median rate of the bare limit."""
        return statistics.median(s.rate for s in self.ours) / statistics.median(s.rate for s in self.bare)

    def table(self) -> str:
        """Both as a Markdown table."""
        lines = [f"| | {self.unit}/s (median) | spread | CPU s per million | peak MB |", "|---|---|---|---|---|"]
        for name, samples in (("bare", self.bare), ("ours", self.ours)):
            rates = sorted(sample.rate for sample in samples)
            cpu = statistics.median(1e6 * sample.cpu_s / sample.units for sample in samples)
            peak = max(sample.peak_mb for sample in samples)
            lines.append(
                f"| {name} | {statistics.median(rates):,.0f} | {rates[0]:,.0f} … {rates[-1]:,.0f} "
                f"| {f'{cpu:.1f}' if cpu else ''} | {f'{peak:.0f}' if peak else ''} |"
            )
        return "\n".join([*lines, "", f"Ratio **{self.ratio:.2f}** over {len(self.ours)} alternating runs."])


def alternate(unit: str, bare: Callable[[], Sample], ours: Callable[[], Sample], *, repeats: int) -> Comparison:
    """Run bare and ours by turns, ``repeats`` times each, so that a busy neighbour troubles both."""
    pairs = [(bare(), ours()) for _ in range(repeats)]
    return Comparison(unit=unit, bare=tuple(b for b, _ in pairs), ours=tuple(o for _, o in pairs))


def timed(work: Callable[[], int]) -> Sample:
    """Run ``work``, which gives how many units it did, in this process."""
    cpu, wall = time.process_time(), time.perf_counter()
    units = work()
    return Sample(units=units, wall_s=time.perf_counter() - wall, cpu_s=time.process_time() - cpu)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A command that was run to its end: memory in MB at every sample, in order."""

    returncode: int
    wall_s: float
    cpu_s: float
    memory_mb: tuple[float, ...]
    output: str


def watch(command: Sequence[str | Path], *, cwd: Path) -> Watched:
    """Run a command to its end and look at its CPU time and resident memory on the way."""
    log = cwd / "output.txt"
    with log.open("wb") as out:
        started = time.perf_counter()
        process = psutil.Popen([str(word) for word in command], cwd=cwd, stdout=out, stderr=out)
        memory: list[float] = []
        cpu = 0.0
        while process.poll() is None:
            try:
                with process.oneshot():
                    memory.append(process.memory_info().rss / 1e6)
                    times = process.cpu_times()
                    cpu = times.user + times.system
            except psutil.NoSuchProcess:  # it ended between the two looks
                break
            time.sleep(SAMPLE_S)
        process.wait()
        wall = time.perf_counter() - started
    return Watched(
        returncode=process.returncode,
        wall_s=wall,
        cpu_s=cpu,
        memory_mb=tuple(memory),
        output=log.read_text(errors="replace"),
    )


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that ``share`` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered)) - 1))]


def machine() -> str:
    """One line about where this ran."""
    try:
        found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    except OSError:
        found = None
    cpu = found[1] if found else platform.machine()
    memory = psutil.virtual_memory().total / 1e9
    return (
        f"{cpu}, {os.cpu_count()} cores, {memory:.0f} GB, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    )


def publish(name: str, title: str, body: str, *, quick: bool = False, results: Path = RESULTS) -> None:
    """Print a benchmark's outcome and, unless it was a ``quick`` one, put it where its former one stood."""
    command = " ".join(["python -m bench", *sys.argv[1:]])
    day = datetime.now(UTC).strftime("%Y-%m-%d")
    head = f"## {title}\n\n{machine()} · {day} · `{command}`\n\n"
    section = f"<!-- {name} -->\n{head}{body.strip()}\n<!-- /{name} -->\n"
    print(f"\n{section}")
    if quick:
        return
    text = results.read_text(encoding="utf-8") if results.exists() else _HEAD
    place = re.compile(rf"<!-- {re.escape(name)} -->.*?<!-- /{re.escape(name)} -->\n", re.DOTALL)
    replaced, found = place.subn(lambda _: section, text)
    results.write_text(replaced if found else text.rstrip("\n") + "\n\n" + section, encoding="utf-8")
