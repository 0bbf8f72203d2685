"""Persons apart from the ledger: who is behind a pseudonym, and the secret that everything about them hangs on.

Nothing that is hashed, sent or kept after an erasure is a function of an LMS identity without the person's secret.
What hangs on it are MACs: BLAKE2s keyed with the secret (RFC 7693), `person` telling their uses apart.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2s
from typing import Any

import aiosqlite
import orjson

from agent.chance import Chance, SystemChance
from agent.errors import InvalidInputError
from agent.ledger.record.erased import Erased

SECRET_BYTES = 32
_PSEUDONYM_BYTES = 15
_REF_BYTES = 16
_FIND = """
SELECT p.person_no, p.site, p.lms_user, p.secret, p.pseudonym
FROM json_each(?) w CROSS JOIN person p ON p.site = w.value ->> 0 AND p.lms_user = w.value ->> 1
"""
_LAST_NO = """
SELECT max(coalesce((SELECT max(person_no) FROM person), 0),
           coalesce((SELECT last FROM number_used WHERE of = 'person'), 0))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A learner as the ledger's own tables know them. ``learner`` is ``<site>:<LMS user id>``."""

    person_no: int
    learner: str
    secret: bytes
    pseudonym: str

    def event_ref(self, event_id: bytes) -> str:
        """What an entry carries instead of the event's id: hex MAC under the person's secret."""
        return blake2s(event_id, key=self.secret, digest_size=_REF_BYTES, person=b"event").hexdigest()

    def scope_ref(self, rule_id: str, scope: str, generation: int) -> str:
        """What an entry carries instead of its scope: hex MAC under the person's secret."""
        text = f"{rule_id}\0{scope}\0{generation}".encode()
        return blake2s(text, key=self.secret, digest_size=_REF_BYTES, person=b"scope").hexdigest()


class Macs:
    """The refs of one person, for many of them: the secret goes in once, which is half of the work."""

    __slots__ = ("_event", "_scope")

    def __init__(self, event: Any, scope: Any) -> None:
        self._event = event
        self._scope = scope

    @classmethod
    def of(cls, secret: bytes) -> Macs:
        """Ready to be asked for any number of them."""
        return cls(
            blake2s(key=secret, digest_size=_REF_BYTES, person=b"event"),
            blake2s(key=secret, digest_size=_REF_BYTES, person=b"scope"),
        )

    def event_ref(self, event_id: bytes) -> str:
        """See `Person.event_ref`."""
        mac = self._event.copy()
        mac.update(event_id)
        ref: str = mac.hexdigest()
        return ref

    def scope_ref(self, rule_id: str, scope: str, generation: int) -> str:
        """See `Person.scope_ref`."""
        mac = self._scope.copy()
        mac.update(f"{rule_id}\0{scope}\0{generation}".encode())
        ref: str = mac.hexdigest()
        return ref


def pseudonym_of(secret: bytes) -> str:
    """The name a person has outside the campus: 24 lower-case letters and digits."""
    digest = blake2s(key=secret, digest_size=_PSEUDONYM_BYTES, person=b"name").digest()
    return base64.b32encode(digest).decode().lower()


def split_learner(learner: str) -> tuple[str, str]:
    """``moodle:35`` → (``moodle``, ``35``)."""
    site, _, user = learner.partition(":")
    return site, user


class People:
    """Persons by learner, read in bulk and kept in memory; filled and used only inside the writer's units.

    ``erased`` says who was erased and is made no person again.
    """

    KEPT_MAX = 50_000

    def __init__(self, chance: Chance | None = None) -> None:
        self._chance = chance or SystemChance()
        self._known: dict[str, Person] = {}
        self._absent: set[str] = set()
        self.erased = Erased()

    def forget(self) -> None:
        """Drop what is kept in memory (after a rollback, an erasure)."""
        self._known.clear()
        self._absent.clear()

    def known(self, learners: Iterable[str]) -> dict[str, Person]:
        """Those of ``learners`` that are in memory."""
        known = self._known
        return {learner: known[learner] for learner in learners if learner in known}

    async def find(self, connection: aiosqlite.Connection, learners: Iterable[str]) -> dict[str, Person]:
        """Those of ``learners`` that are persons already; nobody is looked for twice."""
        wanted = set(learners)
        if len(self._known) + len(self._absent) > self.KEPT_MAX:
            self.forget()
        known, absent = self._known, self._absent
        # One by one: a difference of sets would go through everybody who is known.
        missing = [learner for learner in wanted if learner and learner not in known and learner not in absent]
        if missing:
            rows = await connection.execute_fetchall(
                _FIND, (orjson.dumps([split_learner(learner) for learner in missing]).decode(),)
            )
            absent.update(missing)
            for person_no, site, lms_user, secret, pseudonym in rows:
                learner = f"{site}:{lms_user}"
                known[learner] = Person(person_no=person_no, learner=learner, secret=secret, pseudonym=pseudonym)
                absent.discard(learner)
        return {learner: known[learner] for learner in wanted if learner in known}

    async def find_or_make(
        self, connection: aiosqlite.Connection, learners: Iterable[str], now: int
    ) -> dict[str, Person]:
        """Every one of ``learners`` as a person; who is new gets a secret and a pseudonym at ``now``.

        Raises:
            InvalidInputError: somebody was erased.
        """
        wanted = list(dict.fromkeys(learners))
        found = await self.find(connection, wanted)
        new = [learner for learner in wanted if learner not in found]
        if not new:
            return found
        for learner in new:
            if self.erased.bars_now(split_learner(learner)):
                raise InvalidInputError(f"{learner} was erased", hint=f"first: rewards-agent learner readmit {learner}")
        ((last_no,),) = await connection.execute_fetchall(_LAST_NO)
        made: list[Person] = []
        for number, learner in enumerate(new, last_no + 1):
            secret = self._chance.secret(SECRET_BYTES)
            made.append(Person(person_no=number, learner=learner, secret=secret, pseudonym=pseudonym_of(secret)))
        await connection.executemany(
            "INSERT INTO person (person_no, site, lms_user, secret, pseudonym, created_at) VALUES (?, ?, ?, ?, ?, ?)",
            [(p.person_no, *split_learner(p.learner), p.secret, p.pseudonym, now) for p in made],
        )
        self._absent.difference_update(new)
        for person in made:
            found[person.learner] = self._known[person.learner] = person
        return found
