"""Merging two accounts of one person: as a preview or for good, by a person, with badges that follow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import aiosqlite

from agent.clock import Clock
from agent.engine.earning import sets
from agent.errors import InvalidInputError
from agent.ledger.corrections import Correction
from agent.ledger.merging import merge, unlink
from agent.ledger.merging.merge import Merge
from agent.ledger.merging.plan import Change, Plan, Sets
from agent.ledger.past import standing
from agent.ledger.record import Recorder
from agent.ledger.rules import versions
from agent.ledger.writer import Writer
from agent.model import Decision, Outcome
from agent.pipeline import Pipeline
from agent.recognition.following import Following

_TOLD = frozenset({Outcome.awarded, Outcome.held, Outcome.reversed})


class Merging:
    """`learner merge`."""

    def __init__(
        self, writer: Writer, recorder: Recorder, pipeline: Pipeline, following: Following, clock: Clock
    ) -> None:
        self._writer = writer
        self._recorder = recorder
        self._pipeline = pipeline
        self._following = following
        self._clock = clock

    async def merge(self, *, source: str, target: str, reason: str, by: str, preview: bool = False) -> dict[str, Any]:
        """Make ``source`` (``<site>:<LMS user id>``) an alias of ``target``; with ``preview`` only say what changes.

        ``besides`` is what they get because they are one: of programmes that only both together completed, and badges.
        Doing it again changes nothing.

        Raises:
            InvalidInputError: see `agent.ledger.merging.merge.checked`; or no reason was given.
        """
        correction = Correction(reason=reason, by=by)
        if not preview and not (reason.strip() and by.strip()):
            raise InvalidInputError("a merge needs a reason and a name", hint="say --reason and --by: both are kept")
        correction.text()
        now = self._clock.now()

        async def unit(connection: aiosqlite.Connection) -> tuple[str, Plan | None, Sequence[Decision]]:
            before = await standing.newest(connection)
            root = await merge.checked(connection, source, target)
            if root is None:
                return target, None, ()
            version = self._pipeline.rulebook.version
            wanted = Merge(
                source=source,
                target=root,
                correction=correction,
                most=self._most,
                version=(version, await versions.number(connection, version)),
                now=now,
            )
            plan = await merge.carry_out(connection, self._recorder, wanted)
            await self._pipeline.whose.read(connection)
            besides = [*await self._pipeline.joined(connection, root)]
            return root, plan, besides + await self._following.since(connection, before, now)

        root, plan, besides = await (self._writer.tried(unit) if preview else self._writer.run(unit))
        await self._writer.run(self._pipeline.whose.read)
        changes = plan.changes if plan is not None else ()
        return {
            "from": source,
            "into": root,
            "preview": preview,
            "already": plan is None,
            "changes": [_told(one) for one in changes],
            "gains": _sums(changes, "moved"),
            "given_back": _sums(changes, "compensated"),
            "sets": len(plan.sets) if plan is not None else 0,
            "besides": [_besides(one) for one in besides if one.outcome in _TOLD],
        }

    async def unlink(self, *, account: str, reason: str, by: str, preview: bool = False) -> dict[str, Any]:
        """Make ``account`` (``<site>:<LMS user id>``) its own again; with ``preview`` only say what changes.

        Raises:
            InvalidInputError: see `agent.ledger.merging.unlink.whose`; or no reason was given.
        """
        correction = Correction(reason=reason, by=by)
        if not preview and not (reason.strip() and by.strip()):
            raise InvalidInputError(
                "taking apart needs a reason and a name", hint="say --reason and --by: both are kept"
            )
        correction.text()
        now = self._clock.now()

        async def unit(connection: aiosqlite.Connection) -> tuple[str, Plan]:
            root = await unlink.whose(connection, account)
            version = self._pipeline.rulebook.version
            back = Merge(
                source=root,
                target=account,
                correction=correction,
                most=self._most,
                version=(version, await versions.number(connection, version)),
                now=now,
                word="taken apart",
            )
            work = unlink.plan_of if preview else unlink.carry_out
            plan = await work(connection, self._recorder, back)
            if not preview:
                await self._pipeline.whose.read(connection)
            return root, plan

        root, plan = await self._writer.run(unit if preview else self._following.after(unit, now))
        return {
            "account": account,
            "was": root,
            "preview": preview,
            "changes": [_told(one) for one in plan.changes],
            "gains": _sums(plan.changes, "moved"),
        }

    def _most(self, rule_id: str, scope: str, together: Sets) -> int:
        """How often a rule pays in a scope: what is decided from a set, as often as the sets of both are worth."""
        rule = self._pipeline.rulebook.paying(rule_id)
        if rule is None:
            return 1
        members = {} if rule.form is None else together.get((rule.form.meter, scope), {})
        return max(rule.spec.frequency, sets.worth(rule.form, members) if rule.form is not None else 0)


def _told(change: Change) -> dict[str, Any]:
    return {
        "change": change.verb,
        "of": "into" if change.of_into else "from",
        "rule_id": change.paid.entries[0]["rule"],
        "entries": [one["entry_id"] for one in change.paid.entries],
        "amounts": {
            one["currency"]: one["amount"] for one in change.paid.entries if one["currency"] not in change.dropped
        },
        "why": change.why,
    }


def _besides(one: Decision) -> dict[str, Any]:
    return {
        "rule_id": one.rule_id,
        "learner": one.learner,
        "outcome": one.outcome.name,
        "amounts": {posting.currency: posting.amount for posting in one.postings},
        "why": one.reason,
    }


def _sums(changes: tuple[Change, ...], verb: str) -> dict[str, int]:
    """By currency, what is moved or given back in all."""
    found: Counter[str] = Counter()
    for one in changes:
        if one.verb == verb:
            for entry in one.paid.entries:
                if entry["currency"] not in one.dropped:
                    found[entry["currency"]] += entry["amount"]
    return dict(found)
