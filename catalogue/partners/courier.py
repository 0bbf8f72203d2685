"""The courier: takes orders that are due to their partners, and writes down what came of them.

The queue is the redemptions themselves (`due_at`). An order is claimed in one transaction, sent outside of any, and
settled in another: whoever is killed in between leaves an order whose lease runs out, and that is as much as lost.
Any number of couriers may work at once.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import NamedTuple

import structlog
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import schema
from catalogue.partners import breaker, registry
from catalogue.partners.orders import Adapter, Declined, Issued, Lost, NotSent, Order, Outcome
from catalogue.partners.registry import Partner
from catalogue.redemption import records, states
from catalogue.redemption.desk import TOO_LATE, Desk
from catalogue.redemption.records import Redemption
from catalogue.redemption.states import Event, State
from catalogue.rewards.money import Sum

log = structlog.get_logger()

LOOK_S = 1.0
"""How often a server looks whether something is due, in seconds."""
ORDERS_MAX = 20
"""Orders that one look takes."""
AT_ONCE_MAX = 8
"""Orders under way at once."""
LEASE_S = 60
"""So much longer than the partner's time-out an attempt may be under way, before it counts as lost, in seconds."""
BY = "courier"


class Name(NamedTuple):
    """A redemption's place."""

    campus: str
    redemption: str


class Courier:
    """Carries orders with one adapter. ``clock`` gives seconds UTC, ``jitter`` numbers in [0, 1)."""

    def __init__(
        self,
        desk: Desk,
        adapter: Adapter,
        *,
        clock: Callable[[], int] = lambda: int(time.time()),
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._desk = desk
        self._adapter = adapter
        self._clock = clock
        self._jitter = jitter
        self._at_once = asyncio.Semaphore(AT_ONCE_MAX)

    async def round(self) -> int:
        """Do some of what is due; how many were looked at. Takes as long as the slowest partner may.

        Raises:
            Exception: what the first of them failed by that did, once all others have come to their ends.
        """
        names = await self.due(self._clock())
        ends = await asyncio.gather(*(self._carry(name) for name in names), return_exceptions=True)
        failed = next((end for end in ends if end is not None), None)
        if failed is not None:
            raise failed
        return len(names)

    async def _carry(self, name: Name) -> None:
        async with self._at_once:
            order = await self.claim(name, now=self._clock())
            if order is not None:
                outcome = await self._adapter.order(order, now=self._clock())
                await self.settle(name, order, outcome, now=self._clock())

    async def due(self, now: int) -> list[Name]:
        """Redemptions to look at, the longest due first."""
        table = schema.redemption.c
        wanted = select(table.campus, table.redemption).where(table.due_at <= now)
        async with self._desk.store.reading() as conn:
            rows = await conn.execute(wanted.order_by(table.due_at).limit(ORDERS_MAX))
            return [Name(*row) for row in rows]

    async def claim(self, name: Name, *, now: int) -> Order | None:
        """The order to be sent now, which is ours until its lease runs out; None where there is nothing to send."""
        async with self._desk.store.writing() as conn:
            one = await records.find(conn, *name, lock=True)
            if one is None or one.due_at is None or one.due_at > now:
                return None
            partner = await registry.find(conn, one.owner, one.partner, lock=True)
            if partner is None:
                await self._later(conn, one, now + breaker.OPEN_S)
            elif one.state in states.UNDER_WAY:
                await self._missing(conn, one, partner, now=now)
            elif await self._given_up(conn, one, now=now):
                return None
            elif partner.state != "active" or partner.circuit.open_until > now:
                await self._later(conn, one, max(partner.circuit.open_until, now + breaker.RETRY_S))
            else:
                return await self._claimed(conn, one, partner, now=now)
            return None

    async def settle(self, name: Name, order: Order, outcome: Outcome, *, now: int) -> None:
        """Write down what came of an attempt, however late."""
        async with self._desk.store.writing() as conn:
            one = await records.find(conn, *name, lock=True)
            if one is None:
                return
            partner = await registry.find(conn, one.owner, one.partner, lock=True)
            if partner is not None:
                bad = isinstance(outcome, Lost | NotSent)
                circuit = breaker.failed(partner.circuit, now) if bad else breaker.Circuit()
                await registry.set_circuit(conn, partner, circuit)
            await self._settled(conn, one, order, outcome, now=now)

    async def _settled(
        self, conn: AsyncConnection, one: Redemption, order: Order, outcome: Outcome, *, now: int
    ) -> None:
        if isinstance(outcome, Issued):
            await self._issued(conn, one, outcome, now=now)
            return
        event = _event(outcome, order)
        mine = one.state in states.UNDER_WAY and one.attempts == order.attempt
        if event is not Event.declined and not mine:
            return  # our lease ran out: what we know is no news
        if (one.state, event) not in states.TABLE:
            await records.note(conn, one, f"{event}-too-late", at=now, by=BY, why=outcome.why)
            return
        asked = outcome.retry_after_s if isinstance(outcome, NotSent) else None
        due_at = breaker.retry_at(one.attempts, now, self._jitter(), asked)
        waits = states.after(one.state, event) in states.WAITING
        await self._desk.happen(conn, one, event, now=now, by=BY, why=outcome.why, due_at=due_at if waits else None)

    async def _issued(self, conn: AsyncConnection, one: Redemption, outcome: Issued, *, now: int) -> None:
        after = await self._desk.issue(
            conn, one, code=outcome.code, expires_at=outcome.expires_at, now=now, by=BY, why="the partner's answer"
        )
        if after.state is not State.fulfilled or self._desk.voucher(after) != outcome.code:
            log.error("voucher_too_late", campus=one.campus, redemption=one.redemption, state=one.state, step=TOO_LATE)

    async def _claimed(self, conn: AsyncConnection, one: Redemption, partner: Partner, *, now: int) -> Order:
        lease = partner.timeout_s + LEASE_S
        await registry.set_circuit(conn, partner, breaker.probed(partner.circuit, now, lease))
        attempt = one.attempts + 1
        await self._desk.happen(conn, one, Event.claim, now=now, by=BY, attempts=attempt, due_at=now + lease)
        return Order(
            campus=one.campus,
            redemption=one.redemption,
            reward=one.reward,
            partner=partner.partner,
            url=partner.url,
            cost=str(Sum(one.cost_minor, one.cost_code)) if one.cost_code else "",
            token=self._desk.vault.token(one.campus, one.redemption),
            expires_at=one.voucher_expires_at,
            repeatable=partner.repeatable,
            attempt=attempt,
            timeout_s=partner.timeout_s,
        )

    async def _missing(self, conn: AsyncConnection, one: Redemption, partner: Partner, *, now: int) -> None:
        """Whoever had it never came back: it may have been sent."""
        event = Event.lost_repeatable if partner.repeatable else Event.lost
        due_at = breaker.retry_at(one.attempts, now, self._jitter()) if partner.repeatable else None
        await registry.set_circuit(conn, partner, breaker.failed(partner.circuit, now))
        await self._desk.happen(conn, one, event, now=now, by=BY, why="nobody came back", due_at=due_at)

    async def _given_up(self, conn: AsyncConnection, one: Redemption, *, now: int) -> bool:
        patience = breaker.GIVE_UP_S if one.state is State.reserved else breaker.DOUBT_S
        if now - one.reserved_at < patience:
            return False
        await self._desk.happen(conn, one, Event.give_up, now=now, by=BY, why="tried long enough", due_at=None)
        return True

    async def _later(self, conn: AsyncConnection, one: Redemption, at: int) -> None:
        table = schema.redemption
        mine = (table.c.campus == one.campus, table.c.redemption == one.redemption)
        await conn.execute(update(table).where(*mine).values(due_at=at))


def _event(outcome: Declined | NotSent | Lost, order: Order) -> Event:
    match outcome:
        case Declined():
            return Event.declined
        case NotSent():
            return Event.not_sent
        case _:
            return Event.lost_repeatable if order.repeatable else Event.lost
