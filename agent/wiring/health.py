"""From a running agent to what tells how it is."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Collection
from functools import partial
from zoneinfo import ZoneInfo

from aiohttp import web
from prometheus_client.exposition import generate_latest

from agent.arriving.tally import Tally
from agent.collectors.door.document import described
from agent.collectors.inbox.pulls import standings
from agent.collectors.inbox.store import FILE_NAME
from agent.config.rulefile import load_rules
from agent.errors import RewardsError
from agent.metrics import Metrics
from agent.model import Page
from agent.review.feeds import Week, quiet_feeds
from agent.review.noticed import Noticed
from agent.service.health.figures import Figures, unready
from agent.wiring.agent import Agent
from machine.status import Status


def watched(agent: Agent) -> tuple[Callable[[Page, Tally], None], Status | None]:
    """What each page is to be told to, and the listener that answers with it; None where none is configured."""
    metrics, silent = Metrics(), _Quiet(agent)

    def on_page(page: Page, tally: Tally) -> None:
        silent.read(page)
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
            silent,
            logs={source.name for source in agent.settings.log_sources},
            backups=agent.settings.agent.backup_within_s is not None,
        )
    )
    host, _, port = http.status_listen.rpartition(":")
    # It names the paths at which posts are taken, which the door itself tells nobody.
    document = described(door.sources if door is not None else (), tls=http.certificate_file is not None)

    async def openapi(_: web.BaseRequest) -> web.Response:
        return web.json_response(document)

    return on_page, Status(
        (host.strip("[]"), int(port)),
        program="rewards-agent",
        setting="[http] status_listen",
        unready=partial(asyncio.to_thread, unready, agent.settings.agent.data_dir),
        figures=partial(asyncio.to_thread, generate_latest, metrics.registry),
        more={"/openapi.json": openapi},
    )


class _Quiet:
    """Which feeds are quieter than their own weeks: asked by the figures, told in the log once a day.

    One that was not read to its end yet since the agent started may have told much meanwhile.
    """

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._noticed = Noticed(agent.clock)
        self._version = ""
        self._week = Week(ZoneInfo("UTC"))
        self._read: set[str] = set()

    def read(self, page: Page) -> None:
        """A page of a source was recorded."""
        if page.caught_up:
            self._read.add(page.source)

    def __call__(self, connection: sqlite3.Connection) -> Collection[str]:
        version = self._agent.pipeline.rulebook.version
        if version != self._version:
            with contextlib.suppress(RewardsError):  # a file that is being edited: the week of before
                self._week = Week.of(load_rules(self._agent.settings.rule_files()))
                self._version = version
        judged = quiet_feeds(connection, self._week, self._agent.clock.now())
        found = {name: silence for name, silence in judged.items() if name in self._read}
        self._noticed.quiet(found)
        return set(found)
