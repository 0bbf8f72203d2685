"""Acts that come by two routes, the log and posts of the same: what stands is what the log alone is read as."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from agent.model import Evidence, Observation
from tests.effort import examples
from tests.ledgers import rows
from tests.oracle import drawn
from tests.oracle.plain import Reader
from tests.oracle.seen import events
from tests.pipelines import running

Delivery = tuple[str, list[Observation]]
"""A source and a page of it."""


def _post(seen: Observation, number: int) -> Observation:
    marks, evidence = frozenset({"unconfirmed"}), Evidence.bearer_token
    return replace(seen, source="trigger", position=number, marks=marks, evidence=evidence)  # type: ignore[arg-type]


def _deliveries(chance: Random, log: list[Observation]) -> list[Delivery]:
    """The log in its order; of each act no post or several, before its row or after it."""
    apart = chance.choice([0, 3, 8, 30])
    arriving = [(float(place), 1.0, seen) for place, seen in enumerate(log)]
    for place, seen in enumerate(log):
        for _ in range(chance.choice([0, 1, 1, 1, 2])):
            post = _post(seen, len(arriving))
            arriving.append((place + chance.uniform(-apart, apart / 3), chance.random(), post))
    found: list[Delivery] = []
    for _, _, seen in sorted(arriving, key=lambda each: each[:2]):
        if found and found[-1][0] == seen.source and chance.random() < 0.5:
            found[-1][1].append(seen)
        else:
            found.append((seen.source, [seen]))
    return found


def _first_tellers(deliveries: list[Delivery]) -> dict[tuple[str, ...], str]:
    """Which source told first of each act: to it the act belongs."""
    found: dict[tuple[str, ...], str] = {}
    for source, page in deliveries:
        for seen in page:
            found.setdefault(seen.natural_key, source)
    return found


@pytest.mark.parametrize("seed", range(examples(30)))
async def test_what_is_posted_and_logged_comes_to_what_the_log_alone_is_read_as(seed: int, tmp_path: Path) -> None:
    chance = Random(seed)
    days, begin = drawn.days(chance)
    campus = drawn.campus(chance, days)
    one_source = replace(drawn.cap(chance, campus.rulings), sources=[chance.choice(["moodle", "trigger"])])
    campus = replace(campus, caps=[*campus.caps, one_source] if chance.random() < 0.5 else campus.caps)
    acts = [replace(act, believed=True, source="moodle") for act in drawn.done_and_undone(chance, begin)]
    deliveries = _deliveries(chance, [one.seen for one in events(acts)])
    first = _first_tellers(deliveries)
    reader = Reader(campus)
    for act, one in zip(acts, events(acts), strict=True):
        reader.read(replace(act, source=first[one.seen.natural_key]))
    async with running(tmp_path, drawn.written(campus)) as agent:
        for source, page in deliveries:
            await agent.take(*page, source=source)
        found = {currency: agent.balances(currency) for currency in ("points", "stars")}
        held = Counter(rule for (rule,) in rows(tmp_path, "SELECT rule_id FROM hold WHERE state = 'open'"))
    assert found == {currency: reader.balances(currency) for currency in found}
    assert held == Counter(rule for rule, _ in reader.open())
