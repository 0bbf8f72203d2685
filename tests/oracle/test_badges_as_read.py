"""Badges, tiers and what rules require, by chance: who has what is what a plain reading says, after every step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random

import aiosqlite
import pytest

from agent.engine.recognition import ladder
from agent.engine.rules import Rulebook
from agent.errors import InvalidInputError
from agent.ledger import corrections
from agent.ledger.corrections import Correction
from agent.ledger.past import standing
from agent.recognition.byhand import ByHand
from agent.recognition.following import Following
from tests.builders import NOW
from tests.effort import examples
from tests.fakes import ManualClock
from tests.ledgers import rows
from tests.oracle import drawn
from tests.oracle.both import Both
from tests.oracle.plain import Act, Campus, Ruling
from tests.oracle.recognised import PEOPLE, Recognised
from tests.oracle.wishes import Badge, Tier, Wish, shelf
from tests.pipelines import running
from tests.rule_stories import rulebook

COURSES = ("BIO", "ART")
LEVELS = {"Low": 1, "High": 3}
TAGS = ("one", "two")
HAD = "SELECT p.lms_user, substr(b.currency, 7) FROM balance b JOIN person p USING (person_no) WHERE b.amount > 0"


def _wish(  # noqa: PLR0911 - a case for each criterion
    chance: Random, rulings: Sequence[Ruling], badges: Sequence[str], tiers: Sequence[Tier], deep: int
) -> Wish:
    asked = chance.choice(["rule", "rule", "group", "tag", "badge", "balance", "level", "programme", "tier", "several"])
    least = chance.choice([1, 1, 2, 3])
    groups = sorted({one.group for one in rulings} - {""})
    if asked == "several" and deep:
        parts = [_wish(chance, rulings, badges, tiers, deep - 1) for _ in range(chance.choice([2, 3]))]
        some = chance.random() < 0.5
        return Wish(
            asked="any_of" if some else "all_of", parts=parts, at_least=chance.choice([1, 2]) if some else len(parts)
        )
    match asked:
        case "group" if groups:
            name = chance.choice(groups)
            counted = [f"rule {one.name}" for one in rulings if one.group == name]
            return Wish(asked="group", name=name, names=counted, at_least=least, distinct=chance.random() < 0.3)
        case "tag":
            name = chance.choice(TAGS)
            return replace(_tag(rulings, name), at_least=least, distinct=chance.random() < 0.3)
        case "badge" if badges:
            name = chance.choice(badges)
            return Wish(asked="badge", name=name, names=[f"badge {name}"])
        case "tier" if tiers:
            return chance.choice(tiers).wish
        case "level":
            name = chance.choice(list(LEVELS))
            return Wish(asked="level", name=name, names=["stars ever"], at_least=LEVELS[name])
        case "programme":
            return Wish(asked="programme", name="p", names=["programme p"])
        case "balance":
            current = chance.random() < 0.5
            names = [f"points {'now' if current else 'ever'}"]
            return Wish(
                asked="balance", name="points", names=names, at_least=chance.choice([3, 10, 20]), current=current
            )
    one = chance.choice(rulings)
    return Wish(asked="rule", name=one.name, names=[f"rule {one.name}"], at_least=least)


def _tag(rulings: Sequence[Ruling], name: str) -> Wish:
    return Wish(asked="tag", name=name, names=[f"rule {one.name}" for one in rulings if name in one.tags])


def _badge(chance: Random, number: int, rulings: Sequence[Ruling], tiers: Sequence[Tier]) -> Badge:
    before = [f"b{each}" for each in range(number)]
    wish: Wish | None = _wish(chance, rulings, before, tiers, 2)
    if chance.random() < 0.15:
        tags = chance.choice([["one"], ["one", "two"]])
        wish = Wish(asked="tags", parts=[_tag(rulings, tag) for tag in tags], at_least=len(tags))
    return Badge(name=f"b{number}", wish=wish if chance.random() < 0.85 else None, sticky=chance.random() < 0.5)


def _tier(chance: Random, number: int, rulings: Sequence[Ruling]) -> Tier:
    return Tier(
        name=f"T{number}",
        least=chance.choice([1, 3, 10, 30]) + number,
        current=chance.random() < 0.4,
        requires=_wish(chance, rulings, [], [], 1) if chance.random() < 0.5 else None,
        visible=chance.choice(["always", "next", "reached"]),
    )


def _recognised(chance: Random, campus: Campus) -> tuple[Campus, list[Badge], list[Tier]]:
    """Rules with tags, some of which give a badge or require something; badges and tiers."""
    rulings = [replace(one, tags=[tag for tag in TAGS if chance.random() < 0.5]) for one in campus.rulings]
    rulings[0] = replace(rulings[0], tags=TAGS)
    tiers = [_tier(chance, number, rulings) for number in range(chance.choice([0, 2, 3]))]
    badges = [_badge(chance, number, rulings, tiers) for number in range(chance.choice([2, 3, 5]))]
    names = [badge.name for badge in badges]
    giving = [
        {**one.award, f"badge:{chance.choice(names)}": 1} if chance.random() < 0.3 else one.award for one in rulings
    ]
    asking = [_wish(chance, rulings, names, tiers, 1) if chance.random() < 0.2 else None for _ in rulings]
    more = zip(rulings, giving, asking, strict=True)
    rulings = [replace(one, award=award, requires=wish) for one, award, wish in more]
    return replace(campus, rulings=rulings), badges, tiers


def _written(campus: Campus, badges: Sequence[Badge], tiers: Sequence[Tier]) -> str:
    levels = "".join(
        f'[[level]]\nname = "{name}"\ncurrency = "stars"\nfrom = {least}\n' for name, least in LEVELS.items()
    )
    head, cut, rest = drawn.written(campus).partition("[[rule]]")
    programme = f"[programme.p]\ncourses = {list(COURSES)}\n"
    return (
        head + programme + levels + cut + rest + "".join([*(one.text for one in badges), *(one.text for one in tiers)])
    )


def _acts(chance: Random, begin: object) -> list[Act]:
    acts = drawn.done_and_undone(chance, begin)  # type: ignore[arg-type]
    passed = [
        replace(act, kind="course.completed", course=chance.choice(COURSES), key=f"c{act.key}")
        for act in chance.sample(acts, chance.choice([0, 2, 4]))
    ]
    return [replace(one, source="moodle") for one in sorted([*acts, *passed], key=lambda act: act.when)]


class Campaign(Both[Recognised]):
    """The agent with people who give and take by hand, and the reading."""

    async def step(self, chance: Random) -> None:
        """Somebody does something by hand."""
        who = chance.choice(PEOPLE)
        following = Following(self.agent.pipeline, self.agent.recorder)
        hand = ByHand(self.agent.writer, self.agent.recorder, self.agent.pipeline, following, ManualClock(NOW))
        badge = chance.choice(self.reader.badges).name
        about = {"badge": badge, "learner": f"moodle:{who}", "by": "d"}
        match chance.choice(["assign", "revoke", "adjust"]):
            case "assign":
                told = "given"
                try:
                    await hand.assign(**about)
                except InvalidInputError:
                    told = "has it"
                assert told == self.reader.assign(who, badge)
            case "revoke":
                told = "taken"
                try:
                    await hand.revoke(**about, reason="r")
                except InvalidInputError:
                    told = "has it not"
                assert told == self.reader.revoke(who, badge)
            case _:
                amount = chance.choice([-5, 4, 12])

                async def unit(connection: aiosqlite.Connection) -> object:
                    return await corrections.adjust(
                        connection,
                        self.agent.recorder,
                        learner=f"moodle:{who}",
                        currency="points",
                        amount=amount,
                        correction=Correction(reason="r", by="d"),
                        now=NOW,
                    )

                await self.agent.writer.run(following.after(unit, NOW))
                self.reader.adjust(who, amount)

    def found(self) -> list[object]:
        return [*super().found(), set(rows(self.agent.data_dir, f"{HAD} AND b.currency LIKE 'badge:%'"))]

    def read(self) -> list[object]:
        return [*super().read(), self.reader.who_has()]

    async def shown(self, rules: Rulebook) -> dict[str, dict[str, tuple[bool, bool]]]:
        """By person and tier: whether it is reached, and whether it is shown."""
        names = ladder.looked_at(rules.words, (), rules.tiers)
        learners = [f"moodle:{who}" for who in PEOPLE]

        async def unit(connection: aiosqlite.Connection) -> standing.Standing:
            names_of, people = self.agent.recorder.names, self.agent.recorder.people
            return await standing.load(connection, names_of, people, wanted=names, given=(), learners=learners)

        found = await self.agent.writer.run(unit)
        rungs = {who: ladder.tiers_of(rules.words, rules.tiers, partial(_number, found, who)) for who in PEOPLE}
        return {who: {rung.name: (rung.reached, rung.visible) for rung in each} for who, each in rungs.items()}


def _number(found: standing.Standing, who: str, name: str) -> int:
    return found.numbers.get((name, f"moodle:{who}"), 0)


@pytest.mark.parametrize("seed", range(examples(40)))
async def test_who_has_which_badge_and_tier_is_what_a_plain_reading_says(seed: int, tmp_path: Path) -> None:
    chance = Random(seed)
    days, begin = drawn.days(chance)
    campus, badges, tiers = _recognised(chance, drawn.campus(chance, days))
    acts, text = drawn.shuffled(chance, _acts(chance, begin)), _written(campus, badges, tiers)
    rules, reader = rulebook(text), Recognised(campus, badges, COURSES)
    async with running(tmp_path, text) as agent:
        both, taken = Campaign(agent, reader, acts), 0
        while taken < len(acts):
            what = chance.random()
            if what < 0.7:
                size = chance.choice([1, 1, 2, 4])
                await both.take(acts[taken : taken + size])
                taken += size
            elif what < 0.85:
                await both.settle(chance)
            else:
                await both.step(chance)
            assert both.found() == both.read()
            assert await both.shown(rules) == {who: shelf(tiers, reader.standing(who)) for who in PEOPLE}
