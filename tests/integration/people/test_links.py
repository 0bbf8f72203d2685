"""Two agents of a campus tell what their persons are known by: who is one person has one wallet, and nobody guesses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import permutations
from pathlib import Path

import pytest
from sqlalchemy import insert, text

from catalogue import schema
from catalogue.errors import RefusedError
from catalogue.people import elsewhere
from catalogue.wallets import purse
from tests.integration.people.town import Town, a_tag, names
from tests.integration.redemption.conftest import shop as _shop
from tests.integration.redemption.shop import Shop, a_shop
from wire.canonical import WHOLE_MAX
from wire.people.known import Told

shop = _shop  # on both databases


@pytest.fixture
async def town(tmp_path: Path, catalogue_file: Path) -> AsyncIterator[Town]:
    async with a_shop(tmp_path, template=catalogue_file) as made:
        town = Town(made)
        await town.open()
        yield town


async def test_persons_of_two_agents_with_one_tag_have_one_wallet_that_either_spends(shop: Shop) -> None:
    town = Town(shop)
    await town.open()
    await shop.shelve(per_learner=[{"count": 1, "per": "ever"}])
    await shop.give("ann-a", 30)
    await shop.give("ann-b", 30)
    assert await town.says("a", "ann-a", a_tag("ann@x")) == []
    assert await town.says("b", "ann-b", a_tag("ann@x")) == []
    assert names(await town.purses()) == ["ann-a+ann-b"]

    one = await shop.redeem("ann-b")  # 50 points, and neither wallet has as many
    assert (await shop.balance("ann-a"), await shop.balance("ann-b")) == (10, 0)
    assert (await town.hears("b"))[0] == {"ann-b": (10, ["ann-a"], "")}
    await shop.give("ann-a", 100)
    with pytest.raises(RefusedError, match="1"):
        await shop.redeem("ann-a")
    await shop.desk.refund("uni-example", one.redemption, now=shop.at, by="desk", why="broken")
    assert (await shop.balance("ann-a"), await shop.balance("ann-b")) == (130, 30)
    faults: list[str] = []
    from catalogue.redemption import audit  # noqa: PLC0415 - beside what it checks

    async with shop.store.reading() as conn:
        await audit.check(conn, "uni-example", faults.append)
    assert faults == []


async def test_a_purse_spends_what_expires_first_whoever_earned_it_and_not_what_is_owed(town: Town) -> None:
    shop = town.shop
    await shop.shelve()
    await shop.give("ann-a", 60)
    await shop.give("ann-b", 30)
    await town.says("a", "ann-a", a_tag("ann@x"))
    await town.says("b", "ann-b", a_tag("ann@x"))
    await shop.redeem("ann-b")
    assert (await shop.balance("ann-a"), await shop.balance("ann-b")) == (40, 0), "its own lots first, at one date"
    with pytest.raises(RefusedError, match="there are 40"):
        await shop.redeem("ann-b")


async def test_what_a_person_has_in_full_wallets_is_told_as_far_as_it_can_be_kept(town: Town) -> None:
    shop = town.shop
    many = [f"ann-{number}" for number in range(11)]  # together beyond 64 bits
    row = {"campus": "uni-example", "epoch": 1, "seq": 0, "head": bytes(32), "state": "active", "created_at": 0}
    async with shop.store.writing() as conn:
        await conn.execute(insert(schema.agent), [row | {"agent": f"of-{name}"} for name in many])
    for name in many:
        await shop.give(name, 10)
        assert await town.says(f"of-{name}", name, a_tag("ann@x")) == []
    async with shop.store.writing() as conn:
        await conn.execute(text("UPDATE wallet SET balance = 1000000000000000000, earned = 1000000000000000000"))
    async with shop.store.reading() as conn:
        assert await purse.sums(conn, "uni-example", many[0]) == {"points": (WHOLE_MAX, WHOLE_MAX)}
    heard, _ = await town.hears("of-ann-3")
    assert {balance for balance, _, _ in heard.values()} == {WHOLE_MAX}


@pytest.mark.parametrize("linked", [True, False])
async def test_a_person_that_an_agent_lost_with_its_ledger_is_named_and_let_go_of(shop: Shop, linked: bool) -> None:
    """Its tags stayed with a pseudonym that nobody has, and nobody alike was ever linked again."""
    town = Town(shop)
    await town.open()
    order = ["ann-old", "ann-b", "ann-new"] if linked else ["ann-old", "ann-new", "ann-b"]
    for name in order:
        await town.says("b" if name == "ann-b" else "a", name, a_tag("ann@x"))
    for name in ("ann-b", "ann-new"):
        await shop.give(name, 10)
    assert [*await town.held()] == [order[-1]]
    assert await town.lost() == ["ann-old"]
    with pytest.raises(RefusedError, match="ann-new has a wallet and so is somebody's"):
        await town.lose("ann-new")
    await town.lose("ann-old")
    assert (names(await town.purses()), await town.held(), await town.lost()) == (["ann-b+ann-new"], {}, [])
    await town.says("b", "ann-b", a_tag("ann@x"))
    assert await town.held() == {}
    with pytest.raises(RefusedError, match="no agent told by what ann-old is known"):
        await town.lose("ann-old")


async def test_two_people_with_one_address_are_not_taken_for_lost(town: Town) -> None:
    for agent, name in (("a", "ann"), ("a", "bob"), ("b", "cat")):
        await town.says(agent, name, a_tag("office@x"))
        await town.shop.give(name, 10)
    assert [*await town.held()] == ["cat"]
    assert await town.lost() == []


async def test_whichever_agent_comes_first_and_however_often_the_outcome_is_the_same(town: Town) -> None:
    said = {
        "a": Told(name="ann-a", tags=(a_tag("ann@x"), a_tag("7", by="idnumber"))),
        "b": Told(name="ann-b", tags=(a_tag("7", by="idnumber"),)),
        "c": Told(name="ann-c", tags=(a_tag("ann@x"),)),
    }
    outcomes = set()
    for order in permutations(said):
        await town.forget("a", "ann-a")
        await town.forget("b", "ann-b")
        await town.forget("c", "ann-c")
        for agent in (*order, *order):
            await town.tell(agent, said[agent])
        outcomes.add((*names(await town.purses()), *(await town.held()).values()))
    assert outcomes == {("ann-a+ann-b+ann-c",)}


async def test_what_contradicts_itself_is_held_with_its_reason_and_never_linked(town: Town) -> None:
    await town.says("a", "ann-a", a_tag("office@x"), a_tag("1", by="idnumber"))
    await town.says("b", "bob-b", a_tag("office@x"), a_tag("2", by="idnumber"))
    assert await town.held() == {"bob-b": "the e-mail is the same and the idnumber is not"}
    await town.says("a", "cleo-a", a_tag("cleo@x", shared=True))
    await town.says("b", "cleo-b", a_tag("cleo@x"))
    await town.says("a", "dan-a", a_tag("dan@x"))
    await town.says("a", "eve-a", a_tag("9", by="idnumber"))
    await town.says("b", "dan-b", a_tag("dan@x"), a_tag("9", by="idnumber"))
    assert await town.purses() == []
    held = await town.held()
    assert held["cleo-b"] == "two accounts of one site have this e-mail"
    assert held["dan-b"] == "two people have this e-mail or idnumber"
    heard, _ = await town.hears("b")
    assert heard["dan-b"] == (0, [], "two people have this e-mail or idnumber"), "its own agent is told"


async def test_what_was_corrected_is_linked_and_what_was_linked_stays_when_an_address_changes(town: Town) -> None:
    await town.says("a", "ann-a", a_tag("ann@x", shared=True))
    await town.says("b", "ann-b", a_tag("ann@x"))
    assert await town.held()
    await town.says("a", "ann-a", a_tag("ann@x"))
    assert (names(await town.purses()), await town.held()) == (["ann-a+ann-b"], {})
    await town.says("b", "ann-b", a_tag("married@x"))
    assert names(await town.purses()) == ["ann-a+ann-b"]


async def test_tags_of_another_link_key_link_nobody_and_the_agent_is_told_whose_they_are(town: Town) -> None:
    await town.says("a", "ann-a", a_tag("ann@x"))
    other = Told(name="ann-b", tags=(a_tag("ann@x"),))
    assert await town.tell("b", other, key="fedcba9876543210") == ["a"]
    assert await town.purses() == []


async def test_no_agent_can_speak_for_a_pseudonym_of_another(town: Town) -> None:
    await town.says("a", "ann-a", a_tag("ann@x"))
    await town.says("b", "bob-b", a_tag("bob@x"))
    await town.says("b", "ann-a", a_tag("bob@x"))
    assert await town.purses() == []


async def test_who_is_taken_apart_has_what_their_agent_paid_and_is_not_linked_again_by_tags(town: Town) -> None:
    for agent in "abc":
        await town.says(agent, f"ann-{agent}", a_tag("ann@x"))
    await town.shop.give("ann-b", 5)
    _, place = await town.hears("a")
    await town.take_apart("ann-b")
    await town.says("b", "ann-b", a_tag("ann@x"))
    assert names(await town.purses()) == ["ann-a+ann-c"]
    assert await town.held() == {"ann-b": "they were taken apart"}
    heard, _ = await town.hears("a", place)
    assert heard["ann-a"] == (0, ["ann-c"], "")
    with pytest.raises(RefusedError, match="linked with nobody"):
        await town.take_apart("ann-b")
    await town.unite("ann-b", "ann-c")
    assert (names(await town.purses()), await town.held()) == (["ann-a+ann-b+ann-c"], {})


async def test_two_persons_of_one_agent_are_never_made_one_by_the_centre(town: Town) -> None:
    await town.says("a", "ann-a", a_tag("ann@x"))
    await town.says("a", "ida-a", a_tag("ida@x"))
    await town.says("b", "ann-b", a_tag("ann@x"))
    for one, other in (("ann-a", "ida-a"), ("ida-a", "ann-b"), ("ann-a", "ann-a")):
        with pytest.raises(RefusedError, match="learner merge"):
            await town.unite(one, other)
    with pytest.raises(RefusedError, match="no wallet is"):
        await town.unite("ann-a", "nobody")


async def test_an_account_merged_at_its_agent_brings_its_wallet_along_debts_too(town: Town) -> None:
    shop = town.shop
    await shop.shelve()
    await shop.give("old-a", 50)
    await town.says("a", "old-a", a_tag("ann@x"))
    await town.says("b", "ann-b", a_tag("ann@x"))
    await shop.redeem("old-a")
    await town.tell("a", Told(name="old-a", into="new-a"), Told(name="new-a", tags=(a_tag("ann@x"),)))
    assert names(await town.purses()) == ["ann-b+new-a+old-a"]
    await town.tell("a", Told(name="old-a", into="new-a"), Told(name="new-a", tags=(a_tag("ann@x"),)))
    with pytest.raises(RefusedError, match="stay together"):
        await town.take_apart("old-a")
    await town.take_apart("new-a")
    assert names(await town.purses()) == ["new-a+old-a"]
    await town.says("a", "old-a", a_tag("old@x"))
    assert await town.purses() == [], "its agent took it apart again"


async def test_an_erased_person_leaves_nothing_that_ties_them_to_anybody(town: Town) -> None:
    await town.says("a", "ann-a", a_tag("ann@x"))
    await town.says("b", "ann-b", a_tag("ann@x"))
    await town.shop.give("ann-a", 70)
    heard, place = await town.hears("b")
    assert heard["ann-b"][0] == 70
    await town.forget("a", "ann-a")
    assert (await town.purses(), (await town.hears("a"))[0]) == ([], {})
    assert (await town.hears("b", place))[0] == {"ann-b": (0, [], "")}
    assert await town.shop.balance("ann-a") == 70, "the books are as they were"


async def test_an_agent_hears_what_moved_elsewhere_since_it_last_asked_page_by_page(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elsewhere, "NAMES_MAX", 2)
    monkeypatch.setattr(elsewhere, "SCANNED_MAX", 2)
    for number in range(5):
        await town.says("a", f"p{number}-a", a_tag(str(number)))
        await town.says("b", f"p{number}-b", a_tag(str(number)))
        await town.shop.give(f"p{number}-b", number + 1)
    heard, place = await town.hears("a")
    assert [one[0] for one in heard.values()] == [1, 2, 3, 4, 5]
    assert await town.hears("a", place) == ({}, place)
    for number in (4, 0, 3):
        await town.shop.give(f"p{number}-b", 10)
    await town.shop.give("p1-a", 10)
    heard, after = await town.hears("a", place)
    assert {name: one[0] for name, one in heard.items()} == {"p0-a": 11, "p3-a": 14, "p4-a": 15}
    assert {name: one[0] for name, one in (await town.hears("b", place))[0].items()} == {"p1-b": 10}
    heard, _ = await town.hears("a", (after[0] + 1, after[1]))
    assert len(heard) == 5, "a catalogue that was put back begins anew"
