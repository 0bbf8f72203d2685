"""What can be scheduled: attendance, anniversaries, absence, and rankings by other things than points."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.ledger import file
from agent.ledger.schedule import runs
from tests.ledgers import rows
from tests.rule_stories import event, rule
from tests.schedules import lesson, lessons, office


def scheduled(more: str, *, every: str = 'every = "week"') -> str:
    """A rule for lessons, and one [[scheduled]]."""
    return rule(name="lesson") + f'\n[[scheduled]]\nid = "s"\n{every}\n{more}\n'


async def test_attendance_counts_different_days_and_not_acts(tmp_path: Path) -> None:
    rules = scheduled('attendance = { of = "lesson.completed", days = 3 }\naward = 7')
    async with office(tmp_path, rules) as here:
        for day in ("07", "08", "09"):
            await here.take([lesson("ann", int(day), f"2026-09-{day}T23:30:00")])
        await here.take(lessons(ben=9))
        await here.decide()
        assert here.prizes() == {"ann": [7]}


async def test_an_anniversary_is_paid_once_for_each_year_also_to_who_began_on_the_29th(tmp_path: Path) -> None:
    rules = scheduled("anniversary = { years = [1, 2] }\naward = 100", every='cron = "0 0 * FEB,MAR *"')
    async with office(tmp_path, rules) as here:
        await here.take([lesson("ann", 1, "2024-02-29T10:00:00"), lesson("ben", 1, "2024-03-05T10:00:00")])
        await here.decide("2025-03-01T00:00:00")
        assert here.prizes() == {}
        await here.decide("2025-03-03T00:00:00")
        assert here.prizes() == {"ann": [100]}
        await here.decide("2025-04-01T00:00:00")
        assert here.prizes() == {"ann": [100], "ben": [100]}
        await here.decide("2026-03-20T00:00:00")
        assert here.prizes() == {"ann": [100, 100], "ben": [100, 100]}
        assert rows(tmp_path, "SELECT count(DISTINCT bucket) FROM quota_use WHERE bucket LIKE 'anniversary=%'") == [
            (2,)
        ]


async def test_an_absence_is_told_once_and_may_award_nothing(tmp_path: Path) -> None:
    rules = scheduled('inactivity = { for = "14d" }\nmessage = "We miss you"', every='every = "day"')
    async with office(tmp_path, rules) as here:
        await here.take([lesson("ann", 1, "2026-09-01T10:00:00"), lesson("ben", 1, "2026-09-01T10:00:00")])
        await here.take([lesson("ben", 2, "2026-09-14T10:00:00")])
        await here.decide("2026-09-25T00:00:00")
        assert here.prizes() == {}
        with file.reading(tmp_path) as connection:
            told = [
                (run.nominal, decision.learner, decision.outcome.name, decision.message)
                for run in here.runs()
                for _, decision in runs.prizes(connection, run.scheduled, run.nominal)
            ]
        assert [one[1:] for one in told] == [("moodle:ann", "awarded", "We miss you")]
        await here.take([lesson("ann", 2, "2026-09-25T10:00:00")])
        await here.decide("2026-12-01T00:00:00")
        assert [run.report["winners"] for run in here.runs() if run.report["winners"]] == [1, 1, 1]


@pytest.mark.parametrize(
    ("by", "paid"),
    [
        ("acts with lesson.completed", {"ben": [9]}),
        ("days with lesson.completed", {"ann": [9]}),
        ("weeks with lesson.completed", {"ann": [9], "ben": [9]}),
        ("sum of score_pct in quiz.submitted", {"cat": [9]}),
        ("best of score_pct in quiz.submitted", {"dan": [9]}),
    ],
)
async def test_rankings_compare_by_other_things_than_points(
    tmp_path: Path, by: str, paid: dict[str, list[int]]
) -> None:
    rules = scheduled(f'rank = {{ by = "{by}" }}\nplaces = [9]')
    async with office(tmp_path, rules) as here:
        await here.take([lesson("ann", 1, "2026-09-08T09:00:00"), lesson("ann", 2, "2026-09-09T09:00:00")])
        await here.take(lessons("2026-09-10T09:00:00", ben=5))
        for who, score in (("cat", 50), ("cat", 40), ("dan", 80)):
            quiz = event("quiz.submitted", "2026-09-10T09:00:00", who, key=str(score), facts={"score_pct": score})
            await here.take([quiz.seen])
        await here.decide()
        assert here.prizes() == paid


async def test_a_group_and_a_course_narrow_what_was_earned(tmp_path: Path) -> None:
    rules = rule(name="a", more='group = "learn"') + rule("quiz.submitted", name="b", award="99")
    rank = '[[scheduled]]\nid = "s"\nevery = "week"\nplaces = [9]\nrank = { by = "points earned", '
    bio = {"course_shortname": "BIO101"}
    acts = [
        event("lesson.completed", "2026-09-09T09:00:00", "ann", lesson="1", facts=bio).seen,
        event("lesson.completed", "2026-09-09T09:00:00", "ben", lesson="1").seen,
        event("lesson.completed", "2026-09-09T09:00:00", "ben", lesson="2").seen,
        event("quiz.submitted", "2026-09-09T09:00:00", "cat", lesson="3").seen,
    ]
    for narrowed, winner in (('group = "learn" }', "ben"), ('course = "BIO101" }', "ann")):
        async with office(tmp_path / winner, f"{rules}\n{rank}{narrowed}\n") as here:
            await here.take(acts)
            await here.decide()
            assert here.prizes() == {winner: [9]}


async def test_what_was_taken_back_is_not_earned_and_badges_are_prizes_too(tmp_path: Path) -> None:
    rules = rule("quiz.submitted", name="quiz", more='reverse_on = "quiz.attempt_deleted"') + (
        '[[scheduled]]\nid = "s"\nevery = "week"\nrank = {}\n'
        'places = [{ points = 5, badge = "gold" }, { badge = "two" }]\n'
    )
    async with office(tmp_path, rules) as here:
        for who, lesson_no in (("ann", 1), ("ann", 2), ("ben", 1)):
            attempt = ("quiz_attempts", f"{who}{lesson_no}")
            seen = event("quiz.submitted", "2026-09-09T09:00:00", who, lesson=str(lesson_no), obj=attempt).seen
            await here.take([seen])
        for number in (1, 2):
            attempt = ("quiz_attempts", f"ann{number}")
            when = "2026-09-10T09:00:00"
            await here.take([event("quiz.attempt_deleted", when, "ann", lesson=str(number), obj=attempt).seen])
        await here.decide()
        assert here.prizes() == {"ben": [5, 1]}


async def test_limits_of_a_scheduled_reward_hold_over_its_runs(tmp_path: Path) -> None:
    rules = scheduled('rank = {}\nplaces = [50]\nlimit = "1/month"')
    async with office(tmp_path, rules) as here:
        await here.take([lesson("ann", 1, "2026-09-09T09:00:00"), lesson("ann", 2, "2026-09-16T09:00:00")])
        await here.take([lesson("ann", 3, "2026-09-30T09:00:00")])
        await here.decide("2026-11-01T00:00:00")
        assert here.prizes() == {"ann": [50, 50]}
