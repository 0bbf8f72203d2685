"""A quota that an edit introduces counts what was paid before the edit: once, and only what still stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from agent.ledger import corrections, reading
from agent.ledger.corrections import Correction
from agent.ledger.rules import versions
from agent.model import Use
from tests.builders import NOW, an_award, an_event, points, some_events
from tests.ledgers import Ledger, rows

WEEK, COOLDOWN = "limit:lesson-completed:points/week", "cooldown:lesson-completed:7d"


def uses_of(
    rule_id: str, learner: str, occurred_at: int, amounts: Mapping[str, int], source: str, role: str
) -> Iterable[Use]:
    """Under the new rules every award counts its points per week and starts a cooldown."""
    assert (rule_id, source, role) == ("lesson-completed", "moodle", "subject")
    yield Use(meter=WEEK, bucket="w", learner=learner, at=occurred_at, amount=amounts["points"])
    yield Use(meter=COOLDOWN, bucket="c", learner=learner, at=occurred_at, amount=1)


async def give(ledger: Ledger, *meters: str) -> int:
    return await ledger.run(lambda connection: versions.give_history(connection, ledger.recorder, meters, uses_of))


def given(ledger: Ledger, meter: str) -> list[tuple[int, int, int, int]]:
    sql = "SELECT slot, at, amount, seq FROM quota_use JOIN name ON no = meter_no WHERE text = ? ORDER BY slot"
    return rows(ledger.data_dir, sql, meter)


async def test_a_new_meter_gets_its_history_exactly_once(ledger: Ledger) -> None:
    await ledger.pay(3)
    assert await give(ledger, WEEK) == 3
    history = [(number, NOW + number, 10, number) for number in (1, 2, 3)]
    assert given(ledger, WEEK) == history
    assert await give(ledger, WEEK) == 0
    assert await give(ledger, WEEK, COOLDOWN) == 3
    assert given(ledger, WEEK) == history


async def test_a_meter_that_this_ledger_has_used_gets_no_history(ledger: Ledger) -> None:
    await ledger.pay(3)
    before = rows(ledger.data_dir, "SELECT * FROM quota_use")
    assert await give(ledger, "once:lesson-completed", "limit:lesson-completed:awards/day") == 0
    assert rows(ledger.data_dir, "SELECT * FROM quota_use") == before


async def test_an_award_in_several_currencies_is_one_use_of_its_first_entry(ledger: Ledger) -> None:
    first, second = some_events(2)
    awards = [an_award(first, postings=points(10, reputation=5, **{"badge:ace": 1})), an_award(second)]
    await ledger.take([first, second], awards)
    assert await give(ledger, WEEK) == 2
    assert [(slot, amount) for slot, _, amount, _ in given(ledger, WEEK)] == [(1, 10), (4, 10)]


async def test_reversed_awards_and_adjustments_count_in_no_limit_but_reversed_ones_in_the_cooldown(
    ledger: Ledger,
) -> None:
    await ledger.pay(2)
    why = Correction(reason="", by="")
    await ledger.run(
        lambda connection: corrections.reverse(connection, ledger.recorder, seq=1, correction=why, now=NOW)
    )
    await ledger.run(
        lambda connection: corrections.adjust(
            connection, ledger.recorder, learner="moodle:35", currency="points", amount=9, correction=why, now=NOW
        )
    )
    assert await give(ledger, WEEK, COOLDOWN) == 3
    assert [seq for *_, seq in given(ledger, WEEK)] == [2]
    assert [seq for *_, seq in given(ledger, COOLDOWN)] == [1, 2]


async def test_history_longer_than_one_reading_cuts_no_award_in_two(ledger: Ledger) -> None:
    events = some_events(1_700)
    await ledger.take(events, [an_award(event, postings=points(10, reputation=5, gold=1)) for event in events])
    assert await give(ledger, WEEK) == len(events)
    assert [(slot, amount) for slot, _, amount, _ in given(ledger, WEEK)] == [(n, 10) for n in range(1, 5_101, 3)]


async def test_an_award_recorded_after_the_history_takes_its_own_place(ledger: Ledger) -> None:
    await ledger.pay(1)
    await give(ledger, WEEK)
    event = an_event(2)
    use = Use(meter=WEEK, bucket="w", learner="moodle:35", at=NOW, amount=10)
    await ledger.take([event], [an_award(event, uses=(use,), scope="")])
    assert [slot for slot, *_ in given(ledger, WEEK)] == [1, 2]


async def test_every_text_of_the_rules_is_kept_once_and_found_by_its_beginning(ledger: Ledger) -> None:
    for version, text in (("aa11", "first"), ("aa22", "second"), ("aa11", "never")):
        await ledger.run(lambda connection, v=version, t=text: versions.keep(connection, v, t, NOW))  # type: ignore[misc]
    with ledger.reading() as connection:
        assert reading.rules_versions(connection) == [("aa11", NOW, 0), ("aa22", NOW, 0)]
        assert reading.rules_text(connection, "aa11") == ("aa11", "first")
        assert reading.rules_text(connection, "aa2") == ("aa22", "second")
        assert reading.rules_text(connection, "aa") is None
        assert reading.rules_text(connection, "bb") is None


async def test_a_meter_that_was_taken_out_and_comes_back_gets_what_it_missed_and_nothing_twice(ledger: Ledger) -> None:
    await ledger.pay(2)
    assert await give(ledger, WEEK) == 2
    assert await give(ledger, COOLDOWN) == 2
    await ledger.take([an_event(3)], [an_award(an_event(3))])
    assert await give(ledger, WEEK, COOLDOWN) == 1
    assert [seq for *_, seq in given(ledger, WEEK)] == [1, 2, 3]
    assert await give(ledger, WEEK, COOLDOWN) == 0


async def test_a_ledger_that_does_not_say_what_counted_has_all_that_it_knows(ledger: Ledger) -> None:
    await ledger.pay(2)
    await give(ledger, WEEK)
    await ledger.run(lambda connection: connection.execute("DELETE FROM setting WHERE key = 'meters'"))
    await ledger.run(lambda connection: connection.execute("DELETE FROM quota_use WHERE seq = 1"))
    assert await give(ledger, WEEK) == 0
