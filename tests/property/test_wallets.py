"""Whatever comes in, is spent, given back, taken back and expires: the books of the centre are those of the lots."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import make_url

from catalogue import books, receive, tenants
from catalogue.store import Store
from catalogue.tenants import Sender
from catalogue.verify import verify
from catalogue.wallets import audit, book
from catalogue.wallets.book import InsufficientError
from tests.effort import examples
from tests.wire_builders import CAMPUS, a_header, an_entry
from wire import batch, chain, keys
from wire.money.lots import Account, Movement
from wire.money.terms import FIELD, Change, Currency, Terms, encode

KEY = ("ann", "points")
LIFE = 20
ACTS = st.lists(
    st.tuples(
        st.sampled_from(["award", "award", "reverse", "take", "spend", "spend", "refund", "expire"]),
        st.integers(1, 30),
        st.integers(0, 9),
        st.booleans(),
    ),
    min_size=3,
    max_size=25,
)
Act = tuple[str, int, int, bool]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue with one campus and one agent."""
    place = tmp_path_factory.mktemp("wallets")

    async def make() -> None:
        store = await Store.open(make_url(f"sqlite:///{place}/template.db"), check_schema=False)
        await store.upgrade()
        async with store.writing() as conn:
            await tenants.add_tenant(conn, CAMPUS, title="", environment="production", now=0)
            await tenants.add_agent(conn, CAMPUS, keys.create(place / "agent").public, now=0)
        await store.close()

    asyncio.run(make())
    keys.create(place / "catalogue")
    return place


@dataclass
class Story:
    """The books, and beside them the lots as they must be."""

    store: Store
    key: keys.Key
    account: Account = field(default_factory=Account)
    now: int = 100
    seq: int = 0
    head: bytes = chain.GENESIS
    awards: list[tuple[str, int]] = field(default_factory=list)
    spent: dict[str, int] = field(default_factory=dict)
    counted: int = 0

    async def act(self, act: Act) -> None:
        """One act on both, at a time that goes on."""
        what, amount, which, flag = act
        self.now += which
        self.counted += 1
        match what:
            case "award":
                ref = await self.entry(amount, owe=flag)
                self.awards.append((ref, amount))
                self.account.credit(ref, amount, self.now + LIFE)
            case "reverse" if self.awards:
                ref, given = self.awards.pop(which % len(self.awards))
                await self.entry(-given, kind="reversal", reverses=ref.partition("/")[2], owe=flag)
                self.account.reverse(ref, given, owe=flag)
            case "take":
                await self.entry(-amount, kind="adjustment", owe=flag)
                self.account.take(amount, owe=flag)
            case "spend":
                await self.spend(amount)
            case "refund" if self.spent:
                await self.refund(sorted(self.spent)[which % len(self.spent)], amount)
            case "expire":
                async with self.store.writing() as conn:
                    await book.let_expire(self.store, conn, CAMPUS, [KEY], now=self.now)
                self.let_go()
            case _:
                pass

    async def entry(self, amount: int, *, owe: bool, **fields: str) -> str:
        self.seq += 1
        body = an_entry(self.seq, amount=amount, learner=KEY[0], occurred_at=self.now, **fields)
        points = Currency(changes=(Change(0, LIFE, "owe" if owe else "forgive"),))
        extra = {FIELD: encode(Terms(currencies={"points": points}))}
        header = a_header([body], first=self.seq, previous=self.head, extra=extra)
        sender = Sender(
            campus=CAMPUS,
            agent="agent-1",
            environment="production",
            public=b"",
            tenant_state="active",
            agent_state="active",
            key_state="active",
            replaced_by=None,
        )
        made = batch.envelope(batch.encode(header, [body]))
        assert isinstance(
            await receive.receive(self.store, self.key, sender, made, now=self.now), receive.StoredReceipt
        )
        self.head = header.head
        return f"agent-1/1-{self.seq}"

    async def spend(self, amount: int) -> None:
        name = f"spend-{self.counted}"
        lasting = copy.deepcopy(self.account)
        for lot in list(lasting.due(self.now)):
            lasting.expire(lot.ref, lot.left)
        enough = amount <= lasting.available
        with contextlib.nullcontext() if enough else pytest.raises(InsufficientError):
            async with self.store.writing() as conn:
                await book.spend(self.store, conn, CAMPUS, KEY, amount, ref=name, now=self.now)
        if enough:  # else what is over is still there, and an adjustment may take it first
            self.let_go()
            self.account.spend(name, amount)
            self.spent[name] = amount

    async def refund(self, name: str, amount: int) -> None:
        back = min(amount, self.spent[name])
        ref = f"back-{self.counted}"
        async with self.store.writing() as conn:
            await book.refund(self.store, conn, CAMPUS, KEY, back, ref=ref, about=name, now=self.now)
        self.let_go()  # only what comes back lives longer, not what lay beside it in its lot
        self.account.move(Movement("refund", back, ref, name, self.now, None, True))
        self.spent[name] -= back
        if not self.spent[name]:
            del self.spent[name]

    def let_go(self) -> None:
        for lot in list(self.account.due(self.now)):
            self.account.expire(lot.ref, lot.left)

    async def agrees(self) -> None:
        """The books hold what the lots hold: a spend that was refused let nothing go."""
        async with self.store.writing() as conn:
            await book.let_expire(self.store, conn, CAMPUS, [KEY], now=self.now)
        self.let_go()
        async with self.store.reading() as conn:
            held = await books.lots(conn, CAMPUS, *KEY)
            balances = [row["balance"] async for row in books.wallets(conn, CAMPUS)]
            report = await verify(conn, self.key.public, now=self.now)
        assert balances == [self.account.balance] or (not balances and not self.account.balance)
        wanted = [(lot.ref, lot.left, lot.expires_at) for lot in self.account.lots]
        assert [(lot["ref"], lot["left"], lot["expires_at"]) for lot in held["lots"]] == wanted
        assert held["owed"] == self.account.debt
        async with self.store.reading() as conn:
            assert (await audit.astray(conn, CAMPUS)).keys == []
        assert report.faults == []


@settings(max_examples=examples(25), deadline=None)
@given(acts=ACTS)
@example(  # at the very moment at which the rest of its lot is over
    acts=[
        ("award", 2, 0, False),
        ("spend", 1, 3, False),
        ("award", 1, 5, False),
        ("award", 1, 9, False),
        ("refund", 1, 3, False),
    ]
)
def test_in_any_story_the_books_hold_what_the_lots_hold_and_verify(template: Path, acts: list[Act]) -> None:
    async def play() -> None:
        path = template / "story.db"
        shutil.copy(template / "template.db", path)
        store = await Store.open(make_url(f"sqlite:///{path}"))
        try:
            story = Story(store, keys.load(template / "catalogue"))
            for act in acts:
                await story.act(act)
            await story.agrees()
        finally:
            await store.close()

    asyncio.run(play())
    assert acts
