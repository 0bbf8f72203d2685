"""`[safety]`: a typed 1000 for 10 does not pay a campus overnight; what goes over the usual waits and is not lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import structlog.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.config.document import FaultsError
from agent.engine import booking, evaluate
from agent.model import Event, Outcome
from agent.review.noticed import Noticed
from tests.builders import NOW
from tests.effort import examples
from tests.pipelines import running
from tests.rule_stories import decide, event, file, line, play, rule, rulebook
from tests.schedules import TwoClocks
from tests.unit.review.desks import HEAD, act, desk, open_holds

SAFETY = '[safety]\nhold_over = "2x usual"\ndays = 7\nat_least = 3\n'
RULES = SAFETY + rule(more='once_per = "event"')
DAY = 86_400


def on(day: int, number: int = 0, who: str = "ann", **more: Any) -> Event:
    return event(when=f"2026-09-{day:02d}T09:{number:02d}:00", who=who, key=f"{day} {number}", **more)


def usual_week(each: int = 2) -> list[Event]:
    return [on(day, number) for day in range(1, 6) for number in range(each)]


def test_what_goes_over_the_usual_of_a_day_is_held_and_told_so() -> None:
    told = play(RULES, *usual_week(), *[on(7, number, who=f"u{number}") for number in range(6)])
    assert told[-6:] == [f"u{number} +10 points" for number in range(4)] + [
        f"u{number} held safety 2x usual points/day" for number in (4, 5)
    ]


def test_a_typed_1000_for_10_pays_no_more_than_the_brake_lets_through() -> None:
    before = rulebook(RULES)
    state = booking.State.load((), {})
    for one in usual_week():
        booking.book(evaluate.judge(one, before), state, shadow=False)
    typed = rulebook(SAFETY + rule(more='once_per = "event"', award="1000"))
    found = [booking.book(evaluate.judge(on(7, n), typed), state, shadow=False)[0] for n in range(50)]
    assert {line(one) for one in found} == {"ann held safety 2x usual points/day"}


def test_the_days_of_one_rule_are_its_own() -> None:
    rules = SAFETY + rule(more='once_per = "event"') + rule("lesson.viewed", name="v", award="1")
    viewed = [on(day, 30, kind="lesson.viewed", lesson=str(day)) for day in range(1, 6)]
    flood = [on(7, n, kind="lesson.viewed", lesson=f"x{n}") for n in range(4)]
    told = play(rules, *usual_week(), *viewed, *flood)
    assert told[-4:] == ["ann +1 points"] * 2 + ["ann held safety 2x usual points/day of v"] * 2


def test_until_the_usual_is_known_nothing_is_held_back_but_by_a_floor() -> None:
    acts = [on(1, number) for number in range(5)]
    assert play(RULES, *acts) == ["ann +10 points"] * 5
    floor = RULES.replace("days = 7", "days = 7\nfloor = { points = 30 }")
    assert [line.split()[1] for line in play(floor, *acts)] == ["+10"] * 3 + ["held"] * 2


def test_the_usual_is_a_median_that_one_great_day_does_not_move() -> None:
    great = [on(5, number) for number in range(2, 4)]
    told = play(RULES, *usual_week(), *great, *[on(7, number) for number in range(6)])
    assert [line.split()[1] for line in told[-6:]] == ["+10"] * 4 + ["held"] * 2


def test_rules_without_safety_ask_for_nothing_more() -> None:
    (verdict,) = evaluate.judge(on(7), rulebook(rule()))
    assert booking.wants([verdict]).totals == frozenset()
    (verdict,) = evaluate.judge(on(7), rulebook(RULES))
    assert len(booking.wants([verdict]).totals) == 2 * 8


def test_in_shadow_the_brake_holds_nobody() -> None:
    told = play(RULES, *usual_week(), *[on(7, number) for number in range(5)], shadow=True)
    assert told[-1] == "ann refused would be held: safety 2x usual points/day"


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ('hold_over = "10"', "'10' is no measure of what is too much"),
        ('hold_over = "1x usual"', "'1x usual' is no measure of what is too much"),
        ('hold_over = "2x usual"\nfloor = { stars = 5 }', "unknown currency 'stars'"),
        ('hold_over = "2x usual"\nfloor = { points = 0 }', "a table is no floor"),
        ('hold_over = "2x usual"\nat_least = 20', "at_least is more than days"),
    ],
)
def test_a_brake_that_makes_no_sense_is_told(written: str, told: str) -> None:
    with pytest.raises(FaultsError) as caught:
        file(f"[safety]\n{written}\n" + rule())
    assert [fault.message for fault in caught.value.faults] == [told]


async def test_the_brake_reads_the_days_before_from_the_ledger_and_an_approval_is_above_it(tmp_path: Path) -> None:
    start = act(0).occurred_at
    week = [act(day * 10 + n, occurred_at=start + day * DAY) for day in range(4) for n in (0, 1)]
    async with running(tmp_path, HEAD + RULES) as agent:
        await agent.take(*week)
    flood = [act(100 + n, who=str(40 + n), occurred_at=act(0).occurred_at + 5 * DAY) for n in range(7)]
    async with running(tmp_path, HEAD + RULES) as agent:
        for one in flood:
            await agent.take(one)
        waiting = open_holds(agent)
        assert len(waiting) == 3
        told = await desk(agent).approve(decisions=waiting, by="B. Desk")
        assert [one["outcome"] for one in told] == ["awarded"] * 3
        assert sum(agent.balances().values()) == 80 + 70


async def test_rules_that_get_a_brake_later_know_what_was_usual(tmp_path: Path) -> None:
    async with running(tmp_path, HEAD + rule(more='once_per = "event"')) as agent:
        await agent.take(*[act(day, occurred_at=act(0).occurred_at + day * DAY) for day in range(4)])
    async with running(tmp_path, HEAD + RULES) as agent:
        await agent.take(*[act(100 + n, occurred_at=act(0).occurred_at + 5 * DAY) for n in range(5)])
        assert len(open_holds(agent)) == 3


@settings(max_examples=examples(100), deadline=None)
@given(st.lists(st.tuples(st.integers(1, 9), st.sampled_from(["ann", "ben"])), max_size=40))
def test_no_day_ever_issues_more_than_the_brake_of_that_moment_allows(acts: list[tuple[int, str]]) -> None:
    paid: dict[int, int] = {}
    events = [on(day, 0, who, lesson=str(number)) for number, (day, who) in enumerate(acts)]
    for number, decision in enumerate(decide(rulebook(RULES), events)):
        day = acts[number][0]
        before = sorted(amount for other, amount in paid.items() if day - 7 <= other < day)
        if decision.outcome is Outcome.awarded:
            paid[day] = paid.get(day, 0) + 10
        if len(before) >= 3:
            half, odd = divmod(len(before), 2)
            most = 2 * before[half] if odd else before[half - 1] + before[half]
            assert (decision.outcome is Outcome.awarded) == (paid.get(day, 0) <= most and decision.reason == "")


def test_what_is_held_by_a_brake_is_logged_once_a_day() -> None:
    clock = TwoClocks(NOW)
    noticed = Noticed(clock)
    with structlog.testing.capture_logs() as logged:
        for _ in range(3):
            noticed.look({"safety 2x usual points/day": 4, "limit 3/day": 9})
        clock.pass_s(DAY)
        noticed.look({"safety 2x usual points/day": 1})
    assert [(one["event"], one["held"]) for one in logged] == [("issuing_held", 4), ("issuing_held", 1)]


async def test_what_is_held_too_long_is_reminded_of_once_a_day(tmp_path: Path) -> None:
    rules = HEAD + '[review]\nremind_after = "3d"\n' + rule(more='review = "always"')
    async with running(tmp_path, rules) as agent:
        await agent.take(act(1))
        after_s = agent.pipeline.rulebook.remind_after
        assert after_s == 3 * DAY
    clock = TwoClocks(NOW + 2 * DAY)
    noticed = Noticed(clock)
    with structlog.testing.capture_logs() as logged:
        for _ in range(60):
            noticed.remind(after_s, tmp_path)
            clock.at += 3600
    assert (logged[0]["event"], logged[0]["held"], logged[0]["oldest_days"]) == ("review_overdue", 1, 3)
    assert len(logged) <= 3
