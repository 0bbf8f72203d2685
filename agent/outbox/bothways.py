"""Both ways of the one road: the ledger goes to the catalogue, and what the catalogue did comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from agent.outbox.people.naming import Naming
from agent.outbox.people.telling import Telling
from agent.outbox.recognising.asking import Asking
from agent.outbox.redeeming.desk import Redeeming
from agent.outbox.statement.feed import Feed
from agent.outbox.sync import Outbox


class BothWays:
    """The outbox, the feed, the counter and what is told of people, of one catalogue. Ended by `close`."""

    def __init__(
        self, outbox: Outbox, feed: Feed, counter: Redeeming, people: Telling, names: Naming, asking: Asking
    ) -> None:
        self._outbox = outbox
        self._feed = feed
        self._counter = counter
        self._people = people
        self._names = names
        self._asking = asking

    async def run(self) -> None:
        """Deliver and hear for ever; neither waits for the other. What one cannot cure ends all, to be begun again.

        Raises:
            Exception: what the first of them met, as it was: who begins again tells trouble from faults by its kind.
        """
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._outbox.run(), name="deliver")
                both.create_task(self._feed.run(), name="hear")
                both.create_task(self._counter.run(), name="settle")
                both.create_task(self._people.run(), name="people")
                both.create_task(self._names.run(), name="names")
        except BaseExceptionGroup as met:
            raise met.exceptions[0] from None

    async def drain(self, *, limit_s: float) -> bool:
        """Deliver all there is, and hear what there is where that went well; whether the catalogue took it.

        Raises:
            IntegrityError: the catalogue's history is not ours.
            ConfigError: the key cannot be used.
        """
        delivered = await self._outbox.drain(limit_s=limit_s)
        if delivered:
            await self._feed.drain(limit_s=limit_s)
            await self._people.drain(limit_s=limit_s)
            await self._names.drain(limit_s=limit_s)
        return delivered

    @property
    def counter(self) -> Redeeming:
        """Where learners redeem."""
        return self._counter

    @property
    def asking(self) -> Asking:
        """What recognition asks."""
        return self._asking

    def status(self) -> Mapping[str, Any]:
        """Where both stand, for people."""
        return {**self._outbox.status(), "statement": self._feed.status()}

    async def close(self) -> None:
        """Let go of connections; may be called twice."""
        await self._outbox.close()
        await self._feed.close()
        await self._counter.close()
        await self._people.close()
        await self._names.close()
        await self._asking.close()
