"""What the posts of a site lack, asked of its web services: `collectors.base.LookUps`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog

from agent.clock import Clock
from agent.collectors.base import LookedUp
from agent.collectors.moodlews.answers import Answers
from agent.collectors.moodlews.client import WebService
from agent.collectors.moodlews.facts import look_up
from agent.config.kinds import KindTable
from agent.model import Demand, Observation

log = structlog.get_logger()


class WebLookUps:
    """Looks up for one source of posts; remembers of a site what changes seldom."""

    def __init__(self, service: WebService, clock: Clock, kinds: Callable[[], KindTable]) -> None:
        self._service = service
        self._clock = clock
        self._kinds = kinds
        self._answers = Answers(service, clock)
        self._told = ""

    def ready(self) -> bool:
        """Whether the site is asked now."""
        return self._service.trouble is None

    async def add(self, seen: Sequence[Observation], demand: Demand) -> LookedUp:
        """The observations with what the site tells now; see `collectors.base.LookUps`."""
        found = await look_up(seen, demand, self._answers, self._kinds(), self._clock.now())
        trouble = self._service.trouble
        told = trouble.message if trouble is not None and not found.reached else ""
        if told and told != self._told:
            log.warning("look_ups_wait", source=self._service.options.name, trouble=told, do=trouble and trouble.hint)
        if found.reached and self._told:
            log.info("look_ups_go_on", source=self._service.options.name)
        if found.reached or told:
            self._told = told
        return found
