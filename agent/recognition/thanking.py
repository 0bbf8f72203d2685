"""Kudos on campus: learners by their LMS ids in, pseudonyms to the catalogue, and its answers with LMS ids again.

Words pass through and are kept nowhere on the campus: they stand at the catalogue, where they can be taken away.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import aiosqlite
import orjson
import structlog

from agent.clock import Clock
from agent.errors import InvalidInputError, RewardsError
from agent.ledger.record import Recorder
from agent.ledger.record.people import split_learner
from agent.ledger.writer import Writer
from agent.pipeline import Pipeline

NAMED = ("giver", "receiver", "user")
"""Fields of an answer that hold a pseudonym."""

_LEARNERS = """
SELECT p.pseudonym, p.site || ':' || p.lms_user FROM json_each(?) w JOIN person p ON p.pseudonym = w.value
"""

log = structlog.get_logger()


class Asks(Protocol):
    """The way to the catalogue."""

    def key(self) -> str:
        """A new name for something that is to happen once."""
        ...

    async def ask(self, act: str, learner: str, fields: Mapping[str, str | int], *, first: bool) -> dict[str, Any]:
        """What it answers; its no is an error."""
        ...


class Thanking:
    """What people do with kudos on campus."""

    def __init__(self, writer: Writer, recorder: Recorder, pipeline: Pipeline, asking: Asks, clock: Clock) -> None:
        self._writer = writer
        self._recorder = recorder
        self._pipeline = pipeline
        self._asking = asking
        self._clock = clock

    async def give(self, *, learner: str, to: str, say: str, seen: str = "", key: str = "") -> dict[str, Any]:
        """Kudos from one learner to another (``<site>:<LMS user id>``), once for each ``key``.

        Raises:
            InvalidInputError: one takes no part, or the catalogue says no.
            TransientError: nobody knows whether they were given: ask again with the key.
        """
        key = key or self._asking.key()
        giver, receiver = await self._people(learner, to)
        if giver == receiver:
            raise InvalidInputError("nobody gives kudos to themselves", hint="both are one person here")
        fields = {"receiver": receiver, "say": say, "seen": seen, "key": key}
        told = await self._asking.ask("give", giver, fields, first=True)
        return (await self._named([told]))[0] | {"key": key}

    async def does(self, *, act: str, learner: str = "", **fields: str | int) -> dict[str, Any]:
        """Anything else that a learner asks for, or the campus where none is named.

        Raises:
            InvalidInputError: somebody takes no part, or the catalogue says no.
            TransientError: no answer came.
        """
        if act == "comment":
            fields.setdefault("key", self._asking.key())
        who = "" if not learner else (await self._people(learner, looks=act not in {"like", "comment"}))[0]
        if user := fields.get("user"):
            (fields["user"],) = await self._people(str(user), looks=True)
        told = await self._asking.ask(act, who, fields, first=False)
        for name in ("rows", "said"):
            if name in told:
                told[name] = await self._named(told[name])
        return (await self._named([told]))[0]

    async def parted(self, *, accounts: Sequence[Sequence[str]]) -> str:
        """Tell the catalogue that somebody takes no part in kudos; what came of it, for people."""
        names = [":".join(one) for one in accounts]
        found = await self._writer.run(lambda conn: self._recorder.people.find(conn, names))
        try:
            for person in found.values():
                await self._asking.ask("choose", person.pseudonym, {"shown": "none"}, first=False)
        except RewardsError as error:
            log.warning("choice_not_told", trouble=error.message)
            return f"not told: {error.message}; run: rewards-agent kudos choose {names[0]} none"
        return "told"

    async def _people(self, *learners: str, looks: bool = False) -> list[str]:
        """Their pseudonyms, in order; who is not known yet is made known, unless they only look."""
        aliases, now = await self._writer.run(self._pipeline.whose.now), self._clock.now()
        wanted = [aliases.learner(learner) for learner in learners]
        for learner in wanted:
            if not all(split_learner(learner)):
                raise InvalidInputError(
                    f"{learner!r} is no learner", hint="name the site and the LMS user id: moodle:35"
                )
            if not looks and not self._pipeline.whose.takes_part(split_learner(learner), now):
                raise InvalidInputError(f"{learner} takes no part", hint="see: rewards-agent learner opt-in")

        async def unit(connection: aiosqlite.Connection) -> list[str]:
            people = self._recorder.people
            if looks:
                found = await people.find(connection, wanted)
                if missing := [learner for learner in wanted if learner not in found]:
                    raise InvalidInputError(f"{missing[0]} has nothing here yet", hint="see: rewards-agent learner why")
            else:
                found = await people.find_or_make(connection, wanted, now)
            return [found[learner].pseudonym for learner in wanted]

        return await self._writer.run(unit)

    async def _named(self, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The same with LMS ids for the pseudonyms that are this campus's; others stay."""
        told = [dict(row) for row in rows]
        names = sorted({row[field] for row in told for field in NAMED if row.get(field)})

        async def unit(connection: aiosqlite.Connection) -> dict[str, str]:
            rows = await connection.execute_fetchall(_LEARNERS, (orjson.dumps(names).decode(),))
            return {row[0]: row[1] for row in rows}

        called = await self._writer.run(unit) if names else {}
        for row in told:
            row |= {field: called.get(row[field], row[field]) for field in NAMED if field in row}
        return told
