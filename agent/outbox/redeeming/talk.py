"""Speaks with the catalogue about what learners may have. Only answers that it signed for this very question count."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from agent.clock import Clock
from agent.errors import ConfigError, TransientError
from agent.ledger import delivery
from agent.ledger.delivery import Identity
from agent.outbox import judge, succession
from agent.outbox.client import Answer, Client
from agent.outbox.writes import Runs
from wire import canonical, enrolment, signing
from wire.canonical import MalformedError
from wire.keys import fingerprint
from wire.signing import SignatureError

_OK = 200
_TOLD_CHARS_MAX = 300

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the catalogue answered, proven. ``fields`` of a yes; ``code`` and ``message`` of a no."""

    fields: dict[str, Any]
    code: str = ""
    message: str = ""

    @property
    def yes(self) -> bool:
        """Whether it is a yes."""
        return not self.code


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """Nothing came that can be believed: what was asked for may have happened or not. ``why`` is for people."""

    why: str


class Message(Protocol):
    """What can be asked for."""

    def encode(self) -> bytes:
        """Canonical bytes."""
        ...


class Talk:
    """One agent's questions and wishes."""

    def __init__(self, client: Client, writer: Runs, clock: Clock) -> None:
        self._client = client
        self._writer = writer
        self._clock = clock

    async def post(self, who: Identity, path: str, message: Message) -> Said | Unknown:
        """Ask or wish for something."""

        async def send(key_id: str) -> Answer:
            key = self._client.key()
            return await self._client.post_signed(path, message.encode(), key=key, key_id=key_id, tag=signing.SPEND_TAG)

        return await self._answered(who, send)

    async def get(self, who: Identity, path: str) -> Said | Unknown:
        """Ask what became of something."""

        async def send(_key_id: str) -> Answer:
            return await self._client.get_signed(path, campus=who.campus, agent=who.agent)

        return await self._answered(who, send)

    async def close(self) -> None:
        """Let go of connections; may be called twice."""
        await self._client.close()

    async def _answered(self, who: Identity, send: Callable[[str], Awaitable[Answer]]) -> Said | Unknown:
        key_id = enrolment.agent_key_id(who.campus, who.agent, self._client.key().fingerprint)
        try:
            answer = await send(key_id)
            meant = self._meant(answer, who)
            if meant is None:
                # It may be signed by the catalogue's next key: that one is believed from now on, and asked again.
                now = await succession.followed(self._client, who)
                if now.catalogue_public != who.catalogue_public:
                    await self._writer.run(delivery.keep_keys(now.catalogue_keys))
                    log.warning("catalogue_key_changed", fingerprint=fingerprint(now.catalogue_public))
                    meant = self._meant(await send(key_id), now)
        except (TransientError, ConfigError) as exc:
            return Unknown(why=exc.message)
        return meant or Unknown(why=judge.refusal(answer, self._clock.now()).told)

    def _meant(self, answer: Answer, who: Identity) -> Said | None:
        """What a proven answer says; None of one that nobody can vouch for."""
        try:
            signing.verify_stand(
                answer.signed(bound=True),
                answer.body,
                public=who.catalogue_public,
                now=self._clock.now(),
                tag=signing.SPENT_TAG,
            )
            fields = canonical.load(answer.body, what="the answer")
            if answer.status == _OK:
                return Said(fields=fields)
            return Said(
                fields={},
                code=canonical.text(fields, "error"),
                message=canonical.text(fields, "message", most=_TOLD_CHARS_MAX),
            )
        except (SignatureError, MalformedError):
            return None
