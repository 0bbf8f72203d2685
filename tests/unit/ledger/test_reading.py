"""What people ask of the ledger, and rebuilding what it can work out again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.errors import ConfigError, IntegrityError
from agent.ledger import file, projections, reading
from agent.model import Outcome
from tests.builders import NOW, a_decision, a_hold, an_award, an_event, points
from tests.ledgers import Ledger, behind_its_back, content, found, opened, rows

BEN = {"subject": "36", "actor": "36"}


@pytest.fixture
async def filled(tmp_path: Path) -> AsyncIterator[Ledger]:
    """Four rows of the log and one post: awarded in two currencies, refused, held, awarded to Ben, posted."""
    first, second, third, fourth = an_event(1), an_event(2), an_event(3), an_event(4, people=BEN)
    posted = an_event(1, source="trigger", natural_key=("post",), people=BEN)
    async with opened(tmp_path) as ledger:
        decisions = [
            an_award(first, postings=points(10, **{"badge:ace": 1})),
            a_decision(second),
            a_hold(third),
            an_award(fourth),
            a_decision(posted, rule_id="posting"),
        ]
        await ledger.take([first, second, third, fourth, posted], decisions)
        yield ledger


async def test_entries_are_told_with_their_learner_and_event_and_badges_only_when_asked(filled: Ledger) -> None:
    with filled.reading() as connection:
        plain = list(reading.entries(connection))
        badges = list(reading.entries(connection, after=1, badges=True))
    assert [(row.seq, row.learner, row.fields["currency"]) for row in plain] == [
        (1, "moodle:35", "points"),
        (3, "moodle:36", "points"),
    ]
    assert [row.event_id for row in plain] == [an_event(1).event_id.hex(), an_event(4, people=BEN).event_id.hex()]
    assert [row.seq for row in badges] == [2, 3]


async def test_the_entries_of_an_erased_person_are_told_under_the_pseudonym(filled: Ledger) -> None:
    ((pseudonym,),) = rows(filled.data_dir, "SELECT pseudonym FROM person WHERE lms_user = '36'")
    with behind_its_back(filled.data_dir) as connection:
        connection.execute("DELETE FROM person WHERE lms_user = '36'")
        connection.execute("DELETE FROM event WHERE position = 4")
    with filled.reading() as connection:
        row = list(reading.entries(connection))[-1]
    assert (row.learner, row.event_id) == (pseudonym, row.fields["event_ref"])


async def test_an_entry_that_cannot_be_read_is_named(filled: Ledger) -> None:
    with behind_its_back(filled.data_dir) as connection:
        connection.execute("UPDATE entry SET body = x'7b' WHERE seq = 3")
    with filled.reading() as connection, pytest.raises(IntegrityError, match="entry 3: not JSON"):
        list(reading.entries(connection))
    with pytest.raises(IntegrityError, match="entry 3: not JSON"):
        await filled.run(projections.rebuild)


@pytest.mark.parametrize(
    ("wanted", "positions"),
    [
        (an_event(2).event_id.hex(), [("moodle", 2)]),
        (an_event(2).event_id.hex()[:8].upper(), [("moodle", 2)]),
        (an_event(2).event_id.hex()[:7], []),
        ("moodle:1", [("moodle", 1)]),
        ("trigger:1", [("trigger", 1)]),
        ("1", [("moodle", 1), ("trigger", 1)]),
        ("moodle:77", []),
        ("nowhere:1", []),
        ("12345678", []),
        ("moodle:²", []),
        ("moodle:9223372036854775808", []),
        ("9" * 30, []),
        ("", []),
    ],
)
async def test_an_event_is_found_by_what_a_person_has_in_hand(
    filled: Ledger, wanted: str, positions: list[tuple[str, int]]
) -> None:
    with filled.reading() as connection:
        told = reading.find_events(connection, wanted)
    assert [(event.seen.source, event.seen.position) for _, event in told] == positions


async def test_the_newest_events_of_one_learner_come_from_every_source_of_the_site(filled: Ledger) -> None:
    with filled.reading() as connection:
        ben = reading.events(connection, learner="moodle:36")
        every = reading.events(connection, newest=2)
    assert [(event.seen.source, event.seen.position) for _, event in ben] == [("trigger", 1), ("moodle", 4)]
    assert [number for number, _ in every] == [5, 4]


async def test_decisions_are_told_by_event_by_learner_and_by_hold(filled: Ledger) -> None:
    with filled.reading() as connection:
        about = reading.decisions_about(connection, 2)
        of_ann = reading.decisions_of(connection, "moodle:35")
        later = reading.decisions_of(connection, "moodle:35", since=NOW + 2, until=NOW + 3)
        posting = reading.decisions_of(connection, "moodle:36", rule_id="posting")
        held = reading.holds(connection, learner="moodle:35")
        of_ben = reading.holds(connection, learner="moodle:36")
        promise = reading.held(connection, 3)
        nothing = reading.held(connection, 1)
    assert [row.decision.reason for row in about] == ["limit 3/day"]
    assert [row.decision.outcome for row in of_ann] == [Outcome.awarded, Outcome.refused, Outcome.held]
    assert [row.decision_no for row in later] == [2]
    assert [row.decision.rule_id for row in posting] == ["posting"]
    assert [(row.decision_no, row.hold_state) for row in held] == [(3, "open")]
    assert of_ben == []
    assert promise is not None
    assert promise[1].seen.position == 3
    assert nothing is None


async def test_a_rebuild_reproduces_every_balance_to_the_byte(filled: Ledger) -> None:
    before = content(filled.data_dir)
    assert await filled.run(projections.rebuild) == (3, 0)
    assert content(filled.data_dir) == before


async def test_a_rebuild_puts_right_what_is_wrong_and_counts_it(filled: Ledger) -> None:
    before = content(filled.data_dir)
    with behind_its_back(filled.data_dir) as connection:
        connection.execute("UPDATE balance SET amount = 1000 WHERE currency = 'points' AND person_no = 1")
        connection.execute("DELETE FROM balance WHERE currency = 'badge:ace'")
        connection.execute("INSERT INTO balance VALUES (9, 'gold', 1, 1)")
    assert await filled.run(projections.rebuild) == (3, 3)
    assert content(filled.data_dir) == before
    assert found(filled.data_dir) == []


async def test_a_reader_cannot_write(filled: Ledger) -> None:
    with pytest.raises(ConfigError, match="cannot be written"), file.reading(filled.data_dir) as connection:
        connection.execute("DELETE FROM balance")


async def test_balances_of_somebody_unknown_are_none_at_all(filled: Ledger) -> None:
    with filled.reading() as connection:
        assert reading.balances_of(connection, "moodle:99") == {}
        assert reading.setting(connection, "epoch") is None
        assert reading.event_by_no(connection, 99) is None


async def test_who_asks_for_a_kept_connection_at_the_same_moment_is_given_the_same(ledger: Ledger) -> None:
    """One of two was forgotten open, with its thread, when a learner asked while a loop began."""
    kept = file.KeptOpen(ledger.data_dir)
    first, other = await asyncio.gather(kept.connection(), kept.connection())
    assert first is other
    await kept.close()
    await kept.close()
    assert await kept.connection() is not first
    await kept.close()
