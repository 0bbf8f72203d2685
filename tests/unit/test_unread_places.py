"""Since when something was not told, place by place: no walk forgets a place, and their number stays bounded."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.collectors.moodlews.walking.unread import UNREAD_MAX, Unread
from agent.engine.sighting.untold import COMPLETION, GRADED

COURSES, LEARNERS = range(1, 4), range(11, 14)
PLACES = [(course, learner) for course in COURSES for learner in LEARNERS]


def walked(counts: Mapping[str, int], since: int, refused: Mapping[tuple[int, int], bool]) -> dict[str, int]:
    """The counts after a walk in which completions were asked for in these places."""
    unread = Unread(counts, since)
    for place, is_refused in refused.items():
        unread.asked(COMPLETION, place, refused=is_refused)
    return unread.over(counts, {course for course, _ in refused})


@settings(max_examples=20)
@given(st.lists(st.lists(st.booleans(), min_size=len(PLACES), max_size=len(PLACES)), max_size=4))
def test_a_walk_goes_back_to_when_each_place_was_last_told_and_not_behind_it(walks: list[list[bool]]) -> None:
    counts: dict[str, int] = {"states_seen": 7}
    told_until = dict.fromkeys(PLACES, 0)
    for number, refusals in enumerate(walks):
        refused = dict(zip(PLACES, refusals, strict=True))
        before = Unread(counts, number)
        assert all(before.since(COMPLETION, *place) == told_until[place] for place in PLACES)
        counts = walked(counts, number, refused)
        told_until |= {place: number + 1 for place, is_refused in refused.items() if not is_refused}
        wholly = {course for course in COURSES if all(refused[course, learner] for learner in LEARNERS)}
        for course in wholly:  # one mark stands for a course of which nothing is told
            oldest = min(told_until[course, learner] for learner in LEARNERS)
            told_until |= {(course, learner): oldest for learner in LEARNERS}
    assert counts["states_seen"] == 7


def test_a_course_that_is_hidden_for_a_while_keeps_its_mark_and_what_nobody_asks_for_loses_it() -> None:
    counts = walked({}, 5, {(1, 11): True, (2, 11): False})
    assert counts == {"completions_unread_since_in_1": 5}
    assert walked(counts, 9, {(2, 11): False}) == counts
    unread = Unread(counts, 9)
    unread.asked(GRADED, (1, 11), refused=False)
    assert unread.over(counts, {1, 2}) == {}


def test_more_marks_than_are_kept_become_those_of_courses_and_then_one() -> None:
    learners = {(1, learner): learner > 1 for learner in range(1, UNREAD_MAX + 3)}
    assert walked({}, 5, learners) == {"completions_unread_since_in_1": 5}
    courses = {(course, 1): course > 1 for course in range(1, UNREAD_MAX + 3)}
    assert walked({"completions_unread_since_in_7": 3}, 5, courses) == {"completions_unread_since": 3}
