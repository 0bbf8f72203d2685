"""The desk: what is taken, what is given, what comes back; and what is refused."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from catalogue.errors import CatalogueError, RefusedError
from catalogue.redemption import facts, tokens
from catalogue.redemption.states import State
from catalogue.rewards import shelf
from catalogue.rewards.model import Label
from tests.integration.redemption.shop import CAMPUS, DAY, NOW, Shop


async def refused(shop: Shop, code: str, learner: str = "ann", reward: str = "tea", **wish: object) -> str:
    with pytest.raises(RefusedError) as caught:
        await shop.redeem(learner, reward, **wish)  # type: ignore[arg-type]
    assert caught.value.code == code
    return caught.value.message


async def test_points_become_a_voucher_whose_token_is_used_once(shop: Shop) -> None:
    await shop.shelve(voucher_days=10)
    await shop.give("ann", 120)
    made = await shop.redeem()
    token = shop.desk.token(made)
    assert (made.state, await shop.balance(), made.voucher_expires_at) == (State.fulfilled, 70, NOW + 10 * DAY)
    assert (await tokens.look(shop.store, token, now=NOW)).redemption == made.redemption
    assert (await tokens.use(shop.store, token, now=NOW, by="till")).title == "Tea"
    for later in (tokens.use(shop.store, token, now=NOW, by="till"), tokens.look(shop.store, token, now=NOW)):
        with pytest.raises(RefusedError) as caught:
            await later
        assert caught.value.code == "used"
    await shop.audit()


async def test_a_token_that_is_wrong_expired_or_void_is_good_for_nothing(shop: Shop) -> None:
    await shop.shelve(voucher_days=1)
    await shop.give("ann", 120)
    made = await shop.redeem()
    token = shop.desk.token(made)
    wrong = token[:-1] + ("a" if token[-1] != "a" else "b")
    for given, at, code in (
        (wrong, NOW, "unknown-token"),
        ("", NOW, "unknown-token"),
        ("a/b.c", NOW, "unknown-token"),
        (f"other.{token.rpartition('.')[2]}", NOW, "unknown-token"),
        (token, NOW + DAY, "expired"),
    ):
        with pytest.raises(RefusedError) as caught:
            await tokens.use(shop.store, given, now=at, by="till")
        assert caught.value.code == code
    await shop.desk.refund(CAMPUS, made.redemption, now=NOW, by="test", why="sent back")
    with pytest.raises(RefusedError) as caught:
        await tokens.use(shop.store, token, now=NOW, by="till")
    assert caught.value.code == "void"
    await shop.audit()


async def test_a_token_is_used_by_one_of_many_at_once(shop: Shop) -> None:
    await shop.shelve()
    await shop.give("ann", 50)
    token = shop.desk.token(await shop.redeem())
    uses = (tokens.use(shop.store, token, now=NOW, by="till") for _ in range(8))
    found = await asyncio.gather(*uses, return_exceptions=True)
    assert sum(not isinstance(one, RefusedError) for one in found) == 1


async def test_the_database_holds_no_token_and_no_code_that_could_be_used(shop: Shop) -> None:
    await shop.shelve()
    await shop.shelve("code", handing="codes")
    await shop.stock(["SECRET-1"])
    await shop.give("ann", 100)
    token = shop.desk.token(await shop.redeem())
    assert shop.desk.voucher(await shop.redeem(reward="code")) == "SECRET-1"
    async with shop.store.reading() as conn:
        for table in ("redemption", "code", "step", "movement"):
            rows = repr((await conn.execute(text(f"SELECT * FROM {table}"))).all())
            assert token.rpartition(".")[2] not in rows
            assert "SECRET-1" not in rows


async def test_the_same_key_is_the_same_redemption_and_another_wish_under_it_is_refused(shop: Shop) -> None:
    await shop.shelve()
    await shop.shelve("cake")
    await shop.give("ann", 200)
    first, again = await shop.redeem(key="k"), await shop.redeem(key="k")
    assert (again.redemption, shop.desk.token(again)) == (first.redemption, shop.desk.token(first))
    assert await shop.balance() == 150
    await refused(shop, "key", reward="cake", key="k")
    await refused(shop, "key", learner="ben", key="k")


async def test_one_wish_sent_by_many_at_once_is_granted_once(shop: Shop) -> None:
    await shop.shelve()
    await shop.shelve("cake")
    await shop.give("ann", 500)
    wishes = [shop.redeem(key="k", reward=("tea", "cake")[number % 4 == 3]) for number in range(12)]
    found = await asyncio.gather(*wishes, return_exceptions=True)
    names = {one.redemption for one in found if not isinstance(one, BaseException)}
    assert len(names) == 1
    assert {one.code for one in found if isinstance(one, RefusedError)} == {"key"}
    assert await shop.balance() == 450
    await shop.audit()


async def test_fifty_learners_at_once_and_fifty_wishes_of_one_never_overspend_nor_oversell(shop: Shop) -> None:
    await shop.shelve(stock=20)
    await shop.give("ann", 400)
    for number in range(10):
        await shop.give(f"learner{number}", 150)
    wishes = [shop.redeem() for _ in range(50)] + [shop.redeem(f"learner{number % 10}") for number in range(50)]
    found = await asyncio.gather(*wishes, return_exceptions=True)
    assert sum(not isinstance(one, BaseException) for one in found) == 20
    assert {one.code for one in found if isinstance(one, RefusedError)} <= {"balance", "stock"}
    await shop.audit()


async def test_fifty_spenders_of_one_wallet_get_what_it_holds(shop: Shop) -> None:
    await shop.shelve()
    await shop.shelve("code", handing="codes")
    await shop.stock(f"C{number}" for number in range(50))
    await shop.give("ann", 480)
    wishes = [shop.redeem(reward=("tea", "code")[number % 2]) for number in range(50)]
    found = await asyncio.gather(*wishes, return_exceptions=True)
    assert [one.code for one in found if isinstance(one, RefusedError)] == ["balance"] * 41
    assert await shop.balance() == 30
    await shop.audit()


async def test_each_code_is_imported_once_and_given_out_once_until_none_is_left(shop: Shop) -> None:
    await shop.shelve("code", handing="codes")
    assert await shop.stock(["A", "B", "A"], expires_at=NOW + DAY) == 2
    assert await shop.stock(["B", "C"]) == 1
    await shop.give("ann", 500)
    made = [await shop.redeem(reward="code") for _ in range(3)]
    assert sorted(shop.desk.voucher(one) for one in made) == ["A", "B", "C"]
    assert {one.voucher_expires_at for one in made} == {NOW + DAY, NOW + 90 * DAY}
    await refused(shop, "stock", reward="code")
    await shop.desk.refund(CAMPUS, made[0].redemption, now=NOW, by="test", why="broken")
    await refused(shop, "stock", reward="code")
    await shop.audit()


async def test_a_code_that_is_over_is_not_given_out(shop: Shop) -> None:
    await shop.shelve("code", handing="codes")
    await shop.stock(["A"], expires_at=NOW)
    await shop.give("ann", 500)
    await refused(shop, "stock", reward="code")
    assert (await shop.all(), await shop.balance()) == ([], 500)


async def test_a_refund_gives_points_back_once_and_not_for_a_used_voucher_unless_it_is_meant(shop: Shop) -> None:
    await shop.shelve()
    await shop.give("ann", 100)
    one, two = await shop.redeem(), await shop.redeem()
    for _ in range(2):
        back = await shop.desk.refund(CAMPUS, one.redemption, now=NOW, by="test", why="sent back")
        assert (back.state, await shop.balance()) == (State.refunded, 50)
    await tokens.use(shop.store, shop.desk.token(two), now=NOW, by="till")
    with pytest.raises(RefusedError, match="was used"):
        await shop.desk.refund(CAMPUS, two.redemption, now=NOW, by="test", why="sent back")
    await shop.desk.refund(CAMPUS, two.redemption, now=NOW, by="test", why="burnt", used=True)
    assert await shop.balance() == 100
    assert await shop.steps(two) == ["reserve", "issued", "used", "refund"]
    with pytest.raises(RefusedError, match="not possible"):
        await shop.desk.cancel(CAMPUS, one.redemption, now=NOW, by="test", why="again")
    with pytest.raises(RefusedError, match="no redemption"):
        await shop.desk.refund(CAMPUS, "r0", now=NOW, by="test", why="?")
    await shop.audit()


async def test_limits_hold_and_a_refund_frees_them(shop: Shop) -> None:
    await shop.shelve(per_learner=[{"count": 1, "per": "day"}], in_all=[{"count": 2}])
    for learner in ("ann", "ben", "cem"):
        await shop.give(learner, 500)
    first = await shop.redeem()
    await refused(shop, "limit")
    shop.at += DAY
    await shop.redeem()
    await refused(shop, "limit-in-all", learner="ben")
    await shop.desk.refund(CAMPUS, first.redemption, now=shop.at, by="test", why="sent back")
    await shop.redeem("ben")
    assert [await shop.balance(learner) for learner in ("ann", "ben", "cem")] == [450, 450, 500]
    await shop.audit()


async def test_limits_hold_for_many_at_once(shop: Shop) -> None:
    await shop.shelve(per_learner=[{"count": 2}])
    await shop.give("ann", 5000)
    found = await asyncio.gather(*(shop.redeem() for _ in range(10)), return_exceptions=True)
    assert [one.code for one in found if isinstance(one, RefusedError)] == ["limit"] * 8
    await shop.audit()


async def test_a_gate_is_opened_by_a_badge_and_by_what_was_ever_earned(shop: Shop) -> None:
    await shop.shelve(gate={"badges": ["ace"]}, tier="silver")
    await shop.give("ann", 150)
    assert "50 more points earned" in await refused(shop, "tier")
    await shop.give("ann", 50)
    assert "the badge ace" in await refused(shop, "gate")
    await shop.give("ann", 1, "badge:ace")
    await shop.redeem()
    assert await shop.balance() == 150
    await shop.redeem()


async def test_what_is_not_there_not_approved_or_too_dear_is_refused_and_nothing_is_kept(shop: Shop) -> None:
    await shop.shelve(stock=5)
    await refused(shop, "unknown-reward", reward="coffee")
    assert await refused(shop, "balance") == "it costs 50 points, and there are 0"
    async with shop.store.writing() as conn:
        await shelf.approve(conn, CAMPUS, CAMPUS, "tea", approved=False, now=NOW)
    await shop.give("ann", 50)
    await refused(shop, "not-approved")
    assert (await shop.all(), await shop.balance()) == ([], 50)
    await shop.audit()


async def test_a_shared_reward_is_every_campuss_once_it_is_approved_there(shop: Shop) -> None:
    await shop.open("second")
    made = shelf.described({"id": "mug", "title": "Mug", "price": {"points": 10}, "stock": 1})
    async with shop.store.writing() as conn:
        await shelf.put(conn, "*", made, now=NOW)
        await shelf.approve(conn, CAMPUS, "*", "mug", approved=True, now=NOW)
        assert (await shelf.offered(conn, "second", "mug")) is not None
        against = [
            await facts.against(conn, await facts.about(conn, campus, "ann"), one, frozenset(), "", now=NOW)
            for campus in (CAMPUS, "second")
            async for one in shelf.shelf(conn, campus)
        ]
    assert against == ["it costs 10 points, and there is less", "the institution has not approved it"]
    await shop.give("ann", 30)
    await shop.redeem(reward="mug")
    await refused(shop, "stock", reward="mug")


async def test_the_shelf_keeps_what_was_redeemed_and_names_that_are_used(shop: Shop) -> None:
    async with shop.store.writing() as conn:
        await shelf.put_label(conn, CAMPUS, Label(kind="category", name="food", title="Food"))
    await shop.shelve(category="food")
    await shop.shelve("cake")
    await shop.give("ann", 50)
    await shop.redeem()
    async with shop.store.writing() as conn:
        with pytest.raises(CatalogueError, match="stays in the books"):
            await shelf.remove(conn, CAMPUS, "tea")
        await shelf.remove(conn, CAMPUS, "cake")
        with pytest.raises(CatalogueError, match="reward tea has category food"):
            await shelf.remove_label(conn, CAMPUS, "category", "food")
        tea = await shelf.find(conn, CAMPUS, "tea")
        assert tea is not None
        with pytest.raises(CatalogueError, match="brand acme, group staff"):
            await shelf.put(conn, CAMPUS, tea.model_copy(update={"brand": "acme", "groups": ("staff",)}), now=NOW)
        with pytest.raises(CatalogueError, match="there already"):
            await shelf.put(conn, CAMPUS, tea, now=NOW, new=True)
        with pytest.raises(CatalogueError, match=r"line 7, brand: there is no brand acme"):
            await shelf.put_all(conn, CAMPUS, [(7, tea.model_copy(update={"brand": "acme"}))], now=NOW)


@pytest.mark.parametrize("statement", ["UPDATE step SET why = 'x'", "DELETE FROM step"])
async def test_the_steps_of_redemptions_refuse_to_be_changed(shop: Shop, statement: str) -> None:
    await shop.shelve()
    await shop.give("ann", 50)
    await shop.redeem()
    with pytest.raises(DBAPIError, match="only grow"):
        async with shop.store.writing() as conn:
            await conn.execute(text(statement))
    assert len(await shop.all()) == 1
