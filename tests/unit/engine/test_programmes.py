"""Programmes: completed at the act that passes the last course, whichever that is, once, however it arrives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest

from agent.config.kinds import KindTable
from agent.engine.rules import compile_rules
from agent.engine.stories import run_cases
from agent.ledger.corrections import Correction
from agent.model import Event, EventMark, Fact, PersonMark, Trust
from tests.ledgers import rows
from tests.pipelines import Running, running
from tests.rule_stories import at, event, file, rule, rulebook

RULES = '[programme.onboarding]\ncourses = ["A", "B", "id:7"]\npass = 80\n' + rule("programme.completed", award="100")


def graded(course: str, score: Fact, when: str, who: str = "ann", level: Trust = Trust.server_verified) -> Event:
    """A course total; the course numbered 7 is called C."""
    facts = {"course_shortname": course, "score_pct": score}
    number = {"A": "5", "B": "6", "C": "7"}[course]
    return event("course.graded", when, who, course=number, lesson=None, facts=facts, level=level, key=str(score))


A, B, C = (graded(course, 80, f"2026-09-0{day}T09:00:00") for course, day in (("A", 1), ("B", 2), ("C", 3)))


async def played(data_dir: Path, *pages: Sequence[Event], rules: str = RULES) -> Running:
    """The ledger after these pages."""
    async with running(data_dir, rules) as run:
        for page in pages:
            await run.take(*(one.seen for one in page))
    return run


def derived(data_dir: Path) -> list[tuple[int, int]]:
    """Time and trust of every event that was brought about."""
    return rows(data_dir, "SELECT occurred_at, trust FROM event WHERE instr(payload, CAST('derived:' AS BLOB))")


@pytest.mark.parametrize("order", list(permutations((A, B, C))))
async def test_any_order_and_any_split_complete_it_once_at_the_latest_pass(tmp_path: Path, order: list[Event]) -> None:
    for cut in range(4):
        run = await played(tmp_path / str(cut), order[:cut], order[cut:], order)
        assert run.balances() == {"ann": 100}
        assert derived(tmp_path / str(cut)) == [(at("2026-09-03T09:00:00"), 3)]


async def test_a_grade_that_is_lifted_later_completes_it_then(tmp_path: Path) -> None:
    low = graded("C", 79, "2026-09-03T09:00:00")
    lifted = graded("C", 80, "2026-10-01T09:00:00")
    run = await played(tmp_path, [A, B, low])
    assert run.balances() == {}
    run = await played(tmp_path, [lifted, graded("C", 95, "2026-10-02T09:00:00")])
    assert run.balances() == {"ann": 100}
    assert derived(tmp_path) == [(at("2026-10-01T09:00:00"), 3)]


async def test_each_learner_has_a_set_of_their_own_and_unknown_scores_pass_nothing(tmp_path: Path) -> None:
    bob = [graded("A", 100, "2026-09-01T09:00:00", "bob"), graded("B", 100, "2026-09-01T09:00:00", "bob")]
    bare = event("course.graded", "2026-09-04T09:00:00", "bob", course="7", lesson=None)
    run = await played(tmp_path, [A, *bob, B, bare, C])
    assert run.balances() == {"ann": 100}


async def test_what_is_not_believed_passes_no_course_and_the_weakest_member_says_how_far_it_is_believed(
    tmp_path: Path,
) -> None:
    told = graded("C", 90, "2026-09-03T09:00:00", level=Trust.client_reported)
    run = await played(tmp_path / "address", [A, B, told])
    assert run.balances() == {}
    posted = graded("A", 90, "2026-09-01T09:00:00", level=Trust.trusted_source)
    await played(tmp_path / "bearer", [posted, B, C])
    assert derived(tmp_path / "bearer") == [(at("2026-09-03T09:00:00"), 2)]


async def test_staff_complete_nothing_by_their_own_courses(tmp_path: Path) -> None:
    facts: dict[str, Fact] = {"course_shortname": "C", "score_pct": 100}
    staff = event("course.graded", "2026-09-03T09:00:00", course="7", lesson=None, facts=facts, mark="staff")
    assert (await played(tmp_path, [A, B, staff])).balances() == {}


def doubtful(one: Event, doubt: str) -> Event:
    """The same act, which rules hold."""
    who: dict[str, PersonMark] = {"ann": "roles_unknown"} if doubt == "roles" else {}
    marks = frozenset[EventMark]({"backdated"} if doubt == "backdated" else ())
    return replace(one, seen=replace(one.seen, marks=marks, person_marks=who))


@pytest.mark.parametrize("doubt", ["backdated", "roles"])
@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (2, 0, 1)])
async def test_what_rests_on_an_act_that_is_held_waits_for_a_person_whichever_act_came_last(
    tmp_path: Path, doubt: str, order: tuple[int, ...]
) -> None:
    acts = [A, doubtful(B, doubt), C]
    async with running(tmp_path, RULES) as run:
        for number in order:
            await run.take(acts[number].seen)
        assert (run.balances(), run.reasons()) == ({}, ["rests on an act that is held"])
        await run.approve(1, Correction(reason="seen", by="B. Desk"))
        assert run.balances() == {"ann": 100}


async def test_a_course_that_was_passed_beyond_doubt_too_completes_without_waiting(tmp_path: Path) -> None:
    sure = graded("B", 90, "2026-09-02T12:00:00")
    run = await played(tmp_path, [A, doubtful(B, "backdated"), sure], [C])
    assert (run.balances(), derived(tmp_path)) == ({"ann": 100}, [(at("2026-09-03T09:00:00"), 3)])
    assert (await played(tmp_path / "before", [A, sure, doubtful(B, "roles"), C])).balances() == {"ann": 100}
    late = graded("B", 90, "2026-09-04T12:00:00")
    run = await played(tmp_path / "late", [A, doubtful(B, "backdated"), late], [C])
    assert derived(tmp_path / "late") == [(at("2026-09-04T12:00:00"), 3)]


async def test_who_may_not_have_agreed_completes_nothing_until_it_is_known(tmp_path: Path) -> None:
    unknown = replace(B, seen=replace(B.seen, person_marks={"ann": "agreement_unknown"}))
    run = await played(tmp_path, [A, unknown, C])
    assert (run.balances(), derived(tmp_path)) == ({}, [])
    run = await played(tmp_path, [B])
    assert run.balances() == {"ann": 100}


async def test_completed_courses_count_where_the_programme_says_so(tmp_path: Path) -> None:
    rules = RULES.replace("80", '"completed"')
    done = [
        event("course.completed", "2026-09-01T09:00:00", course=number, lesson=None, facts={"course_shortname": name})
        for name, number in (("A", "5"), ("B", "6"), ("C", "7"))
    ]
    run = await played(tmp_path, [A, B, C, *done], rules=rules)
    assert run.balances() == {"ann": 100}


async def test_two_programmes_share_what_is_passed_and_complete_each_for_itself(tmp_path: Path) -> None:
    rules = RULES + '[programme.short]\ncourses = ["A", "B"]\npass = 80\n'
    run = await played(tmp_path, [A, B], [C], rules=rules)
    assert run.balances() == {"ann": 200}


async def test_a_new_programme_begins_with_what_the_ledger_knows(tmp_path: Path) -> None:
    before = rule("course.graded", award="1", more='audience = { courses = ["A", "B", "C"] }')
    run = await played(tmp_path, [A, B], rules=before)
    assert run.balances() == {"ann": 2}
    assert (await played(tmp_path, rules=RULES)).balances() == {"ann": 2}
    run = await played(tmp_path, [C], rules=RULES)
    assert run.balances() == {"ann": 102}


STORY = """
[[case]]
name = "the second course completes the programme"
events = [
  { learner = "ann", kind = "course.completed", course = "5", course_shortname = "A" },
  { learner = "ann", kind = "course.completed", course = "6", course_shortname = "B" },
]
expect = [{ learner = "ann", rule = "r", points = 100 }]
"""


def test_a_story_tells_a_programme() -> None:
    text = '[programme.p]\ncourses = ["A", "B"]\n' + rule("programme.completed", award="100") + STORY
    rules = file(text)
    assert [result.failures for result in run_cases(rules, compile_rules(rules, KindTable()))] == [()]


def test_once_per_programme_is_the_default() -> None:
    (compiled,) = rulebook(RULES).rules
    assert compiled.once("programme.completed").names == ("programme",)


BADGES = RULES.replace("100", "1") + '[[badge]]\nid = "graduate"\nname = "Graduate"\nprogramme = "onboarding"\n'


async def test_a_badge_follows_from_a_programme(tmp_path: Path) -> None:
    run = await played(tmp_path, [A, B], [C], [A, B, C], rules=BADGES)
    assert run.balances("badge:graduate") == {"ann": 1}
    alone = BADGES.replace("programme.completed", "lesson.completed")
    run = await played(tmp_path / "alone", [A, B, C], rules=alone)
    assert run.balances("badge:graduate") == {"ann": 1}
