"""Who can say in which cohorts a learner is: each site's tables, else its web services."""

from __future__ import annotations

import contextlib
from functools import partial

from agent.clock import Clock
from agent.collectors.logstore.reading.members import cohorts_of
from agent.collectors.moodlews.answers import Answers
from agent.collectors.moodlews.client import WebService
from agent.config.settings import Settings
from agent.outbox.redeeming.belonging import Tells
from agent.wiring.logs import logstore_options
from agent.wiring.webservices import web_service_options


def tellers_of(stack: contextlib.AsyncExitStack, settings: Settings, clock: Clock) -> dict[str, Tells]:
    """A question for each site that can be asked; ``stack`` closes what they hold.

    Raises:
        ConfigError: a secret cannot be read.
    """
    found: dict[str, Tells] = {}
    for web in settings.web_sources:
        service = WebService(web_service_options(settings, web), clock)
        stack.push_async_callback(service.close)
        found[settings.web_site(web)] = Answers(service, clock).cohorts_of
    for source in settings.log_sources:
        found[source.site_name] = partial(cohorts_of, logstore_options(settings, source))
    return found
