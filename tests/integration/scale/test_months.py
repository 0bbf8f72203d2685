"""What grows with every entry is parted by months on PostgreSQL; what must happen once happens once in all of them."""

from __future__ import annotations

import asyncio
import time

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError

from catalogue.receive import StoredReceipt
from catalogue.server import serving
from catalogue.store import Store, months
from catalogue.wallets import book
from tests.integration.scale.campus import Campus
from tests.servers import PostgresDatabase
from tests.wire_builders import CAMPUS
from wire.receipt import Stand

SEPTEMBER, OCTOBER = months.begins("2026-09"), months.begins("2026-10")
FAR = months.begins("2031-05") + 5

_PARTS = (
    "SELECT p.relname FROM pg_inherits JOIN pg_class p ON p.oid = inhrelid JOIN pg_class t ON t.oid = inhparent"
    " WHERE t.relkind = 'p' ORDER BY 1"
)


async def parts(store: Store) -> list[str]:
    async with store.reading() as conn:
        return list((await conn.scalars(text(_PARTS))).all())


async def count(store: Store, table: str) -> int:
    async with store.reading() as conn:
        return int(await conn.scalar(text(f"SELECT count(*) FROM {table}")) or 0)


async def make(store: Store, *wanted: str) -> list[str]:
    async with store.writing() as conn:
        return await store.dialect.make_months(conn, wanted)


def test_months_follow_each_other_over_the_end_of_a_year() -> None:
    assert months.coming(months.begins("2026-11")) == ["2026-11", "2026-12", "2027-01", "2027-02"]
    assert months.of(months.begins("2027-01") - 1) == "2026-12"
    assert months.ends("2026-12") == months.begins("2027-01")
    for wrong in ("2026-13", "2026-9", "soon"):
        with pytest.raises(ValueError, match="is no month"):
            months.begins(wrong)


async def test_a_new_catalogue_has_room_for_this_month_and_the_next_three(parted: Store) -> None:
    coming = months.coming(int(time.time()))
    wanted = {months.partition(table, month) for table in months.TABLES for month in coming}
    assert set(await parts(parted)) == wanted | {f"{table}_rest" for table in months.TABLES}


async def test_a_server_makes_room_for_the_months_to_come_and_two_at_once_make_each_once(
    catalogue_database: PostgresDatabase, parted: Store
) -> None:
    other = await Store.open(make_url(catalogue_database.dsn))
    try:
        made = await asyncio.gather(make(parted, "2031-05", "2031-06"), make(other, "2031-05", "2031-06"))
    finally:
        await other.close()
    assert sorted(made) == [[], ["2031-05", "2031-06"]]
    await serving._make_months(parted)  # noqa: SLF001 - the job, without its hour
    assert await count(parted, "entry_2031_05") == 0


async def test_a_month_that_cannot_be_made_at_once_keeps_nobody_waiting_and_is_made_later(parted: Store) -> None:
    async with parted.writing() as conn:
        await conn.execute(text("SELECT FROM entry"))  # who looks at the table is in the way of a new part
        with pytest.raises(DBAPIError, match="lock timeout"):
            await make(parted, "2031-05")
    assert await make(parted, "2031-05") == ["2031-05"]


async def test_a_batch_lies_in_the_month_in_which_it_was_posted(parted_campus: Campus) -> None:
    store = parted_campus.store
    await make(store, "2026-09", "2026-10")
    await parted_campus.deliver({}, {}, at=OCTOBER - 1)
    await parted_campus.deliver({}, at=OCTOBER)
    found = [await count(store, f"{table}_2026_{month}") for table in months.TABLES for month in ("09", "10")]
    assert found == [2, 1, 1, 1, 2, 1]
    assert (await parted_campus.verified(at=OCTOBER)).faults == []


async def test_what_came_before_its_month_had_room_goes_into_it(parted_campus: Campus) -> None:
    store = parted_campus.store
    await parted_campus.deliver({}, {}, at=FAR)
    assert await count(store, "entry_rest") == 2
    assert await make(store, "2031-05") == ["2031-05"]
    assert [await count(store, name) for name in ("entry_rest", "entry_2031_05", "movement_2031_05")] == [0, 2, 2]
    with pytest.raises(DBAPIError, match="only grow"):
        async with store.writing() as conn:
            await conn.execute(text("UPDATE entry_2031_05 SET rejected = 'x'"))
    assert (await parted_campus.verified(at=FAR)).faults == []


async def test_a_batch_that_is_sent_again_in_a_later_month_gets_its_receipt_and_posts_nothing(campus: Campus) -> None:
    first = await campus.deliver({}, {}, at=SEPTEMBER + 5)
    await campus.deliver({}, at=OCTOBER + 5)
    again = await campus.send(campus.sent[0], at=OCTOBER + 9)
    assert isinstance(again, StoredReceipt)
    assert again == first
    assert await count(campus.store, "entry") == 3
    assert await count(campus.store, "batch_key") == 2


async def test_other_bytes_for_a_known_range_are_a_fork_in_whatever_month(campus: Campus) -> None:
    await campus.deliver({}, {}, at=SEPTEMBER + 5)
    clone = Campus(campus.store, campus.key, campus.name, campus.agent)
    answer = await clone.deliver({"amount": 11}, {}, at=OCTOBER + 5)
    assert isinstance(answer, Stand)
    assert (answer.why, answer.seq) == ("fork", 2)


async def test_what_the_centre_does_once_it_does_once_in_whatever_month(campus: Campus) -> None:
    await campus.deliver({"learner": "ann"}, {"learner": "ann"}, at=SEPTEMBER + 5)
    await campus.spend("ann", 5, "tea:1", at=SEPTEMBER + 6)
    with pytest.raises(DBAPIError, match="movement_key"):
        await campus.spend("ann", 5, "tea:1", at=OCTOBER + 6)
    for statement in ("UPDATE movement_key SET no = 9", "DELETE FROM batch_key"):
        with pytest.raises(DBAPIError, match="only grow"):
            async with campus.store.writing() as conn:
                await conn.execute(text(statement))


async def test_a_batch_is_dated_like_its_movements_even_where_a_clock_went_back(campus: Campus) -> None:
    await campus.deliver({}, at=OCTOBER + 5)
    await campus.deliver({}, at=OCTOBER - 5)
    async with campus.store.reading() as conn:
        for table in months.TABLES:
            dates = (await conn.scalars(text(f"SELECT posted_at FROM {table}"))).all()
            assert dates == [OCTOBER + 5] * 2
    assert (await campus.verified(at=OCTOBER + 5)).faults == []


async def test_a_wallets_history_is_looked_for_in_the_months_that_have_it(parted_campus: Campus) -> None:
    await make(parted_campus.store, "2026-09", "2026-10")
    await parted_campus.deliver({"learner": "ann"}, at=SEPTEMBER + 5)
    await parted_campus.deliver({"learner": "ann"}, at=OCTOBER + 5)
    async with parted_campus.store.writing() as conn:
        held = await parted_campus.store.dialect.hold_wallets(conn, CAMPUS, [("ann", "points")])
        rows = await book.history(conn, CAMPUS, held.values())
    assert [(row.no, row.prev_no, row.prev_at) for row in rows] == [(1, 0, 0), (2, 1, SEPTEMBER + 5)]
