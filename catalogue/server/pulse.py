"""Whether the database answers, asked again and again: systemd is told that we live only while it does."""

from __future__ import annotations

import asyncio

import structlog

from catalogue.errors import ConfigError, UnavailableError
from catalogue.store import Store
from machine.notify import notify, tell, watchdog_interval_s

LOOK_S = 15.0
"""How often it is asked at the least, in seconds; twice as often as systemd wants to hear, where that is oftener."""

log = structlog.get_logger()


class Pulse:
    """One server's; ``well`` is what systemd shows while all is well."""

    def __init__(self, store: Store, well: str) -> None:
        self._store = store
        self._well = well
        self._away = ""

    async def run(self) -> None:
        """Ask for ever."""
        every_s = min(watchdog_interval_s() or LOOK_S, LOOK_S)
        while True:
            await self.look()
            await asyncio.sleep(every_s)

    async def look(self) -> None:
        """Ask once. What an edit cures is told and no reason to be started again: that would cure nothing."""
        try:
            await self._store.stands()
        except UnavailableError as exc:
            self._told(exc.message, exc.hint)
        except ConfigError as exc:
            self._told(exc.message, exc.hint)
            notify("WATCHDOG=1")
        else:
            if self._away:
                self._away = ""
                log.info("database_back")
                tell(self._well)
            notify("WATCHDOG=1")

    def _told(self, said: str, hint: str) -> None:
        """Tell it once, until something else is wrong."""
        if said != self._away:
            self._away = said
            log.error("database_away", said=said, hint=hint)
            tell(said)
