"""What the interpreter is set to while a program works."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable

import pytest

from machine import interpreter


def settings() -> tuple[float, tuple[int, int, int], int]:
    return sys.getswitchinterval(), gc.get_threshold(), gc.get_freeze_count()


def test_threads_take_turns_sooner_and_cycles_are_sought_less_often_for_the_length_of_a_run() -> None:
    with interpreter.at_work():
        turn, (young, *_), frozen = settings()
        assert turn == pytest.approx(interpreter.TURN_S)
        assert young == interpreter.YOUNG_MAX
        assert frozen > 0
        assert gc.isenabled()


@pytest.mark.parametrize("prepared", [gc.unfreeze, gc.freeze])
def test_everything_is_as_before_when_the_run_has_ended_whichever_way(prepared: Callable[[], None]) -> None:
    prepared()
    *before, frozen = settings()
    with pytest.raises(ZeroDivisionError), interpreter.at_work():
        raise ZeroDivisionError
    assert settings()[:2] == tuple(before)
    assert bool(gc.get_freeze_count()) == bool(frozen)
