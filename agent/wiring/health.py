"""From a running agent to what tells how it is."""

from __future__ import annotations

from collections.abc import Callable

from agent.arriving.tally import Tally
from agent.collectors.door.document import described
from agent.collectors.inbox.pulls import standings
from agent.collectors.inbox.store import FILE_NAME
from agent.metrics import Metrics
from agent.model import Page
from agent.service.health.app import Health
from agent.service.health.figures import Figures
from agent.wiring import Agent


def watched(agent: Agent) -> tuple[Callable[[Page, Tally], None], Health | None]:
    """What each page is to be told to, and the listener that answers with it; None where none is configured."""
    metrics = Metrics()

    def on_page(page: Page, tally: Tally) -> None:
        decisions = {outcome.name: count for outcome, count in tally.outcomes.items()}
        metrics.page(page.source, events=tally.fresh, entries=tally.entries, decisions=decisions)

    http = agent.settings.http
    if http is None or http.status_listen is None:
        return on_page, None
    door = agent.door
    metrics.registry.register(
        Figures(
            agent.settings.agent.data_dir,
            agent.clock,
            lambda: door.counts if door is not None else {},
            lambda: standings(agent.settings.agent.data_dir / FILE_NAME) if agent.pulls else (),
        )
    )
    host, _, port = http.status_listen.rpartition(":")
    document = described(door.sources if door is not None else (), tls=http.certificate_file is not None)
    return on_page, Health((host.strip("[]"), int(port)), agent.settings.agent.data_dir, metrics.registry, document)
