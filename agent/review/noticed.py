"""Holds that somebody should look at, told in the log once a day: of brakes and budgets, and those left too long."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import structlog

from agent.clock import Clock
from agent.engine.timing.quiet import Quiet
from agent.ledger import file
from agent.ledger.past import promised

log = structlog.get_logger()

_BRAKES = ("safety ", "budget ")
_DAY_S = 86_400
_LOOK_S = 3_600


class Noticed:
    """Remembers what was told today (UTC, by the agent's clock)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._day = -1
        self._told: set[str] = set()
        self._looked = 0

    def _new(self, what: str) -> bool:
        """Whether it was not told today."""
        day = self._clock.now() // _DAY_S
        if day != self._day:
            self._day, self._told = day, set()
        found = what not in self._told
        self._told.add(what)
        return found

    def look(self, reasons: Mapping[str, int]) -> None:
        """The reasons of a page's decisions, each with how many there were."""
        for reason, count in reasons.items():
            if reason.startswith(_BRAKES):
                self._tell(reason, count)

    def quiet(self, feeds: Mapping[str, Quiet]) -> None:
        """Feeds that have gone quiet, each told once a day."""
        for source, silence in feeds.items():
            if self._new(f"quiet {source}"):
                hours = (self._clock.now() - silence.since) // _LOOK_S
                do = "is the site up, its log store on, is it posting? rewards-agent doctor"
                log.warning("source_quiet", source=source, quiet_hours=hours, expected=silence.expected, do=do)

    def remind(self, after_s: int, data_dir: Path) -> None:
        """Tell what is held for longer than ``after_s`` seconds (0: nothing is); looks once an hour at most."""
        now = self._clock.now()
        if not after_s or now - self._looked < _LOOK_S:
            return
        self._looked = now
        with file.reading(data_dir) as connection:
            count, oldest = promised.overdue(connection, now - after_s)
        if count and self._new("overdue"):
            waiting = (now - oldest) // _DAY_S
            log.warning("review_overdue", held=count, oldest_days=waiting, do="look: rewards-agent review list")

    def _tell(self, reason: str, count: int) -> None:
        if self._new(reason):
            log.warning("issuing_held", reason=reason, held=count, do="look: rewards-agent review list --kind budget")
