"""Doing and undoing, in any order of arrival, wherever pages end: the same balances, and nothing paid twice."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.engine import booking, evaluate, trust
from agent.model import Event, Outcome
from tests.effort import examples
from tests.pipelines import pages, running
from tests.rule_stories import ZONE, at, event, rule, rulebook

TEXT = f'schema = 1\ntimezone = "{ZONE}"\n' + rule(more='reverse_on = "lesson.uncompleted"')
RULES = rulebook(TEXT)
START = at("2026-09-07T09:00:00")

Act = tuple[str, str, int, bool]
"""Learner, lesson, second, whether it is the undo."""

ACTS = st.lists(
    st.tuples(st.sampled_from(["ann", "ben"]), st.sampled_from(["1", "2"]), st.integers(0, 6), st.booleans()),
    min_size=1,
    max_size=14,
)


def told(acts: list[Act]) -> list[Event]:
    """The acts as the log has them: its numbers rise with the time."""
    events = []
    for position, (who, lesson, second, undo) in enumerate(sorted(acts, key=lambda act: act[2]), 1):
        kind = "lesson.uncompleted" if undo else "lesson.completed"
        one = event(kind, START + second, who, lesson=lesson, key=str(position))
        events.append(replace(one, seen=replace(one.seen, position=position)))
    return events


def expected(events: list[Event]) -> dict[tuple[str, str], int]:
    """10 for each learner and lesson whose last word is that it was done."""
    last = {(one.seen.people["subject"], str(one.seen.lesson)): one.seen.kind for one in events}
    return {key: 10 for key, kind in last.items() if kind == "lesson.completed"}


@settings(max_examples=examples(400), deadline=None)
@given(ACTS, st.randoms(use_true_random=False))
def test_in_any_order_of_arrival_the_last_word_of_the_log_counts(acts: list[Act], chance: Random) -> None:
    events = told(acts)
    wanted = expected(events)
    shuffled = list(events)
    chance.shuffle(shuffled)
    state = booking.State.load((), {})
    held: dict[tuple[str, str], int] = {}
    for one in shuffled:
        for decision in booking.book(evaluate.judge(one, RULES), state, shadow=False):
            key = (one.seen.people["subject"], str(one.seen.lesson))
            moved = sum(posting.amount for posting in decision.postings)
            held[key] = held.get(key, 0) + (moved if decision.outcome in {Outcome.awarded, Outcome.reversed} else 0)
            assert held[key] in {0, 10}
    assert {key: amount for key, amount in held.items() if amount} == wanted


@settings(max_examples=examples(40), deadline=None)
@given(acts=ACTS, cuts=st.sets(st.integers(1, 13)), backwards=st.booleans())
async def test_wherever_pages_end_the_entries_are_the_same_and_a_replay_appends_none(
    acts: list[Act], cuts: set[int], *, backwards: bool
) -> None:
    seen = [one.seen for one in told(acts)]
    if backwards:
        seen.reverse()
    with tempfile.TemporaryDirectory() as directory:
        async with running(Path(directory) / "one", TEXT) as one, running(Path(directory) / "many", TEXT) as many:
            await one.take(*seen)
            for page in pages(seen, cuts):
                await many.take(*page)
            assert many.entries() == one.entries()
            assert many.reasons() == one.reasons()
            assert many.balances() == one.balances()
            for page in pages(seen, cuts):
                await many.take(*page)
            assert many.entries() == one.entries()


RESETTING = f'schema = 1\ntimezone = "{ZONE}"\n' + rule(more='reverse_on = ["lesson.uncompleted", "course.reset"]')
RESETTING_RULES = rulebook(RESETTING)
WITH_RESETS = st.tuples(ACTS, st.lists(st.integers(0, 6), max_size=3))


def told_with_resets(acts: list[Act], resets: list[int]) -> list[Event]:
    """The same, and the course is reset at these seconds, for everybody."""
    every = [*told(acts), *(event("course.reset", START + second, "dean", lesson=None) for second in resets)]
    ordered = sorted(every, key=lambda one: (one.seen.occurred_at, one.seen.position))
    return [
        trust.tag(replace(one.seen, position=position, natural_key=(str(position),)), one.trust)
        for position, one in enumerate(ordered, 1)
    ]


def expected_with_resets(events: list[Event]) -> dict[str, int]:
    done: dict[tuple[str, str], bool] = {}
    for one in events:
        if one.seen.kind == "course.reset":
            done = dict.fromkeys(done, False)
        else:
            done[one.seen.people["subject"], str(one.seen.lesson)] = one.seen.kind == "lesson.completed"
    found: dict[str, int] = {}
    for (who, _), still in done.items():
        found[who] = found.get(who, 0) + 10 * still
    return {who: amount for who, amount in found.items() if amount}


@settings(max_examples=examples(300), deadline=None)
@given(WITH_RESETS, st.randoms(use_true_random=False))
def test_resets_of_a_course_count_in_any_order_of_arrival(drawn: tuple[list[Act], list[int]], chance: Random) -> None:
    events = told_with_resets(*drawn)
    wanted = expected_with_resets(events)
    shuffled = list(events)
    chance.shuffle(shuffled)
    state = booking.State.load((), {})
    held: dict[str, int] = {}
    for one in shuffled:
        for decision in booking.book(evaluate.judge(one, RESETTING_RULES), state, shadow=False):
            if decision.outcome in {Outcome.awarded, Outcome.reversed}:
                who = decision.learner.partition(":")[2]
                held[who] = held.get(who, 0) + sum(posting.amount for posting in decision.postings)
    assert {who: amount for who, amount in held.items() if amount} == wanted


@settings(max_examples=examples(30), deadline=None)
@given(WITH_RESETS, st.sets(st.integers(1, 16)), st.randoms(use_true_random=False))
async def test_resets_of_a_course_end_the_same_wherever_pages_end(
    drawn: tuple[list[Act], list[int]], cuts: set[int], chance: Random
) -> None:
    events = told_with_resets(*drawn)
    seen = [one.seen for one in events]
    chance.shuffle(seen)
    with tempfile.TemporaryDirectory() as directory:
        async with (
            running(Path(directory) / "one", RESETTING) as one,
            running(Path(directory) / "many", RESETTING) as many,
        ):
            await one.take(*seen)
            for page in pages(seen, cuts):
                await many.take(*page)
            assert many.entries() == one.entries()
            assert many.balances() == one.balances() == expected_with_resets(events)
