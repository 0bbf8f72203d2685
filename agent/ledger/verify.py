"""The second road: everything that was checked before writing is checked again from the stored bytes alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from agent.ledger import projections
from agent.ledger.record.people import Person
from wire import chain
from wire import entry as wire_entry

_ENTRIES = """
SELECT e.seq, e.body, e.hash, e.person_no, p.secret, p.pseudonym, p.site, p.lms_user, v.event_id
FROM entry e
LEFT JOIN person p ON p.person_no = e.person_no
LEFT JOIN event v ON v.event_no = e.event_no
WHERE e.seq > ? ORDER BY e.seq LIMIT ?
"""
_ONCE = """
SELECT substr(n.text, 6), u.bucket, u.slot, u.seq, e.body, u.person_no, p.secret, p.pseudonym, p.site, p.lms_user
FROM name n CROSS JOIN quota_use u ON u.meter_no = n.no
LEFT JOIN entry e ON e.seq = u.seq
LEFT JOIN person p ON p.person_no = u.person_no
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


def verify(connection: sqlite3.Connection, progress: projections.Progress = lambda _: None) -> Report:
    """Read the whole ledger again: chain, bytes, references to persons and events, once-keys, balances."""
    walk = _Walk(connection, progress)
    findings: list[Finding] = []
    for finding in walk.findings():
        findings.append(finding)
        if len(findings) >= FINDINGS_MAX:
            break
    return Report(entries=walk.seq, head=walk.head.hex(), findings=tuple(findings))


class _Walk:
    def __init__(self, connection: sqlite3.Connection, progress: projections.Progress) -> None:
        self._connection = connection
        self._progress = progress
        self.seq = 0
        self.head = chain.GENESIS
        self._awards = 0
        self._last_scope_ref = ""

    def findings(self) -> Iterator[Finding]:
        # One transaction: a running agent goes on appending, this reads the ledger of one moment.
        self._connection.execute("BEGIN")
        try:
            while rows := self._connection.execute(_ENTRIES, (self.seq, projections.READ_AT_ONCE)).fetchall():
                for row in rows:
                    yield from self._entry(*row)
                self._progress(self.seq)
            yield from self._once_keys()
            yield from _balances(self._connection)
        finally:
            self._connection.execute("COMMIT")

    def _entry(self, seq: int, body: bytes, stored: bytes, *pointers: Any) -> Iterator[Finding]:
        if seq != self.seq + 1:
            yield Finding(seq=seq, what=f"entry {self.seq + 1} is missing before it")
        head = chain.step(self.head, body)
        if head != stored:
            yield Finding(seq=seq, what="its hash does not follow from the entries before it")
        self.seq, self.head = seq, stored
        try:
            fields = wire_entry.decode(body)
        except wire_entry.MalformedEntryError as exc:
            yield Finding(seq=seq, what=str(exc))
            return
        if fields["seq"] != seq or not fields["entry_id"].endswith(f"-{seq}"):
            yield Finding(seq=seq, what=f"its bytes say seq {fields['seq']}, entry {fields['entry_id']}")
        scope_ref = fields.get("scope_ref", "") if fields["kind"] == "award" else ""
        # Several currencies of one award stand together and repeat its scope.
        if scope_ref and scope_ref != self._last_scope_ref:
            self._awards += 1
        self._last_scope_ref = scope_ref
        yield from _references(seq, fields, *pointers)

    def _once_keys(self) -> Iterator[Finding]:
        taken = 0
        for rule, bucket, slot, seq, body, *who in self._connection.execute(_ONCE):
            taken += 1
            if body is None:
                yield Finding(seq=seq, what=f"rule {rule} has taken a scope for an entry that is not there")
                continue
            person_no, secret, pseudonym, site, lms_user = who
            if secret is None:
                continue
            person = Person(person_no=person_no, learner=f"{site}:{lms_user}", secret=secret, pseudonym=pseudonym)
            fields = wire_entry.decode(body)
            if person.scope_ref(rule, bucket, slot) != fields.get("scope_ref"):
                yield Finding(seq=seq, what=f"rule {rule} has taken {bucket} (generation {slot}), its entry another")
        if taken != self._awards:
            yield Finding(seq=None, what=f"{self._awards} awards have scopes, {taken} scopes are taken")


def _references(
    seq: int,
    fields: dict[str, Any],
    person_no: int,
    secret: bytes | None,
    pseudonym: str,
    site: str,
    lms_user: str,
    event_id: bytes | None,
) -> Iterator[Finding]:
    if secret is None:
        return  # an erased person: the entry stands, nothing leads back
    if fields["learner"] != pseudonym:
        yield Finding(seq=seq, what=f"it belongs to {fields['learner']}, the pointer beside it says {pseudonym}")
    person = Person(person_no=person_no, learner=f"{site}:{lms_user}", secret=secret, pseudonym=pseudonym)
    event_ref = fields.get("event_ref", "")
    if event_id is not None and event_ref and event_ref != person.event_ref(event_id):
        yield Finding(seq=seq, what="it was made by another event than the pointer beside it says")


def _balances(connection: sqlite3.Connection) -> Iterator[Finding]:
    folded, stored = projections.fold(connection), projections.stored(connection)
    for key in sorted(folded.keys() | stored.keys()):
        should, does = folded.get(key, (0, 0)), stored.get(key, (0, 0))
        if should != does:
            yield Finding(
                seq=None,
                what=f"person {key[0]}, {key[1]}: the entries add up to {should[0]} (lifetime {should[1]}),"
                f" the balance says {does[0]} ({does[1]}); run: rewards-agent ledger rebuild",
            )
