"""Posts for tests: a running door with an inbox of its own, and what to send to it."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from agent.collectors.door.addresses import networks
from agent.collectors.door.app import Door, DoorSource
from agent.collectors.door.credentials import Credentials
from agent.collectors.door.wrapped import WRAPPED
from agent.collectors.inbox.store import Inbox
from agent.collectors.systems.registry import SIGNATURES, SIGNED_IN, SYSTEMS, TOKEN_IN_ADDRESS
from agent.config.kinds import KindTable
from agent.config.secrets import Secret
from tests.builders import NOW
from tests.fakes import ManualClock

TOKEN = "a-token-of-a-throw-away-door"
HOOK = "/api/public/hook/moodle/event"


def door_source(
    name: str = "trigger",
    *,
    kind: str = "tool-trigger",
    path: str = HOOK,
    tokens: Sequence[str] = (TOKEN,),
    secrets: Sequence[str] = (),
    allow: Sequence[str] = (),
    rate_per_s: float = 100_000.0,
    body_bytes_max: int = 262_144,
) -> DoorSource:
    """A source that posts."""
    return DoorSource(
        name=name,
        kind=kind,
        site="moodle",
        path=path,
        credentials=Credentials(
            tokens=tuple(map(Secret, tokens)),
            secrets=tuple(map(Secret, secrets)),
            allowed=networks(allow),
            signature=SIGNATURES.get(kind),
            signed_in=SIGNED_IN.get(kind, ""),
        ),
        system=SYSTEMS[kind],
        rate_per_s=rate_per_s,
        body_bytes_max=body_bytes_max,
        token_in_address=kind in TOKEN_IN_ADDRESS,
        unwrapped=WRAPPED.get(kind, bytes),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the door said."""

    status: int
    told: dict[str, Any]
    headers: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenDoor:
    """A door that listens, and somebody who posts."""

    door: Door
    inbox: Inbox
    clock: ManualClock
    session: aiohttp.ClientSession

    async def post(
        self,
        body: bytes | dict[str, Any],
        *,
        path: str = HOOK,
        token: str | None = TOKEN,
        headers: dict[str, str] | None = None,
        method: str = "POST",
    ) -> Answer:
        """Send one."""
        shown = {"Authorization": f"Bearer {token}"} if token is not None else {}
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        url = f"http://127.0.0.1:{self.door.port}{path}"
        async with self.session.request(method, url, data=data, headers={**shown, **(headers or {})}) as answer:
            return Answer(
                status=answer.status,
                told=json.loads(await answer.read()),
                headers={name.lower(): value for name, value in answer.headers.items()},
            )


@asynccontextmanager
async def open_door(
    data_dir: Path,
    *sources: DoorSource,
    proxies: Sequence[str] = (),
    tls: ssl.SSLContext | None = None,
    host: str = "127.0.0.1",
) -> AsyncIterator[OpenDoor]:
    """A door before a real inbox, on a free port of ``host``."""
    data_dir.mkdir(parents=True, exist_ok=True)
    clock = ManualClock(NOW)
    inbox = await Inbox.open(data_dir)
    door = Door(
        sources or [door_source()],
        inbox,
        clock,
        kinds=KindTable,
        listen=(host, 0),
        tls=tls,
        proxies=networks(proxies),
    )
    await door.open()
    try:
        async with aiohttp.ClientSession() as session:
            yield OpenDoor(door=door, inbox=inbox, clock=clock, session=session)
    finally:
        await door.close()
        await inbox.close()


def a_post(**changes: Any) -> dict[str, Any]:
    """A lesson completed, as a complete template of tool_trigger writes it; None leaves a field out."""
    fields = {
        "eventname": "%5Ccore%5Cevent%5Ccourse_module_completion_updated",
        "userid": "35",
        "relateduserid": "35",
        "objecttable": "course_modules_completion",
        "objectid": "901",
        "courseid": "3",
        "contextinstanceid": "7",
        "contextlevel": "70",
        "timecreated": str(NOW - 60),
        "anonymous": "0",
        "realuserid": "",
        "origin": "web",
        "other_completionstate": "1",
        **changes,
    }
    return {name: value for name, value in fields.items() if value is not None}
