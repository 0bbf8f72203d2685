"""Challenges as a specification: given acts, expect progress, awards and reasons."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agent.engine.stories import run_cases
from agent.model import Event, Trust
from tests.rule_stories import decide, event, file, line, play, rulebook

TWO = """
[[challenge]]
id = "start"
award = 50
{more}
  [[challenge.step]]
  on = "course.viewed"

  [[challenge.step]]
  on = "lesson.completed"
  count = 2
"""


def two(more: str = "") -> str:
    """A challenge of two steps: see the course, complete two lessons."""
    return TWO.format(more=more)


def viewed(when: str = "2026-09-07T08:00:00", course: str = "1") -> Event:
    return event("course.viewed", when, lesson=None, course=course)


def lesson(number: str, when: str = "2026-09-07T09:00:00", who: str = "ann") -> Event:
    return event(when=when, lesson=number, who=who)


def enrolment(name: str, when: str, who: str = "ann", what: str = "enrolled") -> Event:
    return event(f"challenge.{what}", when, who, lms_event=f"\\challenge\\{name}\\{what}", lesson=None)


def test_every_act_tells_how_far_it_is_and_the_last_one_pays() -> None:
    assert play(two(), viewed(), lesson("1"), lesson("2")) == [
        "ann refused step 1 of 2: 1 of 1",
        "ann refused step 2 of 2: 1 of 2",
        "ann +50 points",
    ]


def test_a_late_act_that_completes_an_earlier_round_enrols_into_what_comes_next_as_of_then() -> None:
    rules = """
[[challenge]]
id = "weekly"
award = 5
repeat = "week"
next = "look"
[[challenge.step]]
on = "lesson.completed"

[[challenge]]
id = "look"
enrol = "by hand"
award = 7
[[challenge.step]]
on = "course.viewed"
"""
    seen = viewed("2026-09-09T09:00:00")
    second, first = lesson("2", "2026-09-16T09:00:00"), lesson("1", "2026-09-08T09:00:00")
    assert "ann +7 points" in play(rules, first, second, seen)
    assert "ann +7 points" in play(rules, second, first, seen)


def test_the_same_thing_counts_once_and_a_done_challenge_pays_no_more() -> None:
    told = play(two(), lesson("1"), lesson("1", "2026-09-07T10:00:00"), lesson("2"), viewed(), lesson("3"))
    assert told == [
        "ann refused step 2 of 2: 1 of 2",
        "ann refused counted already",
        "ann refused step 2 of 2: 2 of 2",
        "ann +50 points",
        "ann refused completed already",
    ]


def test_each_learner_has_a_progress_of_their_own() -> None:
    assert play(two(), viewed(), lesson("1"), lesson("2", who="ben"))[-1] == "ben refused step 2 of 2: 1 of 2"


def test_steps_in_strict_order_count_what_was_done_after_the_step_before() -> None:
    text = two('order = "strict"')
    early = [lesson("1"), lesson("2"), viewed("2026-09-07T12:00:00")]
    assert play(text, *early) == [
        "ann refused step 2 comes after step 1 of 2: 0 of 1",
        "ann refused step 2 comes after step 1 of 2: 0 of 1",
        "ann refused step 1 of 2: 1 of 1",
    ]
    again = [lesson("1", "2026-09-07T13:00:00"), lesson("2", "2026-09-07T14:00:00")]
    assert play(text, *early, *again)[-1] == "ann +50 points"


def test_the_order_is_that_of_the_acts_and_not_of_their_arrival() -> None:
    late = viewed("2026-09-07T08:00:00")
    assert play(two('order = "strict"'), lesson("1"), lesson("2"), late)[-1] == "ann +50 points"


def test_a_deadline_counts_from_the_first_act_of_the_attempt_by_the_time_of_the_acts() -> None:
    text = two('deadline = "7d"')
    slow = [viewed(), lesson("1", "2026-09-10T08:00:00"), lesson("2", "2026-09-14T08:00:00")]
    assert play(text, *slow)[-1] == "ann refused step 2 of 2: 2 of 2"
    assert play(text, *slow, viewed("2026-09-15T08:00:00", course="2"))[-1] == "ann +50 points"
    assert play(text, *slow[:2], lesson("2", "2026-09-14T07:59:59"))[-1] == "ann +50 points"


def test_a_deadline_that_is_a_day_includes_that_day() -> None:
    text = two("deadline = 2026-09-10")
    assert play(text, viewed(), lesson("1"), lesson("2", "2026-09-10T23:59:59"))[-1] == "ann +50 points"
    told = play(text, viewed(), lesson("1"), lesson("2", "2026-09-11T00:00:00"))
    assert told[-1] == "ann refused deadline 2026-09-10 is over"


def test_by_hand_only_what_was_done_while_enrolled_counts() -> None:
    text = two('enrol = "by hand"\ndeadline = "7d"')
    told = play(
        text,
        lesson("1"),
        enrolment("start", "2026-09-08T08:00:00"),
        viewed("2026-09-08T09:00:00"),
        lesson("2", "2026-09-08T10:00:00"),
        lesson("1", "2026-09-09T10:00:00"),
    )
    assert told == [
        "ann refused not enrolled",
        "ann refused enrolled",
        "ann refused step 1 of 2: 1 of 1",
        "ann refused step 2 of 2: 1 of 2",
        "ann +50 points",
    ]
    over = play(text, enrolment("start", "2026-09-01T08:00:00"), viewed("2026-09-08T08:00:00"))
    assert over[-1] == "ann refused deadline 7d is over"


def test_who_withdraws_is_out_until_enrolled_again() -> None:
    told = play(
        two(),
        viewed(),
        enrolment("start", "2026-09-08T08:00:00", what="withdrawn"),
        lesson("1", "2026-09-09T08:00:00"),
        enrolment("start", "2026-09-10T08:00:00"),
        lesson("2", "2026-09-11T08:00:00"),
    )
    assert told[1:] == [
        "ann refused withdrawn",
        "ann refused withdrawn",
        "ann refused enrolled",
        "ann refused step 2 of 2: 1 of 2",
    ]


def test_cohorts_enrol_whoever_is_in_them() -> None:
    text = two('enrol = { cohorts = ["pilot"] }')
    inside = event("course.viewed", lesson=None, facts={"cohorts:ann": ("pilot",)})
    assert play(text, inside) == ["ann refused step 1 of 2: 1 of 1"]
    assert play(text, viewed()) == ["ann refused audience: cohorts"]
    assert {one.name for one in rulebook(text).demand.selectors} == {"pilot"}


def test_a_repeated_challenge_begins_anew_after_each_round() -> None:
    days = [(f"2026-09-{day:02d}T08:00:00", f"2026-09-{day:02d}T09:00:00") for day in (7, 8)]
    acts = [one for view, done in days for one in (viewed(view), lesson("1", done), lesson("2", done))]
    assert [told for told in play(two("repeat = true"), *acts) if "+50" in told] == ["ann +50 points"] * 2
    assert [told for told in play(two(), *acts) if "+50" in told] == ["ann +50 points"]


def test_repeated_in_a_window_it_is_done_once_in_each() -> None:
    days = [(f"2026-09-{day:02d}T08:00:00", f"2026-09-{day:02d}T09:00:00") for day in (7, 8, 14)]
    acts = [one for view, done in days for one in (viewed(view), lesson("1", done), lesson("2", done))]
    assert [told for told in play(two('repeat = "week"'), *acts) if "+50" in told] == ["ann +50 points"] * 2


def test_after_a_round_each_act_tells_how_far_the_next_one_is() -> None:
    first = [viewed(), lesson("1"), lesson("2")]
    anew = [lesson("3", "2026-09-08T09:00:00"), viewed("2026-09-14T08:00:00"), lesson("4", "2026-09-14T09:00:00")]
    assert play(two('repeat = "week"'), *first, *anew)[2:] == [
        "ann +50 points",
        "ann refused completed already",
        "ann refused step 1 of 2: 1 of 1",
        "ann refused step 2 of 2: 1 of 2",
    ]
    assert play(two("repeat = true"), *first, *anew)[2:] == [
        "ann +50 points",
        "ann refused step 2 of 2: 1 of 2",
        "ann refused step 1 of 2: 1 of 1",
        "ann +50 points",
    ]
    strict = two('repeat = "week"\norder = "strict"')
    early = lesson("4", "2026-09-14T07:00:00")
    assert play(strict, *first, early)[-1] == "ann refused step 2 comes after step 1 of 2: 0 of 1"


CHAIN = (
    two('next = "talk"')
    + """
[[challenge]]
id = "talk"
award = 7
enrol = "by hand"
  [[challenge.step]]
  on = "forum.posted"
  conditions = { word_count = ">=30" }
"""
)


def post(when: str, words: int = 40) -> Event:
    return event("forum.posted", when, lesson=None, post=when, facts={"word_count": words})


def test_completion_enrols_into_the_next() -> None:
    done = [viewed(), lesson("1"), lesson("2")]
    assert play(CHAIN, post("2026-09-07T07:00:00"), *done, post("2026-09-07T10:00:00")) == [
        "ann refused not enrolled",
        "ann refused step 1 of 2: 1 of 1",
        "ann refused step 2 of 2: 1 of 2",
        "ann +50 points",
        "ann refused enrolled",
        "ann +7 points",
    ]


def test_what_was_done_in_the_next_one_before_a_late_completion_counts() -> None:
    done = [viewed(), lesson("1"), lesson("2")]
    assert play(CHAIN, post("2026-09-07T10:00:00"), *done)[-2:] == ["ann +50 points", "ann +7 points"]


def test_each_step_has_conditions_of_its_own() -> None:
    text = CHAIN.replace('enrol = "by hand"', "")
    assert play(text, post("2026-09-07T10:00:00", words=3)) == ["ann refused condition word_count >=30"]


def test_what_is_not_believed_waits_and_counts_no_step() -> None:
    held = event("course.viewed", lesson=None, level=Trust.client_reported)
    assert play(two(), held, lesson("1"), lesson("2"))[-1] == "ann refused step 2 of 2: 2 of 2"


def test_in_shadow_it_tells_what_it_would_pay() -> None:
    assert play(two('mode = "shadow"'), viewed(), lesson("1"), lesson("2"))[-1] == "ann would get +50 points"


def test_a_challenge_without_an_award_is_completed_all_the_same() -> None:
    decisions = decide(rulebook(two().replace("award = 50", "")), [viewed(), lesson("1"), lesson("2")])
    assert line(decisions[-1]) == "ann nothing"
    assert [decision.completes for decision in decisions] == [("step 1",), (), ("step 2", "challenge")]


def test_a_story_can_enrol_and_tell_the_progress() -> None:
    text = (
        two('enrol = "by hand"')
        + """
[[case]]
name = "enrolled, she completes it"
events = [
  { at = 2026-09-07T08:00:00, learner = "ann", kind = "challenge.enrolled", challenge = "start" },
  { at = 2026-09-07T09:00:00, learner = "ann", kind = "course.viewed" },
  { at = 2026-09-07T10:00:00, learner = "ann", kind = "lesson.completed", lesson = "1" },
  { at = 2026-09-07T11:00:00, learner = "ann", kind = "lesson.completed", lesson = "2" },
]
expect  = [{ learner = "ann", rule = "start", points = 50 }]
refused = [{ event = 3, rule = "start", because = "step 2 of 2: 1 of 2" }]
"""
    )
    (result,) = run_cases(file(text), rulebook(text))
    assert result.failures == ()


FAULTS = {
    two('next = "nowhere"'): "unknown challenge 'nowhere'",
    two('next = "start"'): "the challenges go in a circle",
    two().replace("count = 2", 'count = 2\n  per = "ever"'): "this step can never be completed",
    two('deadline = "3d"').replace("count = 2", 'count = 9\n  per = "day"'): "9 days do not fit into the deadline 3d",
    two('repeat = "fortnight"'): "unknown window 'fortnight'",
    two('enrol = "maybe"'): "is no way to enrol",
    two().replace("award = 50", "award = { gold = 1 }"): "unknown currency 'gold'",
    two().replace("course.viewed", "course.seen"): "unknown kind 'course.seen'",
    two() + two(): "the id 'start' is taken",
    two().replace("lesson.completed", "course.viewed").replace("count = 2", ""): "cannot be told apart",
}


@pytest.mark.parametrize(("text", "told"), FAULTS.items(), ids=list(FAULTS.values()))
def test_what_cannot_be_is_told_with_its_place(text: str, told: str) -> None:
    with pytest.raises(Exception, match=r"rules\.toml:\d+:\d+: ") as error:
        rulebook(text)
    assert told in str(error.value)


def test_the_challenges_of_the_manual_load_and_their_story_is_true() -> None:
    page = (Path(__file__).parents[3] / "docs" / "admin" / "challenges.md").read_text("utf-8")
    (text,) = re.findall(r"```toml\n(schema = 1.*?)```", page, re.DOTALL)
    assert file(text).warnings == ()
    assert [result.failures for result in run_cases(file(text), rulebook(text))] == [()]
