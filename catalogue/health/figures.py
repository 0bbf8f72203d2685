"""The figures that stand in the books, read when somebody asks for them: counts, without a campus or a learner."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client.core import GaugeMetricFamily, Metric
from sqlalchemy import ColumnElement, Select, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import schema
from catalogue.backup import noted
from catalogue.redemption.states import State
from catalogue.store import scrubbing
from catalogue.store.scrubbing import Left

SILENT_S = 86_400
"""An active agent that was not heard for longer is silent: it asks at least every few minutes."""
COUNTED_MAX = 10_000
"""No more rows than this are counted of what may be many: an operator has enough to do with so many."""
WAITING = (State.reserved, State.sending, State.doubtful, State.resending)


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """What the books say at one moment."""

    campuses: Mapping[str, int]
    agents: Mapping[str, int]
    orders: Mapping[str, int]
    order_late_s: int
    """For how long the order that is due longest has been due."""
    aside: int
    held: int
    resting: int
    backup_at: int
    """When the last backup was made, in seconds UTC; 0 for never."""
    unheard: int
    """Active agents that were not heard since a backup was put back."""
    left: Sequence[Left]
    """Tables in whose files learners are who were erased, and somebody has to see to it."""


async def look(conn: AsyncConnection, *, now: int) -> Books:
    """Count, at one moment of the books."""
    tenant, redemption, partner = schema.tenant.c, schema.redemption.c, schema.partner.c
    campuses = await conn.execute(select(tenant.state, func.count().label("n")).group_by(tenant.state))
    of_agents = {"silent": await _count(conn, _silent(now))}
    of_agents["heard"] = await _count(conn, _active()) - of_agents["silent"]
    due = (
        select(redemption.state, func.count().label("n"))
        .where(redemption.due_at.is_not(None))
        .group_by(redemption.state)
    )
    orders = {str(row.state): int(row.n) for row in await conn.execute(due)}
    orders[State.unknown] = await _count(conn, _unknown())
    longest = await conn.scalar(select(func.min(redemption.due_at)))
    return Books(
        campuses={str(row.state): int(row.n) for row in campuses},
        agents=of_agents,
        orders=orders,
        order_late_s=0 if longest is None else max(0, now - longest),
        aside=await _count(conn, _aside()),
        held=await _count(conn, select(schema.link_held.c.campus)),
        resting=await _count(
            conn, select(partner.partner).where(or_(partner.open_until > now, partner.state != "active"))
        ),
        backup_at=await noted.last(conn),
        unheard=await _count(conn, _unheard(await noted.last(conn, noted.PUT_BACK))),
        left=[one for one in await scrubbing.left(conn) if one.is_due(now)],
    )


async def places(conn: AsyncConnection, *, now: int) -> dict[str, list[tuple[str, int]]]:
    """Where somebody is waited for, by the code of the finding: (campus, how many there), the most first."""
    wanted = {
        "agents-silent": _silent(now),
        "put-back": _unheard(await noted.last(conn, noted.PUT_BACK)),
        "entries-set-aside": _aside(),
        "links-held": select(schema.link_held.c.campus),
        "orders-unknown": _unknown(),
    }
    found = {}
    for code, rows in wanted.items():
        campus = rows.limit(COUNTED_MAX).subquery().c.campus
        many = func.count()
        counted = select(campus, many.label("n")).group_by(campus).order_by(many.desc(), campus)
        found[code] = [(str(row.campus), int(row.n)) for row in await conn.execute(counted)]
    return found


def families(books: Books, *, backups: bool) -> Iterable[Metric]:
    """Each figure with its values; that of ``backups`` only where somebody asks for them."""
    campuses = GaugeMetricFamily("rewards_catalogue_campuses", "Campuses by state.", labels=("state",))
    for state in ("active", "suspended", "closed"):
        campuses.add_metric((state,), books.campuses.get(state, 0))
    agents = GaugeMetricFamily(
        "rewards_catalogue_agents",
        "Active agents of active campuses: `heard` within a day, or `silent`.",
        labels=("state",),
    )
    for state, count in sorted(books.agents.items()):
        agents.add_metric((state,), count)
    orders = GaugeMetricFamily(
        "rewards_catalogue_orders", "Redemptions that are not settled, by state.", labels=("state",)
    )
    for one in (*WAITING, State.unknown):
        orders.add_metric((one,), books.orders.get(one, 0))
    yield from (campuses, agents, orders)
    yield from _alone(books)
    if backups:
        made = GaugeMetricFamily(
            "rewards_catalogue_backup_timestamp_seconds", "When the last backup was made; 0 for never."
        )
        made.add_metric((), books.backup_at)
        yield made


def _alone(books: Books) -> Iterable[Metric]:
    late = GaugeMetricFamily(
        "rewards_catalogue_order_late_seconds", "For how long the order that is due longest has been due."
    )
    late.add_metric((), books.order_late_s)
    aside = GaugeMetricFamily(
        "rewards_catalogue_entries_set_aside", "Entries that move nothing until somebody accepts them, up to 10,000."
    )
    aside.add_metric((), books.aside)
    held = GaugeMetricFamily("rewards_catalogue_links_held", "Persons whose links wait for somebody, up to 10,000.")
    held.add_metric((), books.held)
    resting = GaugeMetricFamily(
        "rewards_catalogue_partners_resting", "Partners that nothing is sent to now: they failed, or are paused."
    )
    resting.add_metric((), books.resting)
    left = GaugeMetricFamily(
        "rewards_catalogue_erased_in_files",
        "Tables that wait for `scrub`: who was erased is in their files.",
    )
    left.add_metric((), len(books.left))
    return late, aside, held, resting, left


async def _count(conn: AsyncConnection, wanted: Select[tuple[str]]) -> int:
    some = wanted.limit(COUNTED_MAX).subquery()
    return int(await conn.scalar(select(func.count()).select_from(some)) or 0)


def _active() -> Select[tuple[str]]:
    """The campus of each active agent of one that is active."""
    tenant, agent = schema.tenant.c, schema.agent.c
    found = select(agent.campus).join(schema.tenant, tenant.campus == agent.campus)
    return found.where(agent.state == "active", tenant.state == "active")


def _silent(now: int) -> Select[tuple[str]]:
    return _active().where(_heard_at() < now - SILENT_S)


def _unheard(put_back_at: int) -> Select[tuple[str]]:
    return _active().where(_heard_at() < put_back_at)


def _unknown() -> Select[tuple[str]]:
    redemption = schema.redemption.c
    return select(redemption.campus).where(redemption.state == State.unknown)


def _heard_at() -> ColumnElement[int]:
    return func.coalesce(schema.agent.c.heard_at, schema.agent.c.created_at)


def _aside() -> Select[tuple[str]]:
    entry, accepted = schema.entry.c, schema.accepted_entry.c
    same = (getattr(accepted, name) == getattr(entry, name) for name in ("campus", "agent", "epoch", "seq"))
    return select(entry.campus).where(entry.rejected.is_not(None), ~exists().where(*same))
