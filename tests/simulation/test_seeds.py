"""Learners act, machines fail, clocks lie, and in the end everybody has what they should: seed by seed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from sim.story import LONG, SHORT, Length, Outcome, run
from tests.test_tidy import ROOT

SEEDS = tuple(map(str, range(1, 301)))
"""Of short stories: a quarter of a second of one core each."""
LONG_SEEDS = ("2",)
pytestmark = pytest.mark.slow

Play = Callable[[str, Length], Outcome]


@pytest.fixture(scope="module")
def played(directory: Path) -> Play:
    """Plays a seed, once however many tests look at it."""
    return cache(lambda seed, length: run(seed, directory, length))


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_goes_wrong_everybody_is_paid_once(seed: str, played: Play) -> None:
    outcome = played(seed, SHORT)
    assert outcome.faults == [], f"repeat it with: make sim SEED={seed} SHORT=1"


@pytest.mark.parametrize("seed", LONG_SEEDS)
def test_a_long_story_ends_well_too(seed: str, played: Play) -> None:
    outcome = played(seed, LONG)
    assert outcome.faults == [], f"repeat it with: make sim SEED={seed}"
    assert outcome.counts["entries"] > 0


def test_two_runs_of_one_seed_are_the_same_to_the_byte(played: Play, tmp_path: Path) -> None:
    seed = next(seed for seed in SEEDS if "kill agent" in played(seed, SHORT).injected)
    path = tmp_path / "trace.txt"
    # In a process of its own, where sets lie otherwise.
    command = [sys.executable, "-m", "sim", "--short", "--seed", seed, "--trace", str(path)]
    subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": "77"}, check=True, capture_output=True)
    assert path.read_text() == played(seed, SHORT).trace


def test_another_seed_is_another_story(played: Play) -> None:
    assert played("2", SHORT).digest != played("3", SHORT).digest


OFTEN = {
    *("kill agent", "kill catalogue", "restart agent", "posted twice", "row visible late", "rules edited"),
    *("agent's key rotated", "projections rebuilt", "reviewed twice", "learner erased", "learner readmitted"),
    *("log cleaned", "rule added", "learner opted out"),
}
SELDOM = {"agent's disk lost", "older ledger put back", "older catalogue put back"}
"""A handful each: which seeds they fall to changes with the program."""


def test_the_seeds_of_every_change_bring_about_kills_losses_and_upkeep(played: Play) -> None:
    injected: set[str] = set()
    for seed in SEEDS:
        injected |= played(seed, SHORT).injected.keys()
        if injected >= OFTEN and injected & SELDOM:
            return  # the others are not played for it, where other workers play them
    assert injected >= OFTEN
    assert injected & SELDOM


@pytest.mark.soak
def test_thousands_of_seeds_hold(played: Play) -> None:
    long = [f"SEED={seed}" for seed in map(str, range(1_000, 4_000)) if played(seed, LONG).faults]
    short = [f"SEED={seed} SHORT=1" for seed in map(str, range(1_000, 9_000)) if played(seed, SHORT).faults]
    assert long + short == [], "repeat each with: make sim …"
