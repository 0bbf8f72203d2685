"""What learners are called, told by their agents: the later holds, and what is taken away comes back by no message."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from catalogue import schema
from catalogue.people import names
from catalogue.proof import keeping
from tests.integration.people.town import Town, sender
from tests.integration.redemption.conftest import shop as _shop
from tests.integration.redemption.shop import CAMPUS, Shop, a_shop
from wire.keeping import Persons
from wire.people.names import Name, Names

shop = _shop  # on both databases


@pytest.fixture
async def town(tmp_path: Path, catalogue_file: Path) -> AsyncIterator[Town]:
    async with a_shop(tmp_path, template=catalogue_file) as made:
        town = Town(made)
        await town.open()
        yield town


def named(*told: tuple[str, str, int], agent: str = "a", withdrawn: int = 0) -> Names:
    found = tuple(Name(learner=learner, name=name, told_at=at) for learner, name, at in told)
    return Names(campus=CAMPUS, agent=agent, said_by="username", names=found, withdrawn=withdrawn)


async def tell(town: Town, message: Names, *, later: int = 0) -> str:
    async with town.shop.store.writing() as conn:
        register = message.register or await names.register_of(conn, sender(message.agent))
        if not register and message.names:
            asked = replace(message, names=(), withdrawn=0)
            register = await names.tell(conn, sender(message.agent), asked, now=town.shop.at)
        said = Names.parse(replace(message, register=register).encode())
        return await names.tell(conn, sender(message.agent), said, now=town.shop.at + later)


async def gone(town: Town, *learners: str, agent: str = "a", later: int = 0) -> None:
    """The message that carries an erasure."""
    message = Persons(campus=CAMPUS, agent=agent, persons=(), gone=learners)
    async with town.shop.store.writing() as conn:
        await keeping.keep(conn, sender(agent), message, now=town.shop.at + later)


async def called(town: Town, text: str = "") -> dict[str, str]:
    async with town.shop.store.reading() as conn:
        found, _ = await names.find(conn, CAMPUS, text)
        looked = await names.of(conn, CAMPUS, [one.learner for one in found])
    assert {one.learner: one for one in found} == looked
    return {one.learner: one.name for one in found}


async def kept(town: Town) -> list[tuple[Any, ...]]:
    async with town.shop.store.reading() as conn:
        table = schema.person_name.c
        rows = await conn.execute(select(table.learner, table.name, table.told_at).order_by(table.learner))
        return [tuple(row) for row in rows]


async def test_the_name_that_was_told_last_replaces_the_one_before_and_is_found_by_any_part(shop: Shop) -> None:
    town = Town(shop)
    await town.open()
    register = await tell(town, named(("p1", "ann.Ärger", 10), ("p2", "ben%_", 10)))
    assert await called(town) == {"p1": "ann.Ärger", "p2": "ben%_"}
    assert await called(town, "äRG") == {"p1": "ann.Ärger"}
    assert await called(town, "%_") == {"p2": "ben%_"}
    assert await tell(town, named(("p1", "ann.smith", 11))) == register
    assert await tell(town, named(("p1", "ann.Ärger", 10))) == register
    assert await called(town, "ann") == {"p1": "ann.smith"}


async def test_in_whatever_order_and_however_often_messages_come_the_outcome_is_one(town: Town) -> None:
    said = [named(("p1", "ann", 10)), named(("p1", "anne", 20)), named(("p1", "", 15)), named(("p1", "anna", 20))]
    outcomes = set()
    for order in permutations(said):
        for message in (*order, *order):
            await tell(town, message)
        outcomes.add(tuple((await called(town)).items()))
        async with town.shop.store.writing() as conn:
            await names.drop(conn, CAMPUS, now=1)
    assert outcomes == {(("p1", "anne"),)}


async def test_who_is_erased_has_no_name_and_a_message_that_was_under_way_gives_none_back(shop: Shop) -> None:
    town = Town(shop)
    await town.open()
    await tell(town, named(("p1", "ann", 10), ("p2", "ben", 10)))
    await gone(town, "p1", "p3")
    await tell(town, named(("p1", "ann", 12), ("p3", "cid", 12), ("p2", "ben", 12)))
    assert await called(town) == {"p2": "ben"}
    assert "ann" not in str(await kept(town))


async def test_nothing_says_for_long_that_somebody_had_a_name(town: Town) -> None:
    await gone(town, "p0")
    assert await kept(town) == [], "nobody tells names here"
    await tell(town, named(("p1", "ann", 10), ("p2", "ben", 10)))
    await gone(town, "p1")
    await tell(town, named(("p2", "", 11)))
    assert [learner for learner, *_ in await kept(town)] == ["p1", "p2"]
    await tell(town, named(("p3", "cid", 12)), later=names.GONE_KEPT_S + 1)
    assert [learner for learner, *_ in await kept(town)] == ["p3"]


async def test_a_register_that_is_withdrawn_holds_nothing_that_was_told_until_then(shop: Shop) -> None:
    town = Town(shop)
    await town.open()
    await tell(town, named(("p1", "ann", 10), ("p2", "ben", 30)))
    await tell(town, named(("q1", "cid", 10), agent="b"))
    register = await tell(town, named(withdrawn=20))
    assert await tell(town, named(("p1", "ann", 15))) == register
    assert await called(town) == {"p2": "ben", "q1": "cid"}
    await tell(town, named(withdrawn=10))
    await tell(town, named(("p1", "ann", 20)))
    assert "p1" not in await called(town), "an older withdrawal takes nothing of a later one away"
    await tell(town, named(("p1", "ann", 21)))
    assert (await called(town))["p1"] == "ann"


async def test_no_agent_names_anothers_learner_and_a_clock_that_is_ahead_bars_no_later_name(town: Town) -> None:
    await tell(town, named(("p1", "ann", 10)))
    await tell(town, named(("p1", "eve", 99), agent="b"))
    await gone(town, "p1", agent="b")
    assert await called(town) == {"p1": "ann"}
    await tell(town, named(("p1", "anne", town.shop.at + 400 * 86_400)))
    await tell(town, named(("p1", "anna", town.shop.at + 2 * 86_400)), later=2 * 86_400)
    assert await called(town) == {"p1": "anna"}


async def test_who_ends_an_agent_or_a_campus_ends_its_names_and_the_agent_hears_of_another_register(town: Town) -> None:
    register = await tell(town, named(("p1", "ann", 10)))
    other = await tell(town, named(("q1", "cid", 10), agent="b"))
    async with town.shop.store.writing() as conn:
        assert await names.drop(conn, CAMPUS, "a", now=1) == 1
    assert await called(town) == {"q1": "cid"}
    async with town.shop.store.reading() as conn:
        assert await names.register_of(conn, sender("a")) == ""
        assert await names.register_of(conn, sender("b")) == other
    assert await tell(town, named()) != register
    await tell(town, replace(named(("p1", "ann", 10)), register=register))
    assert await called(town) == {"q1": "cid"}, "what was for the one before comes too late"
