"""The socket of a running agent: whatever becomes of a command, whoever typed it is told, and the next is answered."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from agent.errors import ConstraintError, IntegrityError, InvalidInputError, TransientError, UnexpectedError
from agent.service import control


async def add(*, one: int, other: int) -> dict[str, int]:
    """An operation."""
    return {"sum": one + other}


async def divide(**_: Any) -> None:
    raise ZeroDivisionError("ann@example.org")


async def write(**_: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


OPERATIONS: dict[str, control.Operation] = {"add": add, "divide": divide, "write": write}


async def test_a_fault_of_this_program_in_a_command_is_told_to_who_typed_it_and_the_next_is_answered(
    tmp_path: Path,
) -> None:
    """The command ended with a trace of its own: it could not read the answer."""
    async with control.listening(tmp_path, OPERATIONS):
        with capture_logs() as told, pytest.raises(UnexpectedError, match="divide failed: ZeroDivisionError") as met:
            await control.ask(tmp_path, "divide", {})
        assert "ann@example.org" not in f"{met.value} {told}"
        assert [one["part"] for one in told if one["event"] == "part_failed"] == ["command divide"]
        assert await control.ask(tmp_path, "add", {"one": 1, "other": 2}) == {"sum": 3}


async def test_what_the_machine_refuses_a_command_is_told_with_its_cure(tmp_path: Path) -> None:
    async with control.listening(tmp_path, OPERATIONS):
        with pytest.raises(TransientError, match="its disk is full"):
            await control.ask(tmp_path, "write", {})


async def test_a_command_of_another_version_is_told_to_restart_the_agent(tmp_path: Path) -> None:
    async with control.listening(tmp_path, OPERATIONS):
        with pytest.raises(InvalidInputError, match="no command 'multiply'") as unknown:
            await control.ask(tmp_path, "multiply", {})
        with pytest.raises(UnexpectedError, match="add failed: TypeError") as unlike:
            await control.ask(tmp_path, "add", {"one": 1, "two": 2})
    assert all("restart it" in met.value.hint for met in (unknown, unlike))


async def test_an_error_is_told_to_the_command_by_the_nearest_kind_that_it_knows(tmp_path: Path) -> None:
    """What a row of the ledger refuses ended a command with 1, as if the machine could cure it."""

    async def refused() -> None:
        raise ConstraintError("a row is refused", hint="run: rewards-agent ledger verify")

    async with control.listening(tmp_path, {"refused": refused}):
        with pytest.raises(IntegrityError, match="a row is refused"):
            await control.ask(tmp_path, "refused", {})
