"""From the settings to what asks Moodle's web services."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from agent.clock import Clock
from agent.collectors.moodlews.client import WebService
from agent.collectors.moodlews.look_ups import WebLookUps
from agent.collectors.moodlews.options import WebServiceOptions
from agent.collectors.moodlews.reconcile import WebServiceStates
from agent.config.kinds import KindTable
from agent.config.secrets import read_secret
from agent.config.settings import Settings
from agent.config.tables.webservice import WebServiceSource


def web_service_options(settings: Settings, source: WebServiceSource) -> WebServiceOptions:
    """What is told about a configured site; its token is read to see that it can be.

    Raises:
        ConfigError: the token is missing, empty, or others may read it.
    """
    token = partial(read_secret, settings.home, source.token_file)
    token()
    return WebServiceOptions(
        name=source.name,
        site=settings.web_site(source),
        url=str(source.url),
        token=token,
        requests_per_s=source.requests_per_s,
        timeout_s=source.timeout_s,
        cache_s=float(source.cache_s),
        start_at=source.start_at,
        gap_patience_s=source.gap_patience_s,
        site_admins=frozenset(source.site_admins),
        staff_roles=frozenset(source.staff_roles),
        agreed_cohorts=settings.privacy.agreed.cohorts,
        names=bool(settings.names_told),
        ca_file=source.ca_file,
        place=f"{settings.path}: [[source]] {source.name}",
    )


def web_services(settings: Settings, clock: Clock) -> dict[str, WebService]:
    """A connection to each configured site, by the source's name; whoever asks closes them.

    Raises:
        ConfigError: a token cannot be read.
    """
    return {source.name: WebService(web_service_options(settings, source), clock) for source in settings.web_sources}


def web_states(
    settings: Settings, services: Mapping[str, WebService], clock: Clock, kinds: Callable[[], KindTable]
) -> dict[str, WebServiceStates]:
    """What finds, in each site, what no post told; none where `reconcile` is off."""
    found = (
        WebServiceStates(services[source.name], clock, kinds, every_s=source.reconcile_s)
        for source in settings.web_sources
        if source.reconcile_s is not None
    )
    return {collector.name: collector for collector in found}


def look_ups(
    settings: Settings, services: Mapping[str, WebService], clock: Clock, kinds: Callable[[], KindTable]
) -> dict[str, WebLookUps]:
    """Who is asked for what the posts of a source lack, by the name of the source of posts."""
    of_site = {settings.web_site(source): services[source.name] for source in settings.web_sources}
    return {
        post.name: WebLookUps(of_site[post.site_name], clock, kinds)
        for post in settings.post_sources
        if post.kind == "tool-trigger" and post.same_site_as is None and post.site_name in of_site
    }
