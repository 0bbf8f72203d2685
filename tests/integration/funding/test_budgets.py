"""Budgets: what is spent of them, where they stop, and what is told; on each database."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from catalogue import schema
from catalogue.errors import CatalogueError, RefusedError
from catalogue.funding import budgets, months, policy
from catalogue.funding.budgets import Budget
from catalogue.redemption import facts
from catalogue.redemption.checks import Wish
from catalogue.redemption.desk import Desk
from catalogue.redemption.records import Redemption
from catalogue.rewards import shelf
from catalogue.rewards.money import parse
from catalogue.server.serving import _tell_budgets
from catalogue.store import Store
from tests.integration.operator import CAMPUS, Operator
from tests.integration.redemption.shop import NOW, Shop, a_shop

MONTH = months.month_of(NOW, "UTC")


async def allow(shop: Shop, amount: str, scope: str = "campus", name: str = "", *, stop: bool = True) -> Budget:
    money = parse(amount)
    wanted = Budget(scope=scope, name=name, code=money.code, monthly=money.minor, stop=stop, alerts=(80, 100), spent=0)
    async with shop.store.writing() as conn:
        return await budgets.put(conn, CAMPUS, wanted, month=months.month_of(shop.at, await zone(shop)), now=shop.at)


async def zone(shop: Shop) -> str:
    async with shop.store.reading() as conn:
        return (await policy.of_campus(conn, CAMPUS)).timezone


async def say(shop: Shop, timezone: str = "UTC", *types: str) -> None:
    async with shop.store.writing() as conn:
        await policy.put(conn, CAMPUS, timezone=timezone, funded_only=types)


async def spent(shop: Shop, scope: str = "campus", month: str = "") -> int:
    async with shop.store.reading() as conn:
        rows = await budgets.spent(conn, CAMPUS, month or months.month_of(shop.at, await zone(shop)))
    return sum(row["spent"] for row in rows if row["scope"] == scope)


async def alerts(shop: Shop) -> list[tuple[str, str]]:
    async with shop.store.reading() as conn:
        return sorted((row["scope"], row["what"]) for row in await budgets.alerts(conn, CAMPUS))


async def refused(shop: Shop, reward: str = "tea") -> str:
    try:
        await shop.redeem(reward=reward)
    except RefusedError as exc:
        return exc.code
    return ""


async def test_a_stop_refuses_what_a_budget_does_not_reach_for_and_takes_no_points(shop: Shop) -> None:
    await shop.shelve("tea", cost="2.00 GBP", category="general")
    await shop.give("ann", 500)
    await allow(shop, "5.00 GBP", "category", "general")
    assert [await refused(shop) for _ in range(3)] == ["", "", "budget"]
    assert (await shop.balance(), await spent(shop), await spent(shop, "reward")) == (400, 400, 400)
    assert await alerts(shop) == [("category", "80"), ("category", "stop")]
    await allow(shop, "5.00 EUR", "category", "general")
    assert await refused(shop) == "budget", "another currency pays for nothing of it"
    await allow(shop, "5.00 GBP", "category", "general", stop=False)
    assert await refused(shop) == ""
    assert await alerts(shop) == [("category", "100"), ("category", "80"), ("category", "stop")]
    await shop.audit()


async def test_every_budget_that_covers_a_reward_must_reach_for_it(shop: Shop) -> None:
    await shop.shelve("tea", cost="1.00 GBP")
    await shop.shelve("pie", cost="1.00 GBP")
    await shop.give("ann", 1000)
    await allow(shop, "3.00 GBP")
    await allow(shop, "1.00 GBP", "reward", "tea")
    assert [await refused(shop) for _ in range(2)] == ["", "budget"]
    assert [await refused(shop, "pie") for _ in range(3)] == ["", "", "budget"]
    await shop.audit()


async def test_a_budget_that_is_set_in_the_middle_of_a_month_knows_what_was_spent(shop: Shop) -> None:
    await shop.shelve("tea", cost="2.00 GBP")
    await shop.give("ann", 500)
    await shop.redeem()
    kept = await allow(shop, "2.00 GBP")
    assert (kept.spent, kept.left) == (200, 0)
    assert await refused(shop) == "budget"
    assert await alerts(shop) == [("campus", "100"), ("campus", "80"), ("campus", "stop")]


async def test_what_is_released_goes_back_into_the_month_that_it_came_from(shop: Shop) -> None:
    await shop.employ()
    await shop.give("ann", 500)
    await allow(shop, "4.50 GBP")
    order = await shop.redeem(reward="card")
    assert (await refused(shop, "card"), await spent(shop)) == ("budget", 450)
    shop.at = months.end(MONTH, "UTC")
    assert await spent(shop) == 0, "a new month begins with nothing spent"
    later = await shop.redeem(reward="card")
    await shop.desk.cancel(CAMPUS, order.redemption, now=shop.at, by="test", why="")
    assert (await spent(shop, month=MONTH), await spent(shop)) == (0, 450)
    await shop.desk.cancel(CAMPUS, later.redemption, now=shop.at, by="test", why="")
    await shop.audit()


async def test_the_money_of_a_refund_comes_back_only_where_nobody_can_ask_for_it(shop: Shop) -> None:
    await shop.shelve("tea", cost="1.00 GBP")
    await shop.shelve("code", cost="1.00 GBP", handing="codes")
    await shop.stock(["A"])
    await shop.give("ann", 500)
    for reward, left in (("tea", 0), ("code", 100)):
        made = await shop.redeem(reward=reward)
        await shop.desk.refund(CAMPUS, made.redemption, now=shop.at, by="test", why="")
        assert await spent(shop) == left, reward
    await shop.audit()


async def test_a_month_begins_at_midnight_of_the_campus(shop: Shop) -> None:
    await say(shop, "Pacific/Auckland")
    await shop.shelve("tea", cost="1.00 GBP")
    await shop.give("ann", 500)
    shop.at = months.start("2026-10", "Pacific/Auckland") - 1
    made = [await shop.redeem()]
    shop.at += 1
    made.append(await shop.redeem())
    assert [one.month for one in made] == ["2026-09", "2026-10"]
    assert months.month_of(shop.at, "UTC") == "2026-09"


async def test_funded_only_leaves_what_a_budget_pays_for(shop: Shop) -> None:
    await shop.shelve("off", funding="discount", type="discount", learner_pays="8.00 GBP", value="10.00 GBP")
    await shop.shelve("tea", cost="1.00 GBP")
    await shop.give("ann", 500)
    await say(shop, "UTC", "discount")
    assert (await refused(shop, "off"), await refused(shop)) == ("not-funded", "")
    await say(shop, "UTC", policy.EVERY_TYPE)
    assert await refused(shop) == "not-funded"
    await allow(shop, "2.00 GBP")
    async with shop.store.reading() as conn:
        who = await facts.about(conn, CAMPUS, "ann")
        told = [
            await facts.against(conn, who, one, frozenset(), "", now=shop.at) async for one in shelf.shelf(conn, CAMPUS)
        ]
    assert told == ["the institution gives only what a budget of its own pays for", ""]
    assert await refused(shop) == ""


def test_points_unlock_greater_savings_where_the_institution_shares_the_cost() -> None:
    same = {"title": "Ticket", "price": {"points": 50}, "value": "10.00 GBP"}
    off = shelf.described(same | {"id": "off", "funding": "discount", "learner_pays": "8.00 GBP"})
    more = shelf.described(same | {"id": "more", "funding": "hybrid", "cost": "3.00 GBP", "learner_pays": "5.00 GBP"})
    assert (off.saving, more.saving) == (parse("2.00 GBP"), parse("5.00 GBP"))


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"funding": "discount", "cost": "1.00 GBP"}, "costs the institution nothing"),
        ({"funding": "hybrid"}, "needs a cost"),
        ({"funding": "institution", "learner_pays": "1.00 GBP"}, "nothing to pay"),
        ({"cost": "1.00 GBP", "value": "1.00 EUR"}, "one currency"),
        ({"cost": "2.00 GBP", "value": "1.00 GBP"}, "more than the value"),
    ],
)
def test_a_reward_that_nobody_can_pay_for_is_not_taken(fields: dict[str, str], why: str) -> None:
    with pytest.raises(CatalogueError, match=why):
        shelf.described({"id": "tea", "title": "Tea", "price": {"points": 5}} | fields)


async def test_fifty_spenders_at_once_never_pass_a_stop_and_exactly_what_it_pays_for_is_given(shop: Shop) -> None:
    await shop.shelve("tea", cost="1.00 GBP")
    await shop.shelve("pie", cost="1.00 GBP")
    learners = [f"learner{number}" for number in range(10)]
    for learner in learners:
        await shop.give(learner, 500)
    await allow(shop, "17.00 GBP")
    await allow(shop, "9.00 GBP", "reward", "pie")

    async def one(number: int) -> Redemption | str:
        try:
            return await shop.redeem(learners[number % 10], "pie" if number % 2 else "tea", key=f"k{number}")
        except RefusedError as exc:
            return exc.code

    made = await asyncio.gather(*(one(number) for number in range(50)))
    assert sum(isinstance(each, Redemption) for each in made) == 17
    assert {each for each in made if isinstance(each, str)} == {"budget"}
    assert (await spent(shop), await spent(shop, "reward")) == (1700, 1700)
    assert {what for _, what in await alerts(shop)} >= {"80", "stop"}
    await shop.audit()


async def test_two_workers_on_postgresql_pass_no_stop_between_them(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    dsn = request.getfixturevalue("catalogue_database").dsn
    async with a_shop(tmp_path, url=dsn) as one:
        await one.shelve("tea", cost="1.00 GBP")
        learners = [f"learner{number}" for number in range(40)]
        for learner in learners:
            await one.give(learner, 50)
        await allow(one, "23.00 GBP")
        other = await Store.open(make_url(dsn))
        desks = (one.desk, Desk(other, one.desk.vault))

        async def spend(number: int) -> str:
            wish = Wish(campus=CAMPUS, learner=learners[number], reward="tea", key=f"k{number}")
            try:
                return (await desks[number % 2].redeem(wish, now=one.at, by="test")).state.value
            except RefusedError as exc:
                return exc.code

        found = Counter(await asyncio.gather(*(spend(number) for number in range(40))))
        await other.close()
        assert found == {"fulfilled": 23, "budget": 17}
        assert await spent(one) == 2300
        await one.audit()


async def test_an_alert_is_told_once_over_all_workers(shop: Shop) -> None:
    await shop.shelve("tea", cost="1.00 GBP")
    await shop.give("ann", 50)
    await allow(shop, "1.00 GBP")
    await shop.redeem()
    for _ in range(2):
        await _tell_budgets(shop.store)
    async with shop.store.writing() as conn:
        assert await budgets.untold(conn, now=NOW) == []
        told = await conn.scalar(text("SELECT count(told_at) FROM budget_alert"))
    assert told == 2


async def test_a_count_that_was_changed_behind_its_back_is_found(shop: Shop) -> None:
    from catalogue.redemption import audit  # noqa: PLC0415

    await shop.shelve("tea", cost="1.00 GBP")
    await shop.give("ann", 50)
    await shop.redeem()
    faults: list[str] = []
    async with shop.store.writing() as conn:
        await conn.execute(schema.spending.update().where(schema.spending.c.scope == "campus").values(spent=1))
        await audit.check(conn, CAMPUS, faults.append)
    assert faults == [f"{CAMPUS}: the budget of {MONTH} campus  GBP counts 1 hundredths, its redemptions cost 100"]


def test_budgets_are_set_listed_and_told_by_command(tmp_path: Path) -> None:
    operator = Operator(tmp_path / "c")
    operator.types("init")
    operator.types("tenant", "add", CAMPUS)
    operator.types(
        *("reward", "add", CAMPUS, "tea", "--title", "Tea", "--price", "points=50"),
        *("--set", "cost=2.00 GBP", "--approve"),
    )
    assert "no budgets" in operator.types("budget", "list", CAMPUS)
    assert "only tells" in operator.types("budget", "set", CAMPUS, "9.00 GBP", "--no-stop", "--alert", "50")
    operator.types("budget", "set", CAMPUS, "2.00 GBP", "--reward", "tea")
    assert "no amount" in operator.types("budget", "set", CAMPUS, "much", code=1)
    assert "no category" in operator.types("budget", "set", CAMPUS, "1.00 GBP", "--category", "food", code=1)
    assert "no reward" in operator.types("budget", "set", CAMPUS, "1.00 GBP", "--reward", "pie", code=1)
    operator.given(500)
    operator.types("redeem", CAMPUS, "ann", "tea")
    assert "refused (budget)" in operator.types("redeem", CAMPUS, "ann", "tea", code=1)
    campus, tea = operator.asks("budget", "list", CAMPUS)
    assert (campus["left"], tea["left"], tea["percent"]) == ("7.00 GBP", "0.00 GBP", 100)
    told = operator.types("budget", "alerts", CAMPUS)
    assert "reward tea: reached 100 %, 2.00 GBP of 2.00 GBP" in told
    assert "category general" in operator.types("budget", "spent", CAMPUS)
    assert "nothing was spent" in operator.types("budget", "spent", CAMPUS, "--month", "2020-01")
    assert "no month" in operator.types("budget", "spent", CAMPUS, "--month", "may", code=1)
    operator.types("budget", "remove", CAMPUS, "GBP", "--reward", "tea")
    operator.types("redeem", CAMPUS, "ann", "tea")
    said = operator.asks("budget", "policy", CAMPUS, "--timezone", "Europe/London", "--funded-only", "giftcard")
    assert (said["timezone"], said["funded_only"]) == ("Europe/London", ["giftcard"])
    assert "pay for: nothing" in operator.types("budget", "policy", CAMPUS, "--free")
