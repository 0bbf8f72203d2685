"""Who can say in which cohorts and which country a learner is: each site's tables, else its web services.

Web services are not asked for a country: what tells it tells everything else of the person with it.
"""

from __future__ import annotations

import contextlib
from functools import partial

from agent.clock import Clock
from agent.collectors.logstore.reading.members import cohorts_of, countries_of
from agent.collectors.moodlews.answers import Answers
from agent.collectors.moodlews.client import WebService
from agent.config.settings import Settings
from agent.outbox.redeeming.belonging import Teller
from agent.wiring.sources.options import logstore_options
from agent.wiring.sources.webservices import web_service_options


def tellers_of(stack: contextlib.AsyncExitStack, settings: Settings, clock: Clock) -> dict[str, Teller]:
    """A question for each site that can be asked; ``stack`` closes what they hold.

    Raises:
        ConfigError: a secret cannot be read.
    """
    found: dict[str, Teller] = {}
    for web in settings.web_sources:
        service = WebService(web_service_options(settings, web), clock)
        stack.push_async_callback(service.close)
        found[settings.web_site(web)] = Teller(cohorts=Answers(service, clock).cohorts_of)
    for source in settings.log_sources:
        options = logstore_options(settings, source)
        found[source.site_name] = Teller(partial(cohorts_of, options), partial(countries_of, options))
    return found
