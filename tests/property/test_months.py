"""Months in any story: whatever is posted and whenever they are closed, each adds up and opens where one ended."""

from __future__ import annotations

import asyncio
import itertools
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import books, tenants
from catalogue.finance import audit, closing
from catalogue.funding import months
from catalogue.store import Store
from catalogue.wallets import book, dates
from catalogue.wallets.book import InsufficientError
from catalogue.wallets.moves import Move, as_movement
from tests.effort import examples
from tests.wire_builders import CAMPUS

DAY = 86_400
START = months.start("2026-01", "UTC")
ACTS = st.lists(
    st.tuples(
        st.sampled_from(["award", "award", "adjustment", "reversal", "spend", "refund", "expire", "close", "clock"]),
        st.integers(1, 40),
        st.integers(0, 40),
        st.sampled_from(["ann", "ben"]),
        st.booleans(),
    ),
    min_size=5,
    max_size=40,
)
Act = tuple[str, int, int, str, bool]


class Story:
    """One campus's books; days go by, and now and then the clock goes back."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.now = START
        self.count = 0
        self.lots: list[tuple[str, int, str]] = []
        self.spends: list[tuple[str, int, str]] = []

    async def act(self, act: Act) -> None:
        what, amount, days, learner, flag = act
        self.count += 1
        self.now += days * DAY
        ref = f"{what}-{self.count}"
        key = (learner, "points")
        match what:
            case "award":
                expires_at = self.now + 30 * DAY if flag else None
                await self.post(Move(*key, "award", amount, ref, self.now, expires_at=expires_at))
                self.lots.append((ref, amount, learner))
            case "adjustment":
                await self.post(Move(*key, "adjustment", amount if flag else -amount, ref, self.now))
            case "reversal" if self.lots:
                about, given, whose = self.lots.pop(days % len(self.lots))
                await self.reverse(Move(whose, "points", "reversal", -given, ref, self.now, about=about, owe=flag))
            case "spend":
                await self.spend(learner, amount, ref)
            case "refund" if self.spends:
                about, given, whose = self.spends.pop(days % len(self.spends))
                async with self.store.writing() as conn:
                    await book.refund(
                        self.store, conn, CAMPUS, (whose, "points"), given, ref=ref, about=about, now=self.now
                    )
            case "expire":
                async with self.store.writing() as conn:
                    await book.let_expire(self.store, conn, CAMPUS, [key], now=self.now)
            case "close":
                await self.close()
            case "clock":
                self.now = max(self.now - days * DAY - amount, START)
            case _:
                pass

    async def post(self, move: Move) -> None:
        async with self.store.writing() as conn:
            held = await book.hold(self.store, conn, CAMPUS, [move.key])
            await book.post(self.store, conn, CAMPUS, [move], held, now=self.now)

    async def reverse(self, move: Move) -> None:
        """As a batch does: what nobody owes is worked out from the lots."""
        async with self.store.writing() as conn:
            held = await book.hold(self.store, conn, CAMPUS, [move.key])
            account = (await book.accounts(conn, CAMPUS, held))[move.key]
            made = move._replace(waived=account.move(as_movement(move)))
            await book.post(self.store, conn, CAMPUS, [made], held, now=self.now)

    async def spend(self, learner: str, amount: int, ref: str) -> None:
        try:
            async with self.store.writing() as conn:
                await book.spend(self.store, conn, CAMPUS, (learner, "points"), amount, ref=ref, now=self.now)
        except InsufficientError:
            return
        self.spends.append((ref, amount, learner))

    async def close(self) -> None:
        """Close all that is over."""
        async with self.store.writing() as conn:
            if not await books_began(conn):
                return
            while months.end(await closing.following(conn, CAMPUS), "UTC") <= self.now:
                await closing.close(conn, CAMPUS, now=self.now, by="test")

    async def agrees(self) -> None:
        faults: list[str] = []
        async with self.store.reading() as conn:
            if not await books_began(conn):
                return
            await audit.check(conn, CAMPUS, faults.append)
            held = sum([row["balance"] async for row in books.wallets(conn, CAMPUS)])
            last = max(await closing.following(conn, CAMPUS), "2036-01")
            open_ = await closing.shown(conn, CAMPUS, last)
            ends = [one async for one in closing.listed(conn, CAMPUS)]
        assert faults == []
        assert open_.lines["points"].closing == held
        for before, after in itertools.pairwise(ends):
            assert after.lines["points"].opening == before.lines["points"].closing
            assert after.first_no == before.last_no + 1


async def books_began(conn: AsyncConnection) -> bool:
    return await dates.last_before(conn, CAMPUS, 2**40) > 0


def play(template: Path, directory: Path, acts: list[Act]) -> None:
    async def story() -> None:
        shutil.copy(template, directory / "story.db")
        store = await Store.open(make_url(f"sqlite:///{directory}/story.db"))
        try:
            async with store.writing() as conn:
                await tenants.add_tenant(conn, CAMPUS, title="", environment="production", now=0)
            played = Story(store)
            for act in acts:
                await played.act(act)
            await played.agrees()
        finally:
            await store.close()

    asyncio.run(story())


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("months")


@settings(max_examples=examples(20), deadline=None)
@given(acts=ACTS)
def test_in_any_story_every_month_adds_up_and_opens_where_one_ended(
    catalogue_file: Path, directory: Path, acts: list[Act]
) -> None:
    play(catalogue_file, directory, acts)
    assert (directory / "story.db").exists()


@pytest.mark.soak
@settings(max_examples=examples(500), deadline=None)
@given(acts=ACTS)
def test_in_five_hundred_stories_every_month_adds_up(catalogue_file: Path, directory: Path, acts: list[Act]) -> None:
    play(catalogue_file, directory, acts)
    assert (directory / "story.db").exists()
