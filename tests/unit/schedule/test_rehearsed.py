"""A simulation carries scheduled rewards out as the agent does: what it tells is what a ledger pays."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from agent.config.grammar import Number
from agent.engine import evaluate
from agent.engine.schedule.compiling import SOURCE
from agent.engine.schedule.rehearsal import Rehearsal
from agent.engine.whatif.memory import Memory
from agent.engine.whatif.trial import Trial
from agent.ledger import file
from agent.ledger.past import events
from agent.model import Fact, Observation, Trust
from tests.ledgers import rows
from tests.rule_stories import at, event, rule, rulebook
from tests.schedules import lesson, office

EVERY_FORM = (
    rule(name="lesson", more='group = "learn"')
    + rule("quiz.submitted", name="quiz", award="25", more='reverse_on = "quiz.attempt_deleted"')
    + """
[[scheduled]]
id = "week"
every = "week"
rank = { by = "points earned" }
places = [{ points = 50, badge = "gold" }, 30]
counts = true
[[scheduled]]
id = "learn"
every = "week"
rank = { group = "learn", at_least = 20 }
places = [9]
ties = "split"
limit = "10 points/month"
[[scheduled]]
id = "bio"
cron = "0 12 * * WED"
rank = { course = "BIO101" }
places = [8, 4]
[[scheduled]]
id = "month"
every = "month"
rank = {}
places = [100]
[[scheduled]]
id = "often"
every = "week"
attendance = { of = "lesson.completed", days = 3 }
award = 5
[[scheduled]]
id = "busy"
every = "month"
over = "14d"
rank = { by = "days with lesson.completed" }
places = [3]
[[scheduled]]
id = "bio-ever"
every = "week"
over = "ever"
rank = { course = "BIO101" }
places = [7, 6, 2]
[[scheduled]]
id = "acts-ever"
every = "week"
over = "ever"
rank = { by = "acts with lesson.completed", course = "ART" }
places = [4, 3]
[[scheduled]]
id = "steady"
every = "month"
over = "ever"
attendance = { of = "quiz.submitted", days = 3 }
award = 11
[[scheduled]]
id = "years"
every = "month"
anniversary = { years = [1] }
award = 70
[[scheduled]]
id = "gone"
every = "month"
inactivity = { for = "5d" }
award = 1
"""
)
END = "2026-11-05T00:00:00"


def acts(seed: int) -> list[Observation]:
    """Seven learners over six weeks, in the order of their times; two of them began a year before."""
    chance = random.Random(seed)
    found = [lesson("1", 900, "2025-09-20T09:00:00"), lesson("2", 901, "2025-10-03T09:00:00")]
    for number in range(80):
        who, when = str(chance.randint(1, 7)), f"2026-{chance.choice(['09', '10'])}-{chance.randint(1, 28):02d}T"
        moment = f"{when}{chance.randint(0, 23):02d}:00:00"
        where = {"course_shortname": chance.choice(["BIO101", "ART"])}
        if number % 4:
            found.append(event("lesson.completed", moment, who, lesson=str(number), facts=where, key=str(number)).seen)
            continue
        attempt = ("quiz_attempts", f"{number}")
        found.append(event("quiz.submitted", moment, who, lesson=str(number), obj=attempt, facts=where).seen)
        if number % 8 == 0:
            found.append(event("quiz.attempt_deleted", moment, who, lesson=str(number), obj=attempt).seen)
    return sorted(found, key=lambda seen: seen.occurred_at)


async def test_a_simulation_comes_to_what_the_ledger_paid_for_every_form(tmp_path: Path) -> None:
    seen = acts(7)
    async with office(tmp_path, EVERY_FORM) as here:
        for first in range(0, len(seen), 20):
            await here.take(seen[first : first + 20])
        await here.decide(END)
    trial = Trial(rulebook(EVERY_FORM))
    with file.reading(tmp_path) as connection:
        for page in events.recorded(connection):
            trial.take([one for _, one in page])
    trial.finish(at(END))
    found, ledger = trial.findings, prizes(tmp_path)
    names = {name for name, _, _ in ledger}
    assert names == {
        "week", "learn", "bio", "month", "often", "busy", "bio-ever", "acts-ever", "steady", "years", "gone"
    }  # fmt: skip
    for name in names:
        mine = [(who, amount) for of, who, amount in ledger if of == name]
        assert found.awards[name, "points"] == [len(mine), sum(amount for _, amount in mine)]
        assert found.learners[name] == Counter(who for who, _ in mine)
    assert found.refused["learn", "limit 10 points/month"] > 0
    assert found.awards["week", "badge:gold"][0] > 0
    assert sum(one.waiting for one in found.scheduled.values()) == 0


def prizes(data_dir: Path) -> list[tuple[str, str, int]]:
    """(scheduled reward, learner, points) of every prize that a ledger paid."""
    sql = (
        "SELECT CAST(e.body AS TEXT) ->> 'rule', p.site || ':' || p.lms_user, CAST(e.body AS TEXT) ->> 'amount'"
        " FROM entry e JOIN person p USING (person_no) WHERE CAST(e.body AS TEXT) ->> 'source' = 'scheduled'"
        " AND CAST(e.body AS TEXT) ->> 'currency' = 'points'"
    )
    return [(name, who, amount) for name, who, amount in rows(data_dir, sql)]


UNKNOWN = (
    rule(name="lesson")
    + '[[scheduled]]\nid = "raffle"\nevery = "week"\ndraw = { winners = 2 }\nplaces = [500, 100]\n'
    + '[[scheduled]]\nid = "best"\nevery = "week"\nrank = {}\nplaces = [50]\n'
)


def test_what_a_simulation_cannot_know_of_a_run_is_told_apart() -> None:
    trial = Trial(rulebook(UNKNOWN))
    doubted = event(when="2026-09-10T09:00:00", who="eve", level=Trust.unverified)
    later = event(when="2026-09-24T09:00:00", who="eve", lesson="2")
    trial.take([event(when="2026-09-09T09:00:00"), doubted, later])
    assert Trial(rulebook(rule())).finish(0) == []
    assert [due.name for due in trial.finish(at("2026-09-28T09:00:00"))] == [
        "raffle@2026-09-27T22:00:00Z",
        "best@2026-09-27T22:00:00Z",
    ]
    found = trial.findings
    assert {name: (one.count, one.winners, one.waiting, one.drawn) for name, one in found.scheduled.items()} == {
        "raffle": (2, 0, 1, 1),
        "best": (2, 1, 1, 0),
    }
    assert found.scheduled["raffle"].chance == {"points": 500}
    assert found.gains == {"points": {"moodle:ann": 60, "moodle:eve": 10}}


def test_a_span_counts_the_runs_in_it_and_who_takes_no_part_wins_nothing() -> None:
    days = ((8, "ann"), (15, "ben"), (30, "cat"))
    seen = [event(when=f"2026-09-{day:02d}T09:00:00", who=who, lesson=who) for day, who in days]
    trial = Trial(rulebook(UNKNOWN), since=at("2026-09-20T00:00:00"), until=at("2026-09-25T00:00:00"))
    trial.take(seen)
    assert trial.finish(2**40) == []
    assert trial.findings.scheduled["best"].count == 1
    assert trial.findings.gains == {"points": {"moodle:ben": 50}}
    without = Trial(rulebook(UNKNOWN), absent={"moodle:ben"})
    without.take(seen[:2])
    without.finish(at("2026-10-01T00:00:00"))
    assert without.findings.awards["best", "points"] == [1, 50]


def test_prizes_that_were_recorded_are_decided_again_and_no_acts() -> None:
    trial = Trial(rulebook(UNKNOWN))
    recorded = event("scheduled.reward", "2026-09-14T00:00:00", "ann")
    trial.take([event(when="2026-09-09T09:00:00"), replace(recorded, seen=replace(recorded.seen, source=SOURCE))])
    trial.finish(at("2026-09-16T00:00:00"))
    assert trial.findings.awards["best", "points"] == [1, 50]


@pytest.mark.parametrize(
    ("rank", "ann", "ben"),
    [
        ("{}", (17 - 1) * 10, 80),
        ('{ course = "BIO101" }', (17 - 1) * 10, 80),
        ('{ course = "ART" }', None, None),
        ('{ by = "acts with lesson.completed" }', 17, 8),
        ('{ by = "days with lesson.completed" }', 17, 8),
        ('{ by = "weeks with lesson.completed", course = "BIO101" }', 4, 4),
        ('{ by = "sum of score_pct in lesson.completed" }', sum(day for day in range(1, 26) if day % 3), 108),
        ('{ by = "best of score_pct in lesson.completed" }', 25, 24),
    ],
)
def test_a_ranking_over_all_time_keeps_sums_of_what_is_over_and_ranks_by_all_of_it(
    rank: str, ann: Number | None, ben: Number | None
) -> None:
    reward = f'[[scheduled]]\nid = "best"\nevery = "day"\nover = "ever"\nrank = {rank}\nplaces = [9]\n'
    rules = rulebook(rule(more='once_per = "event"\nreverse_on = "lesson.uncompleted"') + reward)
    rehearsal, memory, values = Rehearsal(rules), Memory(), dict[str, Number]()
    for day in range(1, 29):
        who, undone = ("ann", "ben")[day % 3 == 0], day == 28
        facts: dict[str, Fact] = {"course_shortname": "BIO101", "score_pct": day}
        done = event("lesson.completed", f"2026-09-{day:02d}T09:00:00", who, lesson=str(day), facts=facts)
        gone = event("lesson.uncompleted", f"2026-09-{day:02d}T10:00:00", "ann", lesson="1")
        for one in (done, gone) if undone else (done,):
            rehearsal.past.happened(one)
            rehearsal.past.decided(memory.book(evaluate.judge(one, rules)), {one.event_id: one})
        while (due := rehearsal.ready(one.seen.occurred_at)) is not None:
            values = dict(rehearsal.run(due).found.values or {})
        assert rehearsal.past.kept() <= (30 if "days" in rank else 13)
    found = {who: one for who, one in (("moodle:ann", ann), ("moodle:ben", ben)) if one is not None}
    assert values == found, "until the 25th, less what was undone on the 28th where that is no act"


@pytest.mark.parametrize(("frequency", "waiting"), [(1, 0), (2, 1)])
def test_a_run_waits_for_what_an_award_beside_it_did_not_close(frequency: int, waiting: int) -> None:
    rules = rule(more=f'once_per = "day"\nfrequency = {frequency}')
    trial = Trial(rulebook(rules + '[[scheduled]]\nid = "best"\nevery = "week"\nrank = {}\nplaces = [50]\n'))
    doubted = event(when="2026-09-09T08:00:00", lesson="2", level=Trust.unverified)
    trial.take([doubted, event(when="2026-09-09T09:00:00")])
    trial.finish(at("2026-09-16T00:00:00"))
    assert trial.findings.scheduled["best"].waiting == waiting
