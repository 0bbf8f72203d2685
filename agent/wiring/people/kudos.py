"""What hears of kudos, where a source is named for them."""

from __future__ import annotations

from agent.clock import Clock
from agent.collectors.inbox.store import Inbox
from agent.config.settings import Settings
from agent.outbox.bothways import BothWays
from agent.recognition.hearing import Hearing


def kudos_heard(settings: Settings, road: BothWays | None, inbox: Inbox | None, clock: Clock) -> list[Hearing]:
    """One, or none."""
    named = settings.catalogue.kudos if settings.catalogue is not None else None
    found = [source for source in settings.post_sources if source.name == named]
    if road is None or inbox is None:
        return []
    data_dir = settings.agent.data_dir
    return [
        Hearing(road.asking, inbox, clock, name=source.name, site=source.site_name, data_dir=data_dir)
        for source in found
    ]
