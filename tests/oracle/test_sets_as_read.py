"""Forms that look at several acts, by chance: how often each pays is what a plain reading of the contract says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from random import Random

import pytest

from agent.engine import evaluate
from agent.engine.rules import Rulebook
from agent.engine.whatif.memory import Memory
from agent.model import Event, Fact, Outcome
from tests.effort import examples
from tests.oracle import drawn
from tests.oracle.days import Days
from tests.oracle.sets import LEVEL, LEVEL_FROM, Forms, Step, awards
from tests.rule_stories import event, rule, rulebook

DAY_S = 86_400
ORDERED = {"comeback", "senior"}
"""Those for which the order of arrival counts, as the manual says of them."""


def _forms(chance: Random, begin: datetime) -> Forms:
    closed = begin.date() + timedelta(chance.randrange(12))
    return Forms(
        streak=chance.choice([2, 3, 4]),
        in_week=chance.choice([2, 3, 5]),
        spaced=(chance.choice([2, 3]), chance.choice([1, 2, 4])),
        comeback=chance.choice([1, 2, 5]),
        crosses=chance.choice([50, 80]),
        within={"default": chance.choice(["3d", "12h"]), "BIO": chance.choice(["1d", "7d"])},
        pass_mark=chance.choice([50, 80]),
        programme=chance.choice([["BIO"], ["BIO", "ART"], ["BIO", "ART", "LAW"]]),
        closed=(closed, closed + timedelta(chance.choice([0, 1, 3]))),
    )


def _steps(chance: Random, begin: datetime) -> list[Step]:
    span = chance.choice([5, 14, 30]) * DAY_S
    found = [
        Step(
            at=int(begin.timestamp()) + chance.randrange(span),
            who=chance.choice(["ann", "ben"]),
            kind=chance.choice(["lesson.completed"] * 3 + ["course.graded"]),
            course=chance.choice(["BIO", "ART", "LAW"]),
            section=chance.choice("12"),
            progress=chance.choice([None, 40, 50, 79, 80, 100]),
            score=chance.choice([None, 20, 50, 79, 80, 100]),
            enrolled=chance.choice([None, 43_200, 43_201, DAY_S, DAY_S + 1, 3 * DAY_S, 7 * DAY_S, 8 * DAY_S]),
        )
        for _ in range(chance.choice([4, 12, 40]))
    ]
    return sorted(found, key=lambda step: step.at)


def _written(forms: Forms, days: Days) -> str:
    text = f'schema = 1\ntimezone = "{days.zone}"\nday_starts_at = "{days.starts}"\nweek_starts_on = "{days.week}"\n'
    text += f'[calendar]\nclosed = ["{forms.closed[0]}..{forms.closed[1]}"]\n[currency.reputation]\nspendable = false\n'
    text += f'[[level]]\nname = "{LEVEL}"\ncurrency = "reputation"\nfrom = {LEVEL_FROM}\n'
    text += f'[value.window]\ndefault = "{forms.within["default"]}"\nBIO = "{forms.within["BIO"]}"\n'
    text += f"[programme.p]\ncourses = {forms.programme}\npass = {forms.pass_mark}\n"
    needed, apart = forms.spaced
    each = {
        "first": "first = true",
        "first-course": 'first = true\nonce_per = "course"',
        "row": f"streak = {{ days = {forms.streak}, repeat = true }}",
        "row-once": f"streak = {{ days = {forms.streak} }}",
        "week": f'streak = {{ days = {forms.in_week}, in = "week" }}',
        "spaced": f'spaced = {{ days = {needed}, of = "course", apart = {apart} }}',
        "comeback": f'comeback = "{forms.comeback}d"',
        "crosses": f"crosses = {{ section_progress_pct = {forms.crosses} }}",
        "in-time": 'conditions = { since_enrolment = "<= @window" }\nonce_per = "event"',
        "senior": f'requires = {{ level = "{LEVEL}" }}\nonce_per = "event"',
    }
    text += rule(name="reputation", award="{ reputation = 2 }", more='once_per = "event"')
    text += "".join(rule(name=name, award="1", more=more) for name, more in each.items())
    return text + rule("programme.completed", name="programme", award="1")


def _events(steps: Iterable[Step]) -> list[Event]:
    found = []
    for number, step in enumerate(steps):
        facts: dict[str, Fact] = {"course_shortname": step.course}
        told = {"section_progress_pct": step.progress, "since_enrolment": step.enrolled}
        told = {"score_pct": step.score} if step.kind == "course.graded" else told
        facts.update({name: value for name, value in told.items() if value is not None})
        lesson = str(number) if step.kind == "lesson.completed" else None
        about = {"course": step.course, "section": step.course + step.section, "key": str(number)}
        found.append(event(step.kind, step.at, step.who, lesson=lesson, facts=facts, **about))  # type: ignore[arg-type]
    return found


def _paid(rules: Rulebook, events: Iterable[Event]) -> Counter[tuple[str, str]]:
    """How often each rule paid each learner, with an act to a page."""
    memory, found = Memory(), Counter[tuple[str, str]]()
    for one in events:
        verdicts = [verdict for each in memory.brought([one], rules) for verdict in evaluate.judge(each, rules)]
        for decision in memory.book(verdicts):
            if decision.outcome is Outcome.awarded:
                found[decision.learner.partition(":")[2], decision.rule_id] += decision.postings[0].amount
    return found


@pytest.mark.parametrize("seed", range(examples(40)))
def test_what_several_acts_earn_together_is_what_a_plain_reading_says(seed: int) -> None:
    chance = Random(seed)
    days, begin = drawn.days(chance)
    forms, steps = _forms(chance, begin), _steps(chance, begin)
    rules, events = rulebook(_written(forms, days)), _events(steps)
    read = {
        (who, name): count
        for who in ("ann", "ben")
        for name, count in awards(forms, [step for step in steps if step.who == who], days).items()
        if count
    }
    assert dict(_paid(rules, events)) == read
    late = _paid(rules, chance.sample(events, len(events)))
    assert {key: n for key, n in late.items() if key[1] not in ORDERED} == {
        key: n for key, n in read.items() if key[1] not in ORDERED
    }
