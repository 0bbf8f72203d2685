"""Remembering a page: events, decisions, holds, entries, uses and balances, in bulk, inside one writer's unit."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import aiosqlite
import orjson

from agent.chance import Chance
from agent.ledger import codec
from agent.ledger.record import movements as moving
from agent.ledger.record import reserving, undoing
from agent.ledger.record.behind import Behind
from agent.ledger.record.movements import LOWERED, Movement
from agent.ledger.record.names import NameKind, Names
from agent.ledger.record.people import People, Person
from agent.model import Award, Decision, Event, Observation, Outcome, Use
from wire import chain

_LAST_NUMBERS = """
SELECT max(coalesce((SELECT max(event_no) FROM event), 0),
           coalesce((SELECT last FROM number_used WHERE of = 'event'), 0)),
       max(coalesce((SELECT max(decision_no) FROM decision), 0),
           coalesce((SELECT last FROM number_used WHERE of = 'decision'), 0)),
       coalesce((SELECT value FROM setting WHERE key = 'epoch'), '1')
"""

# The wanted times as one JSON list, the event ids of 32 bytes each joined in the same order.
_KNOWN = """
SELECT e.event_id
FROM json_each(?1) w CROSS JOIN event e ON e.occurred_at = w.value AND e.event_id = substr(?2, 32 * w.key + 1, 32)
"""

_ADDED = (
    "ON CONFLICT (person_no, currency) DO UPDATE"
    " SET amount = amount + excluded.amount, lifetime = max(lifetime, amount + excluded.lifetime)"
)
"""The lifetime total is the most that there ever was; ``excluded.lifetime`` is the most within what is added."""
_LOWERED = (
    "ON CONFLICT (person_no, currency) DO UPDATE"
    " SET amount = amount + excluded.amount, lifetime = max(0, amount + excluded.amount)"
)
"""By hand it is what is left; such an adjustment is appended alone."""

ENTRIES_AT_ONCE = 500
"""The first ones of a page are written while the others are encoded."""

# Members of an enum are slow to look up, and this is asked of every decision.
_HELD = Outcome.held


_ENTERED = frozenset({Outcome.awarded, Outcome.reversed})
"""Outcomes that make entries; others make uses alone (a shadow award; a refusal that is kept for an undo to come)."""


_Booked = Sequence[tuple[int, Decision]]
"""Decisions that make entries or uses, with their numbers."""


class Recorder:
    """Appends to the ledger. Keeps head, numbers, names and persons in memory; `forget` after a rollback."""

    def __init__(self, chance: Chance | None = None) -> None:
        self.names = Names()
        self.people = People(chance)
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
        ((self._event_no, self._decision_no, epoch),) = await connection.execute_fetchall(_LAST_NUMBERS)
        self._epoch = int(epoch)
        newest = await connection.execute_fetchall("SELECT seq, hash FROM entry ORDER BY seq DESC LIMIT 1")
        self._seq, self._hash = next(((seq, head) for seq, head in newest), (0, chain.GENESIS))

    async def fresh(self, connection: aiosqlite.Connection, events: Sequence[Event]) -> list[Event]:
        """Those of ``events`` that are not recorded yet, each once, in order."""
        first: dict[bytes, Event] = {}
        for event in events:
            first.setdefault(event.event_id, event)
        times = orjson.dumps([event.seen.occurred_at for event in first.values()]).decode()
        rows = await connection.execute_fetchall(_KNOWN, (times, b"".join(first)))
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
        by_id = {event.event_id: event for event in events}
        async with Behind(connection) as behind:
            numbers = await self.see(behind, events, now)
            return await self.decide(behind, by_id, decisions, numbers=numbers, version_no=version_no, now=now)

    async def settle(
        self,
        connection: aiosqlite.Connection,
        events: Mapping[bytes, Event],
        decisions: Sequence[Decision],
        *,
        numbers: Mapping[bytes, int],
        version_no: int,
        now: int,
        approved: bool = False,
    ) -> int:
        """Write ``decisions`` about recorded events (``numbers``: event_id → event_no); returns entries appended.

        What was said when they were ``approved`` stands with the decisions: an award needs no reason.
        """
        async with Behind(connection) as behind:
            return await self.decide(
                behind, events, decisions, numbers=numbers, version_no=version_no, now=now, plain=approved
            )

    async def see(
        self,
        behind: Behind,
        events: Sequence[Event],
        now: int,
        ready: Mapping[bytes, tuple[Observation, bytes]] | None = None,
    ) -> dict[bytes, int]:
        """Begin to write fresh ``events``; returns their numbers by event_id. ``ready`` are bytes made before."""
        await self._remember(behind.connection)
        sources = await self._numbers(behind, "source", {event.seen.source for event in events})
        numbers: dict[bytes, int] = {}
        rows = []
        payloads = _made(events, ready or {}) or codec.encode_events([event.seen for event in events])
        for event_no, (event, payload) in enumerate(zip(events, payloads, strict=True), self._event_no + 1):
            seen, event_id = event.seen, event.event_id
            numbers[event_id] = event_no
            source_no, at = sources[seen.source], seen.occurred_at
            place = (source_no, seen.position, int(event.trust), now)
            rows.append((event_no, at, bytearray(event_id), *place, bytearray(payload)))
        self._event_no += len(rows)
        await behind.insert("event", rows)
        return numbers

    async def decide(
        self,
        behind: Behind,
        events: Mapping[bytes, Event],
        decisions: Sequence[Decision],
        *,
        numbers: Mapping[bytes, int],
        version_no: int,
        now: int,
        plain: bool = False,
    ) -> int:
        """Begin to write ``decisions`` (see `settle`) and all that follows from them; returns entries appended."""
        await self._remember(behind.connection)
        first_decision = self._decision_no + 1
        booked = [
            (no, d)
            for no, d in enumerate(decisions, first_decision)
            if d.outcome in _ENTERED or (d.uses and d.outcome is not _HELD) or d.reserves
        ]
        # Before the decisions: who is new is written when nothing is under way that must be waited for.
        people = await self._concerned(behind, booked, now)
        await self._write_decisions(behind, decisions, numbers, version_no)
        closed = await self._write_holds(behind, decisions, first_decision, now)
        entries = await self._book(behind, events, booked, people, numbers, first_decision, now, plain=plain)
        await self._write_notes(behind, decisions, now)
        if closed:
            await reserving.release(await behind.quiet(), self.names, self.people, closed)
        return entries

    async def _numbers(self, behind: Behind, kind: NameKind, texts: Collection[str]) -> dict[str, int]:
        """The numbers of ``texts``; only where one is new must it wait for what is begun."""
        found = await self.names.find(behind.connection, kind, texts)
        return found if len(found) == len(texts) else await self.names.number(await behind.quiet(), kind, sorted(texts))

    async def _write_decisions(
        self, behind: Behind, decisions: Sequence[Decision], numbers: Mapping[bytes, int], version_no: int
    ) -> None:
        rules = await self._numbers(behind, "rule", {decision.rule_id for decision in decisions})
        details = [detail and bytearray(detail) for detail in codec.encode_details(decisions)]
        rows = [
            (no, numbers[d.event_id], rules[d.rule_id], version_no, d.role, d.learner, int(d.outcome), d.reason, detail)
            for no, (d, detail) in enumerate(zip(decisions, details, strict=True), self._decision_no + 1)
        ]
        self._decision_no += len(rows)
        await behind.insert("decision", rows)

    async def _write_holds(self, behind: Behind, decisions: Sequence[Decision], first_no: int, now: int) -> list[int]:
        """Begin to write what waits; returns the numbers of what waits no longer."""
        held = [
            (no, d.rule_id, d.learner, d.scope, d.hold.value, codec.encode_promise(d), now)
            for no, d in enumerate(decisions, first_no)
            if d.hold is not None and d.outcome is _HELD
        ]
        await behind.insert("hold (decision_no, rule_id, learner, scope, kind, promise, held_at)", held)
        # A number below zero names a decision of this same list: -1 is its first.
        closed = [no if no > 0 else first_no - 1 - no for d in decisions for no in d.supersedes]
        if closed:
            connection = await behind.quiet()
            await connection.executemany(
                "UPDATE hold SET state = 'superseded', settled_at = ? WHERE decision_no = ? AND state = 'open'",
                [(now, no) for no in closed],
            )
        return closed

    async def _concerned(self, behind: Behind, booked: _Booked, now: int) -> Mapping[str, Person]:
        """Whose the awards and uses among ``booked`` are."""
        learners = dict.fromkeys([d.learner for _, d in booked if d.outcome in _ENTERED])
        learners.update(dict.fromkeys([use.learner for _, d in booked for use in d.uses if use.learner]))
        people = self.people.known(learners)
        if len(people) == len(learners):
            return people
        return await self.people.find_or_make(await behind.quiet(), learners, now)

    async def _book(
        self,
        behind: Behind,
        events: Mapping[bytes, Event],
        booked: _Booked,
        people: Mapping[str, Person],
        numbers: Mapping[bytes, int],
        first_no: int,
        now: int,
        *,
        plain: bool,
    ) -> int:
        if not booked:
            return 0
        uses: list[tuple[Use, int]] = []
        markers: dict[int, int] = {}
        seq = self._seq
        for decision_no, decision in booked:
            count = moving.count_of(decision) if decision.outcome in _ENTERED else 0
            marker = markers[decision_no] = seq + 1 if count else -decision_no
            seq += count
            for use in decision.reserves or decision.uses:
                uses.append((use, marker))  # noqa: PERF401 - a generator for two of them costs more
        # Uses first: they are most of the work, and are written while the entries are made.
        await self._write_uses(behind, uses, people)
        movements: list[Movement] = []
        for decision_no, decision in booked:
            if decision.outcome in _ENTERED:
                event_id, award = decision.event_id, decision.reverses
                about = (decision, events[event_id], people[decision.learner], numbers[event_id], decision_no)
                movements += (
                    moving.of_award(*about, plain=plain)
                    if award is None
                    else moving.of_reversal(*about, self._answered(award, markers, first_no))
                )
        await self._append(behind, movements, now)
        await undoing.remember(behind, [(markers[no], d) for no, d in booked if not d.reserves], people)
        await undoing.free(behind, self.names, undoing.taken_back(booked, markers, first_no), self.people)
        return len(movements)

    def _answered(self, award: Award, markers: Mapping[int, int], first_no: int) -> Sequence[str]:
        """The ids of the entries of an award; ``markers`` are those of the decisions of this page."""
        if award.marker:
            return award.entries
        first = markers[first_no - 1 + award.number]
        return [f"{self._epoch}-{first + n}" for n in range(moving.count_of(award))]

    async def _write_notes(self, behind: Behind, decisions: Iterable[Decision], now: int) -> None:
        """Members of sets belong to no entry (seq 0), so that no reversal takes them away; one that is there stays."""
        notes = [note for decision in decisions for note in decision.notes]
        if notes:
            await self.keep(await behind.quiet(), notes, now)

    async def keep(self, connection: aiosqlite.Connection, notes: Sequence[Use], now: int) -> None:
        """Write members of sets; one that is there stays."""
        if not notes:
            return
        people = await self.people.find_or_make(connection, [note.learner for note in notes if note.learner], now)
        meters = await self.names.number(connection, "meter", [note.meter for note in notes])
        await connection.executemany(
            "INSERT OR IGNORE INTO quota_use (meter_no, bucket, person_no, slot, at, amount, seq)"
            " VALUES (?, ?, ?, ?, ?, ?, 0)",
            sorted(
                (meters[n.meter], n.bucket, people[n.learner].person_no if n.learner else 0, n.slot, n.at, n.amount)
                for n in notes
            ),
        )

    async def append(self, connection: aiosqlite.Connection, movements: Sequence[Movement], now: int) -> list[int]:
        """Append entries to the chain and move the balances; returns their seqs."""
        await self._remember(connection)
        first = self._seq + 1
        async with Behind(connection) as behind:
            await self._append(behind, movements, now)
        return list(range(first, self._seq + 1))

    async def _append(self, behind: Behind, movements: Sequence[Movement], now: int) -> None:
        totals: dict[tuple[int, str], list[int]] = {}
        lowered: set[tuple[int, str]] = set()
        for movement in movements:
            key, amount = (movement.person.person_no, movement.currency), movement.amount
            total = totals.get(key)
            if total is None:
                total = totals[key] = [0, 0]
            total[0] += amount
            total[1] = max(total[1], total[0])
            if movement.rule_id == LOWERED:
                lowered.add(key)
        # Balances first: they are written while the entries are encoded.
        moved = sorted(totals.items())
        await behind.insert("balance", [(*key, *total) for key, total in moved if key not in lowered], _ADDED)
        if lowered:
            await behind.insert("balance", [(*key, *total) for key, total in moved if key in lowered], _LOWERED)
        bodies = moving.Bodies(epoch=self._epoch, now=now)
        seq, head = self._seq, self._hash
        for start in range(0, len(movements), ENTRIES_AT_ONCE):
            rows = []
            for movement in movements[start : start + ENTRIES_AT_ONCE]:
                seq += 1
                body = bodies.of(movement, seq)
                head = chain.step(head, body)
                about = (movement.person.person_no, movement.event_no, movement.decision_no)
                rows.append((seq, bytearray(body), bytearray(head), *about))
            await behind.insert("entry", rows)
        self._seq, self._hash = seq, head

    async def write_uses(
        self, connection: aiosqlite.Connection, uses: Iterable[tuple[Use, int]], people: Mapping[str, Person]
    ) -> None:
        """Write uses, each with the seq of the entry it belongs to (a negative decision number where there is none)."""
        async with Behind(connection) as behind:
            await self._write_uses(behind, list(uses), people)

    async def _write_uses(self, behind: Behind, uses: Sequence[tuple[Use, int]], people: Mapping[str, Person]) -> None:
        meters = await self._numbers(behind, "meter", {use.meter for use, _ in uses})
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
            for use, marker in uses
        ]
        rows.sort()
        await behind.insert("quota_use (meter_no, bucket, person_no, slot, at, amount, seq)", rows)


def _made(events: Sequence[Event], ready: Mapping[bytes, tuple[Observation, bytes]]) -> list[bytes]:
    """The bytes of all ``events``; nothing where one of them is not what it was when its bytes were made."""
    found = [ready.get(event.event_id) for event in events]
    payloads = [made[1] for event, made in zip(events, found, strict=True) if made and made[0] is event.seen]
    return payloads if len(payloads) == len(events) else []
