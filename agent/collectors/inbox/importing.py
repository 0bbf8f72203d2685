"""Events that an administrator imports: into the inbox, as if a system had posted them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import orjson

from agent.clock import Clock
from agent.collectors.inbox.store import Inbox
from agent.collectors.systems.base import EVENTS_MAX
from agent.errors import InvalidInputError
from agent.model import Evidence


class Imports:
    """Takes events for the ``sources`` (names) that speak the canonical schema."""

    def __init__(self, inbox: Inbox, sources: Collection[str], clock: Clock) -> None:
        self._inbox = inbox
        self._sources = frozenset(sources)
        self._clock = clock

    async def take(self, *, source: str, events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Keep canonical events; when this returns they are on disk.

        Raises:
            InvalidInputError: the source is not one that takes them.
            TransientError: they cannot be kept now.
        """
        if source not in self._sources:
            raise InvalidInputError(
                f"source {source!r} takes no imports", hint='name a [[source]] with kind = "generic" in config.toml'
            )
        now = self._clock.now()
        kept = 0
        for start in range(0, len(events), EVENTS_MAX):
            part = list(events[start : start + EVENTS_MAX])
            await self._inbox.append(source, now, Evidence.file, orjson.dumps({"events": part}))
            kept += len(part)
        return {"kept": kept}
