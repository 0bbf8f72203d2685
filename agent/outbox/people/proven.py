"""Messages about persons, and whether what answered one is the catalogue's and means this agent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from agent.clock import Clock
from agent.ledger.delivery import Identity
from agent.outbox import judge
from agent.outbox.client import Answer, Client
from agent.outbox.judge import Failed
from wire import enrolment, signing
from wire.canonical import MalformedError
from wire.signing import SignatureError

OK = 200
NOT_FOUND = 404


class Message(Protocol):
    """What can be told of persons."""

    def encode(self) -> bytes:
        """Canonical bytes."""
        ...


class OfAgent(Protocol):
    """What the catalogue says to one agent."""

    @property
    def campus(self) -> str:
        """The agent's campus."""
        ...

    @property
    def agent(self) -> str:
        """Its name there."""
        ...


T = TypeVar("T")
Mine = TypeVar("Mine", bound=OfAgent)


async def told(
    client: Client,
    who: Identity,
    path: str,
    message: Message,
    parse: Callable[[bytes], T],
    *,
    clock: Clock,
    older: str,
) -> T | Failed:
    """Tell the catalogue something; what it answered, read by ``parse``. ``older`` as in `refused`.

    Raises:
        TransientError: no whole answer came.
        ConfigError: the key cannot be used.
    """
    key = client.key()
    key_id = enrolment.agent_key_id(who.campus, who.agent, key.fingerprint)
    answer = await client.post_signed(path, message.encode(), key=key, key_id=key_id, tag=signing.KEEP_TAG)
    return understood(answer, who, parse, now=clock.now(), older=older)


def understood(answer: Answer, who: Identity, parse: Callable[[bytes], T], *, now: int, older: str) -> T | Failed:
    """What an answer says, read by ``parse``, where it is the catalogue's. ``older`` as in `refused`."""
    failed = refused(answer, who, now=now, older=older)
    if failed is not None:
        return failed
    try:
        return parse(answer.body)
    except MalformedError as exc:
        return Failed(told=f"the catalogue's answer cannot be read: {exc}")


def ours(found: Mine, who: Identity) -> Mine | Failed:
    """What was found, where it is said to this agent."""
    mine = (found.campus, found.agent) == (who.campus, who.agent)
    return found if mine else Failed(told="the catalogue answered with what is another agent's")


def refused(answer: Answer, who: Identity, *, now: int, older: str) -> Failed | None:
    """Why an answer is not to be believed, or nothing; ``older``: what a catalogue does that knows no such path."""
    if answer.status == NOT_FOUND:
        return Failed(told=f"the catalogue is of an older version and {older}")
    if answer.status != OK:
        return judge.refusal(answer, now)
    try:
        signing.verify_stand(
            answer.signed(bound=True), answer.body, public=who.catalogue_public, now=now, tag=signing.KEPT_TAG
        )
    except SignatureError as exc:
        return Failed(told=f"an answer was refused that is not the catalogue's: {exc}", forged=True)
    return None
