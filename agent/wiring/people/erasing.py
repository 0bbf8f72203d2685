"""From the settings to what erases people."""

from __future__ import annotations

from agent.clock import Clock
from agent.collectors.inbox.store import Inbox
from agent.config.settings import LogSource, PostSource, Settings
from agent.ledger.record import Recorder
from agent.ledger.writer import Writer
from agent.pipeline import Pipeline
from agent.privacy.erasing import Erasing


def erasing_of(
    settings: Settings, writer: Writer, recorder: Recorder, pipeline: Pipeline, inbox: Inbox | None, clock: Clock
) -> Erasing:
    """What erases people, told which sources there are."""
    return Erasing(
        writer,
        recorder,
        pipeline,
        inbox=inbox,
        sources=sites_of(settings),
        posting=[source.name for source in settings.post_sources],
        data_dir=settings.agent.data_dir,
        clock=clock,
    )


def sites_of(settings: Settings) -> dict[str, tuple[str, str]]:
    """Every source's (kind, site) by its name."""
    named: tuple[LogSource | PostSource, ...] = (*settings.log_sources, *settings.post_sources)
    found = {source.name: (str(source.kind), source.site_name) for source in named}
    return found | {source.name: (str(source.kind), settings.web_site(source)) for source in settings.web_sources}
