"""What is read: a learner's wallets, and the central ledger page by page."""

from __future__ import annotations

import calendar
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import books
from catalogue.errors import RefusedError
from catalogue.schema import ledger, movement
from catalogue.wallets import carried, pages, purse

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
EVENT = "event_id"
"""What a row says besides: the event that it is about, under its learner's own secret."""


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


async def archived(conn: AsyncConnection, campus: str, asked: Wanted) -> str | None:
    """The newest month that is in the archive alone, if rows of it or of before belong to what is asked for."""
    begins = await carried.begins(conn, campus)
    return begins.month if asked.after < begins.no else None


async def page(conn: AsyncConnection, campus: str, asked: Wanted) -> tuple[list[dict[str, Any]], int | None]:
    """(the rows by `COLUMNS` and `EVENT` in the order of posting, what to ask ``after`` for the next page or None).

    Numbers have no gaps, so a page looks at a range of them; it may have fewer rows than asked for, or none, and be
    followed by others. A learner's movements are those of all wallets of the person who is that learner, so that they
    add up to `points`.
    """
    most = asked.rows or PAGE_ROWS_MAX
    if "learner" in asked.same:
        return await _of_learner(conn, campus, asked, most)
    head = await conn.scalar(select(ledger.c.no).where(ledger.c.campus == campus)) or 0
    after = max(asked.after, (await carried.begins(conn, campus)).no)
    upto = min(after + SCANNED_MAX, head)
    rows = await _rows(conn, campus, asked, movement.c.no.between(after + 1, upto), most + 1)
    if len(rows) > most:
        return rows[:most], rows[most - 1]["no"]
    return rows, upto if upto < head else None


async def _of_learner(
    conn: AsyncConnection, campus: str, asked: Wanted, most: int
) -> tuple[list[dict[str, Any]], int | None]:
    same = dict(asked.same)
    names = await purse.names(conn, campus, same.pop("learner"))
    rest = replace(asked, same=same)
    found = await pages.page(
        conn, campus, names, asked.after, most, currency=same.get("currency"), only=partial(_only, rest)
    )
    rows, after = found
    return await _told(conn, campus, rows), after


async def _rows(
    conn: AsyncConnection, campus: str, asked: Wanted, where: ColumnElement[bool], most: int
) -> list[dict[str, Any]]:
    table = movement.c
    wanted = select(movement).where(table.campus == campus, where, *_only(asked, table)).order_by(table.no).limit(most)
    return await _told(conn, campus, (await conn.execute(wanted)).all())


def _only(asked: Wanted, table: Any) -> list[ColumnElement[bool]]:
    """What is asked of a row, on the columns of `catalogue.schema.movement`."""
    only = [table[column] == value for column, value in asked.same.items()]
    only += [] if asked.since is None else [table.occurred_at >= asked.since]
    return only + ([] if asked.until is None else [table.occurred_at < asked.until])


async def _told(conn: AsyncConnection, campus: str, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    """Rows by `COLUMNS`, each with the event that it is about."""
    events = await books.events(conn, campus, rows)
    return [
        {name: getattr(row, column) for name, column in COLUMNS.items()} | {EVENT: events.get(row.ref, "")}
        for row in rows
    ]


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
