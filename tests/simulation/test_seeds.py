"""Learners act, machines fail, clocks lie, and in the end everybody has what they should: seed by seed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from sim.__main__ import scratch
from sim.story import Outcome, run
from tests.test_tidy import ROOT

SEEDS = tuple(map(str, range(1, 13)))
"""About fifteen seconds of one core."""


@pytest.fixture(scope="module")
def played() -> Iterator[Callable[[str], Outcome]]:
    """Plays a seed, once however many tests look at it."""
    with scratch() as directory:
        yield cache(lambda seed: run(seed, directory))


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_goes_wrong_everybody_is_paid_once(seed: str, played: Callable[[str], Outcome]) -> None:
    outcome = played(seed)
    assert outcome.faults == [], f"repeat it with: make sim SEED={seed}"
    assert outcome.counts["entries"] > 0


def test_two_runs_of_one_seed_are_the_same_to_the_byte(played: Callable[[str], Outcome], tmp_path: Path) -> None:
    seed = next(seed for seed in SEEDS if "kill agent" in played(seed).injected)
    path = tmp_path / "trace.txt"
    # In a process of its own, where sets lie otherwise.
    command = [sys.executable, "-m", "sim", "--seed", seed, "--trace", str(path)]
    subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": "77"}, check=True, capture_output=True)
    assert path.read_text() == played(seed).trace


def test_another_seed_is_another_story(played: Callable[[str], Outcome]) -> None:
    assert played("2").digest != played("3").digest


@pytest.mark.soak
def test_thousands_of_seeds_hold(played: Callable[[str], Outcome]) -> None:
    failed = [seed for seed in map(str, range(1_000, 4_000)) if played(seed).faults]
    assert failed == [], "repeat each with: make sim SEED=…"
