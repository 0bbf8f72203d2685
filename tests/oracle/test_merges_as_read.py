"""Two accounts that become one, by chance: what is paid once stays so, and limits count together from then on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from tests.effort import examples
from tests.integration.test_merging import desk
from tests.oracle import drawn
from tests.oracle.plain import Act, Campus, Reader, Ruling
from tests.oracle.seen import events


def _ruling(chance: Random, number: int) -> Ruling:
    once = chance.choice([("lesson",), ("lesson",), ("lesson", "day"), ("day",), ("ever",), ("event",)])
    frequency = 1 if once == ("event",) else chance.choice([1, 1, 2])
    return replace(drawn.undoable(chance, number), once=once, frequency=frequency, budget=None, review=False)


def _merge(reader: Reader, rulings: list[Ruling]) -> None:
    """What ben did is ann's; of each scope the earlier acts stand, as many as it pays."""

    def ann(act: Act) -> Act:
        return replace(act, who="ann") if act.who == "ben" else act

    reader.again = [one._replace(act=ann(one.act)) for one in reader.again]
    reader.undone = [(rule, ann(undo)) for rule, undo in reader.undone]
    reader.awards = [one._replace(act=ann(one.act)) for one in reader.awards]
    for ruling in rulings:
        places: dict[tuple[object, ...], int] = {}
        for number, one in sorted(enumerate(reader.awards), key=lambda each: each[1].act.when):
            if one.rule != ruling.name or one.act.who != "ann" or one.taken_back:
                continue
            places[one.scope] = places.get(one.scope, 0) + 1
            if places[one.scope] > ruling.frequency:
                reader.awards[number] = one._replace(taken_back=True)


@pytest.mark.parametrize("seed", range(examples(28)))
async def test_what_two_accounts_have_together_is_what_a_plain_reading_says(seed: int, tmp_path: Path) -> None:
    chance = Random(seed)
    days, begin = drawn.days(chance)
    rulings = [_ruling(chance, number) for number in range(chance.choice([1, 2]))]
    campus = Campus(days=days, rulings=rulings, caps=[drawn.cap(chance, rulings)] if chance.random() < 0.2 else [])
    acts = [replace(act, believed=True, source="moodle") for act in drawn.done_and_undone(chance, begin)]
    reader, cut = Reader(campus), chance.randrange(len(acts))
    async with desk(tmp_path, drawn.written(campus)) as it:
        seen = [one.seen for one in events(acts)]
        await it.here.take(*seen[:cut])
        await it.merge()
        await it.here.take(*seen[cut:])
        found = {currency: it.here.balances(currency) for currency in ("points", "stars")}
    for act in acts[:cut]:
        reader.read(act)
    _merge(reader, rulings)
    for act in acts[cut:]:
        reader.read(replace(act, who="ann") if act.who == "ben" else act)
    assert found == {currency: reader.balances(currency) for currency in found}
