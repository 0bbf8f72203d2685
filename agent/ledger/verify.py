"""The second road: everything that was checked before writing is checked again from the stored bytes alone."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from array import array
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

from agent.ledger import projections
from agent.ledger.centre import proof
from agent.ledger.privacy.clearing import ERASED
from agent.ledger.record.people import Person
from wire import chain
from wire import entry as wire_entry

_ENTRIES = """
SELECT e.seq, e.body, e.hash, e.person_no, e.event_no, e.decision_no,
       p.site, p.lms_user, p.secret, p.pseudonym,
       CASE WHEN instr(v.payload, CAST('"er":1' AS BLOB)) = 0 THEN v.event_id END, d.event_no, n.text
FROM entry e
LEFT JOIN person p ON p.person_no = e.person_no
LEFT JOIN event v ON v.event_no = e.event_no
LEFT JOIN decision d ON d.decision_no = e.decision_no
LEFT JOIN name n ON n.no = d.rule_no
WHERE e.seq > ? ORDER BY e.seq LIMIT ?
"""
# The id of an act in which somebody took part who was erased is another one since (ledger/privacy/clearing.py).
_CHAIN = "SELECT seq, body, hash FROM entry WHERE seq > ? ORDER BY seq LIMIT ?"
_ONCE = """
SELECT substr(n.text, 6), u.bucket, u.slot, u.seq, e.body, p.person_no, p.site, p.lms_user, p.secret, p.pseudonym
FROM name n CROSS JOIN quota_use u ON u.meter_no = n.no
JOIN person p ON p.person_no = u.person_no
LEFT JOIN entry e ON e.seq = u.seq
WHERE n.kind = 'meter' AND n.text LIKE 'once:%' AND u.seq > 0
"""
FINDINGS_MAX = 100
"""Enough to see the pattern; the first one is where to look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that does not hold. ``seq`` is the entry concerned, or None."""

    seq: int | None
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What `verify` found: how many entries it read, the head it came to (hex), and what does not hold."""

    entries: int
    head: str
    findings: tuple[Finding, ...]


class _Row(NamedTuple):
    """An entry with what its pointers lead to; None where that is not kept."""

    seq: int
    body: bytes
    hash: bytes
    person_no: int
    event_no: int | None
    decision_no: int | None
    site: str | None
    lms_user: str | None
    secret: bytes | None
    pseudonym: str | None
    event_id: bytes | None
    decided_event_no: int | None
    decided_rule: str | None


def verify(connection: sqlite3.Connection, progress: projections.Progress = lambda _: None) -> Report:
    """Read the whole ledger again: chain, bytes, pointers beside them, reversals, once-keys, balances, readers."""
    walk = _Walk(connection, progress)
    # One transaction: a running agent goes on appending, this reads the ledger of one moment.
    connection.execute("BEGIN")
    try:
        with contextlib.closing(walk.findings()) as found:
            findings = tuple(islice(found, FINDINGS_MAX))
    finally:
        connection.execute("ROLLBACK")
    return Report(entries=walk.seq, head=walk.head.hex(), findings=findings)


def followed(connection: sqlite3.Connection, *, within_s: float) -> tuple[str, int]:
    """(what breaks the chain, empty where nothing was seen; the entry come to) after ``within_s`` seconds at most."""
    until, seq, head = time.monotonic() + within_s, 0, chain.GENESIS
    while rows := connection.execute(_CHAIN, (seq, projections.READ_AT_ONCE)).fetchall():
        for number, body, stored in rows:
            if number != seq + 1:
                return f"entry {seq + 1} is missing before it", number
            if chain.step(head, body) != stored:
                return "its hash does not follow from the entries before it", number
            seq, head = number, stored
        if time.monotonic() >= until:
            break
    return "", seq


class _Walk:
    def __init__(self, connection: sqlite3.Connection, progress: projections.Progress) -> None:
        self._connection = connection
        self._progress = progress
        self.seq = 0
        self.head = chain.GENESIS
        self._sums = projections.Sums()
        self._reversals: dict[str, tuple[int, dict[str, Any]]] = {}
        self._scoped = array("q")  # the first entry of every award that has a scope, in order
        self._award: tuple[str, set[str]] = ("", set())

    def findings(self) -> Generator[Finding, None, None]:
        while rows := self._connection.execute(_ENTRIES, (self.seq, projections.READ_AT_ONCE)).fetchall():
            for row in rows:
                yield from self._entry(_Row(*row))
            self._progress(self.seq)
        yield from self._reversed()
        yield from self._once_keys()
        yield from self._balances()
        yield from self._readers()
        yield from (Finding(seq=None, what=what) for what in proof.findings(self._connection))

    def _entry(self, row: _Row) -> Iterator[Finding]:
        if row.seq != self.seq + 1:
            yield Finding(seq=row.seq, what=f"entry {self.seq + 1} is missing before it")
        if chain.step(self.head, row.body) != row.hash:
            yield Finding(seq=row.seq, what="its hash does not follow from the entries before it")
        self.seq, self.head = row.seq, row.hash
        try:
            fields = wire_entry.decode(row.body)
        except wire_entry.MalformedEntryError as exc:
            yield Finding(seq=row.seq, what=str(exc))
            return
        if fields["seq"] != row.seq or not fields["entry_id"].endswith(f"-{row.seq}"):
            yield Finding(seq=row.seq, what=f"its bytes say seq {fields['seq']}, entry {fields['entry_id']}")
        self._sums.add(row.person_no, fields)
        if fields["reverses"]:
            if (earlier := self._reversals.get(fields["reverses"])) is not None:
                yield Finding(seq=row.seq, what=f"it reverses {fields['reverses']}, which entry {earlier[0]} reversed")
            self._reversals[fields["reverses"]] = (row.seq, fields)
        if fields["kind"] == "award" and row.secret is not None:
            self._count_award(row.seq, fields)
        yield from _pointers(row, fields)

    def _count_award(self, seq: int, fields: dict[str, Any]) -> None:
        scope_ref, currency = fields.get("scope_ref", ""), fields["currency"]
        # Several currencies of one award stand together and repeat its scope; the same currency again is another award.
        if scope_ref == self._award[0] and currency not in self._award[1]:
            self._award[1].add(currency)
            return
        self._award = (scope_ref, {currency})
        if scope_ref:
            self._scoped.append(seq)

    def _reversed(self) -> Iterator[Finding]:
        for entry_id, (seq, fields) in self._reversals.items():
            number = entry_id.rpartition("-")[2]
            row = self._connection.execute(
                "SELECT body FROM entry WHERE seq = ? AND seq < ?", (int(number) if number.isdecimal() else 0, seq)
            ).fetchone()
            with contextlib.suppress(wire_entry.MalformedEntryError):  # told where the walk came by
                before = wire_entry.decode(row[0]) if row else {}
                same = all(before.get(name) == fields[name] for name in ("learner", "currency", "rule"))
                if before.get("entry_id") != entry_id or not same or before["amount"] + fields["amount"]:
                    yield Finding(seq=seq, what=f"it does not undo what it says it reverses, {entry_id}")

    def _once_keys(self) -> Iterator[Finding]:
        taken = bytearray(self.seq + 1)  # by seq, so that millions fit
        for rule, bucket, slot, seq, body, person_no, site, lms_user, secret, pseudonym in self._connection.execute(
            _ONCE
        ):
            if body is None:
                yield Finding(seq=seq, what=f"rule {rule} has taken a scope for an entry that is not there")
                continue
            if taken[seq]:
                yield Finding(
                    seq=seq, what=f"rule {rule} has taken {bucket} for it, and another scope is taken for it too"
                )
            taken[seq] = 1
            person = Person(person_no=person_no, learner=f"{site}:{lms_user}", secret=secret, pseudonym=pseudonym)
            if ERASED in bucket:
                continue  # it named somebody who is nobody now
            with contextlib.suppress(wire_entry.MalformedEntryError):  # told where the walk came by
                if person.scope_ref(rule, bucket, slot) != wire_entry.decode(body).get("scope_ref"):
                    what = f"rule {rule} has taken {bucket} (generation {slot}), its entry another"
                    yield Finding(seq=seq, what=what)
        for (seq,) in self._connection.execute(
            "SELECT first_seq FROM restored_award WHERE first_seq <= ?", (self.seq,)
        ):
            taken[seq] = 1  # guarded by its own bytes until its act is read again
        for seq in self._scoped:
            if not taken[seq]:
                yield Finding(seq=seq, what="its scope is not taken: the same act could be paid again")

    def _balances(self) -> Iterator[Finding]:
        folded, stored = self._sums.balances(), projections.stored(self._connection)
        for key in sorted(folded.keys() | stored.keys()):
            should, does = folded.get(key, (0, 0)), stored.get(key, (0, 0))
            if should != does:
                yield Finding(
                    seq=None,
                    what=f"person {key[0]}, {key[1]}: the entries add up to {should[0]} (lifetime {should[1]}),"
                    f" the balance says {does[0]} ({does[1]}); run: rewards-agent ledger rebuild",
                )

    def _readers(self) -> Iterator[Finding]:
        for name, acked in self._connection.execute(
            "SELECT name, acked_seq FROM reader WHERE acked_seq > ? ORDER BY name", (self.seq,)
        ):
            yield Finding(seq=None, what=f"{name} has confirmed entries up to {acked}, the ledger ends at {self.seq}")


def _pointers(row: _Row, fields: dict[str, Any]) -> Iterator[Finding]:
    """Whether what stands beside the bytes leads where they say. Of an erased person nothing leads back."""
    event_ref = fields.get("event_ref", "")
    if event_ref and row.event_no is None:
        yield Finding(seq=row.seq, what="it was made by an event, and nothing beside it says by which")
    if row.decided_rule is not None and (row.decided_rule != fields["rule"] or row.decided_event_no != row.event_no):
        yield Finding(seq=row.seq, what=f"it was made by another decision than {row.decision_no}, to which it points")
    if row.secret is None or row.pseudonym is None:
        return
    if fields["learner"] != row.pseudonym:
        yield Finding(
            seq=row.seq, what=f"it belongs to {fields['learner']}, the pointer beside it says {row.pseudonym}"
        )
    person = Person(
        person_no=row.person_no, learner=f"{row.site}:{row.lms_user}", secret=row.secret, pseudonym=row.pseudonym
    )
    if row.event_id is not None and event_ref and event_ref != person.event_ref(row.event_id):
        yield Finding(seq=row.seq, what="it was made by another event than the pointer beside it says")
