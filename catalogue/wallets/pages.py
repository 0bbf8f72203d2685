"""One person's movements in the order of posting, a page at a time, at the price of a page wherever it begins.

A wallet is the end of a chain that leads back, and an index that finds each movement of a learner is what posting could
not pay (docs/adr/0050). One movement in `STEP` is in an index instead, a landmark: in each wallet a page begins at the
landmark that is far enough behind its last row, or at the wallet's end, and follows the chain back from there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, Select, and_, func, literal_column, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue.schema import movement, wallet

STEP = 64
"""One movement in so many is a landmark."""
_LANDMARK: ColumnElement[bool] = literal_column(
    "(movement.no + movement.no / 64 + movement.no / 4096 + movement.no / 262144) % 64 = 0"
)
"""As the index `movement_landmark` has it: the digits to the base of 64, so that no rhythm of learners evades it."""
LOOKS_MAX = 10
"""Stretches that one page looks at: a filter that few movements pass costs no more than one that all do."""


WALLETS_MAX = 1000
"""Most wallets of one person that are looked at."""

Only = Callable[[Any], Sequence[ColumnElement[bool]]]


class Stretch(NamedTuple):
    """Numbers of where to begin in each wallet, when those were posted, and up to where nothing is missing.

    ``upto`` None is the end.
    """

    numbers: Sequence[int]
    dates: Collection[int]
    upto: int | None


def _all(_columns: Any) -> Sequence[ColumnElement[bool]]:
    return ()


async def page(
    conn: AsyncConnection,
    campus: str,
    learners: Collection[str],
    after: int,
    most: int,
    *,
    currency: str | None = None,
    only: Only = _all,
) -> tuple[list[Row[Any]], int | None]:
    """(at most ``most`` rows of `movement` of these learners after a number, what to ask ``after`` next or None).

    ``only`` are conditions on the columns of `movement`. There may be fewer rows than asked for, and others after them.
    """
    mine = [wallet.c.campus == campus, wallet.c.learner.in_(learners)]
    mine += [] if currency is None else [wallet.c.currency == currency]
    rows: list[Row[Any]] = []
    for _ in range(LOOKS_MAX):
        stretch = await _stretch(conn, and_(*mine), after, most)
        if not stretch.numbers:
            return rows, None
        rows += await conn.execute(_walk(campus, stretch, after, only).limit(most + 1 - len(rows)))
        if len(rows) > most:
            return rows[:most], rows[most - 1].no
        if stretch.upto is None:
            return rows, None
        after = stretch.upto
    return rows, after


async def _stretch(conn: AsyncConnection, mine: ColumnElement[bool], after: int, most: int) -> Stretch:
    """Where to begin, so that about ``most`` movements lie between there and ``after``."""
    live = and_(mine, wallet.c.last_no > after)
    wallets = await conn.scalar(select(func.count()).where(live).select_from(wallet)) or 0
    ahead = most // (STEP * max(wallets, 1))
    columns = (wallet.c.last_no, wallet.c.last_at, *(_landmark(name, after, ahead) for name in ("no", "posted_at")))
    in_order = select(*columns).where(live).order_by(wallet.c.learner, wallet.c.currency).limit(WALLETS_MAX)
    found = (await conn.execute(in_order)).all()
    begin = [(last_no, last_at) if no is None else (no, at) for last_no, last_at, no, at in found]
    more = [no for _, _, no, _ in found if no is not None]
    return Stretch([no for no, _ in begin], {at for _, at in begin}, min(more, default=None))


def _landmark(name: str, after: int, ahead: int) -> Any:
    """A column of a wallet's landmark after a number, when ``ahead`` others lie between."""
    same = [movement.c[key] == wallet.c[key] for key in ("campus", "learner", "currency")]
    found = select(movement.c[name]).where(*same, movement.c.no > after, _LANDMARK).order_by(movement.c.no)
    return found.limit(literal_column("1")).offset(ahead).correlate(wallet).scalar_subquery()


def _walk(campus: str, stretch: Stretch, after: int, only: Only) -> Select[Any]:
    """Every movement between, each wallet's chain followed back."""
    begin = (movement.c.no.in_(stretch.numbers), movement.c.posted_at.in_(stretch.dates))
    chain = select(movement).where(movement.c.campus == campus, *begin).cte("chain", recursive=True)
    link = (movement.c.no == chain.c.prev_no, movement.c.posted_at == chain.c.prev_at, movement.c.no > after)
    chain = chain.union_all(select(movement).where(movement.c.campus == campus, *link))
    until = true() if stretch.upto is None else chain.c.no <= stretch.upto
    return select(chain).where(until, *only(chain.c)).order_by(chain.c.no)
