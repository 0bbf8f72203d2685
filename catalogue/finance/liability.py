"""What is owed to learners: points outstanding, by the month in which they expire, and what they are worth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import schema
from catalogue.funding import months, policy
from catalogue.rewards import money
from catalogue.rewards.money import Sum
from catalogue.store.rows import WalletState
from catalogue.wallets import book, currencies
from wire.money.terms import BADGE_PREFIX, Currency

NEVER = "never"
PAGE_ROWS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """One currency: what learners hold, by the month in which it expires (`NEVER`), and what learners owe back."""

    currency: str
    by_month: Mapping[str, int] = field(default_factory=dict)
    owed_back: int = 0

    @property
    def outstanding(self) -> int:
        """What learners hold together, in smallest units; what others owe is not taken off."""
        return sum(self.by_month.values())


async def report(conn: AsyncConnection, campus: str) -> list[Owed]:
    """What a campus's learners hold of every currency that can be spent, wallet by wallet, lot by lot."""
    zone = (await policy.of_campus(conn, campus)).timezone
    known = await currencies.of_campus(conn, campus)
    found: dict[str, Counter[str]] = {}
    back: Counter[str] = Counter()
    at = ("", "")
    table = schema.wallet
    columns = (table.c.learner, table.c.currency, *(table.c[name] for name in WalletState._fields))
    while True:
        page = select(*columns).where(table.c.campus == campus, tuple_(table.c.learner, table.c.currency) > tuple_(*at))
        rows = (await conn.execute(page.order_by(table.c.learner, table.c.currency).limit(PAGE_ROWS))).all()
        held = {(learner, name): WalletState(*state) for learner, name, *state in rows if _counts(name, known)}
        for (_, name), account in (await book.accounts(conn, campus, held)).items():
            lots = found.setdefault(name, Counter())
            back[name] += account.debt
            for lot in account.lots:
                lots[NEVER if lot.expires_at is None else months.month_of(lot.expires_at, zone)] += lot.left
        if len(rows) < PAGE_ROWS:
            break
        at = (rows[-1].learner, rows[-1].currency)
    return [
        Owed(currency=name, by_month=dict(sorted(lots.items())), owed_back=back[name])
        for name, lots in sorted(found.items())
    ]


def value(amount: int, currency: Currency | None) -> Sum | None:
    """What an amount in smallest units is worth, rounded half up to a hundredth; None where nobody said."""
    if currency is None or not currency.worth:
        return None
    try:
        each = money.parse(currency.worth)
    except ValueError:
        return None
    exact = Fraction(amount * each.minor, 10**currency.decimals)
    return Sum(int((exact + Fraction(1, 2)) // 1), each.code)


def _counts(name: str, known: Mapping[str, Currency]) -> bool:
    if name.startswith(BADGE_PREFIX):
        return False
    return name not in known or known[name].spendable
