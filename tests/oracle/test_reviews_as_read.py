"""People who approve and reject between acts: what is paid, waits and is decided again is what a plain reading says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from tests.effort import examples
from tests.oracle import drawn
from tests.oracle.both import Both
from tests.oracle.desk import Desk
from tests.oracle.plain import Bound, Campus, Ruling
from tests.pipelines import running
from tests.rule_stories import rulebook


def _campus(chance: Random, campus: Campus) -> Campus:
    """Most awards wait for somebody, who may approve other amounts."""

    def reviewed(one: Ruling) -> Ruling:
        if chance.random() < 0.4:
            return replace(one, review=False)
        most = one.award["points"] + chance.choice([0, 5])
        return replace(one, review=True, adjust=chance.choice([None, (2, most)]) if len(one.award) == 1 else None)

    return replace(campus, rulings=[reviewed(one) for one in campus.rulings])


def _changed(chance: Random, campus: Campus) -> Campus:
    """The same rules with other amounts, maxima and reviews."""

    def other(bound: Bound) -> Bound:
        return replace(bound, most=max(1, bound.most + chance.choice([-3, -1, 0, 1, 4])))

    def ruling(one: Ruling) -> Ruling:
        award = {**one.award, "points": chance.choice([3, 7, 10])}
        frequency = one.frequency if one.once == ("event",) else chance.choice([1, 2])
        limits = [other(limit) for limit in one.limits]
        return replace(one, award=award, frequency=frequency, limits=limits, adjust=None)

    rulings = [ruling(one) for one in campus.rulings]
    return _campus(chance, replace(campus, rulings=rulings, caps=[other(cap) for cap in campus.caps]))  # type: ignore[misc]


@pytest.mark.parametrize("seed", range(examples(40)))
async def test_what_people_decide_comes_to_what_a_plain_reading_says(seed: int, tmp_path: Path) -> None:
    chance = Random(seed)
    days, begin = drawn.days(chance)
    campus = _campus(chance, drawn.campus(chance, days))
    acts = drawn.shuffled(chance, [replace(one, source="moodle") for one in drawn.done_and_undone(chance, begin)])
    reloads = chance.choice([0, 0, 0.1])
    async with running(tmp_path, drawn.written(campus)) as agent:
        both, taken = Both(agent, Desk(campus), acts), 0
        while taken < len(acts) or (both.open() and chance.random() < 0.8):
            if taken < len(acts) and chance.random() < 0.6:
                size = chance.choice([1, 1, 2, 4])
                await both.take(acts[taken : taken + size])
                taken += size
            elif chance.random() < 0.15 and taken:
                again = chance.choice(acts[:taken])
                await both.take([replace(again, believed=again.believed or chance.random() < 0.7)])
            elif chance.random() < reloads:
                campus = _changed(chance, campus)
                await agent.pipeline.adopt(rulebook(drawn.written(campus)), drawn.written(campus))
                both.reader.change(campus)
            else:
                await both.settle(chance)
            assert both.found() == both.read()
