"""From the settings to the systems that are asked."""

from __future__ import annotations

import base64
import random
import re
from collections.abc import Callable, Mapping
from http import HTTPStatus

from agent.clock import Clock
from agent.collectors.inbox.leaving import Gone
from agent.collectors.inbox.store import Inbox
from agent.collectors.pull.canvas import CanvasPlan
from agent.collectors.pull.client import Address, Client
from agent.collectors.pull.driver import Pull, PullOptions, asked
from agent.collectors.pull.learnworlds import LearnWorldsPlan
from agent.collectors.pull.plan import Plan, Round, began
from agent.collectors.pull.xapi import XapiPlan
from agent.collectors.systems.registry import SYSTEMS
from agent.config.kinds import KindTable
from agent.config.secrets import read_secret
from agent.config.settings import PostSource, Settings
from agent.config.tables.pull import PullSettings

_VERSION = "X-Experience-API-Version"


class Spoken:
    """The version in which an LRS is asked: one that speaks none of version 1 any more refuses, and names its own."""

    def __init__(self) -> None:
        self.version = "1.0.3"

    def again(self, status: int, headers: Mapping[str, str]) -> bool:
        """Whether to ask again, in the version that this answer names."""
        theirs = headers.get(_VERSION.lower(), "")
        if status != HTTPStatus.BAD_REQUEST or self.version == theirs or not _SECOND.fullmatch(theirs):
            return False
        self.version = theirs
        return True


_SECOND = re.compile(r"2\.[0-9]{1,3}(?:\.[0-9]{1,3})?")


def pulls_of(
    settings: Settings, inbox: Inbox | None, clock: Clock, kinds: Callable[[], KindTable], gone: Gone
) -> list[Pull]:
    """What asks each source that has `[source.pull]`; ``gone`` says who was erased.

    Raises:
        ConfigError: a credential cannot be read.
    """
    if inbox is None:
        return []
    chance = random.SystemRandom().random
    found = []
    for source in settings.post_sources:
        if source.pull is None:
            continue
        options = PullOptions(
            name=source.name,
            site=source.site_name,
            every_s=source.pull.every_s,
            start_at=source.pull.start_at,
            body_bytes_max=source.body_bytes_max,
        )
        client = Client(_address(settings, source, source.pull), clock)
        plan, system = _plan(source, source.pull), SYSTEMS[source.kind]
        found.append(
            Pull(options, plan, system, inbox=inbox, client=client, kinds=kinds, clock=clock, chance=chance, gone=gone)
        )
    return found


async def probe(settings: Settings, source: PostSource, pull: PullSettings, clock: Clock) -> None:
    """Ask what a round begins with, and keep nothing.

    Raises:
        TransientError: it does not answer, or not as it should.
        ConfigError: an edit cures it.
    """
    plan, now = _plan(source, pull), clock.now()
    async with Client(_address(settings, source, pull), clock) as client:
        await asked(source.name, client, plan, began(plan, Round(start=now, since=now), now), clock)


def _plan(source: PostSource, pull: PullSettings) -> Plan:
    if source.kind == "xapi":
        return XapiPlan()
    if source.kind == "canvas":
        return CanvasPlan(pull.account, quizzes=source.path is None, courses=pull.courses)
    return LearnWorldsPlan()


def _address(settings: Settings, source: PostSource, pull: PullSettings) -> Address:
    spoken = Spoken()

    def headers() -> Mapping[str, str]:
        found = {"Authorization": _authorization(settings, pull)}
        if source.kind == "xapi":
            found[_VERSION] = spoken.version
        if pull.client is not None:
            found["Lw-Client"] = pull.client
        return found

    headers()  # what is missing is told at the start
    return Address(
        name=source.name,
        url=pull.url,
        headers=headers,
        requests_per_s=pull.requests_per_s,
        proxy=pull.proxy,
        ca_file=pull.ca_file,
        answer_bytes_max=pull.answer_bytes_max,
        answer_s_max=pull.timeout_s,
        again=spoken.again,
    )


def _authorization(settings: Settings, pull: PullSettings) -> str:
    if pull.token_file is not None:
        return f"Bearer {read_secret(settings.home, pull.token_file).reveal().strip()}"
    password = read_secret(settings.home, pull.password_file or "").reveal().strip()
    return "Basic " + base64.b64encode(f"{pull.user}:{password}".encode()).decode()
