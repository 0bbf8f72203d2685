"""How the lives of an agent ended, as the next one finds it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from agent.cli.setup.looks.machine import LIVES_S, lives
from agent.errors import TransientError
from agent.service.health.lives import FILE_NAME, LINES_MAX, Unstopped, life, unstopped
from tests.fakes import ManualClock

NOW = 1_780_000_000


@pytest.mark.parametrize("told", [TransientError("the disk is full"), asyncio.CancelledError("told to stop")])
def test_who_says_why_it_ends_was_not_killed(tmp_path: Path, told: BaseException) -> None:
    for _ in range(2):
        with suppress(type(told)), life(tmp_path, ManualClock(NOW)):
            raise told
    assert unstopped(tmp_path, 0).times == 0


def lived(place: Path, at: int, *, stopped: bool) -> None:
    """One life that began at a time, and its end."""
    with suppress(MemoryError), life(place, ManualClock(at)):
        if not stopped:
            raise MemoryError


def test_a_life_that_was_not_stopped_is_known_to_the_next_and_one_that_was_is_not(tmp_path: Path) -> None:
    assert unstopped(tmp_path, 0) == Unstopped(0, 0)
    for number, stopped in enumerate((True, False, False, True, True)):
        lived(tmp_path, NOW + number, stopped=stopped)
    assert unstopped(tmp_path, 0) == Unstopped(2, NOW + 3)
    assert unstopped(tmp_path, NOW + 3) == Unstopped(1, NOW + 3)
    assert unstopped(tmp_path, NOW + 4) == Unstopped(0, 0)


def test_who_may_yet_be_at_work_is_not_counted_as_killed(tmp_path: Path) -> None:
    lived(tmp_path, NOW, stopped=False)
    assert unstopped(tmp_path, 0).times == 0


def test_the_list_of_lives_stays_small_and_half_a_line_spoils_no_other(tmp_path: Path) -> None:
    for number in range(LINES_MAX):
        lived(tmp_path, NOW + number, stopped=False)
    path = tmp_path / FILE_NAME
    assert len(path.read_text().splitlines()) == LINES_MAX
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text(path.read_text() + "bega")
    lived(tmp_path, NOW + LINES_MAX, stopped=False)
    assert unstopped(tmp_path, NOW + LINES_MAX - 1).times == 2


def test_a_disk_that_takes_nothing_keeps_no_agent_from_work(tmp_path: Path) -> None:
    lived(tmp_path / "gone", NOW, stopped=True)
    assert unstopped(tmp_path / "gone", 0).times == 0


def test_doctor_tells_of_a_service_that_is_killed_again_and_again_and_what_to_do(tmp_path: Path) -> None:
    for number in range(3):
        lived(tmp_path, NOW + number, stopped=False)
        assert list(lives(tmp_path, NOW + 10)) == []
    lived(tmp_path, NOW + 3, stopped=True)
    (found,) = lives(tmp_path, NOW + 10)
    assert (found.level, found.code) == ("warn", "killed-often")
    assert found.found.startswith("3 times within a day")
    assert "MemoryMax" in found.do
    assert list(lives(tmp_path, NOW + LIVES_S + 3)) == []
