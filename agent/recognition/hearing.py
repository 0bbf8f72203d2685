"""Kudos as events: what the catalogue tells of them goes into the inbox of a source, with how far it was heard.

Rules can then look at `kudos.given` and `kudos.revoked`: the learner is who got them, the actor is who gave them, so
that checks see who thanks whom to and fro. The catalogue signs what it tells: a trusted source, and no better.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import structlog

from agent.clock import Clock
from agent.collectors.inbox.pulls import Fetched
from agent.collectors.inbox.store import Inbox
from agent.errors import IntegrityError, RewardsError
from agent.ledger import file
from agent.model import Evidence
from agent.recognition.thanking import Asks
from agent.retry import Trouble

EVERY_S = 60.0
"""How often the catalogue is asked, in seconds."""

_LEARNERS = """
SELECT p.pseudonym, iif(p.site = ?2, p.lms_user, min(a.lms_user)) AS called
FROM json_each(?1) w JOIN person p ON p.pseudonym = w.value
LEFT JOIN alias a ON a.site = ?2 AND (a.into_site, a.into_user) = (p.site, p.lms_user) AND p.site <> ?2
GROUP BY p.pseudonym HAVING called IS NOT NULL
"""
"""Whoever was seen in another system first has their wallet there: then it is their account here that was linked."""

log = structlog.get_logger()


class Hearing:
    """For the source ``name``, whose learners are those of ``site``; others' kudos are passed over."""

    def __init__(self, asking: Asks, inbox: Inbox, clock: Clock, *, name: str, site: str, data_dir: Path) -> None:
        self._asking = asking
        self._inbox = inbox
        self._clock = clock
        self._name = name
        self._site = site
        self._data_dir = data_dir
        self._trouble = Trouble()

    @property
    def name(self) -> str:
        """The source's configured name."""
        return self._name

    async def run(self) -> None:
        """Ask for ever."""
        while True:
            await self.catch_up()
            await asyncio.sleep(EVERY_S)

    async def catch_up(self) -> RewardsError | None:
        """Ask once, for all there is; why it could not be had."""
        try:
            while await self._page():
                pass
        except RewardsError as error:
            if self._trouble.is_news(error.message):
                log.warning("source_trouble", source=self._name, trouble=error.message, do=error.hint)
            await self._inbox.pull_failed(self._name, self._clock.now(), error.message)
            return error
        if self._trouble.is_over():
            log.info("source_recovered", source=self._name)
        return None

    async def _page(self) -> bool:
        """One page, on disk before the next is asked for; whether there is more."""
        now = self._clock.now()
        place, _ = await self._inbox.pull_place(self._name, now)
        told = await self._asking.ask("lines", "", {"after": int(place or b"0")}, first=False)
        try:
            lines, upto, more = told["lines"], int(told["next"]), bool(told["more"])
            named = sorted({line[who] for line in lines for who in ("giver", "receiver") if line[who]})
            users = await asyncio.to_thread(self._users, named)
            facts = [fact for line in lines if (fact := fact_of(line, users.get)) is not None]
        except (KeyError, TypeError, ValueError):
            raise IntegrityError(
                "the catalogue told of kudos in words of another version", hint="upgrade the older of the two"
            ) from None
        await self._inbox.take(self._name, Evidence.signature, facts, str(upto).encode(), now, done=not more)
        return more

    def _users(self, named: list[str]) -> dict[str, str]:
        with file.reading(self._data_dir) as connection:
            return dict(connection.execute(_LEARNERS, (orjson.dumps(named).decode(), self._site)).fetchall())


def fact_of(line: Mapping[str, Any], user: Callable[[str], str | None]) -> Fetched | None:
    """A line as the canonical event that it is; None where who got the kudos is nobody here."""
    receiver, giver = user(line["receiver"]), user(line["giver"])
    if receiver is None:
        return None
    event: dict[str, Any] = {
        "event": f"kudos.{line['what']}",
        "occurred_at": datetime.fromtimestamp(line["at"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "user": {"id": receiver},
        "trace": {"lms_event_id": str(line["of"])},
        "facts": {"tag": line["tag"]},
    }
    if giver is not None:
        event["people"] = {"actor": {"id": giver}}
    return Fetched(body=orjson.dumps(event), mark=line["no"].to_bytes(8, "big"), recorded_at=line["at"])
