"""Referrals: each referred person once, so many a month for whoever referred them, and nobody refers themselves."""

from __future__ import annotations

from agent.engine import booking, evaluate
from agent.engine.derived import fold
from agent.model import Event
from tests.rule_stories import event, line, play, rule, rulebook

RULE = rule(
    "course.completed",
    'once_per = "subject"\nlimit = { of = "2/month", for = "referrer" }',
    award='[{ to = "referrer", points = 50 }, { to = "subject", points = 10 }]',
)


def done(who: str, referrer: str | None, when: str = "2026-09-07T09:00:00", course: str = "1") -> Event:
    people = {"subject": who, "actor": who} | ({"referrer": referrer} if referrer else {})
    return event("course.completed", when, who, people=people, course=course, lesson=None)


def test_each_referred_person_pays_the_referrer_once_and_at_most_so_many_a_month() -> None:
    told = play(
        RULE,
        done("bob", "ann"),
        done("bob", "ann", course="2"),
        done("cat", "ann"),
        done("dan", "ann"),
        done("eve", "ann", "2026-10-01T09:00:00"),
    )
    assert told == [
        "ann +50 points",
        "bob +10 points",
        "ann refused once_per subject",
        "bob refused once_per subject",
        "ann +50 points",
        "cat +10 points",
        "ann refused limit 2/month",
        "dan +10 points",
        "ann +50 points",
        "eve +10 points",
    ]


def test_without_a_referrer_or_with_oneself_only_that_award_is_dropped() -> None:
    assert play(RULE, done("bob", None)) == ["nobody refused no referrer", "bob +10 points"]
    assert play(RULE, done("bob", "bob")) == ["nobody refused no referrer", "bob +10 points"]


def test_the_referrer_of_who_completes_a_programme_is_known_to_its_rules() -> None:
    text = '[programme.p]\ncourses = ["id:1", "id:2"]\n' + rule(
        "programme.completed", award='[{ to = "referrer", points = 5 }]'
    )
    rules, state = rulebook(text), booking.State.load((), {})
    events = fold.fold([done("bob", "ann"), done("bob", "ann", course="2")], rules, state.uses).events
    verdicts = [verdict for one in events for verdict in evaluate.judge(one, rules)]
    assert [line(one) for one in booking.book(verdicts, state, shadow=False)] == ["ann +5 points"]
