"""Inserts that go on while their unit works on: in order, whole or not at all, and never in another's transaction."""

from __future__ import annotations

import asyncio
from itertools import chain

import aiosqlite
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import IntegrityError
from agent.ledger.record import Behind
from agent.ledger.record.behind import CHUNKS, Row, statements
from tests.builders import awards_for, some_events
from tests.ledgers import Ledger, content, found, rows

ENDING = """
CREATE TEMP TRIGGER as_a_full_disk_may BEFORE INSERT ON main.setting WHEN NEW.key = 'bad'
BEGIN SELECT RAISE(ROLLBACK, 'full'); END
"""
"""Ends the transaction by itself, as SQLite may where the disk is full."""


def keys(*names: str) -> list[Row]:
    return [(name, "") for name in names]


def many(n: int, prefix: str = "k") -> list[Row]:
    return keys(*(f"{prefix}{number:05}" for number in range(n)))


def settings(ledger: Ledger) -> list[str]:
    return [key for (key,) in rows(ledger.data_dir, "SELECT key FROM setting ORDER BY key")]


@given(st.integers(0, 1_700))
def test_every_row_is_inserted_once_and_in_order_by_few_statements(n: int) -> None:
    told = list(statements("setting", many(n)))
    assert list(chain.from_iterable(chain.from_iterable(chunks) for _, chunks in told)) == many(n)
    assert len(told) <= len(CHUNKS) + 1
    for sql, chunks in told:
        assert {len(chunk) for chunk in chunks} == {sql.count("(?, ?)")}


async def test_what_was_begun_stands_when_the_unit_has_ended(ledger: Ledger) -> None:
    async def unit(connection: aiosqlite.Connection) -> None:
        async with Behind(connection) as behind:
            for first in "abc":
                await behind.insert("setting (key, value)", many(1_234, first))

    await ledger.run(unit)
    assert settings(ledger) == [key for first in "abc" for key, _ in many(1_234, first)]


async def test_one_statement_may_be_begun_again_while_its_former_run_is_let_go(ledger: Ledger) -> None:
    """A cursor freed in the loop's thread reset the statement under SQLite's: "bad parameter or other API misuse"."""

    async def unit(connection: aiosqlite.Connection) -> None:
        async with Behind(connection) as behind:
            for turn in range(300):
                await behind.insert("setting (key, value)", many(100, f"{turn:03}"))

    await ledger.run(unit)
    assert settings(ledger) == [key for turn in range(300) for key, _ in many(100, f"{turn:03}")]


async def test_a_unit_that_fails_while_it_is_written_leaves_nothing(ledger: Ledger) -> None:
    async def unit(connection: aiosqlite.Connection) -> None:
        async with Behind(connection) as behind:
            await behind.insert("setting", many(5_000))
            message = "the engine"
            raise ZeroDivisionError(message)

    before = content(ledger.data_dir)
    with pytest.raises(ZeroDivisionError):
        await ledger.run(unit)
    await ledger.run(_nothing)
    assert content(ledger.data_dir) == before


async def test_the_first_insert_that_fails_is_what_is_told_and_nothing_stands(ledger: Ledger) -> None:
    async def unit(connection: aiosqlite.Connection) -> None:
        async with Behind(connection) as behind:
            await behind.insert("setting", many(700))
            await behind.insert("setting", keys("twice", "twice"))
            await behind.insert("no_such_table", keys("x"))

    with pytest.raises(IntegrityError, match=r"UNIQUE constraint failed: setting\.key"):
        await ledger.run(unit)
    assert settings(ledger) == []


async def test_nothing_is_written_after_an_error_that_ended_the_transaction(ledger: Ledger) -> None:
    async def unit(connection: aiosqlite.Connection) -> None:
        await connection.execute(ENDING)
        async with Behind(connection) as behind:
            await behind.insert("setting", keys("good", "bad"))
            await behind.insert("setting", many(600))

    with pytest.raises(IntegrityError, match="full"):
        await ledger.run(unit)
    assert settings(ledger) == []


async def test_other_writes_wait_until_everything_begun_has_ended_well(ledger: Ledger) -> None:
    async def unit(connection: aiosqlite.Connection) -> None:
        async with Behind(connection) as behind:
            await behind.insert("setting", keys("twice", "twice"))
            await (await behind.quiet()).execute("INSERT INTO setting VALUES ('alone', '')")

    with pytest.raises(IntegrityError):
        await ledger.run(unit)
    await ledger.run(_nothing)
    assert settings(ledger) == []


async def test_a_question_is_answered_as_of_before_what_is_begun_after_it(ledger: Ledger) -> None:
    async def count(connection: aiosqlite.Connection) -> int:
        ((n,),) = await connection.execute_fetchall("SELECT count(*) FROM setting")
        return int(n)

    async def unit(connection: aiosqlite.Connection) -> tuple[int, int]:
        async with Behind(connection) as behind:
            before = await behind.ask(count(connection))
            await behind.insert("setting", many(700))
            after = await behind.ask(count(connection))
            return await before, await after

    assert await ledger.run(unit) == (0, 700)


async def test_a_question_that_fails_leaves_nothing_of_its_unit(ledger: Ledger) -> None:
    async def unit(connection: aiosqlite.Connection) -> None:
        async with Behind(connection) as behind:
            await behind.ask(_asking_nonsense(connection))
            await behind.insert("setting", many(700))

    with pytest.raises(IntegrityError, match="no_such_table"):
        await ledger.run(unit)
    await ledger.run(_nothing)
    assert settings(ledger) == []


@pytest.mark.parametrize("turns", [0, 1, 2, 5])
async def test_a_unit_whose_wait_is_cancelled_leaves_nothing(ledger: Ledger, turns: int) -> None:
    async def unit(connection: aiosqlite.Connection) -> None:
        async with Behind(connection) as behind:
            for first in "abc":
                await behind.insert("setting", many(2_000, first))
            for _ in range(turns):
                await asyncio.sleep(0)
            waited = asyncio.get_running_loop().create_future()
            waited.cancel()
            await waited

    with pytest.raises(asyncio.CancelledError):
        await ledger.run(unit)
    await ledger.pay(1)
    assert settings(ledger) == []
    assert found(ledger.data_dir) == []


async def test_whoever_is_cancelled_hears_of_it_when_all_of_it_stands(ledger: Ledger) -> None:
    events = some_events(3_000)
    task = asyncio.create_task(ledger.take(events, awards_for(events)))
    for _ in range(20):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert rows(ledger.data_dir, "SELECT count(*), max(seq) FROM entry") == [(3_000, 3_000)]
    assert found(ledger.data_dir) == []


async def test_a_page_fails_whole_where_its_last_rows_are_refused(ledger: Ledger) -> None:
    events = some_events(1_200)
    awards = awards_for(events)
    before = content(ledger.data_dir)
    with pytest.raises(IntegrityError, match="quota_use"):
        await ledger.take(events, [*awards, awards[0]])
    assert content(ledger.data_dir) == before
    await ledger.take(events, awards)
    assert found(ledger.data_dir) == []


async def _nothing(connection: aiosqlite.Connection) -> None:
    del connection


async def _asking_nonsense(connection: aiosqlite.Connection) -> None:
    await connection.execute_fetchall("SELECT 1 FROM no_such_table")
