"""Budgets of a month: what a redemption costs is taken from them with its points, and comes back with them.

What is spent is counted whether there is a budget or not, so that one that is set in the middle of a month knows. The
campus's own count comes first and is held until the transaction ends: spenders of one campus stand in a line there, and
no two of them can pass a stop together. Every function works inside the caller's transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, and_, delete, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import schema
from catalogue.errors import CatalogueError
from catalogue.rewards.money import Sum

STOPPED = "stop"
"""What is told when somebody was refused because of a budget."""
BUDGET_USED_UP = "this month's budget for it is used up"
ALERTS_MAX = 10
PERCENT_MAX = 1000

_SPEND = text(
    "INSERT INTO spending (campus, month, scope, name, code, spent) VALUES"
    " (:campus, :month, 'campus', '', :code, CAST(:minor AS BIGINT)),"
    " (:campus, :month, 'category', :category, :code, CAST(:minor AS BIGINT)),"
    " (:campus, :month, 'reward', :reward, :code, CAST(:minor AS BIGINT))"
    " ON CONFLICT (campus, month, scope, name, code) DO UPDATE SET spent = spending.spent + excluded.spent"
)
_GIVE_BACK = text(
    "UPDATE spending SET spent = spent - :minor WHERE campus = :campus AND month = :month AND code = :code"
    " AND scope = :scope AND name = :name"
)
_ALERT = text(
    "INSERT INTO budget_alert (campus, month, scope, name, code, what, at, spent, monthly)"
    " VALUES (:campus, :month, :scope, :name, :code, :what, :at, :spent, :monthly) ON CONFLICT DO NOTHING"
)
_KEEP = text(
    "INSERT INTO budget (campus, scope, name, code, monthly, stop, alerts)"
    " VALUES (:campus, :scope, :name, :code, :monthly, :stop, :alerts)"
    " ON CONFLICT (campus, scope, name, code) DO UPDATE SET monthly = excluded.monthly, stop = excluded.stop,"
    " alerts = excluded.alerts"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What one redemption costs whoever pays for it, in which month of the campus."""

    campus: str
    month: str
    category: str
    reward: str
    cost: Sum

    def scopes(self) -> tuple[tuple[str, str], ...]:
        """(scope, name) of every count that it is part of."""
        return ("campus", ""), ("category", self.category), ("reward", self.reward)


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """One budget and what was spent of it in a month, in hundredths of ``code``."""

    scope: str
    name: str
    code: str
    monthly: int
    stop: bool
    alerts: tuple[int, ...]
    spent: int

    @property
    def left(self) -> int:
        """What is still to be spent."""
        return max(self.monthly - self.spent, 0)

    def crossed(self, before: int) -> list[int]:
        """The per cent that were reached since ``before`` was spent."""
        return [each for each in self.alerts if before * 100 < self.monthly * each <= self.spent * 100]


class StoppedError(Exception):
    """A budget that stops does not reach for a charge."""

    def __init__(self, charge: Charge, budget: Budget) -> None:
        super().__init__(BUDGET_USED_UP)
        self.charge = charge
        self.budget = budget


async def covering(conn: AsyncConnection, charge: Charge) -> list[Budget]:
    """The budgets that pay for a charge, as they stand."""
    table = schema.budget
    here = or_(*(and_(table.c.scope == scope, table.c.name == name) for scope, name in charge.scopes()))
    mine = and_(table.c.campus == charge.campus, table.c.code == charge.cost.code, here)
    rows = await conn.execute(_with_spent(charge.month).where(mine).order_by(table.c.scope, table.c.name))
    return [_read(row) for row in rows]


async def take(conn: AsyncConnection, charge: Charge, *, now: int) -> list[Budget]:
    """Take a charge out of its month; the budgets that paid for it, afterwards. What must be told is noted.

    Raises:
        StoppedError: one of them does not reach; the transaction is to be undone.
    """
    await conn.execute(_SPEND, _values(charge))
    paid = await covering(conn, charge)
    for one in paid:
        if one.stop and one.spent > one.monthly:
            raise StoppedError(charge, one)
    for one in paid:
        await _tell(conn, charge.campus, charge.month, one, one.spent - charge.cost.minor, now=now)
    return paid


async def give_back(conn: AsyncConnection, charge: Charge) -> None:
    """Put a charge back into the month that it was taken from."""
    for scope, name in charge.scopes():
        await conn.execute(_GIVE_BACK, _values(charge) | {"scope": scope, "name": name})


async def note_stop(conn: AsyncConnection, charge: Charge, budget: Budget, *, now: int) -> None:
    """Note that somebody was refused; once a month."""
    said = _place(charge.campus, charge.month, budget) | {"what": STOPPED, "at": now}
    await conn.execute(_ALERT, said | {"spent": min(budget.spent, budget.monthly), "monthly": budget.monthly})


async def put(conn: AsyncConnection, campus: str, budget: Budget, *, month: str, now: int) -> Budget:
    """Keep a budget, in place of the one of its scope and currency; as it stands in ``month``.

    Raises:
        CatalogueError: its alerts cannot be.
    """
    if len(budget.alerts) > ALERTS_MAX or any(not 1 <= each <= PERCENT_MAX for each in budget.alerts):
        raise CatalogueError("an alert is at 1 to 1000 per cent, and there are at most 10", hint="--alert 80")
    said = _place(campus, month, budget) | {"monthly": budget.monthly, "stop": budget.stop}
    await conn.execute(_KEEP, said | {"alerts": " ".join(str(each) for each in sorted(set(budget.alerts)))})
    table = schema.budget.c
    mine = (table.campus == campus, table.scope == budget.scope, table.name == budget.name, table.code == budget.code)
    kept = _read((await conn.execute(_with_spent(month).where(*mine))).one())
    await _tell(conn, campus, month, kept, -1, now=now)
    return kept


async def remove(conn: AsyncConnection, campus: str, scope: str, name: str, code: str) -> None:
    """Forget a budget; what was spent stays counted.

    Raises:
        CatalogueError: there is none.
    """
    table = schema.budget.c
    mine = (table.campus == campus, table.scope == scope, table.name == name, table.code == code)
    if not (await conn.execute(delete(schema.budget).where(*mine))).rowcount:
        raise CatalogueError("there is no such budget", hint=f"see: rewards-catalogue budget list {campus}")


async def listed(conn: AsyncConnection, campus: str, month: str) -> list[Budget]:
    """A campus's budgets as they stand in a month."""
    table = schema.budget.c
    rows = await conn.execute(
        _with_spent(month).where(table.campus == campus).order_by(table.scope, table.name, table.code)
    )
    return [_read(row) for row in rows]


async def spent(conn: AsyncConnection, campus: str, month: str) -> list[dict[str, Any]]:
    """{scope, name, code, spent} of everything that was paid for in a month, budget or not."""
    table = schema.spending.c
    columns = (table.scope, table.name, table.code, table.spent)
    mine = select(*columns).where(table.campus == campus, table.month == month)
    rows = await conn.execute(mine.order_by(table.scope, table.name, table.code))
    return [dict(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name


async def alerts(conn: AsyncConnection, campus: str, *, limit: int = 1000) -> list[dict[str, Any]]:
    """{month, scope, name, code, what, at, spent, monthly} of what there was to tell, newest first."""
    table = schema.budget_alert
    mine = select(table).where(table.c.campus == campus).order_by(table.c.at.desc(), table.c.scope, table.c.name)
    rows = await conn.execute(mine.limit(limit))
    return [dict(row._mapping) for row in rows]  # noqa: SLF001


async def untold(conn: AsyncConnection, *, now: int) -> list[dict[str, Any]]:
    """What no server has told yet; from now on it counts as told."""
    table = schema.budget_alert
    told = update(table).where(table.c.told_at.is_(None)).values(told_at=now).returning(*table.c)
    return [dict(row._mapping) for row in await conn.execute(told)]  # noqa: SLF001


async def _tell(conn: AsyncConnection, campus: str, month: str, budget: Budget, before: int, *, now: int) -> None:
    rows = [
        _place(campus, month, budget)
        | {"what": str(percent), "at": now, "spent": budget.spent, "monthly": budget.monthly}
        for percent in budget.crossed(before)
    ]
    if rows:
        await conn.execute(_ALERT, rows)


def _with_spent(month: str) -> Any:
    table, counts = schema.budget, schema.spending
    same = and_(*(table.c[name] == counts.c[name] for name in ("campus", "scope", "name", "code")))
    joined = table.outerjoin(counts, and_(same, counts.c.month == month))
    return select(table, counts.c.spent).select_from(joined)


def _read(row: Row[Any]) -> Budget:
    return Budget(
        scope=row.scope,
        name=row.name,
        code=row.code,
        monthly=row.monthly,
        stop=bool(row.stop),
        alerts=tuple(int(each) for each in row.alerts.split()),
        spent=row.spent or 0,
    )


def _place(campus: str, month: str, budget: Budget) -> dict[str, Any]:
    return {"campus": campus, "month": month, "scope": budget.scope, "name": budget.name, "code": budget.code}


def _values(charge: Charge) -> dict[str, Any]:
    said = {"campus": charge.campus, "month": charge.month, "category": charge.category, "reward": charge.reward}
    return said | {"code": charge.cost.code, "minor": charge.cost.minor}
