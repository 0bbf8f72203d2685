"""A page is remembered as it was decided: once, whole, by the right person, also after something went wrong."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import aiosqlite
import orjson
import pytest

from agent.errors import IntegrityError
from agent.ledger import reading
from agent.ledger.record import Recorder
from agent.model import Outcome
from tests.builders import NOW, RULES_VERSION, a_decision, a_hold, an_award, an_event, awards_for, points, some_events
from tests.ledgers import Ledger, content, found, opened, page, rows
from wire import chain, entry


class BrokenOffError(Exception):
    """The end of a unit that was about to be committed."""


def entry_fields(ledger: Ledger) -> list[dict[str, object]]:
    return [entry.decode(body) for (body,) in rows(ledger.data_dir, "SELECT body FROM entry ORDER BY seq")]


async def break_off(ledger: Ledger, n: int, first: int) -> None:
    """Record a page whose unit fails at its very end."""
    events = some_events(n, first)

    async def unit(connection: aiosqlite.Connection) -> None:
        await page(ledger.recorder, events, awards_for(events))(connection)
        raise BrokenOffError

    with pytest.raises(BrokenOffError):
        await ledger.run(unit)


async def test_an_award_becomes_one_entry_for_each_currency_in_the_order_of_the_rule(ledger: Ledger) -> None:
    event = an_event()
    entries = await ledger.take([event], [an_award(event, postings=points(10, reputation=5, gold=0, **{"badge:b": 1}))])
    assert entries == 3
    assert [(f["entry_id"], f["currency"], f["amount"]) for f in entry_fields(ledger)] == [
        ("1-1", "points", 10),
        ("1-2", "reputation", 5),
        ("1-3", "badge:b", 1),
    ]


async def test_an_entry_says_everything_but_who(ledger: Ledger) -> None:
    event = an_event(4)
    await ledger.take([event], [an_award(event)], now=NOW + 60)
    (fields,) = entry_fields(ledger)
    ((secret, pseudonym),) = rows(ledger.data_dir, "SELECT secret, pseudonym FROM person")
    person = (await ledger.run(lambda connection: ledger.recorder.people.find(connection, ["moodle:35"])))["moodle:35"]
    assert person.secret == secret
    assert fields == {
        "v": 1,
        "entry_id": "1-1",
        "seq": 1,
        "kind": "award",
        "learner": pseudonym,
        "currency": "points",
        "amount": 10,
        "rule": "lesson-completed",
        "rules_version": RULES_VERSION,
        "source": "moodle",
        "trust": "server_verified",
        "occurred_at": event.seen.occurred_at,
        "recorded_at": NOW + 60,
        "event_ref": person.event_ref(event.event_id),
        "scope_ref": person.scope_ref("lesson-completed", "moodle:4", 0),
        "generation": 0,
        "reason": "",
        "reverses": "",
    }


async def test_the_chain_follows_from_the_stored_bytes(ledger: Ledger) -> None:
    await ledger.pay(3)
    await ledger.pay(2, first=10)
    head = chain.GENESIS
    for body, stored in rows(ledger.data_dir, "SELECT body, hash FROM entry ORDER BY seq"):
        head = chain.step(head, body)
        assert stored == head
    with ledger.reading() as connection:
        assert reading.head(connection) == (5, head)


async def test_a_second_delivery_of_the_same_page_records_nothing(ledger: Ledger) -> None:
    await ledger.pay(5)
    before = content(ledger.data_dir)
    await ledger.pay(5)
    assert content(ledger.data_dir) == before


async def test_an_event_twice_in_one_page_is_fresh_once_and_in_order(ledger: Ledger) -> None:
    first, second, third = some_events(3)
    await ledger.take([second], [])
    fresh = await ledger.run(lambda connection: ledger.recorder.fresh(connection, [third, first, second, first, third]))
    assert [event.seen.position for event in fresh] == [3, 1]


async def test_a_recorder_that_starts_later_goes_on_where_the_ledger_ends(tmp_path: Path) -> None:
    async with opened(tmp_path) as ledger:
        await ledger.pay(3)
    async with opened(tmp_path) as ledger:
        await ledger.pay(3, first=2)
    assert [seq for (seq,) in rows(tmp_path, "SELECT seq FROM entry ORDER BY seq")] == [1, 2, 3, 4]
    assert rows(tmp_path, "SELECT count(*) FROM person") == [(1,)]
    assert found(tmp_path) == []


async def test_refusals_are_remembered_with_their_reasons(ledger: Ledger) -> None:
    event = an_event()
    assert await ledger.take([event], [a_decision(event, until=NOW + 5)]) == 0
    with ledger.reading() as connection:
        (row,) = reading.decisions_about(connection, 1)
    assert (row.decision.outcome, row.decision.reason, row.decision.until) == (Outcome.refused, "limit 3/day", NOW + 5)
    assert entry_fields(ledger) == []


async def test_an_award_that_pays_nothing_takes_its_scope_without_an_entry(ledger: Ledger) -> None:
    event = an_event()
    assert await ledger.take([event], [an_award(event, postings=())]) == 0
    uses = rows(ledger.data_dir, "SELECT seq, freed FROM quota_use JOIN name ON no = meter_no WHERE text LIKE 'once:%'")
    assert uses == [(-1, 0)]
    assert found(ledger.data_dir) == []


async def test_a_shadow_award_takes_its_own_uses_and_pays_nobody(ledger: Ledger) -> None:
    event = an_event()
    award = an_award(event)
    uses = tuple(dataclasses.replace(use, meter=f"shadow/{use.meter}") for use in award.uses)
    assert await ledger.take([event], [dataclasses.replace(award, outcome=Outcome.shadow, uses=uses)]) == 0
    assert rows(ledger.data_dir, "SELECT count(*), max(seq) FROM quota_use") == [(3, -1)]
    assert rows(ledger.data_dir, "SELECT * FROM balance") == []
    assert found(ledger.data_dir) == []


async def test_the_same_scope_twice_is_refused_by_the_file_itself(ledger: Ledger) -> None:
    first, second = an_event(1), an_event(2)
    again = an_award(second, scope="moodle:1")
    await ledger.take([first], [an_award(first)])
    before = content(ledger.data_dir)
    with pytest.raises(IntegrityError, match="UNIQUE"):
        await ledger.take([second], [again])
    assert content(ledger.data_dir) == before


async def test_an_award_too_large_for_any_reader_is_not_recorded(ledger: Ledger) -> None:
    event = an_event()
    with pytest.raises(IntegrityError, match="more than any entry may"):
        await ledger.take([event], [an_award(event, postings=points(entry.AMOUNT_MAX + 1))])
    assert content(ledger.data_dir)["event"] == []


async def test_an_award_closes_the_holds_it_supersedes_also_of_its_own_page(ledger: Ledger) -> None:
    first, second, third = some_events(3)
    await ledger.take([first], [a_hold(first, scope="moodle:1")])
    held = a_hold(second, scope="moodle:1")
    await ledger.take([second, third], [held, an_award(third, scope="moodle:1", supersedes=(1, -1))])
    with ledger.reading() as connection:
        assert [row.hold_state for row in reading.holds(connection, state="all")] == ["superseded", "superseded"]


async def test_a_hold_that_was_settled_by_hand_stays_as_it_was_settled(ledger: Ledger) -> None:
    first, second = some_events(2)
    await ledger.take([first], [a_hold(first)])

    async def reject(connection: aiosqlite.Connection) -> None:
        await connection.execute("UPDATE hold SET state = 'rejected'")

    await ledger.run(reject)
    await ledger.take([second], [an_award(second, supersedes=(1,))])
    assert rows(ledger.data_dir, "SELECT state FROM hold") == [("rejected",)]


async def test_after_a_rollback_head_numbers_names_and_persons_are_those_of_the_file(ledger: Ledger) -> None:
    await ledger.pay(2)
    await break_off(ledger, 3, first=3)
    stranger = an_event(9, people={"subject": "77", "actor": "77"})
    await ledger.take([stranger], [an_award(stranger, rule_id="another-rule")])
    await ledger.pay(3, first=3)
    assert found(ledger.data_dir) == []
    for table, number in (("event", "event_no"), ("decision", "decision_no"), ("entry", "seq")):
        assert [n for (n,) in rows(ledger.data_dir, f"SELECT {number} FROM {table} ORDER BY 1")] == [1, 2, 3, 4, 5, 6]
    assert rows(ledger.data_dir, "SELECT lms_user FROM person ORDER BY person_no") == [("35",), ("77",)]


async def test_a_person_first_met_in_a_page_that_failed_gets_another_secret(ledger: Ledger) -> None:
    await break_off(ledger, 1, first=1)
    await ledger.pay(1)
    ((secret,),) = rows(ledger.data_dir, "SELECT secret FROM person")
    people = await ledger.run(lambda connection: ledger.recorder.people.find(connection, ["moodle:35"]))
    assert people["moodle:35"].secret == secret
    assert found(ledger.data_dir) == []


async def test_names_first_met_in_a_page_that_failed_are_given_again(ledger: Ledger) -> None:
    await break_off(ledger, 1, first=1)
    await ledger.pay(1)
    numbers = rows(ledger.data_dir, "SELECT no FROM name ORDER BY no")
    assert [no for (no,) in numbers] == list(range(1, len(numbers) + 1))
    assert rows(
        ledger.data_dir,
        "SELECT text FROM decision JOIN name ON no = rule_no UNION ALL SELECT text FROM event, name"
        " WHERE no = source_no",
    ) == [("lesson-completed",), ("moodle",)]


async def test_a_number_that_entries_point_to_is_never_given_again(tmp_path: Path) -> None:
    async with opened(tmp_path) as ledger:
        await ledger.pay(3)

        async def erase(connection: aiosqlite.Connection) -> None:
            for table in ("person", "event", "decision"):
                await connection.execute(f"DELETE FROM {table}")

        await ledger.run(erase)
    async with opened(tmp_path) as ledger:
        event = an_event(9, people={"subject": "36", "actor": "36"})
        await ledger.take([event], [an_award(event)])
    assert rows(tmp_path, "SELECT seq, person_no, event_no, decision_no FROM entry WHERE seq > 2 ORDER BY seq") == [
        (3, 1, 3, 3),
        (4, 2, 4, 4),
    ]
    with_learners = "SELECT p.lms_user FROM entry e LEFT JOIN person p USING (person_no) ORDER BY seq"
    assert rows(tmp_path, with_learners) == [(None,), (None,), (None,), ("36",)]


async def test_nothing_outside_the_local_tables_is_a_function_of_who_it_is(ledger: Ledger) -> None:
    await ledger.pay(1)
    ((body,),) = rows(ledger.data_dir, "SELECT body FROM entry")
    fields = orjson.loads(body)
    assert not any(str(value) in {"35", "moodle:35"} for value in fields.values())
    assert an_event(1).event_id.hex()[:32] != fields["event_ref"]


async def test_an_epoch_opened_anew_is_in_the_entries_from_then_on(tmp_path: Path) -> None:
    async with opened(tmp_path) as ledger:
        await ledger.pay(1)

        async def anew(connection: aiosqlite.Connection) -> None:
            await connection.execute("INSERT INTO setting VALUES ('epoch', '2')")

        await ledger.run(anew)
    async with opened(tmp_path) as ledger:
        await ledger.pay(1, first=2)
        assert [fields["entry_id"] for fields in entry_fields(ledger)] == ["1-1", "2-2"]
    assert found(tmp_path) == []


async def test_two_learners_keep_their_own_balances_and_uses(ledger: Ledger) -> None:
    ann, ben = an_event(1), an_event(2, people={"subject": "36", "actor": "36"})
    await ledger.take([ann, ben], [an_award(ann), an_award(ben, postings=points(7))])
    with ledger.reading() as connection:
        assert reading.balances_of(connection, "moodle:35") == {"points": (10, 10)}
        assert reading.balances_of(connection, "moodle:36") == {"points": (7, 7)}


async def test_a_recorder_needs_no_memory_of_its_own(tmp_path: Path) -> None:
    async with opened(tmp_path) as ledger:
        for number in range(1, 4):
            event = an_event(number)
            await ledger.run(page(Recorder(), [event], [an_award(event)]))
    assert found(tmp_path) == []
