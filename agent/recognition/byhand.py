"""`badge assign`, `badge revoke` and `badge settle`, as the running agent or a command carries them out."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import aiosqlite

from agent.clock import Clock
from agent.config.rulefile.tables.badge import Badge
from agent.engine.recognition import byhand
from agent.engine.recognition.model import BADGE
from agent.engine.recognition.record import EVER
from agent.engine.rulebook import Rulebook
from agent.errors import InvalidInputError
from agent.ledger.corrections import Correction
from agent.ledger.past import badges as held
from agent.ledger.past import standing
from agent.ledger.record import Movement, Recorder
from agent.ledger.record.people import split_learner
from agent.ledger.writer import Writer
from agent.model import Use
from agent.pipeline import Pipeline
from agent.recognition.following import BY_HAND, Following

LEARNERS_AT_ONCE = 1_000


class ByHand:
    """What people do with badges. Every change is an entry, with who and why."""

    def __init__(
        self, writer: Writer, recorder: Recorder, pipeline: Pipeline, following: Following, clock: Clock
    ) -> None:
        self._writer = writer
        self._recorder = recorder
        self._pipeline = pipeline
        self._following = following
        self._clock = clock

    async def assign(self, *, badge: str, learner: str, by: str, message: str = "") -> dict[str, Any]:
        """Give a badge by hand.

        Raises:
            InvalidInputError: there is no such badge or learner, they have it, or ``by`` may not give it (why is said).
        """
        rulebook = self._pipeline.rulebook
        asked, learner = learner, (await self._writer.run(self._pipeline.whose.now)).learner(learner)
        spec = _known(rulebook, badge)
        _refuse(byhand.not_allowed(spec.assign, by=by, learner=learner))
        if not all(split_learner(learner)):
            raise InvalidInputError(f"{asked!r} is no learner", hint="name the site and the LMS user id: moodle:35")
        now = self._clock.now()
        counted = byhand.places(badge, spec.assign, by=by, at=now, calendar=rulebook.calendar)
        reason = Correction(reason=f"given by hand: {message}" if message else "given by hand", by=by).text()

        async def unit(connection: aiosqlite.Connection) -> int:
            person = (await self._recorder.people.find_or_make(connection, [learner], now))[learner]
            if await held.has(connection, person.person_no, badge):
                raise InvalidInputError(f"{learner} has the badge {badge} already")
            past = await self._pipeline.past(connection, byhand.wants(counted))
            full, until = byhand.full(counted, past.uses, now, rulebook.calendar)
            _refuse(full + (f" (until {datetime.fromtimestamp(until, UTC):%Y-%m-%d %H:%M} UTC)" if until else ""))
            movement = Movement(
                kind="award",
                person=person,
                currency=f"{BADGE}{badge}",
                amount=1,
                rule_id=f"{BADGE}{badge}",
                rules_version=rulebook.version,
                source=BY_HAND,
                trust="server_verified",
                occurred_at=now,
                reason=reason,
            )
            (seq,) = await self._recorder.append(connection, [movement], now)
            had = Use(meter=f"{BADGE}{badge}", bucket=EVER, learner=learner, at=now, amount=1)
            uses = [(use, seq) for use in (had, *byhand.taken(counted, now))]
            await self._recorder.write_uses(connection, uses, {learner: person})
            return seq

        seq = await self._writer.run(self._following.after(unit, now))
        return {"seq": seq, "badge": badge, "learner": learner, "by": by}

    async def revoke(self, *, badge: str, learner: str, by: str, reason: str) -> dict[str, Any]:
        """Take a badge back, whatever gave it; only by hand does it come again.

        Raises:
            InvalidInputError: they do not have it.
        """
        now = self._clock.now()
        learner = (await self._writer.run(self._pipeline.whose.now)).learner(learner)
        told = Correction(reason=reason, by=by).text()

        async def unit(connection: aiosqlite.Connection) -> int:
            person = (await self._recorder.people.find(connection, [learner])).get(learner)
            if person is None or not await held.has(connection, person.person_no, badge):
                raise InvalidInputError(f"{learner} does not have the badge {badge}")
            found = await held.gave(connection, person.person_no, badge)
            if found is None:
                raise InvalidInputError(f"nothing shows what gave {learner} the badge {badge}")
            await held.let_go(connection, found, badge)
            movement = held.taking_back(found, person, badge, source=BY_HAND, reason=told, now=now)
            return (await self._recorder.append(connection, [movement], now))[0]

        seq = await self._writer.run(self._following.after(unit, now))
        return {"seq": seq, "badge": badge, "learner": learner, "by": by}

    async def settle(self, *, after: int = 0, preview: bool = False) -> dict[str, Any]:
        """Judge every badge of the next learners (by person number ``after``): what new criteria find is given now.

        ``cursor`` is what to ask with next, None at the end; ``given`` and ``taken`` count by badge.
        """
        now = self._clock.now()

        async def unit(connection: aiosqlite.Connection) -> tuple[int | None, list[tuple[str, int]]]:
            people = await standing.learners_after(connection, after, LEARNERS_AT_ONCE)
            due = await self._following.settle(connection, [who for _, who in people], now, write=not preview)
            cursor = people[-1][0] if len(people) == LEARNERS_AT_ONCE else None
            return cursor, [(one.rule_id.removeprefix(BADGE), one.postings[0].amount) for one in due]

        cursor, moved = await self._writer.run(unit)
        given = Counter(badge for badge, amount in moved if amount > 0)
        return {"cursor": cursor, "given": dict(given), "taken": dict(Counter(b for b, amount in moved if amount < 0))}


def _known(rulebook: Rulebook, badge: str) -> Badge:
    """The badge as it is declared; where none is declared, any that a rule gives.

    Raises:
        InvalidInputError: there is none of this id.
    """
    found = rulebook.badges.get(badge)
    if found is None:
        known = ", ".join(sorted(rulebook.badges)) or "no badge is declared"
        raise InvalidInputError(f"there is no badge {badge!r}", hint=f"the rules know: {known}")
    return found


def _refuse(why: str) -> None:
    if why:
        raise InvalidInputError(f"this cannot be given: {why}", hint="see: rewards-agent badge show")
