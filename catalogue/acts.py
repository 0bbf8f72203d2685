"""Administrative acts: who did what when, and what it changed, written in the transaction of the act itself.

What changed is what the database says: the rows that an act concerns, as they were and as they are. Bytes (keys,
digests, sealed vouchers) are never written down. Each act is hashed with the one before it, campus by campus.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import LargeBinary, Row, Table, insert, select, text, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import schema
from catalogue.schema.base import COUNTED
from catalogue.store import Store
from wire import canonical, chain

EVERYWHERE = "*"
"""The campus of acts that concern all of them."""
OPERATOR = "operator "
"""How who typed a command is named."""
TEXT_CHARS_MAX = 300
BODY = "body"
"""Columns of this name hold JSON, which is compared field by field."""
PAGE_ROWS = 500
KEY_HEX = 8

State = Mapping[str, Mapping[str, Any]]
"""By row, what it says by column."""

_NUMBER = text(
    "INSERT INTO act_head (campus, no, hash) VALUES (:campus, :count, :genesis)"
    " ON CONFLICT (campus) DO UPDATE SET no = act_head.no + excluded.no RETURNING no, hash"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What is about to be done: ``act`` is noun.verb, ``about`` what it is done to; ``at`` in seconds UTC."""

    campus: str
    by: str
    at: int
    act: str
    about: str = ""
    why: str = ""


class Rows(NamedTuple):
    """Rows that an act may change: all of a table that have these values."""

    table: Table
    same: Mapping[str, Any]
    but: frozenset[str] = frozenset()
    """Columns that are never written down."""


class Done(NamedTuple):
    """An act with what it changed."""

    act: Act
    before: State
    after: State


def rows(table: Table, *, but: Collection[str] = (), **same: Any) -> Rows:
    """The rows of a table that have these values, without the columns of ``but``."""
    return Rows(table, same, frozenset(but))


def typed(by: str) -> bool:
    """Whether somebody typed it, rather than a learner or a machine of a campus asking for it."""
    return by.startswith(OPERATOR)


@contextlib.asynccontextmanager
async def acting(store: Store, act: Act, *concerned: Rows, each: bool = False) -> AsyncIterator[AsyncConnection]:
    """A writing transaction in which ``act`` happens and is written down, if it changed any row ``concerned``.

    ``each`` writes an act for every row. Acts of one campus on one table happen one after another: who changes a part
    of a row has read the rest of it as the one before left it.
    """
    async with store.writing() as conn:
        await store.dialect.line_up(conn, {f"{act.campus} {one.table.name}" for one in concerned})
        async with recorded(conn, act, *concerned, each=each):
            yield conn


@contextlib.asynccontextmanager
async def recorded(conn: AsyncConnection, act: Act, *concerned: Rows, each: bool = False) -> AsyncIterator[None]:
    """Like `acting`, inside the caller's transaction."""
    before = await _seen(conn, concerned)
    yield
    was, now = difference(before, await _seen(conn, concerned))
    if not was and not now:
        return
    if not each:
        await append(conn, [Done(act, was, now)])
        return
    names = sorted({*was, *now})
    await append(conn, [Done(act, _only(was, name), _only(now, name)) for name in names])


async def note(conn: AsyncConnection, act: Act, **after: Any) -> None:
    """Write down an act whose result is told best in other words than its rows."""
    await append(conn, [Done(act, {}, {act.act: after} if after else {})])


async def append(conn: AsyncConnection, done: Sequence[Done]) -> None:
    """Write acts of one campus into its chain, which is held until the transaction ends."""
    if not done:
        return
    campus = done[0].act.campus
    asked = {"campus": campus, "count": len(done), "genesis": chain.GENESIS}
    last, head = (await conn.execute(_NUMBER, asked)).one()
    head = bytes(head)
    written = []
    for number, one in enumerate(done, start=last - len(done) + 1):
        said = _fields(one) | {"no": number}
        head = chain.head(head, [canonical.dump(said)])
        written.append(said | {"hash": head})
    await conn.execute(insert(schema.act), written)
    await conn.execute(update(schema.act_head).where(schema.act_head.c.campus == campus).values(hash=head))


def difference(before: State, after: State) -> tuple[State, State]:
    """What was there and is no more, and what is there now and was not: of changed rows the changed columns alone."""
    was: dict[str, Mapping[str, Any]] = {}
    now: dict[str, Mapping[str, Any]] = {}
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        shared = old is not None and new is not None
        changed = [key for key in {**(old or {}), **(new or {})} if not shared or _get(old, key) != _get(new, key)]
        if old is not None:
            was[name] = {key: old[key] for key in changed if key in old}
        if new is not None:
            now[name] = {key: new[key] for key in changed if key in new}
    return was, now


async def listed(conn: AsyncConnection, wanted: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """{campus, no, at, by, act, about, why, before, after} of acts, newest first.

    ``wanted`` may have campus, by, about; act (``reward`` finds ``reward.change`` too); since and until (excluded).
    """
    table = schema.act
    only = [table.c[name] == wanted[name] for name in ("campus", "by", "about") if wanted.get(name) is not None]
    if wanted.get("act") is not None:
        prefix = f"{wanted['act']}."
        only.append((table.c.act == wanted["act"]) | table.c.act.startswith(prefix, autoescape=True))
    only += [table.c.at >= wanted["since"]] if wanted.get("since") is not None else []
    only += [table.c.at < wanted["until"]] if wanted.get("until") is not None else []
    order = (table.c.at, table.c.campus, table.c.no)
    before: list[Any] = []
    while True:
        page = select(table).where(*only, *before).order_by(*(column.desc() for column in order)).limit(PAGE_ROWS)
        found = (await conn.execute(page)).all()
        for row in found:
            yield _told(row)
        if len(found) < PAGE_ROWS:
            return
        before = [tuple_(*order) < tuple_(found[-1].at, found[-1].campus, found[-1].no)]


async def check(conn: AsyncConnection, campus: str, fault: Any) -> int:
    """Walk a campus's chain of acts; how many there are. What does not follow is told."""
    table = schema.act
    number, head = 0, chain.GENESIS
    async for row in await conn.stream(select(table).where(table.c.campus == campus).order_by(table.c.no)):
        said = {name: row._mapping[name] for name in _COLUMNS}  # noqa: SLF001 - SQLAlchemy's public name
        head = chain.head(head, [canonical.dump(said)])
        if row.no != number + 1 or bytes(row.hash) != head:
            fault(f"{campus}: act {row.no} was changed, or the one before it is missing")
        number, head = row.no, bytes(row.hash)
    mine = schema.act_head.c.campus == campus
    ends = (await conn.execute(select(schema.act_head).where(mine))).first()
    stands = (0, chain.GENESIS) if ends is None else (ends.no, bytes(ends.hash))
    if stands != (number, head):
        fault(f"{campus}: {stands[0]} acts were written down, there are {number}, or the last is another")
    return number


_COLUMNS = ("campus", "no", "at", "by", "act", "about", "why", "before", "after")


def _fields(one: Done) -> dict[str, Any]:
    act = one.act
    return {
        "campus": act.campus,
        "at": act.at,
        "by": act.by[:TEXT_CHARS_MAX],
        "act": act.act,
        "about": act.about[:TEXT_CHARS_MAX],
        "why": act.why[:TEXT_CHARS_MAX],
        "before": json.dumps(one.before, sort_keys=True, ensure_ascii=False),
        "after": json.dumps(one.after, sort_keys=True, ensure_ascii=False),
    }


def _told(row: Row[Any]) -> dict[str, Any]:
    said = {name: row._mapping[name] for name in _COLUMNS}  # noqa: SLF001 - SQLAlchemy's public name
    return said | {"before": json.loads(row.before), "after": json.loads(row.after)}


async def _seen(conn: AsyncConnection, concerned: Sequence[Rows]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for table, same, but in concerned:
        where = [table.c[name] == value for name, value in same.items()]
        for row in await conn.execute(select(table).where(*where)):
            found[_name(table, row)] = {name: value for name, value in _plain(table, row).items() if name not in but}
    return found


def _name(table: Table, row: Row[Any]) -> str:
    values = (row._mapping[column.name] for column in table.primary_key)  # noqa: SLF001 - SQLAlchemy's public name
    said = (bytes(value).hex()[:KEY_HEX] if isinstance(value, bytes | memoryview) else str(value) for value in values)
    return " ".join([table.name, *said])


def _plain(table: Table, row: Row[Any]) -> dict[str, Any]:
    """What a row says, without bytes, what servers count, and what an address hides behind its question mark."""
    said: dict[str, Any] = {}
    for column in table.columns:
        value = row._mapping[column.name]  # noqa: SLF001 - SQLAlchemy's public name
        if isinstance(column.type, LargeBinary) or column.info == COUNTED:
            continue
        if column.name == BODY:
            said |= json.loads(value)
        else:
            said[column.name] = value.partition("?")[0] if column.name == "url" else value
    return said


def _get(row: Mapping[str, Any] | None, key: str) -> Any:
    return None if row is None else row.get(key)


def _only(state: State, name: str) -> State:
    return {name: state[name]} if name in state else {}
