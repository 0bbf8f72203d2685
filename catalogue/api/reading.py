"""What is read: a learner's wallets, and the central ledger page by page."""

from __future__ import annotations

import calendar
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue.errors import RefusedError
from catalogue.schema import ledger, movement, wallet
from catalogue.wallets import purse

PAGE_ROWS = 100
PAGE_ROWS_MAX = 1000
SCANNED_MAX = 100_000
"""Movements that one page looks at: a filter that few of them pass costs no more than one that all do."""
ALL = "all"
DIGITS_MAX = 18
TEXT_CHARS_MAX = 200
DAY_S = 86_400
YEAR_DAYS = 366
WALLETS_MAX = 1000
"""Most currencies of one learner that are told."""
_WHOLE = re.compile(r"[0-9]{1,18}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TEXTS = {"user": "learner", "rule": "rule", "source": "source", "currency": "currency"}
COLUMNS = {
    "no": "no",
    "occurred_at": "occurred_at",
    "posted_at": "posted_at",
    "user": "learner",
    "currency": "currency",
    "kind": "kind",
    "amount": "amount",
    "waived": "waived",
    "rule": "rule",
    "source": "source",
    "ref": "ref",
    "about": "about",
    "expires_at": "expires_at",
}
"""What a row says, and the column of `catalogue.schema.movement` that it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A question to the ledger that was checked: times in seconds since 1970, ``until`` not included.

    ``rows`` None is all.
    """

    same: Mapping[str, str]
    since: int | None
    until: int | None
    after: int
    rows: int | None
    csv: bool

    def following(self, after: int) -> Wanted:
        """The same from another place on, a full page."""
        return replace(self, after=after, rows=PAGE_ROWS_MAX)


def wanted(query: Mapping[str, str]) -> Wanted:
    """Check what is asked.

    Raises:
        RefusedError: (400) a parameter is unknown or cannot be read.
    """
    if unknown := set(query) - {*_TEXTS, "from", "until", "after", "limit", "format"}:
        raise _bad(f"no parameter of this path: {len(unknown)} of those sent")
    if query.get("format", "json") not in {"json", "csv"}:
        raise _bad("format is json or csv")
    until = day_of(query, "until")
    everything = query.get("limit") == ALL
    if everything and query.get("format") != "csv":
        raise _bad("limit=all is for format=csv")
    rows = None if everything else whole(query, "limit", PAGE_ROWS)
    if rows is not None and not 1 <= rows <= PAGE_ROWS_MAX:
        raise _bad(f"limit is 1 to {PAGE_ROWS_MAX}, or all with format=csv")
    return Wanted(
        same={column: text_of(query, name) for name, column in _TEXTS.items() if name in query},
        since=day_of(query, "from"),
        until=None if until is None else until + DAY_S,
        after=whole(query, "after", 0),
        rows=rows,
        csv=query.get("format") == "csv",
    )


def text_of(query: Mapping[str, str], name: str) -> str:
    """A parameter that must be there, and be something a campus can have said."""
    value = query.get(name, "")
    if not 1 <= len(value) <= TEXT_CHARS_MAX or not value.isprintable():
        raise _bad(f"{name} is 1 to {TEXT_CHARS_MAX} printable characters")
    return value


async def points(conn: AsyncConnection, campus: str, learner: str) -> list[dict[str, Any]]:
    """{currency, balance, earned} of the person who is this learner, all wallets of theirs; none for one not known."""
    sums = sorted((await purse.sums(conn, campus, learner)).items())[:WALLETS_MAX]
    return [{"currency": currency, "balance": has, "earned": earned} for currency, (has, earned) in sums]


async def page(conn: AsyncConnection, campus: str, asked: Wanted) -> tuple[list[dict[str, Any]], int | None]:
    """(the rows by `COLUMNS` in the order of posting, what to ask ``after`` for the next page or None).

    Numbers have no gaps, so a page looks at a range of them; it may have fewer rows than asked for, or none, and be
    followed by others. A learner's movements are found along the chains of all wallets of the person who is that
    learner, so that they add up to `points`.
    """
    most = asked.rows or PAGE_ROWS_MAX
    if "learner" in asked.same:
        return await _of_learner(conn, campus, asked, most)
    head = await conn.scalar(select(ledger.c.no).where(ledger.c.campus == campus)) or 0
    upto = min(asked.after + SCANNED_MAX, head)
    rows = await _rows(conn, campus, asked, movement.c.no.between(asked.after + 1, upto), most + 1)
    if len(rows) > most:
        return rows[:most], rows[most - 1]["no"]
    return rows, upto if upto < head else None


async def _of_learner(
    conn: AsyncConnection, campus: str, asked: Wanted, most: int
) -> tuple[list[dict[str, Any]], int | None]:
    names = await purse.names(conn, campus, asked.same["learner"])
    numbers = await _numbers(conn, campus, names, asked.after)
    rest = replace(asked, same={column: value for column, value in asked.same.items() if column != "learner"})
    rows: list[dict[str, Any]] = []
    for start in range(0, len(numbers), PAGE_ROWS_MAX):
        some = numbers[start : start + PAGE_ROWS_MAX]
        rows += await _rows(conn, campus, rest, movement.c.no.in_(some), most + 1)
        if len(rows) > most:
            return rows[:most], rows[most - 1]["no"]
    return rows, None


async def _rows(
    conn: AsyncConnection, campus: str, asked: Wanted, where: ColumnElement[bool], most: int
) -> list[dict[str, Any]]:
    table = movement.c
    only = [table[column] == value for column, value in asked.same.items()]
    only += [] if asked.since is None else [table.occurred_at >= asked.since]
    only += [] if asked.until is None else [table.occurred_at < asked.until]
    columns = [table[column].label(name) for name, column in COLUMNS.items()]
    wanted = select(*columns).where(table.campus == campus, where, *only).order_by(table.no).limit(most)
    return [dict(row._mapping) for row in await conn.execute(wanted)]  # noqa: SLF001 - SQLAlchemy's public name


async def _numbers(conn: AsyncConnection, campus: str, names: Collection[str], after: int) -> list[int]:
    """The numbers after one of a person's movements in order, each wallet's walked back from its newest."""
    mine = select(wallet.c.last_no, wallet.c.last_at).where(wallet.c.campus == campus, wallet.c.learner.in_(names))
    newest = {no: at for no, at in await conn.execute(mine.limit(WALLETS_MAX)) if no > after}
    if not newest:
        return []
    table = movement
    columns = (table.c.no, table.c.prev_no, table.c.prev_at)
    last = (table.c.no.in_(newest), table.c.posted_at.in_({*newest.values()}))
    walked = select(*columns).where(table.c.campus == campus, *last).cte("chain", recursive=True)
    link = (table.c.no == walked.c.prev_no, table.c.posted_at == walked.c.prev_at)
    before = select(*columns).where(table.c.campus == campus, *link, table.c.no > after)
    return sorted((await conn.scalars(select(walked.union_all(before).c.no))).all())


def whole(query: Mapping[str, str], name: str, default: int) -> int:
    """A parameter that is a whole number."""
    if name not in query:
        return default
    if not _WHOLE.fullmatch(query[name]):
        raise _bad(f"{name} is a whole number")
    return int(query[name])


def day_of(query: Mapping[str, str], name: str) -> int | None:
    """When the day of a parameter begins, UTC."""
    if name not in query:
        return None
    try:
        if not _DAY.fullmatch(query[name]):
            raise _bad(f"{name} is a day: YYYY-MM-DD")
        return calendar.timegm(date.fromisoformat(query[name]).timetuple())
    except ValueError:
        raise _bad(f"{name} is a day: YYYY-MM-DD") from None


def _bad(why: str) -> RefusedError:
    return RefusedError(400, "parameter", why)
