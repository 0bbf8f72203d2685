"""One person's movements page by page: each is told once and in order, and a page costs a page wherever it begins."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue.schema import movement
from catalogue.wallets import book, pages
from catalogue.wallets.moves import Move
from tests.contract.catalogues import RealCatalogue, running_catalogue
from tests.wire_builders import CAMPUS, NOW

MOVED = "SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_user_tables"
PAGE = 50
SHORT, LONG = 600, 2400
STEPS = 100
"""Instructions of SQLite between two calls of what counts them."""


@pytest.fixture(params=["sqlite", "postgresql"])
async def real(request: pytest.FixtureRequest, tmp_path: Path, catalogue_file: Path) -> AsyncIterator[RealCatalogue]:
    url = f"sqlite:///{catalogue_file}"
    if request.param == "postgresql":
        url = request.getfixturevalue("catalogue_database").dsn
    else:
        (tmp_path / "books.db").write_bytes(catalogue_file.read_bytes())
        url = f"sqlite:///{tmp_path / 'books.db'}"
    async with running_catalogue(tmp_path, url) as made:
        yield made


class Counting:
    """What a page makes the database do: rows of movements read (PostgreSQL), thousands of instructions (SQLite)."""

    def __init__(self, conn: AsyncConnection) -> None:
        self._conn = conn
        self._calls = 0
        self._is_sqlite = conn.dialect.name == "sqlite"

    async def done(self) -> int:
        """So far."""
        if not self._is_sqlite:
            # As it does where there are more rows than one would read to find a few.
            for way in ("seqscan", "hashjoin", "mergejoin"):
                await self._conn.execute(text(f"SET LOCAL enable_{way} = off"))
            return int(await self._conn.scalar(text(f"{MOVED} WHERE relname LIKE 'movement%'")) or 0)
        driver: Any = (await self._conn.get_raw_connection()).driver_connection
        await driver.set_progress_handler(self._counted, STEPS)
        return self._calls

    def _counted(self) -> int:
        self._calls += 1
        return 0


async def posted(real: RealCatalogue, first: int, last: int) -> None:
    """Movements of two wallets of Ann, one of her other pseudonym and many of another's, in no order."""
    chance = random.Random(first)
    wallets = [("ann", "points"), ("ann", "reputation"), ("ann-2", "points"), ("ben", "points")]
    whose = chance.choices(wallets, (5, 1, 2, 4), k=last - first + 1)
    moves = [Move(*key, "award", 1, f"agent-1/1-{no}", NOW) for no, key in enumerate(whose, start=first)]
    async with real.store.writing() as conn:
        held = await book.hold(real.store, conn, CAMPUS, set(whose))
        await book.post(real.store, conn, CAMPUS, moves, held, now=NOW)
        if conn.dialect.name == "postgresql":
            await conn.execute(text("ANALYZE movement"))  # which it does by itself sooner or later


async def read(conn: AsyncConnection, learners: tuple[str, ...], after: int = 0) -> tuple[list[int], list[int]]:
    """(every number after one, what each page cost)."""
    counting, numbers, costs = Counting(conn), list[int](), list[int]()
    going: int | None = after
    before = await counting.done()
    while going is not None:
        rows, going = await pages.page(conn, CAMPUS, learners, going, PAGE)
        costs.append(await counting.done() - before)
        before += costs[-1]
        numbers += [row.no for row in rows]
    return numbers, costs


async def test_each_movement_of_a_person_is_told_once_and_a_page_costs_a_page_of_a_long_history_too(
    real: RealCatalogue,
) -> None:
    await real.add_tenant(CAMPUS)
    await posted(real, 1, SHORT)
    who = ("ann", "ann-2")
    async with real.store.reading() as conn:
        _, short = await read(conn, who)
    await posted(real, SHORT + 1, LONG)
    async with real.store.reading() as conn:
        numbers, long = await read(conn, who)
        mine = select(movement.c.no).where(movement.c.learner.in_(who)).order_by(movement.c.no)
        assert numbers == list(await conn.scalars(mine))
        assert (await read(conn, who, numbers[-7]))[0] == numbers[-6:]
        alone, _ = await read(conn, ("ann",))
        assert len(alone) < len(numbers)
        rows, more = await pages.page(conn, CAMPUS, who, 0, 5, only=lambda line: [line.rule == "nothing"])
        assert (rows, more is not None) == ([], True), "what few pass ends somewhere, and says where to go on"
    assert len(long) >= 3 * len(short)
    assert mean(long) <= 2 * mean(short), "a page of a history four times as long costs no more but by chance"
    if conn.dialect.name == "postgresql":
        assert mean(long) <= 3 * pages.STEP * 2, (
            "in three wallets a landmark each is looked for, and followed back from"
        )
