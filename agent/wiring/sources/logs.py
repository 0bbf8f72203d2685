"""From the settings to the collectors of log tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from agent.arriving.agreed import Consents
from agent.backfill.taking import ActAt
from agent.clock import Clock
from agent.collectors.logstore.collector import LogstoreCollector
from agent.collectors.logstore.history import History
from agent.collectors.states.collector import StateCollector
from agent.config.kinds import KindTable
from agent.config.settings import LogSource, Settings
from agent.errors import InvalidInputError
from agent.model import Anchor, Demand, Observation, SourceState
from agent.operations import Rewind
from agent.wiring.sources.options import asked_of, logstore_options


def consents_of(settings: Settings) -> Consents | None:
    """Who has agreed, where learners are asked first: what web services cannot tell of a site waits for nothing."""
    if settings.privacy.participation != "opt-in":
        return None
    tellers = {source.site_name for source in settings.log_sources} if asked_of(settings) is not None else set[str]()
    if settings.privacy.agreed.cohorts:
        tellers |= {settings.web_site(source) for source in settings.web_sources}
    return Consents(tellers)


def require_secrets(settings: Settings) -> None:
    """See that the logs' secrets can be read, before anything is written.

    Raises:
        ConfigError: a secret is missing, empty, or others may read it.
    """
    for source in settings.log_sources:
        logstore_options(settings, source)


def collectors_of(
    settings: Settings, clock: Clock, kinds: Callable[[], KindTable], left: Mapping[str, Sequence[Anchor]]
) -> dict[str, LogstoreCollector]:
    """A collector for each configured log table; ``left`` are logs that were read and are configured no more.

    Raises:
        ConfigError: a secret cannot be read.
    """
    return {
        source.name: LogstoreCollector(replace(logstore_options(settings, source), left=left), clock, kinds)
        for source in settings.log_sources
    }


def states_of(
    settings: Settings, clock: Clock, kinds: Callable[[], KindTable], stands: Callable[[str], SourceState]
) -> dict[str, StateCollector]:
    """A collector of what each log missed, where `reconcile` is not off; ``stands`` tells where a source is read to.

    Raises:
        ConfigError: a secret cannot be read.
    """
    found = (
        StateCollector(
            logstore_options(settings, source),
            clock,
            kinds,
            every_s=source.reconcile_s,
            begins=partial(_begins, stands, source.name),
        )
        for source in settings.log_sources
        if source.reconcile_s is not None
    )
    return {collector.name: collector for collector in found}


def _begins(stands: Callable[[str], SourceState], name: str) -> int | None:
    return stands(name).start_at


def log_from(
    settings: Settings, source: LogSource, since: int, clock: Clock, kinds: Callable[[], KindTable]
) -> LogstoreCollector:
    """A collector of its own that looks at a configured log from ``since`` (seconds UTC) on; whoever asks closes it.

    Raises:
        ConfigError: a secret cannot be read.
    """
    options = replace(logstore_options(settings, source), start_at=since or "beginning")
    return LogstoreCollector(options, clock, kinds)


def rewinding(settings: Settings, stands: Callable[[str], SourceState], clock: Clock) -> Rewind:
    """Looks where a log stands that is to be accepted anew, on a connection of its own: the tail's may be in use."""
    logs = {source.name: source for source in settings.log_sources}

    async def rewind(source: str) -> tuple[SourceState, dict[str, Any]]:
        if source not in logs:
            raise InvalidInputError(
                f"there is no log source {source!r}", hint=f"the configuration has: {', '.join(logs)}"
            )
        collector = LogstoreCollector(logstore_options(settings, logs[source]), clock)
        try:
            found = await collector.rewound(stands(source))
        finally:
            await collector.close()
        return found.state, {"rows": found.rows, "rows_to_read_again": found.rows_to_read}

    return rewind


def act_at(settings: Settings, clock: Clock, kinds: Callable[[], KindTable]) -> ActAt:
    """Reads one row of a configured log with its look-ups, on a connection of its own."""
    logs = {source.name: source for source in settings.log_sources}

    async def found(source: str, position: int, demand: Demand) -> Observation | None:
        history = History(logstore_options(settings, logs[source]), clock, kinds())
        try:
            return await history.act_at(position, demand)
        finally:
            await history.close()

    return found


def logs_of(
    settings: Settings, clock: Clock, kinds: Callable[[], KindTable]
) -> Callable[[str, int], LogstoreCollector]:
    """Source and time (seconds UTC) → a collector of its own that looks at that log from then on."""
    logs = {source.name: source for source in settings.log_sources}
    return lambda name, since: log_from(settings, logs[name], since, clock, kinds)
