"""What a page must know of the past, read in bulk: uses one by one, sums, and open holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from agent.ledger import corrections, state
from agent.ledger.corrections import Correction
from agent.model import HoldKey, StateRequest, Use, UseKey
from tests.builders import NOW, a_hold, an_award, an_event, awards_for, points, some_events
from tests.ledgers import Ledger

ONCE, DAY = "once:lesson-completed", "limit:lesson-completed:awards/day"
TODAY, WEEK = f"day:{NOW // 86_400}", f"week:{NOW // 604_800}"


async def uses(ledger: Ledger, *, rows: Iterable[UseKey] = (), totals: Iterable[UseKey] = ()) -> list[Use]:
    request = StateRequest(rows=frozenset(rows), totals=frozenset(totals), holds=frozenset())
    return await ledger.run(
        lambda connection: state.load_uses(connection, request, ledger.recorder.names, ledger.recorder.people)
    )


async def holds(ledger: Ledger, *keys: HoldKey) -> Mapping[HoldKey, tuple[int, ...]]:
    return await ledger.run(lambda connection: state.load_holds(connection, keys))


async def test_rows_are_told_use_by_use_and_totals_as_one_sum(ledger: Ledger) -> None:
    await ledger.pay(3)
    rows = await uses(ledger, rows=[(DAY, TODAY, "moodle:35")])
    assert [(use.at, use.amount, use.slot, use.freed) for use in rows] == [
        (NOW + number, 1, number, False) for number in (1, 2, 3)
    ]
    assert await uses(ledger, totals=[(DAY, TODAY, "moodle:35")]) == [
        Use(meter=DAY, bucket=TODAY, learner="moodle:35", at=NOW + 3, amount=3)
    ]


async def test_a_quota_of_everybody_counts_everybody(ledger: Ledger) -> None:
    ann, ben = an_event(1), an_event(2, people={"subject": "36", "actor": "36"})
    await ledger.take([ann, ben], [an_award(ann), an_award(ben, postings=points(7))])
    (total,) = await uses(ledger, totals=[("budget:points/week", WEEK, "")])
    assert (total.learner, total.amount) == ("", 17)


async def test_freed_uses_are_told_in_rows_and_left_out_of_totals(ledger: Ledger) -> None:
    await ledger.pay(2)
    why = Correction(reason="", by="")
    await ledger.run(
        lambda connection: corrections.reverse(connection, ledger.recorder, seq=1, correction=why, now=NOW)
    )
    (once,) = await uses(ledger, rows=[(ONCE, "moodle:1", "moodle:35")])
    assert (once.slot, once.freed) == (0, True)
    (total,) = await uses(ledger, totals=[(DAY, TODAY, "moodle:35")])
    assert total.amount == 1


async def test_what_nobody_has_used_is_not_told(ledger: Ledger) -> None:
    await ledger.pay(1)
    keys = [("nothing", TODAY, "moodle:35"), (DAY, "day:0", "moodle:35"), (DAY, TODAY, "moodle:99")]
    assert await uses(ledger, rows=keys, totals=keys) == []
    assert await uses(ledger) == []


async def test_a_second_question_in_one_unit_does_not_see_the_first(ledger: Ledger) -> None:
    await ledger.pay(2)
    first = await uses(ledger, rows=[(ONCE, "moodle:1", "moodle:35")], totals=[(DAY, TODAY, "moodle:35")])
    second = await uses(ledger, rows=[(ONCE, "moodle:2", "moodle:35")])
    assert [use.bucket for use in first] == ["moodle:1", TODAY]
    assert [use.bucket for use in second] == ["moodle:2"]


async def test_open_holds_are_told_by_rule_learner_and_scope_oldest_first(ledger: Ledger) -> None:
    events = some_events(4)
    held = [a_hold(event, scope="moodle:1") for event in events[:2]]
    await ledger.take(events, [*held, a_hold(events[2]), *awards_for(events[3:])])
    key, other = ("lesson-completed", "moodle:35", "moodle:1"), ("lesson-completed", "moodle:36", "moodle:1")
    assert await holds(ledger, key, other) == {key: (1, 2)}
    assert await holds(ledger) == {}
    why = Correction(reason="", by="")
    await ledger.run(
        lambda connection: corrections.close_hold(connection, decision_no=1, state="rejected", correction=why, now=NOW)
    )
    assert await holds(ledger, key) == {key: (2,)}
