"""Who can say what learners are called: each site's user table, else its web services, else what it posted."""

from __future__ import annotations

import contextlib
from functools import partial

from agent.arriving.heard import Heard
from agent.clock import Clock
from agent.collectors.logstore.reading.called import names_of
from agent.collectors.moodlews.answers import Answers
from agent.collectors.moodlews.client import WebService
from agent.config.settings import Settings
from agent.ledger.centre.called import asks_first
from agent.outbox.people.looking import Tells
from agent.outbox.people.naming import Calls
from agent.wiring.sources.options import logstore_options
from agent.wiring.sources.webservices import web_service_options


def heard_of(settings: Settings) -> Heard | None:
    """What keeps what systems that post call their users, where nobody else can be asked."""
    return Heard(settings.names_told, settings.naming_sources) if settings.naming_sources else None


def calls_of(stack: contextlib.AsyncExitStack, settings: Settings, clock: Clock) -> Calls:
    """What the catalogue is told of names, and by whom it is known; ``stack`` closes what they hold.

    Raises:
        ConfigError: a secret cannot be read.
    """
    said_by, found = settings.names_told, dict[str, Tells]()
    if not said_by:
        return Calls(tellers={})
    for web in settings.web_sources:
        service = WebService(web_service_options(settings, web), clock)
        stack.push_async_callback(service.close)
        found[settings.web_site(web)] = partial(Answers(service, clock).names_of, said_by)
    for source in settings.log_sources:
        found[source.site_name] = partial(names_of, logstore_options(settings, source), said_by)
    return Calls(said_by=said_by, asked=asks_first(settings.privacy.participation), tellers=found)
