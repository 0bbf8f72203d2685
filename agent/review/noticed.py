"""What is held because too much would be issued, told in the log: once a day for each brake and budget."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from agent.clock import Clock

log = structlog.get_logger()

_BRAKES = ("safety ", "budget ")
_DAY_S = 86_400


class Noticed:
    """Remembers what was told today (UTC, by the agent's clock)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._day = -1
        self._told: set[str] = set()

    def look(self, reasons: Mapping[str, int]) -> None:
        """The reasons of a page's decisions, each with how many there were."""
        for reason, count in reasons.items():
            if reason.startswith(_BRAKES):
                self._tell(reason, count)

    def _tell(self, reason: str, count: int) -> None:
        day = self._clock.now() // _DAY_S
        if day != self._day:
            self._day, self._told = day, set()
        if reason not in self._told:
            self._told.add(reason)
            log.warning("issuing_held", reason=reason, held=count, do="look: rewards-agent review list --kind budget")
