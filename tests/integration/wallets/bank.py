"""One campus's wallets in a test's hand: awards come in as batches, spends and refunds go through the book."""

from __future__ import annotations

from typing import Any

from catalogue import books
from catalogue.wallets import audit, book, expiry
from tests.contract.catalogues import Hand, RealCatalogue
from tests.wire_builders import CAMPUS, an_entry
from wire.money.terms import FIELD, Change, Currency, Level, Terms, encode

DAY = 86_400
NOW = 1_790_000_000
ANN = "ann"


def terms(expires_after: int | None = 30 * DAY, overdraw: str = "owe", **more: Any) -> Terms:
    """Points with these terms, and a level."""
    points = Currency(title="Points", worth="0.01 GBP", changes=(Change(0, expires_after, overdraw),))
    return Terms(currencies={"points": points}, levels=(Level("Scholar", "points", 100),), **more)


class Bank:
    """Ann's wallet of points, unless something else is said."""

    def __init__(self, real: RealCatalogue, hand: Hand) -> None:
        self.real = real
        self.hand = hand
        self.store = real.store

    async def award(self, *amounts: int, at: int = NOW, said: Terms | None = None, **changes: Any) -> list[str]:
        """One entry for each amount in one batch; the names of their lots."""
        first = self.hand.seq + 1
        fields = {"learner": ANN, "occurred_at": at} | changes
        bodies = [an_entry(seq, amount=amount, **fields) for seq, amount in enumerate(amounts, start=first)]
        taken = await self.hand.deliver(bodies, extra={FIELD: encode(said or terms())})
        assert taken.accepted == len(amounts)
        return [f"{self.hand.agent}/1-{seq}" for seq in range(first, first + len(amounts))]

    async def reverse(self, lot: str, amount: int, said: Terms | None = None) -> None:
        """Take an award back."""
        await self.award(-amount, said=said, kind="reversal", reverses=lot.partition("/")[2], reason="undone")

    async def spend(self, amount: int, ref: str = "a", *, at: int = NOW, learner: str = ANN) -> None:
        async with self.store.writing() as conn:
            await book.spend(self.store, conn, CAMPUS, (learner, "points"), amount, ref=ref, now=at)

    async def refund(self, amount: int, about: str = "a", ref: str = "back", *, at: int = NOW) -> None:
        async with self.store.writing() as conn:
            await book.refund(self.store, conn, CAMPUS, (ANN, "points"), amount, ref=ref, about=about, now=at)

    async def expire(self, at: int) -> int:
        return sum(one.lots for one in await expiry.look(self.store, now=at))

    async def rebuild(self) -> int:
        """Make every wallet what the ledger says; how many were something else."""
        async with self.store.reading() as conn:
            found = await audit.astray(conn, CAMPUS)
        async with self.store.writing() as conn:
            return await audit.rebuild(self.store, conn, CAMPUS, found)

    async def balance(self, learner: str = ANN) -> int:
        return (await self.real.wallets(CAMPUS)).get((learner, "points"), 0)

    async def lots(self) -> list[tuple[str, int, int | None]]:
        """(name, left, when it is over), the first to be used first."""
        async with self.store.reading() as conn:
            found = await books.lots(conn, CAMPUS, ANN, "points")
        return [(lot["ref"], lot["left"], lot["expires_at"]) for lot in found["lots"]]

    async def history(self) -> list[tuple[str, int, int]]:
        """(kind, amount, waived) of Ann's movements."""
        async with self.store.reading() as conn:
            rows = await books.history(conn, CAMPUS, ANN, "points")
        return [(row["kind"], row["amount"], row["waived"]) for row in rows]

    async def faults(self) -> list[str]:
        """What does not agree, the entries' sums taken from the ledger's own."""
        found: list[str] = []
        async with self.store.reading() as conn:
            sums: dict[tuple[str, str], int] = {}
            async for row in books.entries(conn, CAMPUS):
                fields = books.as_columns(row)
                if row.rejected is None:
                    key = fields["learner"], fields["currency"]
                    sums[key] = sums.get(key, 0) + fields["amount"]
            await audit.check(conn, CAMPUS, sums, found.append)
        return found
