"""The look at lots: what is over goes into the statement, what soon will be is told. Only where no centre does it."""

from __future__ import annotations

import asyncio

import aiosqlite
import structlog

from agent.clock import Clock
from agent.engine.rulebook import Rulebook
from agent.ledger.money import expiring
from agent.ledger.money.accounts import Terms
from agent.ledger.money.expiring import Passed, Wanted
from agent.ledger.writer import Writer
from agent.pipeline import Pipeline

log = structlog.get_logger()

JUMP_S = 600
"""A clock that was set by more than this is not believed until the next look."""

LOOK_S = 3_600.0
"""Lots go by the second they were earned at; within an hour of it is soon enough."""


def terms_of(rulebook: Rulebook) -> dict[str, Wanted]:
    """The terms under which the rules open lots."""
    return {name: Wanted(one.expires_after, one.overdraw) for name, one in rulebook.currencies.items()}


class Expiry:
    """Lets lots expire. Not ``active`` where a catalogue keeps the wallets: then that does."""

    def __init__(self, writer: Writer, pipeline: Pipeline, clock: Clock, *, active: bool) -> None:
        self._writer = writer
        self._pipeline = pipeline
        self._clock = clock
        self._active = active
        self._offset = clock.now() - clock.running()

    async def adopt(self) -> None:
        """Keep the terms of the rules in force for the entries to come."""
        wanted = terms_of(self._pipeline.rulebook)

        async def unit(connection: aiosqlite.Connection) -> None:
            await expiring.keep_terms(connection, wanted)

        await self._writer.run(unit)

    async def run(self) -> None:
        """Look for ever. What cannot be done now is told and done later."""
        while True:
            try:
                await self.look()
            except Exception as exc:  # noqa: BLE001 - what expires must not stop what is earned
                log.error("expiry_trouble", trouble=str(exc), do=getattr(exc, "hint", ""))
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Let everything go that is over now, and tell what soon will be."""
        if not (self._active and self._steady()):
            return
        now, currencies = self._clock.now(), self._pipeline.rulebook.currencies
        for terms, one, end in await self._writer.run(expiring.stretches):
            notice = currencies[one.currency].notice if one.currency in currencies else None
            if notice:
                soon = await self._through(terms, one, end, at=now + notice, telling=True)
                if soon.lots:
                    log.info("expiry_near", currency=one.currency, amount=soon.amount, learners=soon.people)
            gone = await self._through(terms, one, end, at=now, telling=False)
            if gone.lots:
                log.info("lots_expired", currency=one.currency, amount=gone.amount, learners=gone.people)

    def _steady(self) -> bool:
        """Whether the clock was not set since the last look: what expires by mistake does not come back."""
        offset = self._clock.now() - self._clock.running()
        jumped, self._offset = offset - self._offset, offset
        if abs(jumped) > JUMP_S:
            log.warning("clock_jumped", seconds=round(jumped))
        return abs(jumped) <= JUMP_S

    async def _through(self, terms: tuple[Terms, ...], one: Terms, end: int, *, at: int, telling: bool) -> Passed:
        total = Passed(more=True)
        while total.more:

            async def unit(connection: aiosqlite.Connection) -> Passed:
                ahead = next(each for _, each, _ in await expiring.stretches(connection) if each[:2] == one[:2])
                return await (expiring.tell if telling else expiring.expire)(connection, terms, ahead, end, at)

            passed = await self._writer.run(unit)
            total = Passed(
                lots=total.lots + passed.lots,
                amount=total.amount + passed.amount,
                people=total.people + passed.people,
                more=passed.more,
            )
        return total
