"""Leaves sealed copies of persons with the catalogue, before anything is delivered that only they can be told from."""

from __future__ import annotations

import aiosqlite
import structlog

from agent.clock import Clock
from agent.errors import RewardsError
from agent.ledger.delivery import Identity
from agent.ledger.recovery import persons
from agent.outbox import judge
from agent.outbox.client import Client
from agent.outbox.judge import Failed
from agent.outbox.recovery.box import Lock
from agent.outbox.writes import Runs
from wire import enrolment, signing
from wire.canonical import MalformedError
from wire.keeping import Persons, Sealed
from wire.signing import SignatureError

PERSONS_AT_ONCE = 200
_OK = 200
_NOT_FOUND = 404

log = structlog.get_logger()


class Leaving:
    """``lock`` seals; without one nothing is left, and `doctor` says what that means."""

    def __init__(self, *, client: Client, writer: Runs, clock: Clock, lock: Lock | None) -> None:
        self._client = client
        self._writer = writer
        self._clock = clock
        self._lock = lock
        self._kept_there = True
        self._told_early: set[str] = set()

    async def leave(self, connection: aiosqlite.Connection, who: Identity, *, behind: bool) -> Failed | None:
        """Everybody whose copy is not there yet; why it failed, where it did.

        ``behind`` is whether entries are still to be delivered. Some may be of who is to be forgotten, and would put
        them on record anew: they are forgotten at once, and once more when there are no such entries any more. What of
        a copy such entries take back is taken out of it after them.
        """
        if not behind:
            self._told_early.clear()
        failed = await self._forget(connection, who, for_good=not behind)
        if failed is not None:
            return failed
        lock = self._lock
        while lock is not None and self._kept_there:
            found = await persons.pending(connection, lock.fingerprint, PERSONS_AT_ONCE, behind=behind)
            if not found:
                return None
            sealed = [Sealed(name=one.pseudonym, sealed=lock.seal(one, campus=who.campus)) for one in found]
            failed = await self._send(who, Persons(campus=who.campus, agent=who.agent, persons=tuple(sealed)))
            if failed is not None:
                return failed
            if self._kept_there:
                await self._writer.run(persons.kept(found, lock.fingerprint))
        return None

    async def _forget(self, connection: aiosqlite.Connection, who: Identity, *, for_good: bool) -> Failed | None:
        """Have the copies of the erased forgotten, and their marks kept, with the key that they are made under."""
        lock = self._lock
        fingerprint = "" if lock is None else lock.fingerprint
        early = self._told_early
        while self._kept_there and (gone := await persons.gone(connection, fingerprint, PERSONS_AT_ONCE, early)):
            kept = [Sealed(name=name, sealed=body) for name, body, _ in gone.marks]
            if gone.key and lock is not None:
                kept.append(Sealed(name=persons.MARKS_KEY, sealed=lock.seal_bytes(gone.key, campus=who.campus)))
            message = Persons(campus=who.campus, agent=who.agent, persons=tuple(kept), gone=gone.pseudonyms)
            failed = await self._send(who, message)
            if failed is not None:
                return failed
            if self._kept_there:
                await self._writer.run(persons.told(gone, fingerprint, for_good=for_good))
                early.update(() if for_good else gone.pseudonyms)
        return None

    async def _send(self, who: Identity, message: Persons) -> Failed | None:
        try:
            key = self._client.key()
            key_id = enrolment.agent_key_id(who.campus, who.agent, key.fingerprint)
            answer = await self._client.post_signed(
                "/v1/persons", message.encode(), key=key, key_id=key_id, tag=signing.KEEP_TAG
            )
        except RewardsError as exc:
            return Failed.of(exc)
        if answer.status == _NOT_FOUND:
            self._kept_there = False
            log.warning("persons_not_kept", why="the catalogue is of an older version and keeps no sealed persons")
            return None
        if answer.status != _OK:
            return judge.refusal(answer, self._clock.now())
        try:
            signing.verify_stand(
                answer.signed(bound=True),
                answer.body,
                public=who.catalogue_public,
                now=self._clock.now(),
                tag=signing.KEPT_TAG,
            )
            Persons.parse(answer.body)
        except (SignatureError, MalformedError) as exc:
            return Failed(told=f"an answer was refused that is not the catalogue's: {exc}", forged=True)
        return None
