"""Remembering a page: events, decisions, holds, entries, uses and balances, in bulk, inside one writer's unit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiosqlite

from agent.ledger import codec
from agent.ledger.names import Names
from agent.ledger.people import People, Person
from agent.model import Decision, Event, Outcome, Use
from wire import chain
from wire import entry as wire_entry

BADGE_PREFIX = "badge:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """One entry to append: an amount on one account of one person, and why.

    ``kind`` is award | reversal | adjustment; ``reverses`` an entry_id or empty; times are seconds UTC.
    """

    kind: wire_entry.EntryKind
    person: Person
    currency: str
    amount: int
    rule_id: str
    rules_version: str
    source: str
    trust: str
    occurred_at: int
    event_id: bytes | None = None
    event_no: int | None = None
    decision_no: int | None = None
    scope: str = ""
    generation: int = 0
    reason: str = ""
    reverses: str = ""


class Recorder:
    """Appends to the ledger. Keeps head, numbers, names and persons in memory; `forget` after a rollback."""

    def __init__(self) -> None:
        self.names = Names()
        self.people = People()
        self._epoch = 0
        self._seq = -1
        self._hash = chain.GENESIS
        self._event_no = 0
        self._decision_no = 0

    def forget(self) -> None:
        """Read everything again at the next unit."""
        self.names.forget()
        self.people.forget()
        self._seq = -1

    async def _remember(self, connection: aiosqlite.Connection) -> None:
        if self._seq >= 0:
            return
        row = await _one(connection, "SELECT seq, hash FROM entry ORDER BY seq DESC LIMIT 1")
        self._seq, self._hash = (row[0], row[1]) if row else (0, chain.GENESIS)
        row = await _one(connection, "SELECT value FROM setting WHERE key = 'epoch'")
        self._epoch = int(row[0]) if row else 1
        row = await _one(connection, "SELECT coalesce(max(event_no), 0) FROM event")
        self._event_no = row[0] if row else 0
        row = await _one(connection, "SELECT coalesce(max(decision_no), 0) FROM decision")
        self._decision_no = row[0] if row else 0

    async def fresh(self, connection: aiosqlite.Connection, events: Sequence[Event]) -> list[Event]:
        """Those of ``events`` that are not recorded yet, each once, in order."""
        first: dict[bytes, Event] = {}
        for event in events:
            first.setdefault(event.event_id, event)
        await connection.execute(
            "CREATE TEMP TABLE IF NOT EXISTS wanted_event (occurred_at INTEGER, event_id BLOB) STRICT"
        )
        await connection.executemany(
            "INSERT INTO wanted_event VALUES (?, ?)", [(e.seen.occurred_at, e.event_id) for e in first.values()]
        )
        rows = await connection.execute_fetchall(
            "SELECT w.event_id FROM wanted_event w"
            " CROSS JOIN event e ON e.occurred_at = w.occurred_at AND e.event_id = w.event_id"
        )
        await connection.execute("DELETE FROM wanted_event")
        for (event_id,) in rows:
            del first[event_id]
        return list(first.values())

    async def record(
        self,
        connection: aiosqlite.Connection,
        events: Sequence[Event],
        decisions: Sequence[Decision],
        *,
        version_no: int,
        now: int,
    ) -> int:
        """Write fresh ``events`` with their ``decisions`` (all of one rules version); returns entries appended."""
        await self._remember(connection)
        numbers = await self._write_events(connection, events, now)
        by_id = {event.event_id: event for event in events}
        return await self.settle(connection, by_id, decisions, numbers=numbers, version_no=version_no, now=now)

    async def settle(
        self,
        connection: aiosqlite.Connection,
        events: Mapping[bytes, Event],
        decisions: Sequence[Decision],
        *,
        numbers: Mapping[bytes, int],
        version_no: int,
        now: int,
    ) -> int:
        """Write ``decisions`` about recorded events (``numbers``: event_id → event_no); returns entries appended."""
        await self._remember(connection)
        first_decision = self._decision_no + 1
        await self._write_decisions(connection, decisions, numbers, version_no)
        await self._write_holds(connection, decisions, first_decision, now)
        return await self._book(connection, events, decisions, numbers, first_decision, now)

    async def _write_events(
        self, connection: aiosqlite.Connection, events: Sequence[Event], now: int
    ) -> dict[bytes, int]:
        sources = await self.names.number(connection, "source", {event.seen.source for event in events})
        numbers: dict[bytes, int] = {}
        rows = []
        for event_no, event in enumerate(events, self._event_no + 1):
            seen = event.seen
            numbers[event.event_id] = event_no
            payload = codec.encode_event(seen)
            rows.append(
                (
                    event_no,
                    seen.occurred_at,
                    event.event_id,
                    sources[seen.source],
                    seen.position,
                    int(event.trust),
                    now,
                    payload,
                )
            )
        self._event_no += len(rows)
        await connection.executemany("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        return numbers

    async def _write_decisions(
        self,
        connection: aiosqlite.Connection,
        decisions: Sequence[Decision],
        numbers: Mapping[bytes, int],
        version_no: int,
    ) -> None:
        rules = await self.names.number(connection, "rule", {decision.rule_id for decision in decisions})
        rows = [
            (
                no,
                numbers[d.event_id],
                rules[d.rule_id],
                version_no,
                d.role,
                d.learner,
                int(d.outcome),
                d.reason,
                codec.encode_detail(d),
            )
            for no, d in enumerate(decisions, self._decision_no + 1)
        ]
        self._decision_no += len(rows)
        await connection.executemany("INSERT INTO decision VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)

    async def _write_holds(
        self, connection: aiosqlite.Connection, decisions: Sequence[Decision], first_no: int, now: int
    ) -> None:
        held = [
            (no, d.rule_id, d.learner, d.scope, d.hold.value, codec.encode_promise(d), now)
            for no, d in enumerate(decisions, first_no)
            if d.outcome is Outcome.held and d.hold is not None
        ]
        if held:
            await connection.executemany(
                "INSERT INTO hold (decision_no, rule_id, learner, scope, kind, promise, held_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                held,
            )
        # A number below zero names a decision of this same list: -1 is its first.
        closed = [(now, no if no > 0 else first_no - 1 - no) for d in decisions for no in d.supersedes]
        if closed:
            await connection.executemany(
                "UPDATE hold SET state = 'superseded', settled_at = ? WHERE decision_no = ? AND state = 'open'", closed
            )

    async def _book(
        self,
        connection: aiosqlite.Connection,
        events: Mapping[bytes, Event],
        decisions: Sequence[Decision],
        numbers: Mapping[bytes, int],
        first_no: int,
        now: int,
    ) -> int:
        booked = [(no, d) for no, d in enumerate(decisions, first_no) if d.outcome in (Outcome.awarded, Outcome.shadow)]
        if not booked:
            return 0
        learners = {use.learner for _, d in booked for use in d.uses if use.learner}
        learners.update(d.learner for _, d in booked if d.outcome is Outcome.awarded)
        people = await self.people.find_or_make(connection, learners, now)
        movements: list[Movement] = []
        uses: list[tuple[Use, int]] = []
        seq = self._seq
        for decision_no, decision in booked:
            event = events[decision.event_id]
            first_seq = 0
            if decision.outcome is Outcome.awarded:
                new = award_movements(
                    decision, event, people[decision.learner], numbers[decision.event_id], decision_no
                )
                movements.extend(new)
                first_seq = seq + 1 if new else 0
                seq += len(new)
            marker = first_seq or -decision_no
            uses.extend((use, marker) for use in decision.uses)
        await self.append(connection, movements, now)
        await self.write_uses(connection, uses, people)
        return len(movements)

    async def append(self, connection: aiosqlite.Connection, movements: Sequence[Movement], now: int) -> list[int]:
        """Append entries to the chain and move the balances; returns their seqs."""
        await self._remember(connection)
        rows = []
        totals: defaultdict[tuple[int, str], list[int]] = defaultdict(lambda: [0, 0])
        seq, head = self._seq, self._hash
        for movement in movements:
            seq += 1
            body = wire_entry.encode(entry_fields(movement, seq, self._epoch, now))
            head = chain.step(head, body)
            rows.append((seq, body, head, movement.person.person_no, movement.event_no, movement.decision_no))
            total = totals[movement.person.person_no, movement.currency]
            total[0] += movement.amount
            total[1] += max(movement.amount, 0) if movement.kind != "reversal" else 0
        if rows:
            await connection.executemany("INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?)", rows)
            await connection.executemany(
                "INSERT INTO balance VALUES (?, ?, ?, ?) ON CONFLICT (person_no, currency) DO UPDATE"
                " SET amount = amount + excluded.amount, lifetime = lifetime + excluded.lifetime",
                [(person_no, currency, *total) for (person_no, currency), total in sorted(totals.items())],
            )
            self._seq, self._hash = seq, head
        return [row[0] for row in rows]

    async def write_uses(
        self, connection: aiosqlite.Connection, uses: Iterable[tuple[Use, int]], people: Mapping[str, Person]
    ) -> None:
        """Write uses, each with the seq of the entry it belongs to (a negative decision number where there is none)."""
        listed = list(uses)
        meters = await self.names.number(connection, "meter", {use.meter for use, _ in listed})
        rows = [
            (
                meters[use.meter],
                use.bucket,
                people[use.learner].person_no if use.learner else 0,
                use.slot if use.slot >= 0 else marker,
                use.at,
                use.amount,
                marker,
            )
            for use, marker in listed
        ]
        rows.sort()
        await connection.executemany(
            "INSERT INTO quota_use (meter_no, bucket, person_no, slot, at, amount, seq) VALUES (?, ?, ?, ?, ?, ?, ?)",
            rows,
        )


def award_movements(
    decision: Decision, event: Event, person: Person, event_no: int, decision_no: int
) -> list[Movement]:
    """The entries of an awarded decision, one for each posting that is not zero, in the rule's order."""
    return [
        Movement(
            kind="award",
            person=person,
            currency=posting.currency,
            amount=posting.amount,
            rule_id=decision.rule_id,
            rules_version=decision.rules_version,
            source=event.seen.source,
            trust=event.trust.name,
            occurred_at=event.seen.occurred_at,
            event_id=event.event_id,
            event_no=event_no,
            decision_no=decision_no,
            scope=decision.scope,
            generation=decision.generation,
            reason=decision.reason,
        )
        for posting in decision.postings
        if posting.amount
    ]


def entry_fields(movement: Movement, seq: int, epoch: int, now: int) -> dict[str, object]:
    """What an entry's bytes say (see `wire.entry.encode`)."""
    person = movement.person
    return {
        "v": wire_entry.FORMAT,
        "entry_id": f"{epoch}-{seq}",
        "seq": seq,
        "kind": movement.kind,
        "learner": person.pseudonym,
        "currency": movement.currency,
        "amount": movement.amount,
        "rule": movement.rule_id,
        "rules_version": movement.rules_version,
        "source": movement.source,
        "trust": movement.trust,
        "occurred_at": movement.occurred_at,
        "recorded_at": now,
        "event_ref": person.event_ref(movement.event_id) if movement.event_id else "",
        "scope_ref": person.scope_ref(movement.rule_id, movement.scope, movement.generation) if movement.scope else "",
        "generation": movement.generation,
        "reason": movement.reason,
        "reverses": movement.reverses,
    }


async def _one(connection: aiosqlite.Connection, sql: str) -> tuple[Any, ...] | None:
    async with connection.execute(sql) as cursor:
        row = await cursor.fetchone()
    return tuple(row) if row is not None else None
