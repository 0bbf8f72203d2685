"""Month-end: what a month comes to, closed for good; on each database."""

from __future__ import annotations

import csv
import io
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from catalogue.errors import CatalogueError
from catalogue.finance import audit, closing, liability
from catalogue.finance.closing import Month
from catalogue.finance.sums import Line
from catalogue.funding import issue, months, policy
from catalogue.rewards.money import parse
from catalogue.wallets import book
from catalogue.wallets.moves import Move
from tests.integration.operator import CAMPUS, Operator
from tests.integration.redemption.shop import NOW, Shop
from wire.money.terms import Currency

MONTH = months.month_of(NOW, "UTC")
NEXT = months.after(MONTH)
END = months.end(MONTH, "UTC")


async def close(shop: Shop, month: str = "") -> Month:
    async with shop.store.writing() as conn:
        return await closing.close(conn, CAMPUS, month, now=shop.at, by="operator test")


async def shown(shop: Shop, month: str) -> Month:
    async with shop.store.reading() as conn:
        return await closing.shown(conn, CAMPUS, month)


async def faults(shop: Shop) -> list[str]:
    found: list[str] = []
    async with shop.store.reading() as conn:
        await audit.check(conn, CAMPUS, found.append)
    return found


async def post(shop: Shop, *moves: Move) -> None:
    async with shop.store.writing() as conn:
        held = await book.hold(shop.store, conn, CAMPUS, [move.key for move in moves])
        await book.post(shop.store, conn, CAMPUS, moves, held, now=shop.at)


def points(kind: str, amount: int, ref: str, *, learner: str = "ann", **more: Any) -> Move:
    return Move(learner, "points", kind, amount, ref, NOW)._replace(**more)


async def test_sums_beyond_what_a_column_keeps_are_told_and_end_nothing_else(shop: Shop) -> None:
    most = 10**18
    await post(shop, *[points("award", most, f"a/1-{no}", learner=f"learner-{no}") for no in range(1, 11)])
    await post(shop, *[points("reversal", -most, f"a/1-{no}0", learner=f"learner-{no}") for no in range(1, 11)])
    await post(shop, Move("ann", "stars", "award", 7, "a/1-99", NOW))
    lines = (await shown(shop, MONTH)).lines
    assert (lines["points"].awarded, lines["points"].reversed, lines["points"].closing) == (10 * most, 10 * most, 0)
    assert lines["stars"].closing == 7
    async with shop.store.writing() as conn:
        assert (await issue.put(conn, CAMPUS, "points", 5, now=shop.at)).left == 0
        today = {row["currency"]: row["awarded"] for row in await issue.by_day(conn, CAMPUS, days=1, now=shop.at)}
        assert today == {"points": 10 * most, "stars": 7}
    shop.at = END
    with pytest.raises(CatalogueError, match=r"points of .* comes to 10000000000000000000 awarded"):
        await close(shop)


async def test_a_month_is_opening_and_issued_less_spent_expired_and_reversed(shop: Shop) -> None:
    await shop.shelve("tea")
    await post(
        shop,
        points("award", 200, "a/1-1"),
        points("adjustment", -20, "a/1-2"),
        points("award", 30, "a/1-3", expires_at=NOW + 60),
        points("award", 40, "a/1-4"),
        points("reversal", -40, "a/1-5", about="a/1-4"),
    )
    made = [await shop.redeem(), await shop.redeem()]
    await shop.desk.refund(CAMPUS, made[0].redemption, now=shop.at, by="test", why="")
    shop.at += 60
    async with shop.store.writing() as conn:
        await book.let_expire(shop.store, conn, CAMPUS, [("ann", "points")], now=shop.at)
    line = (await shown(shop, MONTH)).lines["points"]
    assert (line.awarded, line.adjusted, line.spent, line.refunded, line.reversed) == (270, -20, 100, 50, 40)
    assert line.closing == await shop.balance()
    assert line.opening + line.issued - (line.spent - line.refunded) - line.expired - line.reversed == line.closing
    shop.at = END
    assert (await close(shop)).lines["points"] == line
    assert (await shown(shop, NEXT)).lines["points"] == Line(opening=line.closing)
    assert await faults(shop) == []


async def test_what_comes_in_late_falls_into_the_open_month(shop: Shop) -> None:
    await shop.give("ann", 100)
    shop.at = END
    await close(shop)
    shop.at = END - 5_000
    await shop.give("ann", 7)
    assert (await shown(shop, MONTH)).lines["points"].closing == 100
    assert (await shown(shop, NEXT)).lines["points"] == Line(opening=100, awarded=7)
    assert await faults(shop) == []


async def test_a_month_is_closed_once_in_order_and_only_when_it_is_over(shop: Shop) -> None:
    with pytest.raises(CatalogueError, match="nothing was ever posted"):
        await close(shop)
    await shop.give("ann", 100)
    with pytest.raises(CatalogueError, match="is not over"):
        await close(shop)
    shop.at = months.end(NEXT, "UTC")
    with pytest.raises(CatalogueError, match="comes before"):
        await close(shop, NEXT)
    with pytest.raises(CatalogueError, match="'gestern' is no month"):
        await close(shop, "gestern")
    assert (await close(shop)).month == MONTH
    with pytest.raises(CatalogueError, match="is closed"):
        await close(shop, MONTH)
    empty = await close(shop)
    assert (empty.month, empty.first_no, empty.last_no, empty.lines["points"].closing) == (NEXT, 2, 1, 100)
    with pytest.raises(CatalogueError, match="first month is"):
        await shown(shop, "2020-01")
    with pytest.raises(CatalogueError, match="is no month"):
        await shown(shop, "soon")


async def test_the_database_itself_refuses_to_change_a_closed_month_or_to_post_into_it(shop: Shop) -> None:
    await shop.give("ann", 100)
    shop.at = END
    await close(shop)
    forged = (
        "INSERT INTO movement SELECT campus, no + 1, posted_at, learner, currency, kind, amount, waived, 'x', about,"
    )
    forged += " occurred_at, expires_at, owe, rule, source, prev_no, prev_at FROM movement WHERE no = 1"
    for statement in (
        "UPDATE closed_month SET closed_by = 'nobody'",
        "DELETE FROM closed_month",
        "UPDATE month_line SET closing = closing",
        "DELETE FROM month_line",
        "INSERT INTO closed_month SELECT * FROM closed_month",
        forged,
    ):
        with pytest.raises(DBAPIError):
            async with shop.store.writing() as conn:
                await conn.execute(text(statement))
    with pytest.raises(DBAPIError, match="a_month_adds_up"):
        async with shop.store.writing() as conn:
            await conn.execute(
                text(
                    f"INSERT INTO month_line SELECT campus, month, 'stars', 0, 1, 0, 0, 0, 0, 0, 2, ''"
                    f" FROM month_line WHERE campus = '{CAMPUS}'"
                )
            )
    assert await faults(shop) == []


async def test_a_month_that_says_something_else_than_its_movements_is_found(shop: Shop) -> None:
    await shop.give("ann", 100)
    shop.at = END
    async with shop.store.writing() as conn:
        place = {"campus": CAMPUS, "month": MONTH, "ends_at": END, "at": END}
        await conn.execute(
            text("INSERT INTO closed_month VALUES (:campus, :month, :ends_at, 1, 1, :at, 'nobody')"), place
        )
        await conn.execute(
            text("INSERT INTO month_line VALUES (:campus, :month, 'points', 0, 99, 0, 0, 0, 0, 0, 99, '')"), place
        )
    assert await faults(shop) == [f"{CAMPUS}: the month {MONTH} says 0 to 99 points, its movements come to 0 to 100"]


async def test_months_begin_where_the_campus_is_and_stay_so_once_one_is_closed(shop: Shop) -> None:
    async with shop.store.writing() as conn:
        await policy.put(conn, CAMPUS, timezone="Pacific/Auckland", funded_only=())
    shop.at = months.start("2026-10", "Pacific/Auckland") - 1
    await shop.give("ann", 1)
    shop.at += 1
    await shop.give("ann", 2)
    assert (await close(shop)).lines["points"].closing == 1
    async with shop.store.writing() as conn:
        with pytest.raises(CatalogueError, match="are closed"):
            await policy.put(conn, CAMPUS, timezone="UTC", funded_only=())


async def test_two_who_close_a_month_at_once_close_it_once(shop: Shop) -> None:
    import asyncio  # noqa: PLC0415

    await shop.give("ann", 100)
    shop.at = END
    found = await asyncio.gather(close(shop, MONTH), close(shop, MONTH), return_exceptions=True)
    assert sorted(type(one).__name__ for one in found) == ["CatalogueError", "Month"]


async def test_what_is_owed_to_learners_is_told_by_the_month_in_which_it_expires(shop: Shop) -> None:
    await post(
        shop,
        points("award", 70, "a/1-1", expires_at=END - 1),
        points("award", 30, "a/1-2", expires_at=END),
        points("award", 5, "a/1-3", learner="ben"),
        points("adjustment", -9, "a/1-4", learner="cyd"),
    )
    async with shop.store.reading() as conn:
        (owed,) = await liability.report(conn, CAMPUS)
    assert dict(owed.by_month) == {MONTH: 70, NEXT: 30, liability.NEVER: 5}
    assert (owed.outstanding, owed.owed_back) == (105, 9)


def test_what_points_are_worth_is_exact_and_rounded_once() -> None:
    assert liability.value(105, Currency(worth="0.01 GBP")) == parse("1.05 GBP")
    assert liability.value(1005, Currency(worth="0.05 GBP", decimals=2)) == parse("0.50 GBP")
    assert liability.value(10**17 + 1, Currency(worth="0.01 GBP")) == (10**17 + 1, "GBP")
    assert [liability.value(5, one) for one in (None, Currency(), Currency(worth="much"))] == [None] * 3


async def test_a_statement_that_bills_something_else_is_named_line_by_line(shop: Shop) -> None:
    await shop.employ()
    await shop.give("ann", 200)
    first, second, third = [await shop.redeem(reward="card") for _ in range(3)]
    statement = (
        "redemption,status,code,amount\n"
        f"{first.redemption},issued,A,4.50 GBP\n{second.redemption},issued,B,5.00 GBP\n"
        f"{third.redemption},declined,,4.50 GBP\n"
    )
    report = await shop.reconcile(statement)
    assert f"{second.redemption} costs 4.50 GBP here, the statement bills 5.00 GBP" in report.differ
    assert report.billed == {"GBP": 1400}
    assert f"{third.redemption} costs 0.00 GBP here, the statement bills 4.50 GBP" in report.differ
    assert not any(first.redemption in one for one in report.differ)
    with pytest.raises(CatalogueError, match="line 2, amount"):
        await shop.reconcile(f"redemption,status,amount\n{first.redemption},issued,much\n")


def test_months_are_closed_shown_and_exported_by_command(tmp_path: Path) -> None:
    operator = Operator(tmp_path / "c")
    operator.types("init")
    operator.types("tenant", "add", CAMPUS)
    assert "no month is closed" in operator.types("finance", "list", CAMPUS)
    assert "nothing was ever posted" in operator.types("finance", "close", CAMPUS, code=1)
    assert "nothing is owed" in operator.types("finance", "liability", CAMPUS)
    operator.given(500, at=NOW)
    operator.given(40, at=int(time.time()))
    said = operator.types("finance", "close", CAMPUS, MONTH)
    assert "2026-09: closed, movements 1 to 1" in said
    assert "closing              500" in said
    assert operator.asks("finance", "list", CAMPUS)[0]["month"] == MONTH
    (line,) = operator.asks("finance", "show", CAMPUS)["lines"]
    assert (line["opening"], line["awarded"], line["closing"]) == (500, 40, 540)
    (row,) = csv.DictReader(io.StringIO(operator.types("finance", "export", CAMPUS)))
    assert (row["month"], row["issued"], row["closing"]) == (MONTH, "500", "500")
    moved = operator.types("finance", "export", CAMPUS, MONTH, "--movements")
    assert [one["amount"] for one in csv.DictReader(io.StringIO(moved))] == ["500"]
    assert '"amount": 500' in operator.types("finance", "export", CAMPUS, MONTH, "--movements", "--format", "json")
    assert "of which month" in operator.types("finance", "export", CAMPUS, "--movements", code=1)
    assert operator.asks("finance", "liability", CAMPUS)[0]["outstanding"] == 540
    assert "never expires" in operator.types("finance", "liability", CAMPUS)
