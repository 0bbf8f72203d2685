"""The look at lots: what is over goes into the statement, what soon will be is told. Only where no centre does it."""

from __future__ import annotations

import asyncio
from functools import partial

import aiosqlite
import structlog

from agent.clock import Clock
from agent.engine.recognition.carried import carried
from agent.engine.rulebook import Rulebook
from agent.errors import RewardsError
from agent.ledger.money import expiring, told
from agent.ledger.money.expiring import Passed, Wanted
from agent.ledger.writer import Writer
from agent.pipeline import Pipeline
from wire.money.terms import Currency, Level

log = structlog.get_logger()

JUMP_S = 600
"""A clock that was set by more than this is not believed until the next look."""

LOOK_S = 3_600.0
"""Lots go by the second of the act that earned them; within an hour of it is soon enough."""


def terms_of(rulebook: Rulebook) -> dict[str, Wanted]:
    """The terms under which the rules open lots."""
    return {name: Wanted(one.expires_after, one.in_debt) for name, one in rulebook.currencies.items()}


def named_by(rulebook: Rulebook) -> dict[str, Currency]:
    """What the rules say of currencies besides their terms."""
    return {
        name: Currency(title=one.title, decimals=one.decimals, spendable=one.spendable, worth=one.worth)
        for name, one in rulebook.currencies.items()
    }


def levels_of(rulebook: Rulebook) -> list[Level]:
    """The levels, in smallest units."""
    return [
        Level(one.name, one.currency, int(one.from_ * 10 ** rulebook.decimals.get(one.currency, 0)))
        for one in rulebook.levels
    ]


class Expiry:
    """Lets lots expire. Not ``active`` where a catalogue keeps the wallets: then that does."""

    def __init__(self, writer: Writer, pipeline: Pipeline, clock: Clock, *, active: bool) -> None:
        self._writer = writer
        self._pipeline = pipeline
        self._clock = clock
        self._active = active
        self._offset = clock.now() - clock.running()

    async def adopt(self) -> None:
        """Keep the terms of the rules in force for the entries to come, and what the catalogue is told of them."""
        rulebook = self._pipeline.rulebook

        async def unit(connection: aiosqlite.Connection) -> None:
            await expiring.keep_terms(connection, terms_of(rulebook))
            tiers = carried(rulebook.words, rulebook.tiers)
            await told.keep(connection, named_by(rulebook), levels_of(rulebook), tiers)

        await self._writer.run(unit)

    async def run(self) -> None:
        """Look for ever. What cannot be done now is told and done later; a fault of this program ends it."""
        while True:
            try:
                await self.look()
            except RewardsError as exc:
                log.error("expiry_trouble", trouble=exc.message, do=exc.hint)
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Let everything go that is over now, and tell what soon will be."""
        if not (self._active and self._steady()):
            return
        while await self._writer.run(expiring.list_new):
            pass
        now = self._clock.now()
        for name, gone in (await self._over(now)).items():  # first: what is over is not told as near
            if gone.lots:
                log.info("lots_expired", currency=name, amount=gone.amount, learners=len(gone.people))
        for name, currency in self._pipeline.rulebook.currencies.items():
            if currency.notice and (soon := await self._near(name, now + currency.notice, now)).lots:
                log.info("expiry_near", currency=name, amount=soon.amount, learners=len(soon.people))

    async def _near(self, currency: str, at: int, now: int) -> Passed:
        soon = Passed()
        for block in await self._writer.run(partial(expiring.untold_blocks, currency=currency, at=at)):
            soon += await self._writer.run(partial(expiring.tell, block=block, at=at, now=now))
        return soon

    async def _over(self, now: int) -> dict[str, Passed]:
        """By currency."""
        gone: dict[str, Passed] = {}
        for block in await self._writer.run(partial(expiring.due_blocks, now=now)):
            passed = await self._writer.run(partial(expiring.expire, block=block, now=now))
            gone[block.currency] = gone.get(block.currency, Passed()) + passed
        return gone

    def _steady(self) -> bool:
        """Whether the clock was not set since the last look: what expires by mistake does not come back."""
        offset = self._clock.now() - self._clock.running()
        jumped, self._offset = offset - self._offset, offset
        if abs(jumped) > JUMP_S:
            log.warning("clock_jumped", seconds=round(jumped))
        return abs(jumped) <= JUMP_S
