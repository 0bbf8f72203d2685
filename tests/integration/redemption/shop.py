"""A campus with a shelf, a desk, a partner and a courier in a test's hand; its clock is moved by hand."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import make_url, text

from catalogue import books, tenants
from catalogue.partners import reconcile, registry
from catalogue.partners.breaker import Circuit
from catalogue.partners.courier import Courier
from catalogue.partners.http import HttpAdapter
from catalogue.partners.reconcile import Report
from catalogue.redemption import audit as redemptions
from catalogue.redemption import records, states
from catalogue.redemption.checks import Wish
from catalogue.redemption.desk import Desk
from catalogue.redemption.pool import Code, add
from catalogue.redemption.records import Redemption
from catalogue.redemption.states import State
from catalogue.redemption.vault import Vault
from catalogue.rewards import shelf
from catalogue.store import Store
from catalogue.wallets import audit, book
from catalogue.wallets.moves import Move
from tests.partner import Partner
from wire import keys

CAMPUS = "uni-example"
NOW = 1_790_000_000
DAY = 86_400
KEY = keys.Key.of(Ed25519PrivateKey.from_private_bytes(bytes(32)))


class Shop:
    """The centre of one campus. ``at`` is the time."""

    def __init__(self, store: Store, key: keys.Key) -> None:
        self.store = store
        self.at = NOW
        self.desk = Desk(store, Vault(bytes(32)))
        self.adapter = HttpAdapter(key)
        self.partner = Partner(key.public, key.fingerprint, now=lambda: self.at)
        self.courier = Courier(self.desk, self.adapter, clock=lambda: self.at, jitter=lambda: 0.0)
        self.workers = [(self.desk, self.courier)]
        self._others: list[Store] = []
        self.given: dict[str, int] = {}
        self._wishes = 0

    async def hire(self, url: str) -> None:
        """Another worker, with connections of its own to the same books; learners come to each in turn."""
        other = await Store.open(make_url(url))
        self._others.append(other)
        desk = Desk(other, Vault(bytes(32)))
        self.workers.append((desk, Courier(desk, self.adapter, clock=lambda: self.at, jitter=lambda: 0.0)))

    async def carry(self) -> None:
        """Do all that is due now."""
        while await self.courier.round():
            pass

    async def open(self, campus: str = CAMPUS) -> None:
        async with self.store.writing() as conn:
            await tenants.add_tenant(conn, campus, title="", environment="production", now=0)

    async def shelve(self, name: str = "tea", **fields: Any) -> None:
        """Put a reward of 50 points on the shelf, approved."""
        made = shelf.described({"id": name, "title": name.capitalize(), "price": {"points": 50}} | fields)
        async with self.store.writing() as conn:
            await shelf.put(conn, CAMPUS, made, now=self.at)
            await shelf.approve(conn, CAMPUS, CAMPUS, name, approved=True, now=self.at)

    async def employ(self, *, repeatable: bool = True, timeout_s: int = 30) -> None:
        """Start the partner and put its reward on the shelf."""
        self.partner.repeatable = repeatable
        await self.partner.start()
        made = registry.Partner(
            owner="*",
            partner="acme",
            title="Acme",
            url=self.partner.url,
            repeatable=repeatable,
            timeout_s=timeout_s,
            state="active",
            circuit=Circuit(),
        )
        async with self.store.writing() as conn:
            await registry.put(conn, made)
        await self.shelve("card", handing="partner", partner="acme", cost="4.50 GBP")

    async def give(self, learner: str, amount: int, currency: str = "points") -> None:
        """Let a learner have earned something."""
        key = (learner, currency)
        async with self.store.writing() as conn:
            held = await book.hold(self.store, conn, CAMPUS, [key])
            ref = f"test/{len(self.given)}-{held[key].last_no}"
            await book.post(self.store, conn, CAMPUS, [Move(*key, "award", amount, ref, self.at)], held, now=self.at)
        if currency == "points":
            self.given[learner] = self.given.get(learner, 0) + amount

    async def redeem(self, learner: str = "ann", reward: str = "tea", key: str = "", **wish: Any) -> Redemption:
        self._wishes += 1
        key = key or f"wish-{self._wishes}"
        asked = Wish(campus=CAMPUS, learner=learner, reward=reward, key=key, **wish)
        desk, _ = self.workers[self._wishes % len(self.workers)]
        return await desk.redeem(asked, now=self.at, by="test")

    async def stock(self, codes: Iterable[str], reward: str = "code", expires_at: int | None = None) -> int:
        async with self.store.writing() as conn:
            given = [Code(code, expires_at) for code in codes]
            return await add(conn, self.desk.vault, CAMPUS, CAMPUS, reward, given, now=self.at)

    async def now_is(self, one: Redemption) -> Redemption:
        async with self.store.reading() as conn:
            found = await records.find(conn, CAMPUS, one.redemption)
        assert found is not None
        return found

    async def all(self) -> list[Redemption]:
        async with self.store.reading() as conn:
            return [one async for one in records.listed(conn, CAMPUS)]

    async def steps(self, one: Redemption) -> list[str]:
        async with self.store.reading() as conn:
            return [step["event"] for step in await records.steps(conn, CAMPUS, one.redemption)]

    async def balance(self, learner: str = "ann") -> int:
        async with self.store.reading() as conn:
            rows = [row async for row in books.wallets(conn, CAMPUS, learner=learner, currency="points")]
        return int(rows[0]["balance"]) if rows else 0

    async def reconcile(self, statement: str = "", complete_until: int | None = None) -> Report:
        lines = reconcile.read(statement or self.partner.statement())
        return await reconcile.reconcile(self.desk, "acme", lines, complete_until=complete_until, now=self.at)

    async def audit(self) -> None:
        """Nobody over-spent; who was charged has a voucher, or may still get one, or has the points back."""
        found = await self.all()
        codes = [self.desk.voucher(one) for one in found if one.voucher is not None]
        assert len(codes) == len(set(codes)), "no voucher is given twice"
        for one in found:
            has = one.voucher is not None or one.token_digest is not None
            assert has or one.state not in {State.fulfilled, State.refunded}
            if one.state is State.released:
                assert not self.partner.made.get(one.redemption), "a voucher that nobody paid"
        held = dict.fromkeys(self.given, 0)
        for one in found:
            held[one.learner] += one.amount if one.state in states.HELD else 0
        for learner, amount in self.given.items():
            assert await self.balance(learner) == amount - held[learner] >= 0
        if self.partner.repeatable:
            assert all(len(set(made)) == 1 for made in self.partner.made.values())
        else:
            assert all(len(made) == 1 for made in self.partner.made.values()), "never two vouchers"
        await self._books()

    async def _books(self) -> None:
        faults: list[str] = []
        async with self.store.reading() as conn:
            earned = await conn.execute(
                text(
                    "SELECT learner, currency, sum(amount) FROM movement"
                    " WHERE kind = 'award' GROUP BY learner, currency"
                )
            )
            sums = {(learner, currency): int(amount) for learner, currency, amount in earned}
            await audit.check(conn, CAMPUS, sums, faults.append)
            await redemptions.check(conn, CAMPUS, faults.append)
            taken = await conn.execute(text("SELECT reward, taken FROM offer"))
            stock = dict(tuple(row) for row in taken)
        assert faults == []
        for reward, count in stock.items():
            left = [one for one in await self.all() if one.reward == reward and one.state is not State.released]
            assert count == len(left)

    async def close(self) -> None:
        await self.partner.stop()
        await self.adapter.close()
        for other in self._others:
            await other.close()
        await self.store.close()


@asynccontextmanager
async def a_shop(directory: Path, *, url: str = "", template: Path | None = None) -> AsyncIterator[Shop]:
    """A shop on the database at ``url``, or on a copy of ``template`` in ``directory``."""
    if template is not None:
        shutil.copy(template, directory / "shop.db")
    store = await Store.open(make_url(url or f"sqlite:///{directory}/shop.db"), check_schema=False)
    await store.upgrade()
    shop = Shop(store, KEY)
    await shop.open()
    try:
        yield shop
    finally:
        await shop.close()
