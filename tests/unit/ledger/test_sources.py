"""How far a source is read: saved with its page, only what changed, and read back as it was."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.ledger import sources
from agent.model import Anchor, Gap, SourceState
from tests.builders import NOW
from tests.ledgers import Ledger, rows

GAP = Gap(lo=5, hi=9, step=1, present=0, opened_running_s=1.25, high_water=NOW)
OTHER = Gap(lo=5, hi=11, step=3, present=1, opened_running_s=2.5, high_water=NOW, state="given_up")
ANCHOR = Anchor(position=20, lms_event=r"\core\event\x", user=-1, occurred_at=NOW)
STATE = SourceState(
    position=20,
    high_water=NOW,
    start_at=NOW - 60,
    running_s=12.5,
    proven_at=NOW - 5,
    fault="another log",
    anchors=(ANCHOR,),
    gaps=(GAP, OTHER),
    counts={"given_up": 2},
)


async def save(ledger: Ledger, state: SourceState, before: SourceState | None, name: str = "moodle") -> None:
    await ledger.run(lambda connection: sources.save(connection, name, state, before, NOW))


def load(ledger: Ledger, name: str = "moodle") -> SourceState | None:
    with ledger.reading() as connection:
        return sources.load(connection, name)


async def test_a_source_never_read_has_no_state(ledger: Ledger) -> None:
    assert load(ledger) is None


async def test_a_state_is_read_back_as_it_was_saved(ledger: Ledger) -> None:
    await save(ledger, STATE, None)
    assert load(ledger) == STATE


def test_ids_that_several_servers_pass_over_are_not_awaited() -> None:
    passed = replace(GAP, lo=2, hi=9_992, step=10)
    rolled_back = replace(GAP, lo=20_000, hi=20_004)
    merged = replace(GAP, lo=30_001, hi=30_100, present=10)
    assert sources.awaited([]) == (0, 0, 1)
    assert sources.awaited([GAP, OTHER, rolled_back]) == (10, 0, 1)
    assert sources.awaited([passed, rolled_back]) == (5, 1_000, 10)
    assert sources.awaited([passed, rolled_back, merged]) == (5, 1_090, 10)


@pytest.mark.parametrize(
    "after",
    [
        replace(STATE, gaps=(), anchors=()),
        replace(STATE, gaps=(replace(GAP, present=2), OTHER)),
        replace(STATE, gaps=(replace(GAP, hi=7), OTHER, replace(GAP, lo=9, hi=9))),
        replace(STATE, anchors=(replace(ANCHOR, user=7), replace(ANCHOR, position=40)), position=40),
        replace(STATE, start_at=None, fault="", counts={}),
    ],
)
async def test_only_what_differs_is_written_and_all_of_it_is_there(ledger: Ledger, after: SourceState) -> None:
    await save(ledger, STATE, None)
    await save(ledger, after, STATE)
    assert load(ledger) == after


async def test_the_gaps_of_one_source_are_not_those_of_another(ledger: Ledger) -> None:
    await save(ledger, STATE, None)
    await save(ledger, STATE, None, "other")
    await save(ledger, replace(STATE, gaps=(), anchors=()), STATE, "other")
    assert load(ledger) == STATE
    with ledger.reading() as connection:
        assert sources.names(connection) == ["moodle", "other"]
        assert sources.updated_at(connection, "moodle") == NOW
        assert sources.updated_at(connection, "nowhere") is None


async def test_low_water_is_one_below_the_lowest_open_gap_else_the_position(ledger: Ledger) -> None:
    await save(ledger, replace(STATE, gaps=(replace(GAP, lo=9, hi=9), replace(GAP, lo=7, hi=7))), None, "gaps")
    await save(ledger, replace(STATE, gaps=(OTHER,)), None, "given up")
    await save(ledger, replace(STATE, gaps=()), None, "whole")
    with ledger.reading() as connection:
        assert sources.low_water(connection) == {"gaps": 6, "given up": 20, "whole": 20}


async def test_a_state_is_saved_with_its_page_or_not_at_all(ledger: Ledger) -> None:
    async def unit(connection: object) -> None:
        await sources.save(connection, "moodle", STATE, None, NOW)  # type: ignore[arg-type]
        raise LookupError

    with pytest.raises(LookupError):
        await ledger.run(unit)
    assert load(ledger) is None
    assert rows(ledger.data_dir, "SELECT * FROM source_gap") == []
