"""Redemptions in the database: found, written, and every step of theirs. Inside the caller's transaction."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Row, func, insert, select, text, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import schema
from catalogue.errors import RefusedError
from catalogue.funding.budgets import Charge
from catalogue.redemption.checks import Wish
from catalogue.redemption.states import HELD, Event, State
from catalogue.rewards.money import Sum

PAGE_ROWS = 500
NAME_CHARS_MAX = 100
WHY_CHARS_MAX = 300
RESERVE = "reserve"
"""The first step of each."""
USED = "used"
"""The step of a token that was used."""
SPEND_PREFIX = "redemption:"
"""How the ledger's name of a redemption's spend begins."""
FORGOTTEN_AT_ONCE = 1000
_REFUSE = text(
    "INSERT INTO wish (campus, key, asked, answered_at, status, code, message)"
    " VALUES (:campus, :key, :asked, :at, :status, :code, :message) ON CONFLICT (campus, key) DO NOTHING"
)
_FORGET = text(
    "DELETE FROM wish WHERE (campus, key) IN"
    " (SELECT campus, key FROM wish WHERE answered_at < :before ORDER BY answered_at LIMIT :most)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Redemption:
    """One redemption as it is kept. Times are seconds UTC; ``voucher`` is sealed."""

    campus: str
    redemption: str
    key: str
    asked: bytes
    learner: str
    owner: str
    reward: str
    title: str
    currency: str
    amount: int
    cost_minor: int
    cost_code: str
    funding: str
    handing: str
    partner: str
    state: State
    attempts: int
    due_at: int | None
    reserved_at: int
    ended_at: int | None
    voucher: bytes | None
    voucher_expires_at: int | None
    token_digest: bytes | None
    token_used_at: int | None
    category: str
    month: str

    @property
    def wallet(self) -> tuple[str, str]:
        """(learner, currency)."""
        return self.learner, self.currency

    @property
    def charge(self) -> Charge | None:
        """What it cost whoever pays, or nothing."""
        if not self.month:
            return None
        cost = Sum(self.cost_minor, self.cost_code)
        return Charge(campus=self.campus, month=self.month, category=self.category, reward=self.reward, cost=cost)

    @property
    def spend(self) -> str:
        """What the ledger calls the spend."""
        return f"{SPEND_PREFIX}{self.redemption}"


def asked(wish: Wish) -> bytes:
    """The digest of what is asked for, 32 bytes: under one key one thing."""
    said = [wish.learner, wish.reward, wish.currency]
    return hashlib.sha256(orjson.dumps(said)).digest()


async def by_key(conn: AsyncConnection, campus: str, key: str) -> Redemption | None:
    """The redemption that was asked for under a key."""
    table = schema.redemption
    row = (await conn.execute(select(table).where(table.c.campus == campus, table.c.key == key))).first()
    return None if row is None else _read(row)


async def find(conn: AsyncConnection, campus: str, name: str, *, lock: bool = False) -> Redemption | None:
    """A redemption by its name; with ``lock`` held until the transaction ends."""
    table = schema.redemption
    wanted = select(table).where(table.c.campus == campus, table.c.redemption == name)
    row = (await conn.execute(wanted.with_for_update() if lock else wanted)).first()
    return None if row is None else _read(row)


async def under_way(conn: AsyncConnection, campus: str) -> int:
    """How many redemptions of a campus hold points and have no voucher yet."""
    table = schema.redemption.c
    waiting = [state.value for state in sorted(HELD - {State.fulfilled})]
    counted = select(func.count()).where(table.campus == campus, table.state.in_(waiting))
    return int(await conn.scalar(counted) or 0)


async def by_token(conn: AsyncConnection, campus: str, digest: bytes, *, lock: bool) -> Redemption | None:
    """The redemption that a token's digest belongs to; with ``lock`` held until the transaction ends."""
    table = schema.redemption
    wanted = select(table).where(table.c.campus == campus, table.c.token_digest == digest)
    row = (await conn.execute(wanted.with_for_update() if lock else wanted)).first()
    return None if row is None else _read(row)


async def one_with_a_voucher(conn: AsyncConnection) -> Redemption | None:
    """Any, of whatever campus."""
    table = schema.redemption.c
    wanted = select(schema.redemption).where(table.voucher.is_not(None) | table.token_digest.is_not(None)).limit(1)
    row = (await conn.execute(wanted)).first()
    return None if row is None else _read(row)


async def listed(
    conn: AsyncConnection, campus: str, *, learner: str | None = None, state: State | None = None
) -> AsyncIterator[Redemption]:
    """A campus's redemptions, newest first."""
    table = schema.redemption
    only = [table.c.campus == campus]
    only += [table.c.learner == learner] if learner is not None else []
    only += [table.c.state == state.value] if state is not None else []
    before: list[ColumnElement[bool]] = []
    while True:
        page = select(table).where(*only, *before).order_by(table.c.reserved_at.desc(), table.c.redemption.desc())
        rows = (await conn.execute(page.limit(PAGE_ROWS))).all()
        for row in rows:
            yield _read(row)
        if len(rows) < PAGE_ROWS:
            return
        last = (rows[-1].reserved_at, rows[-1].redemption)
        before = [tuple_(table.c.reserved_at, table.c.redemption) < tuple_(*last)]


async def used(
    conn: AsyncConnection,
    campus: str,
    owner: str,
    reward: str,
    *,
    since: int,
    learners: Collection[str] | None = None,
    but: str = "",
) -> int:
    """How many redemptions of a reward hold that were reserved since a moment, by whomever or by these, ``but`` one."""
    table = schema.redemption.c
    only = [table.campus == campus, table.owner == owner, table.reward == reward, table.reserved_at >= since]
    only += [table.learner.in_(learners)] if learners is not None else []
    only += [table.redemption != but] if but else []
    held = table.state.in_(sorted(state.value for state in HELD))
    return await conn.scalar(select(func.count()).where(*only, held)) or 0


async def add(conn: AsyncConnection, reserved: Redemption, made: Redemption, *, by: str) -> None:
    """Write a new redemption as it was ``made``, and its steps: reserved, and what it has become since."""
    fields = {name: getattr(made, name) for name in Redemption.__slots__}
    await conn.execute(insert(schema.redemption), fields | {"state": made.state.value})
    said = {"campus": made.campus, "key": made.key, "asked": made.asked, "answered_at": made.reserved_at}
    await conn.execute(insert(schema.wish), said | {"status": None, "code": "", "message": ""})
    common = {"campus": made.campus, "redemption": made.redemption, "at": made.reserved_at, "by": by, "why": ""}
    rows = [common | {"no": 1, "event": RESERVE, "state": reserved.state.value}]
    if made.state is not reserved.state:
        rows.append(common | {"no": 2, "event": Event.issued.value, "state": made.state.value})
    await conn.execute(insert(schema.step), rows)


async def refuse(conn: AsyncConnection, wish: Wish, refused: RefusedError, *, at: int) -> bool:
    """Keep a no under the wish's key; whether it is the answer: there may be one. Waits for whoever is giving one."""
    said = {"status": refused.status, "code": refused.code, "message": refused.message}
    named = {"campus": wish.campus, "key": wish.key, "asked": asked(wish), "at": at}
    return (await conn.execute(_REFUSE, named | said)).rowcount == 1


async def refused(conn: AsyncConnection, campus: str, key: str) -> RefusedError | None:
    """The no that a wish came to."""
    table = schema.wish.c
    mine = (table.campus == campus, table.key == key, table.status.is_not(None))
    row = (await conn.execute(select(table.status, table.code, table.message).where(*mine))).first()
    return None if row is None else RefusedError(row.status, row.code, row.message)


async def forget(conn: AsyncConnection, *, before: int) -> bool:
    """Answers that nobody can ask for again, some of them; whether there are more."""
    return (await conn.execute(_FORGET, {"before": before, "most": FORGOTTEN_AT_ONCE})).rowcount == FORGOTTEN_AT_ONCE


async def move(
    conn: AsyncConnection,
    one: Redemption,
    event: Event,
    state: State,
    *,
    at: int,
    by: str,
    why: str = "",
    **changed: Any,
) -> None:
    """Write a step of a redemption that is held, and what changed with it."""
    table = schema.redemption
    mine = (table.c.campus == one.campus, table.c.redemption == one.redemption)
    await conn.execute(update(table).where(*mine).values(state=state.value, **changed))
    await _step(conn, one, at=at, event=event.value, state=state, by=by, why=why)


async def note(conn: AsyncConnection, one: Redemption, event: str, *, at: int, by: str, why: str) -> None:
    """Write down what leaves the state as it is."""
    await _step(conn, one, at=at, event=event, state=one.state, by=by, why=why)


async def used_up(conn: AsyncConnection, one: Redemption, *, at: int, by: str, why: str) -> None:
    """Mark the token of a redemption that is held as used."""
    table = schema.redemption
    mine = (table.c.campus == one.campus, table.c.redemption == one.redemption)
    await conn.execute(update(table).where(*mine).values(token_used_at=at))
    await note(conn, one, USED, at=at, by=by, why=why)


async def kept_by(conn: AsyncConnection, one: Redemption) -> str | None:
    """The agent that keeps its voucher for when it has no line, and has not said what became of it."""
    table = schema.allowance.c
    mine = (table.campus == one.campus, table.redemption == one.redemption, table.ended.is_(None))
    return await conn.scalar(select(table.agent).where(*mine))


async def was_used(conn: AsyncConnection, one: Redemption, *, by: str, why: str) -> bool:
    """Whether it was these who used it."""
    table = schema.step.c
    mine = (table.campus == one.campus, table.redemption == one.redemption, table.event == USED)
    return await conn.scalar(select(table.no).where(*mine, table.by == by, table.why == why)) is not None


async def steps(conn: AsyncConnection, campus: str, name: str) -> list[dict[str, Any]]:
    """{no, at, event, state, by, why} of every step of a redemption, in order."""
    table = schema.step.c
    columns = (table.no, table.at, table.event, table.state, table.by, table.why)
    rows = await conn.execute(
        select(*columns).where(table.campus == campus, table.redemption == name).order_by(table.no)
    )
    return [dict(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name


async def _step(
    conn: AsyncConnection, one: Redemption, *, at: int, event: str, state: State, by: str, why: str
) -> None:
    table = schema.step.c
    mine = (table.campus == one.campus, table.redemption == one.redemption)
    no = (await conn.scalar(select(func.max(table.no)).where(*mine)) or 0) + 1
    place = {"campus": one.campus, "redemption": one.redemption, "no": no}
    said = {"at": at, "event": event, "state": state.value, "by": by, "why": why[:WHY_CHARS_MAX]}
    await conn.execute(insert(schema.step), place | said)


def read(row: Row[Any], prefix: str) -> Redemption | None:
    """The redemption among the columns of a row whose labels begin with ``prefix``; None where it has none."""
    fields = {name: getattr(row, f"{prefix}{name}") for name in Redemption.__slots__}
    return None if fields["redemption"] is None else Redemption(**fields | {"state": State(fields["state"])})


def _read(row: Row[Any]) -> Redemption:
    fields = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name
    return Redemption(**fields | {"state": State(fields["state"])})
