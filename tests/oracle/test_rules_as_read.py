"""Campuses by chance: what the engine pays and why not is what a plain reading of the contract says, act by act."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest

from agent.engine import booking, evaluate
from agent.engine.rules import Rulebook
from agent.model import Decision, Event, Outcome
from tests.effort import examples
from tests.oracle import drawn
from tests.oracle.plain import Act, Campus, Reader, Ruling
from tests.oracle.seen import events
from tests.rule_stories import rulebook

PLAIN = {"once_per", "frequency", "trust"}
"""Reasons of which the reading gives the first word."""

_Outcome = tuple[list[tuple[str, str]], list[tuple[str, str]]]
"""(act, what became of it) of every decision in order; (rule, act) of what waits at the end."""


def _told(decision: Decision) -> str:
    if decision.outcome in {Outcome.awarded, Outcome.reversed}:
        return ", ".join(f"{posting.amount} {posting.currency}" for posting in decision.postings)
    kind, _, what = decision.reason.partition(" ")
    if decision.outcome is Outcome.held:
        return f"held {kind}" if kind in {"trust", "review"} else f"held {kind} {what}"
    if decision.reason.startswith("held decision"):
        return "held decision"
    return kind if kind in PLAIN else decision.reason


def _open(decisions: Sequence[Decision], keys: dict[bytes, str]) -> list[tuple[str, str]]:
    """Rule and act of what nothing has closed; a page names its own decisions by numbers below zero."""
    closed = {number for decision in decisions for number in decision.supersedes}
    held = [one for no, one in enumerate(decisions, 1) if one.outcome is Outcome.held and -no not in closed]
    return sorted((one.rule_id, keys[one.event_id]) for one in held)


def _decided(rules: Rulebook, seen: Sequence[Event]) -> list[Decision]:
    """As one page, so that a decision can name what it closes."""
    verdicts = [verdict for one in seen for verdict in evaluate.judge(one, rules)]
    return booking.book(verdicts, booking.State.load((), {}), shadow=False)


def _both(rules: Rulebook, campus: Campus, acts: Sequence[Act]) -> tuple[_Outcome, _Outcome]:
    """Each decision with its act, and what waits at the end: by the engine, and by the plain reading."""
    reader, seen = Reader(campus), events(acts)
    said = [(act.key, each) for act in acts for each in reader.read(act)]
    decisions = _decided(rules, seen)
    keys = {one.event_id: act.key for one, act in zip(seen, acts, strict=True)}
    told = [(keys[one.event_id], _told(one)) for one in decisions]
    return (told, _open(decisions, keys)), (said, reader.open())


@pytest.mark.parametrize("seed", range(examples(200)))
def test_what_is_paid_and_why_not_is_what_a_plain_reading_says(seed: int) -> None:
    chance = Random(seed)
    days, begin = drawn.days(chance)
    rulings = [drawn.ruling(chance, number) for number in range(chance.choice([1, 2, 4]))]
    caps = [drawn.cap(chance, rulings) for _ in range(chance.choice([0, 1, 2]))]
    campus = Campus(days=days, rulings=rulings, caps=caps)
    decided, read = _both(rulebook(drawn.written(campus)), campus, drawn.acts(chance, begin))
    assert decided == read


@pytest.mark.parametrize("seed", range(examples(60)))
def test_what_caps_of_groups_and_sources_leave_is_what_a_plain_reading_says(seed: int) -> None:
    chance = Random(seed)
    days, begin = drawn.days(chance)
    free = {"once": ("event",), "frequency": 1, "limits": (), "cooldown": ""}
    rulings = [replace(drawn.ruling(chance, number), **free) for number in range(3)]  # type: ignore[arg-type]
    window = chance.choice(["ever", "month", "36h", "sem1"])
    caps = [replace(drawn.cap(chance, rulings), window=window) for _ in range(chance.choice([2, 3]))]
    campus = Campus(days=days, rulings=rulings, caps=caps)
    decided, read = _both(rulebook(drawn.written(campus)), campus, drawn.acts(chance, begin))
    assert decided == read


@pytest.mark.parametrize("seed", range(examples(150)))
def test_what_is_undone_held_and_done_again_is_what_a_plain_reading_says(seed: int) -> None:
    chance = Random(seed)
    days, begin = drawn.days(chance)
    campus = drawn.campus(chance, days)
    acts = drawn.shuffled(chance, drawn.done_and_undone(chance, begin))
    decided, read = _both(rulebook(drawn.written(campus)), campus, acts)
    assert decided == read


@pytest.mark.parametrize("seed", range(examples(60)))
def test_where_no_limit_is_in_the_way_any_order_of_arrival_ends_as_the_log_in_its_own(seed: int) -> None:
    chance = Random(seed)
    days, begin = drawn.days(chance)
    once = chance.choice([("lesson",), ("lesson", "day"), ("lesson", "week"), ("event",)])
    one = Ruling(
        name="r",
        award={"points": 10},
        once=once,
        frequency=1 if once == ("event",) else chance.choice([1, 2, 3]),
        cooldown="",
        limits=(),
        undone_by=drawn.UNDOING,
    )
    campus = Campus(days=days, rulings=[one], caps=())
    acts = [replace(act, believed=True) for act in drawn.done_and_undone(chance, begin)]
    reader = Reader(campus)
    for act in acts:
        reader.read(act)
    paid = Counter[str]()
    for decision in _decided(rulebook(drawn.written(campus)), events(drawn.shuffled(chance, acts))):
        if decision.outcome in {Outcome.awarded, Outcome.reversed}:
            paid[decision.learner.partition(":")[2]] += decision.postings[0].amount
    assert +paid == Counter(reader.balances("points"))
