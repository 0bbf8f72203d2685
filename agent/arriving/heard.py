"""What posts call their users is kept, where names leave the campus and the system may say who somebody is."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import aiosqlite

from agent.ledger.centre import said
from agent.ledger.centre.said import Said
from agent.ledger.record.erased import Erased
from agent.model import Event, Trust


class Heard:
    """``sources`` are those whose word is taken, ``said_by`` is `username` or `email`."""

    def __init__(self, said_by: str, sources: Collection[str]) -> None:
        self._said_by = said_by
        self._sources = frozenset(sources)

    async def adopt(self, connection: aiosqlite.Connection) -> None:
        """Begin."""
        await said.adopt(connection, self._said_by)

    async def keep(self, connection: aiosqlite.Connection, events: Iterable[Event], erased: Erased) -> None:
        """Keep what these events call their people; nothing of whoever was erased or takes no part."""
        found = [one for event in events for one in self._names(event) if not erased.bars(one[:2], one[4])]
        if found:
            await said.keep(connection, found)

    def _names(self, event: Event) -> Iterable[Said]:
        seen = event.seen
        if seen.source not in self._sources or event.trust < Trust.trusted_source or "unconfirmed" in seen.marks:
            return
        for user, told in seen.identifiers.items():
            for one in told:
                if one.by == self._said_by and one.value.strip():
                    yield seen.site, user, self._said_by, one.value.strip(), seen.occurred_at
