"""Challenges by chance, on a real ledger: each round that is complete by what was done is paid, in any order."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from agent.model import Event, Fact, Trust
from tests.effort import examples
from tests.oracle import drawn
from tests.oracle.challenged import Deed, Quest, Step, rounds
from tests.oracle.days import Days
from tests.pipelines import running
from tests.rule_stories import event
from tests.unit.review.desks import desk, open_holds

DAY_S = 86_400
PEOPLE = ("ann", "ben")
PER = {"lesson.completed": "lesson", "course.viewed": "course", "quiz.submitted": "lesson"}
"""What is counted once where nothing is said."""


Paid = dict[str, dict[str, int]]
"""By challenge and person, how many rounds."""


def _step(chance: Random) -> Step:
    kind = chance.choice(["lesson.completed", "lesson.completed", "course.viewed", "quiz.submitted"])
    least = chance.choice([0, 0, 60]) if kind == "quiz.submitted" else 0
    return Step(
        kind=kind, count=chance.choice([1, 1, 2, 3]), per=chance.choice([PER[kind], PER[kind], "day"]), least=least
    )


def _quest(chance: Random, number: int, begin: datetime, following: str) -> Quest:
    steps: list[Step] = []
    while len(steps) < chance.choice([1, 2, 3]):
        one = _step(chance)
        steps += (
            [one] if all((one.kind, one.per, one.least) != (each.kind, each.per, each.least) for each in steps) else []
        )
    last = (begin + timedelta(chance.choice([3, 10]))).date().isoformat()
    return Quest(
        name=f"c{number}",
        steps=steps,
        strict=chance.random() < 0.5,
        by_hand=chance.random() < 0.4,
        deadline=chance.choice(["", "", "9d", "12d", last]),
        repeat=chance.choice(["", "", "anew", "week", "sem1"]),
        next=following,
    )


def _deeds(chance: Random, begin: datetime, quests: list[Quest], days: Days) -> list[Deed]:
    span = chance.choice([2, 10, 30]) * DAY_S
    times = chance.sample(range(span // 60), chance.choice([6, 15, 30]))
    found = []
    for minute in times:
        at, who = int(begin.timestamp()) + 60 * minute, chance.choice(PEOPLE)
        by_hand = [quest.name for quest in quests if quest.by_hand]
        if by_hand and chance.random() < 0.15:
            kind = chance.choice(["enrolled", "enrolled", "withdrawn"])
            found.append(Deed(at=at, who=who, kind=kind, things={}, quest=chance.choice(by_hand)))
            continue
        kind = chance.choice(["lesson.completed", "lesson.completed", "course.viewed", "quiz.submitted"])
        things = {"lesson": chance.choice("1234"), "course": chance.choice("12"), "day": str(days.day(at))}
        found.append(Deed(at=at, who=who, kind=kind, things=things, score=chance.choice([20, 60, 90])))
    return found


def _event(deed: Deed) -> Event:
    if deed.quest:
        name = f"\\challenge\\{deed.quest}\\{deed.kind}"
        return event(f"challenge.{deed.kind}", deed.at, deed.who, lms_event=name, lesson=None, course=None)
    facts: dict[str, Fact] = {"score_pct": deed.score} if deed.kind == "quiz.submitted" else {}
    lesson = None if deed.kind == "course.viewed" else deed.things["lesson"]
    return event(deed.kind, deed.at, deed.who, lesson=lesson, course=deed.things["course"], facts=facts)


def _written(quests: list[Quest], days: Days) -> str:
    text = f'schema = 1\ntimezone = "{days.zone}"\nday_starts_at = "{days.starts}"\nweek_starts_on = "{days.week}"\n'
    text += f"[period.sem1]\nfrom = {days.period[0]}\nuntil = {days.period[1]}\n"
    text += "".join(f"[currency.{one.name}]\n" for one in quests)
    return text + "".join(map(_challenge, quests))


def _challenge(one: Quest) -> str:
    text = f'[[challenge]]\nid = "{one.name}"\naward = {{ {one.name} = 1 }}\n'
    text += f'order = "{"strict" if one.strict else "free"}"\n'
    text += f'enrol = "{"by hand" if one.by_hand else "automatic"}"\n'
    text += f'next = "{one.next}"\n' if one.next else ""
    if one.deadline:
        text += f'deadline = "{one.deadline}"\n' if one.deadline.endswith("d") else f"deadline = {one.deadline}\n"
    if one.repeat:
        text += "repeat = true\n" if one.repeat == "anew" else f'repeat = "{one.repeat}"\n'
    for step in one.steps:
        text += f'[[challenge.step]]\non = "{step.kind}"\ncount = {step.count}\nper = "{step.per}"\n'
        text += f'conditions = {{ score_pct = ">={step.least}" }}\n' if step.least else ""
    return text


def _read(quests: list[Quest], deeds: list[Deed], days: Days) -> Paid:
    """How many rounds of each challenge each has completed; what comes next is enrolled into by the first."""
    found: Paid = {}
    begun: dict[tuple[str, str], list[int]] = {}
    for quest in quests:
        for who in PEOPLE:
            mine = [deed for deed in deeds if deed.who == who]
            at = rounds(quest, mine, begun.get((quest.name, who), []), days)
            begun.setdefault((quest.next, who), []).extend(at)
            found.setdefault(quest.name, {}).update({who: len(at)} if at else {})
    return found


def _most(before: Paid, now: Paid) -> Paid:
    """What was paid stands, also where a withdrawal from before comes late."""
    each = {name: before[name].keys() | now[name].keys() for name in now}
    return {
        name: {who: max(before[name].get(who, 0), now[name].get(who, 0)) for who in people}
        for name, people in each.items()
    }


@pytest.mark.parametrize("seed", range(examples(40)))
async def test_each_round_that_is_complete_is_paid_as_a_plain_reading_says(seed: int, tmp_path: Path) -> None:
    chance = Random(seed)
    days, begin = drawn.days(chance)
    size = chance.choice([1, 2, 3])
    quests = [
        _quest(chance, n, begin, f"c{n + 1}" if n + 1 < size and chance.random() < 0.6 else "") for n in range(size)
    ]
    entered = {quest.next for quest in quests}
    quests = [replace(quest, by_hand=quest.by_hand or quest.name in entered) for quest in quests]
    deeds = _deeds(chance, begin, quests, days)
    if chance.random() < 0.5:
        deeds.sort(key=lambda deed: deed.at)
    async with running(tmp_path, _written(quests, days)) as agent:
        taken, due = 0, _read(quests, [], days)
        while taken < len(deeds):
            page = deeds[taken : taken + chance.choice([1, 1, 3])]
            taken += len(page)
            doubted = chance.random() < 0.15 and not any(deed.quest for deed in page)
            level = Trust.client_reported if doubted else Trust.server_verified
            await agent.take(*(replace(_event(deed).seen, evidence=event(level=level).seen.evidence) for deed in page))
            if doubted:
                await desk(agent).approve(decisions=open_holds(agent), by="d")
            paid = {quest.name: agent.balances(quest.name) for quest in quests}
            for many in range(taken - len(page) + 1, taken + 1):
                due = _most(due, _read(quests, deeds[:many], days))
            assert paid == due
