"""Measures are the same for any order of the acts and however often each is told, and what plain counting says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.measures.act import Act
from agent.measures.activity import activity, weekly
from agent.measures.courses import courses
from agent.measures.effect import effect
from agent.measures.momentum import momentum
from agent.measures.past import Past
from agent.measures.returning import returning
from tests.effort import examples

FIRST, LAST, WEEKS = 28, 55, 2
KINDS = (
    "lesson.completed",
    "course.enrolled",
    "course.completed",
    "forum.posted",
    "forum.post_deleted",
    "user.logged_in",
)
ACTS = st.lists(
    st.builds(
        lambda who, kind, day, course, what, own, in_time, praised: Act(
            learner=who,
            kind=kind,
            at=day * 86_400,
            day=day,
            own=own,
            course=course,
            what=f"{course}/{what}",
            in_time=in_time if kind == "lesson.completed" else None,
            praised=praised and kind == "forum.posted",
        ),
        st.sampled_from("abc"),
        st.sampled_from(KINDS),
        st.integers(0, LAST + 5),
        st.sampled_from(["", "1", "2"]),
        st.sampled_from("vwxyz"),
        st.booleans(),
        st.sampled_from([None, True, False]),
        st.booleans(),
    ),
    max_size=40,
)


def week_of(day: int) -> int:
    return day - day % 7


def past_of(acts: Sequence[Act]) -> Past:
    past = Past(FIRST, LAST)
    past.add(acts)
    return past


def measured(past: Past) -> tuple[Any, ...]:
    """Everything at once."""
    return (
        activity(past),
        weekly(past, week_of),
        returning(past, week_of),
        courses(past),
        momentum(past, week_of),
        effect(past, WEEKS),
        {who: (mine.started, mine.last) for who, mine in past.learners.items()},
    )


@settings(max_examples=examples(120))
@given(ACTS, st.randoms(use_true_random=False))
def test_neither_the_order_of_acts_nor_how_often_one_is_told_changes_a_measure(acts: list[Act], random: Any) -> None:
    again = [*acts, *random.sample(acts, len(acts) // 2)]
    random.shuffle(again)
    assert measured(past_of(again)) == measured(past_of(acts))


@settings(max_examples=examples(120))
@given(ACTS)
def test_each_measure_is_what_counting_the_acts_one_by_one_says(acts: list[Act]) -> None:
    past = past_of(acts)
    known = [act for act in acts if act.day <= LAST]
    done = {act.learner: {} for act in known if act.kind != "forum.post_deleted"}  # type: dict[str, dict[str, int]]
    for act in sorted(known, key=lambda act: -act.day):
        if act.kind == "lesson.completed":
            done[act.learner][act.what] = act.day
    for day in activity(past).days:
        there = {a.learner for a in known if a.day == day.day and a.own and a.kind != "forum.post_deleted"}
        assert day.learners == len(there)
        assert day.lessons == sum(first == day.day for mine in done.values() for first in mine.values())
    for begun in returning(past, week_of):
        firsts = {who: min(mine.values()) for who, mine in done.items() if mine}
        of_week = [who for who, first in firsts.items() if week_of(first) == begun.week and first >= FIRST]
        ripe = [who for who in of_week if firsts[who] + 7 <= LAST]
        assert (begun.learners, begun.too_early) == (len(ripe), len(of_week) - len(ripe))
        assert begun.returned == sum(max(done[who].values()) - firsts[who] >= 7 for who in ripe)
    for one in courses(past):
        _as_counted(one, known, done)
    one_by_one = {
        who: [sum(lo <= d < lo + 14 for d in mine.values()) for lo in (FIRST, FIRST + 14)] for who, mine in done.items()
    }
    found = effect(past, WEEKS)
    assert found.before + found.after <= sum(map(sum, one_by_one.values()))
    assert found.learners + found.newcomers <= len(one_by_one)


def _as_counted(one: Any, known: Sequence[Act], done: dict[str, dict[str, int]]) -> None:
    """A course's way, by the acts themselves."""
    if not one.course:
        return
    there: dict[str, list[Act]] = {}
    for act in known:
        if act.course == one.course and act.kind != "forum.post_deleted":
            there.setdefault(act.learner, []).append(act)
    entered = {who for who, own in there.items() if min(act.day for act in own) >= FIRST}
    through = {who for who in entered if any(act.kind == "course.completed" for act in there[who])}
    some = {who for who in entered if sum(what.startswith(f"{one.course}/") for what in done[who]) >= 3}
    assert (one.entered, one.some, one.completed, one.through) == (
        len(entered), len(some), len(through), len(some & through),
    )  # fmt: skip
    gone = {act.what for act in known if act.kind == "forum.post_deleted"}
    posts = {act.what: act for act in known if act.kind == "forum.posted" and act.what not in gone}
    assert one.posts <= sum(act.course == one.course for act in posts.values())
    assert one.in_time <= one.timed
    assert one.praised <= one.posts
