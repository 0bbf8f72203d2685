"""`python -m soak`: a campus's eight hours with everything that goes wrong on a machine, and the figures of it."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from soak.day import Outcome, play

MINUTES = 12.0
APART = "--apart"


def main(words: Sequence[str]) -> int:
    """0 where everything held, else 1."""
    asked = _parser().parse_args(words)
    if os.geteuid():
        print("this makes and mounts disks of its own: run it as root", file=sys.stderr)
        return 1
    if not asked.apart:
        # Disks and names of this run are nobody else's, and gone with it.
        again = [sys.executable, "-m", "soak", *words, APART]
        os.execvp("unshare", ["unshare", "--mount", *again])  # noqa: S606 - this same program, in a room of its own
    with tempfile.TemporaryDirectory(prefix="rewards-soak-", ignore_cleanup_errors=True) as name:
        outcome = asyncio.run(play(Path(name), minutes=asked.minutes, seed=asked.seed))
    for line in _told(outcome):
        print(line)
    return 1 if outcome.faults else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__, epilog="docs/ops/soak.md")
    parser.add_argument("--minutes", type=float, default=MINUTES, help=f"how long it may take (default {MINUTES:.0f})")
    parser.add_argument("--seed", default="1", help="what the faults and their times are drawn from (default 1)")
    parser.add_argument(APART, action="store_true", help=argparse.SUPPRESS)
    return parser


def _told(outcome: Outcome) -> Iterator[str]:
    """The tables of docs/ops/soak.md."""
    yield f"\nEight hours in {outcome.minutes:g} minutes.\n"
    yield "| hour | | rows so far | entries so far | agent, most | catalogue, most |"
    yield "|---:|---|---:|---:|---:|---:|"
    for number, hour in enumerate(outcome.hours, start=1):
        memory = f"{hour.agent_bytes >> 20} MiB | {hour.catalogue_bytes >> 20} MiB"
        yield f"| {number} | {hour.name} | {hour.rows:,} | {hour.entries:,} | {memory} |"
    for title, figures in (("injected", outcome.injected), ("what it came to", outcome.counts)):
        yield f"\n| {title} | |\n|---|---:|"
        yield from (f"| {name} | {number:,} |" for name, number in figures.items())
    yield ""
    yield from (f"does not hold: {fault}" for fault in outcome.faults)
    yield f"{len(outcome.faults)} faults"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
