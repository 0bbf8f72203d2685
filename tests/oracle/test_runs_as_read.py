"""Scheduled rewards by chance: who wins what is what a plain reading of the manual says, run by run."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime
from functools import partial
from random import Random

import pytest

from agent.engine.whatif.trial import Trial
from agent.model import Event, Fact
from tests.effort import examples
from tests.oracle import drawn
from tests.oracle.days import Days
from tests.oracle.runs import Deed, Run, winners
from tests.rule_stories import event, rulebook

DAY_S = 86_400
BY = (
    "points earned",
    "points earned",
    "acts with lesson.completed",
    "days with lesson.completed",
    "weeks with quiz.submitted",
    "sum of score_pct in quiz.submitted",
    "best of score_pct in quiz.submitted",
)
RULES = """
[[rule]]
id = "lesson"
on = "lesson.completed"
award = 10
once_per = "event"
group = "learn"
[[rule]]
id = "quiz"
on = "quiz.submitted"
award = 15
once_per = "event"
reverse_on = "quiz.attempt_deleted"
"""


def _run(chance: Random, number: int) -> Run:
    name, every = f"s{number}", chance.choice(["day", "week", "week", "month", "sem1"])
    over = chance.choice(["", "", "week", "month", "sem1", "7d", "36h", "ever"])
    form = chance.choice(["rank", "rank", "rank", "attendance", "inactivity"])
    if form == "inactivity":
        of, away = chance.choice(["", "lesson.completed"]), chance.choice(["1d", "3d", "7d"])
        return Run(name=name, every=every, over="", away=away, of=of, places=[3])
    if form == "attendance":
        by = chance.choice(["days with lesson.completed", "weeks with quiz.submitted", "days with quiz.submitted"])
        return Run(name=name, every=every, over=over, by=by, needs=chance.choice([1, 2, 3]), places=[6])
    by = chance.choice(BY)
    return Run(
        name=name,
        every=every,
        over=over,
        by=by,
        at_least=chance.choice([0, 0, 2, 20, 60]),
        group=chance.choice(["", "", "learn"]) if by.startswith("points") else "",
        course=chance.choice(["", "", "BIO"]),
        least_score=chance.choice([None, 50]) if "quiz" in by else None,
        places=chance.choice([[50], [50, 30, 10], [7, 5]]),
        ties=chance.choice(["share-place", "split", "all"]),
    )


def _deeds(chance: Random, begin: datetime) -> list[Deed]:
    span = chance.choice([4, 12, 40]) * DAY_S
    found = []
    for _ in range(chance.choice([5, 20, 40])):
        lesson = chance.random() < 0.6
        found.append(
            Deed(
                at=int(begin.timestamp()) + chance.randrange(span),
                who=chance.choice(["ann", "ben", "cat", "dan"]),
                kind="lesson.completed" if lesson else "quiz.submitted",
                course=chance.choice(["BIO", "ART"]),
                score=None if lesson or chance.random() < 0.1 else chance.choice([0, 20, 50, 75, 100]),
                paid=10 if lesson else 15,
                group="learn" if lesson else "",
                undone=not lesson and chance.random() < 0.2,
            )
        )
    return found


def _events(deeds: list[Deed]) -> list[Event]:
    """In the order of their times; what is undone is undone a minute later."""
    found = []
    for number, deed in enumerate(sorted(deeds, key=lambda deed: deed.at)):
        facts: dict[str, Fact] = {"course_shortname": deed.course}
        if deed.score is not None:
            facts["score_pct"] = deed.score
        attempt = ("quiz_attempts", str(number)) if deed.kind == "quiz.submitted" else None
        about = partial(event, who=deed.who, key=str(number), lesson=str(number), obj=attempt, facts=facts)
        found.append(about(deed.kind, deed.at))
        if deed.undone:
            found.append(about("quiz.attempt_deleted", deed.at + 60))
    ordered = sorted(found, key=lambda one: one.seen.occurred_at)
    return [replace(one, seen=replace(one.seen, position=place)) for place, one in enumerate(ordered, 1)]


def _written(days: Days, runs: list[Run]) -> str:
    text = f'schema = 1\ntimezone = "{days.zone}"\nday_starts_at = "{days.starts}"\nweek_starts_on = "{days.week}"\n'
    text += f"[period.sem1]\nfrom = {days.period[0]}\nuntil = {days.period[1]}\n{RULES}"
    return text + "".join(f"[currency.{run.name}]\n" for run in runs) + "".join(map(_scheduled, runs))


def _scheduled(run: Run) -> str:
    text = f'[[scheduled]]\nid = "{run.name}"\nevery = "{run.every}"\n' + (f'over = "{run.over}"\n' if run.over else "")
    award = f"award = {{ {run.name} = {run.places[0]} }}\n"
    if run.away:
        return f'{text}inactivity = {{ for = "{run.away}"{f", of = {run.of!r}" if run.of else ""} }}\n{award}'
    if run.needs:
        unit, _, kind = run.by.partition(" with ")
        return f'{text}attendance = {{ of = "{kind}", {unit} = {run.needs} }}\n{award}'
    rank = f'by = "{run.by}"' + (f", at_least = {run.at_least}" if run.at_least else "")
    rank += (f', group = "{run.group}"' if run.group else "") + (f', course = "{run.course}"' if run.course else "")
    places = ", ".join(f"{{ {run.name} = {amount} }}" for amount in run.places)
    least = f'conditions = {{ score_pct = ">={run.least_score}" }}\n' if run.least_score is not None else ""
    return f'{text}rank = {{ {rank} }}\nplaces = [{places}]\nties = "{run.ties}"\n{least}'


@pytest.mark.parametrize("seed", range(examples(45)))
def test_who_wins_is_what_a_plain_reading_says(seed: int) -> None:
    chance = Random(seed)
    days, begin = drawn.days(chance)
    runs, deeds = [_run(chance, number) for number in range(chance.choice([1, 2, 3]))], _deeds(chance, begin)
    last = max(deed.at for deed in deeds) + chance.choice([1, 3, 12, 45]) * DAY_S
    trial = Trial(rulebook(_written(days, runs)))
    trial.take(_events(deeds))
    trial.finish(last)
    for run in runs:
        gained = trial.findings.gains.get(run.name, {})
        found = Counter({who.removeprefix("moodle:"): amount for who, amount in gained.items()})
        assert found == winners(run, deeds, days, last), run
