"""`python -m sim`: one seed, told line by line, or many with what they came to. `make sim` calls it."""

from __future__ import annotations

import argparse
import gc
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from sim.misfortune import KINDS, KUDOS, SELDOM
from sim.story import LONG, SHORT, Length, Outcome, run

MEMORY = Path("/dev/shm")  # noqa: S108 - a file system in memory: a simulation needs no disk that keeps
SEEDS = 50


def main(words: Sequence[str]) -> int:
    """0 where everything held, else 1."""
    asked = _parser().parse_args(words)
    length = replace(SHORT if asked.short else LONG, only=tuple(asked.only))
    with scratch() as directory:
        if asked.seed is not None:
            return _one(run(asked.seed, directory, length), asked.trace)
        return _many(directory, length, range(asked.first, asked.first + asked.seeds), asked.minutes)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sim", description=__doc__, epilog="docs/ops/simulation.md")
    parser.add_argument("--seed", help="run this one and print its trace; the same seed does the same, to the byte")
    parser.add_argument("--trace", type=Path, help="write the trace of --seed into this file instead")
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"how many seeds to run (default {SEEDS})")
    parser.add_argument("--first", type=int, default=1, help="the first of them (default 1)")
    parser.add_argument("--short", action="store_true", help="tell short stories: other ones than the same seeds' long")
    kinds = (*KINDS, *SELDOM, KUDOS)
    more = "let these misfortunes come alone, and often"
    parser.add_argument("--only", nargs="+", choices=kinds, default=[], help=more)
    parser.add_argument("--minutes", type=float, help="stop after so many minutes, whatever --seeds says")
    return parser


@contextmanager
def scratch() -> Iterator[Path]:
    """A directory for the files of runs, in memory where the machine has one."""
    where = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="rewards-sim-", dir=where) as name:
        gc.collect()
        gc.freeze()  # what was imported is no garbage: the collections between runs need not look at it again
        yield Path(name)


def _one(outcome: Outcome, trace: Path | None) -> int:
    if trace is not None:
        trace.write_text(outcome.trace, encoding="utf-8")
    else:
        sys.stdout.write(outcome.trace)
    print(f"seed {outcome.seed}: trace {outcome.digest}, {_figures(outcome.counts)}")
    for fault in outcome.faults:
        print(f"  does not hold: {fault}")
    return 1 if outcome.faults else 0


def _many(directory: Path, length: Length, seeds: range, minutes: float | None) -> int:
    began, failed = time.monotonic(), 0
    injected: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    done = 0
    for seed in seeds:
        if minutes is not None and time.monotonic() - began > 60 * minutes:
            break
        outcome = run(str(seed), directory, length)
        done += 1
        injected += outcome.injected
        counts.update(outcome.counts)
        if outcome.faults:
            failed += 1
            print(f"\rseed {seed} failed; repeat it with: {_again(seed, length)}")
            for fault in outcome.faults:
                print(f"  {fault}")
        _progress(f"{done} of {len(seeds)} seeds, {failed} failed, {_figures(counts)}")
    _progress("")
    print(f"{done} seeds in {time.monotonic() - began:.0f} s, {failed} failed: {_figures(counts)}")
    for kind, number in sorted(injected.items()):
        print(f"  {number:8,} {kind}")
    return 1 if failed else 0


def _again(seed: int, length: Length) -> str:
    only = f' ONLY="{" ".join(length.only)}"' if length.only else ""
    return f"make sim SEED={seed}{' SHORT=1' if length.storm_s == SHORT.storm_s else ''}{only}"


def _figures(counts: dict[str, int]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in sorted(counts.items()))


def _progress(line: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{line[:110]:<110}\r")
        sys.stderr.flush()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
