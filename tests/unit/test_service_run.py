"""The parts of the agent beside its sources: one that fails by a fault of this program ends no other."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from agent.errors import RewardsError, TransientError
from agent.outbox.bothways import BothWays
from agent.service import run
from agent.service.watch import RulesWatch
from tests.unit.test_service_tail import MemoryLedger, ScriptedSource, tail_of


class Stumbling:
    """Asks a system, and fails as often as it is told to; then it ends the service."""

    name = "shop"

    def __init__(self, times: int, error: Exception) -> None:
        self.left = times
        self.error = error

    def stumble(self) -> None:
        if self.left:
            self.left -= 1
            raise self.error

    async def run(self) -> None:
        self.stumble()
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()

    async def catch_up(self) -> RewardsError | None:
        self.stumble()
        return None


async def nothing() -> None:
    """No rules are read again."""


class Waiting:
    """Goes one way for ever, and has nothing to do there."""

    async def run(self) -> None:
        await asyncio.Event().wait()


def both_ways(stumbling: Stumbling) -> BothWays:
    """A road on which one of all that goes there stumbles."""
    ways: list[Any] = [Waiting(), Waiting(), stumbling, Waiting(), Waiting(), Waiting()]
    return BothWays(*ways)


async def served(
    directory: Path, part: Stumbling | None, ledger: MemoryLedger, deliverer: BothWays | None = None
) -> int:
    return await run.serve(
        [tail_of(ScriptedSource(), ledger)],
        deliverer,
        data_dir=directory,
        operations={},
        reload=nothing,
        watch=RulesWatch(list),
        pulls=[part] if part else [],
    )


async def test_a_part_that_fails_by_a_fault_is_told_and_begun_again_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "AGAIN_FIRST_S", 0.0)
    part, ledger = Stumbling(2, KeyError("ann@example.org")), MemoryLedger()
    with capture_logs() as told:
        assert await served(tmp_path, part, ledger) == 0
    assert (part.left, ledger.state.position) == (0, 1)
    failed = [one for one in told if one["event"] == "part_failed"]
    assert [one["part"] for one in failed] == ["pull-shop"] * 2
    assert all(one["fault"].startswith("KeyError at agent/service/run.py:") for one in failed)
    assert "ann@example.org" not in str(told)


async def test_a_part_that_the_machine_hinders_is_told_so_and_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "AGAIN_FIRST_S", 0.0)
    part = Stumbling(1, RuntimeError("can't start new thread"))
    with capture_logs() as told:
        assert await served(tmp_path, part, MemoryLedger()) == 0
    (trouble,) = [one for one in told if one["event"].startswith("part_")]
    assert (trouble["event"], trouble["part"]) == ("part_trouble", "pull-shop")
    assert "TasksMax=" in trouble["do"]


async def test_memory_that_ran_out_is_no_fault_of_a_part_and_ends_the_agent(tmp_path: Path) -> None:
    with pytest.raises(MemoryError):
        await served(tmp_path, Stumbling(1, MemoryError()), MemoryLedger())


TOLD_TWICE = """
import asyncio, os, signal
from agent.service.run import until_caught_up

async def main():
    code = await until_caught_up([], None)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.sleep(0)
    print("closed in order", code)

asyncio.run(main())
"""


def test_whoever_is_told_to_stop_while_all_is_being_closed_closes_it(tmp_path: Path) -> None:
    """It was killed there, and its next life thought that it had died."""
    here = {"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", TOLD_TWICE], cwd=tmp_path, env=here, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "closed in order 0\n"), done.stderr


async def test_catching_up_reads_the_sources_where_a_system_cannot_be_asked_by_a_fault() -> None:
    ledger = MemoryLedger()
    with capture_logs() as told:
        code = await run.until_caught_up(
            [tail_of(ScriptedSource(), ledger)], None, pulls=[Stumbling(1, ZeroDivisionError())]
        )
    assert (code, ledger.state.position) == (1, 1)
    stopped = [one for one in told if one["event"] == "source_stopped"]
    assert [one["message"].partition(" at ")[0] for one in stopped] == ["shop cannot be asked: ZeroDivisionError"]


async def test_a_disk_that_is_full_is_told_as_such_where_the_way_to_the_catalogue_meets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was told as a fault of this program, which somebody should report to its makers."""
    monkeypatch.setattr(run, "LAST_DELIVERY_S", 0.0)
    full = TransientError("the disk of /data is full", hint="free some space")
    with capture_logs() as told:
        assert await served(tmp_path, None, MemoryLedger(), both_ways(Stumbling(1, full))) == 0
    (trouble,) = [one for one in told if one["log_level"] in {"warning", "error"}]
    assert (trouble["event"], trouble["trouble"]) == ("delivery_trouble", "the disk of /data is full")


async def test_memory_that_ran_out_on_the_way_to_the_catalogue_ends_the_agent(tmp_path: Path) -> None:
    with pytest.raises(MemoryError):
        await served(tmp_path, None, MemoryLedger(), both_ways(Stumbling(1, MemoryError())))


class Telling:
    """Tells somebody, sooner or later, or fails at it."""

    def __init__(self, *, turns: int = 0, error: Exception | None = None) -> None:
        self.turns = turns
        self.error = error
        self.told = False

    async def run(self) -> None:
        """It is drained alone."""

    async def drain(self, *, limit_s: float) -> bool:
        del limit_s
        for _ in range(self.turns):
            await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        self.told = True
        return True


async def test_a_callback_that_fails_at_the_end_of_a_catch_up_breaks_no_other_off() -> None:
    """The others were left to themselves, and went on while the agent closed what they needed."""
    failing, slow = Telling(error=TransientError("the ledger cannot be read now")), Telling(turns=50)
    with pytest.raises(TransientError):
        await run.until_caught_up([], None, callbacks=[failing, slow])
    assert slow.told


class Hasty:
    """Has the rules read again, and stops the agent meanwhile."""

    name = "hasty"

    def __init__(self) -> None:
        self.reading = asyncio.Event()
        self.ends: list[str] = []

    async def reload(self) -> None:
        self.reading.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.ends.append("broken off")
            raise

    async def run(self) -> None:
        os.kill(os.getpid(), signal.SIGHUP)
        await self.reading.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()

    async def catch_up(self) -> RewardsError | None:
        return None


async def test_rules_that_are_being_read_when_the_agent_stops_are_read_no_further(tmp_path: Path) -> None:
    """They met a ledger that was being closed, and were told to be refused."""
    hasty, watch = Hasty(), RulesWatch(list)
    tails = [tail_of(ScriptedSource(), MemoryLedger())]
    code = await run.serve(
        tails, None, data_dir=tmp_path, operations={}, reload=hasty.reload, watch=watch, pulls=[hasty]
    )
    await asyncio.sleep(0)
    assert (code, hasty.ends) == (0, ["broken off"])
