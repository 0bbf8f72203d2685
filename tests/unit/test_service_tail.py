"""Following one source: what is tried again, what waits for somebody, and what stops the whole agent."""

from __future__ import annotations

import gc
import weakref
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from agent.clock import SystemClock
from agent.errors import ConfigError, IntegrityError, RewardsError, TransientError, UnexpectedError
from agent.model import Demand, Page, SourceState
from agent.service.tail import UNREACHABLE_MAX_S, Tail, failing

NOTHING = Demand(rules_version="v", names=frozenset(), suffixes=frozenset(), facts=frozenset())


class ScriptedSource:
    """Gives a page at each call, or raises what the script says first."""

    name = "moodle"

    def __init__(self, *script: Exception) -> None:
        self.script = list(script)
        self.calls = 0
        self.closed = 0

    async def pages(self, state: SourceState, demand: Callable[[], Demand], *, follow: bool) -> AsyncIterator[Page]:
        self.calls += 1
        if self.script:
            raise self.script.pop(0)
        yield Page(
            source=self.name,
            observations=(),
            state=replace(state, position=state.position + 1),
            rules_version=demand().rules_version,
            caught_up=True,
        )

    async def close(self) -> None:
        self.closed += 1


class MemoryLedger:
    """Remembers one source's state; ``broken`` is raised by every page."""

    def __init__(self, broken: RewardsError | None = None) -> None:
        self.state = SourceState()
        self.broken = broken
        self.expected: list[int] = []

    def stands(self, source: str) -> SourceState:
        return self.state

    def expect(self, page: Page) -> None:
        self.expected.append(page.newest)

    async def take(self, page: Page) -> str:
        if self.broken is not None:
            raise self.broken
        self.state = page.state
        return "taken"

    async def stop_source(self, source: str, fault: str) -> None:
        self.state = replace(self.state, fault=fault)


class HandClock(SystemClock):
    """Runs on by what is slept."""

    def __init__(self) -> None:
        self.at = 0.0

    def running(self) -> float:
        return self.at


def tail_of(source: ScriptedSource, ledger: MemoryLedger, on_sleep: Callable[[], None] = lambda: None) -> Tail:
    clock = HandClock()

    async def sleep(seconds: float) -> None:
        clock.at += seconds
        on_sleep()

    return Tail(
        source=source, ledger=ledger, demand=lambda: NOTHING, clock=clock, on_page=lambda _p, _t: None, sleep=sleep
    )


async def test_a_source_that_cannot_be_reached_is_tried_again_until_it_answers() -> None:
    source, ledger = ScriptedSource(TransientError("away"), TransientError("away")), MemoryLedger()
    assert await tail_of(source, ledger).run(follow=False) is None
    assert (source.calls, source.closed, ledger.state.position) == (3, 1, 1)


class Fetched:
    """What a page's frames hold while it is read."""


async def test_nothing_of_how_a_source_failed_stays_while_it_is_tried_again() -> None:
    """Half a megabyte did for each time that a database was away: frames, rows and a connection, in circles."""
    held: list[weakref.ref[Fetched]] = []

    class Away(ScriptedSource):
        async def pages(self, state: SourceState, demand: Callable[[], Demand], *, follow: bool) -> AsyncIterator[Page]:
            rows = Fetched()
            held.append(weakref.ref(rows))
            async for page in super().pages(state, demand, follow=follow):
                yield page

    source = Away(TransientError("away"), TransientError("away again"))
    left: list[int] = []
    tail = tail_of(source, MemoryLedger(), lambda: left.append(sum(one() is not None for one in held)))
    gc.disable()
    try:
        assert await tail.run(follow=False) is None
    finally:
        gc.enable()
    assert left == [0, 0]


async def test_an_error_that_came_of_itself_is_let_go_of_too() -> None:
    first, then = TransientError("away"), TransientError("away, because it is away")
    first.__cause__, then.__cause__ = then, first
    assert await tail_of(ScriptedSource(first), MemoryLedger()).run(follow=False) is None
    assert (first.__traceback__, then.__traceback__) == (None, None)


async def test_catching_up_gives_up_on_a_source_that_stays_away_for_half_a_minute() -> None:
    source = ScriptedSource(*(TransientError("away") for _ in range(100)))
    tail = tail_of(source, MemoryLedger())
    error = await tail.run(follow=False)
    assert isinstance(error, TransientError)
    assert 1 < source.calls < UNREACHABLE_MAX_S


async def test_catching_up_ends_at_once_where_only_an_edit_can_help() -> None:
    source = ScriptedSource(ConfigError("wrong password"))
    assert isinstance(await tail_of(source, MemoryLedger()).run(follow=False), ConfigError)
    assert source.calls == 1


async def test_an_integrity_fault_of_the_source_is_remembered_and_not_read_past() -> None:
    source, ledger = ScriptedSource(IntegrityError("another log")), MemoryLedger()
    assert isinstance(await tail_of(source, ledger).run(follow=False), IntegrityError)
    assert ledger.state.fault == "another log"
    again = await tail_of(source, ledger).run(follow=False)
    assert isinstance(again, IntegrityError)
    assert source.calls == 1


async def test_a_service_goes_on_by_itself_once_the_log_is_accepted() -> None:
    source, ledger = ScriptedSource(IntegrityError("another log")), MemoryLedger()
    slept = 0

    def accept() -> None:
        nonlocal slept
        slept += 1
        if slept == 3:
            ledger.state = SourceState(position=40)

    tail = tail_of(source, ledger, accept)
    assert await tail.run(follow=True) is None
    assert ledger.state.position == 41


@pytest.mark.parametrize("follow", [True, False])
async def test_a_damaged_ledger_stops_the_agent_and_is_no_fault_of_the_source(follow: bool) -> None:
    source, ledger = ScriptedSource(), MemoryLedger(IntegrityError("damaged"))
    tail = tail_of(source, ledger)
    if follow:
        with pytest.raises(IntegrityError):
            await tail.run(follow=True)
    else:
        assert isinstance(await tail.run(follow=False), IntegrityError)
    assert ledger.state.fault == ""


async def test_what_the_program_does_not_expect_is_trouble_of_that_source_and_tried_again() -> None:
    source, ledger = ScriptedSource(ZeroDivisionError(), KeyError("ann@example.org")), MemoryLedger()
    troubles: list[str] = []
    tail = tail_of(source, ledger, lambda: troubles.extend(one["trouble"] for one in failing([tail])))
    assert await tail.run(follow=True) is None
    assert failing([tail]) == []
    assert (source.calls, ledger.state.position, tail.trouble) == (3, 1, None)
    assert [trouble.partition(" at ")[0] for trouble in troubles] == [
        "moodle cannot go on: ZeroDivisionError",
        "moodle cannot go on: KeyError",
    ]
    assert "ann@example.org" not in "".join(troubles)


async def test_catching_up_goes_on_with_other_sources_where_one_meets_what_is_not_expected() -> None:
    error = await tail_of(ScriptedSource(ZeroDivisionError()), MemoryLedger()).run(follow=False)
    assert isinstance(error, UnexpectedError)
    assert error.exit_code == 1


async def test_memory_that_ran_out_ends_the_agent() -> None:
    with pytest.raises(MemoryError):
        await tail_of(ScriptedSource(MemoryError()), MemoryLedger()).run(follow=True)
