"""What there is to tell after a position: entries, completed steps of challenges, holds, notices, in order.

Entries are never removed. A step or a hold is told from the stored decision; one that retention has removed before a
receiver took it is not told any more.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from agent.ledger import codec
from agent.ledger.record import BADGE_PREFIX
from agent.model import Decision, Outcome
from wire import entry as wire_entry

AT_ONCE = 200
"""Items that are read at once: this many messages are in memory for a receiver, and no more."""

_ENTRIES = """
SELECT e.seq, e.body, e.decision_no, e.person_no, coalesce(p.site || ':' || p.lms_user, ''),
       coalesce(CAST(d.detail AS TEXT) ->> 'm', '')
FROM entry e LEFT JOIN person p ON p.person_no = e.person_no LEFT JOIN decision d ON d.decision_no = e.decision_no
WHERE e.seq > ? ORDER BY e.seq LIMIT ?
"""
# `"st":[` cannot stand inside a JSON text without its quotes escaped: it is the key of `Decision.completes`.
_DECISIONS = """
SELECT d.decision_no, n.text, r.version, d.role, d.learner, d.outcome, d.reason, d.detail,
       coalesce(v.occurred_at, 0), coalesce(v.recorded_at, 0), coalesce(p.pseudonym, ''),
       CASE h.kind WHEN 'budget' THEN h.held_at END
FROM decision d JOIN name n ON n.no = d.rule_no JOIN rules_version r ON r.version_no = d.version_no
LEFT JOIN event v ON v.event_no = d.event_no
LEFT JOIN person p ON p.site = substr(d.learner, 1, instr(d.learner, ':') - 1)
  AND p.lms_user = substr(d.learner, instr(d.learner, ':') + 1)
LEFT JOIN hold h ON h.decision_no = d.decision_no
WHERE d.decision_no > ? AND d.decision_no <= ?
  AND (d.outcome = 2 OR instr(d.detail, CAST('"st":[' AS BLOB)) > 0)
ORDER BY d.decision_no LIMIT ?
"""
_NEWEST = """
SELECT coalesce((SELECT max(seq) FROM entry), 0),
       max(coalesce((SELECT max(decision_no) FROM decision), 0),
           coalesce((SELECT last FROM number_used WHERE of = 'decision'), 0)),
       coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'lot_notice'), 0)
"""
_NOTICES = """
SELECT n.notice_no, n.currency, n.amount, n.ends_at, n.told_at, p.pseudonym, p.site || ':' || p.lms_user
FROM lot_notice n JOIN person p ON p.person_no = n.person_no
WHERE n.notice_no > ? ORDER BY n.notice_no LIMIT ?
"""
_LATER = """
SELECT e.person_no, CAST(e.body AS TEXT) ->> 'currency', sum(CAST(e.body AS TEXT) ->> 'amount')
FROM entry e
WHERE e.seq > ? AND e.person_no IN (SELECT value FROM json_each(?))
GROUP BY 1, 2
"""
_FIRST_OF_DAY = """
SELECT min(h.decision_no) FROM hold h JOIN decision d ON d.decision_no = h.decision_no
WHERE h.kind = 'budget' AND h.held_at >= ? AND h.held_at < ? AND d.reason = ?
"""
_DAY_S = 86_400
_AMOUNTS = "SELECT person_no, currency, amount FROM balance WHERE person_no IN (SELECT value FROM json_each(?))"
_MOST = """
SELECT max(total) FROM (
  SELECT sum(CAST(body AS TEXT) ->> 'amount') OVER (ORDER BY seq) AS total
  FROM entry WHERE person_no = ? AND seq < ? AND CAST(body AS TEXT) ->> 'currency' = ?)
"""


class Position(NamedTuple):
    """How far a receiver was told: the newest entry, the newest decision, the newest notice of what expires."""

    seq: int
    decision_no: int
    notice_no: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry. ``learner`` is ``<site>:<LMS user id>``, empty where the person is erased; ``message`` the rule's.

    ``reached`` are the levels (totals in smallest units, of those that were asked for) that it was the first to reach.
    """

    at: Position
    fields: Mapping[str, Any]
    learner: str
    person_no: int
    message: str
    reached: tuple[int, ...] = ()

    @property
    def badge(self) -> str:
        """The badge it is about, or nothing."""
        currency = str(self.fields["currency"])
        return currency.removeprefix(BADGE_PREFIX) if currency.startswith(BADGE_PREFIX) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """One decision that completed something of a challenge, or that waits. Times are seconds UTC.

    ``braked`` is whether it is the first of its day (UTC) that a brake or a budget holds for this reason.
    """

    at: Position
    decision: Decision
    pseudonym: str
    occurred_at: int
    recorded_at: int
    braked: bool = False

    @property
    def waits(self) -> bool:
        """Whether it is held."""
        return self.decision.outcome is Outcome.held


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """That something of a learner soon expires: ``amount`` in smallest units, the first of it at ``ends_at``."""

    at: Position
    currency: str
    amount: int
    ends_at: int
    told_at: int
    pseudonym: str
    learner: str


Item = Entry | Decided | Notice


def newest(connection: sqlite3.Connection) -> Position:
    """Where the stream ends now."""
    return Position(*connection.execute(_NEWEST).fetchone())


def after(
    connection: sqlite3.Connection, position: Position, *, levels: Mapping[str, Sequence[int]]
) -> tuple[list[Item], Position]:
    """The next items, at most 3 × `AT_ONCE`, and where to go on: further than the last where there was nothing to tell.

    ``levels`` are the totals of each currency that somebody wants to hear of. In one read transaction.

    Raises:
        IntegrityError: an entry's bytes cannot be read.
    """
    connection.execute("BEGIN")
    try:
        rows = connection.execute(_ENTRIES, (position.seq, AT_ONCE)).fetchall()
        last = newest(connection).decision_no
        if len(rows) == AT_ONCE:
            last = max((row[2] for row in rows if row[2] is not None), default=position.decision_no)
            last = max(last, position.decision_no)
        told = connection.execute(_DECISIONS, (position.decision_no, last, AT_ONCE)).fetchall()
        if len(told) == AT_ONCE:
            last = told[-1][0]
            rows = _until(rows, last)
        reached = _reached(connection, position.seq, rows, levels) if levels and rows else {}
        first = _first_of_day(connection, told)
        noticed = connection.execute(_NOTICES, (position.notice_no, AT_ONCE)).fetchall()
    finally:
        connection.execute("COMMIT")
    items = [
        replace(item, braked=True) if isinstance(item, Decided) and item.at.decision_no in first else item
        for item in _merged(rows, told, position, reached)
    ]
    end = position._replace(seq=rows[-1][0] if rows else position.seq, decision_no=max(last, position.decision_no))
    notices = [_notice(row, end) for row in noticed]
    return [*items, *notices], notices[-1].at if notices else end


def _first_of_day(connection: sqlite3.Connection, told: Sequence[tuple[Any, ...]]) -> frozenset[int]:
    """Of decisions, those that were the first of their day to be held back for their reason."""
    asked = {(row[6], row[11] // _DAY_S * _DAY_S) for row in told if row[11] is not None}
    found = (connection.execute(_FIRST_OF_DAY, (day, day + _DAY_S, reason)).fetchone()[0] for reason, day in asked)
    return frozenset(number for number in found if number is not None)


def _until(rows: Sequence[tuple[Any, ...]], last: int) -> list[tuple[Any, ...]]:
    """The entries before the first that belongs to a decision after ``last``."""
    kept = []
    for row in rows:
        if row[2] is not None and row[2] > last:
            break
        kept.append(row)
    return kept


def _reached(
    connection: sqlite3.Connection, seq: int, rows: Sequence[tuple[Any, ...]], levels: Mapping[str, Sequence[int]]
) -> dict[int, tuple[int, ...]]:
    """Seq of an entry → the levels it was the first to reach: what was lost and earned again reaches none anew."""
    had = _had(connection, seq, {row[3] for row in rows})
    found: dict[int, tuple[int, ...]] = {}
    for number, body, _, person_no, *_ in rows:
        fields = wire_entry.decode(body)
        key = (person_no, fields["currency"])
        before = had.get(key, 0)
        had[key] = now = before + fields["amount"]
        passed = tuple(level for level in levels.get(key[1], ()) if before < level <= now)
        if passed:
            (most,) = connection.execute(_MOST, (person_no, number, key[1])).fetchone()
            found[number] = tuple(level for level in passed if (most or 0) < level)
    return found


def _had(connection: sqlite3.Connection, seq: int, people: Iterable[int]) -> dict[tuple[int, str], int]:
    """What each account of these persons held after ``seq``."""
    asked = json.dumps(sorted(people))
    had = {(person, currency): total for person, currency, total in connection.execute(_AMOUNTS, (asked,))}
    for person, currency, later in connection.execute(_LATER, (seq, asked)):
        had[person, currency] = had.get((person, currency), 0) - later
    return had


def _merged(
    rows: Sequence[tuple[Any, ...]],
    told: Sequence[tuple[Any, ...]],
    position: Position,
    reached: Mapping[int, tuple[int, ...]],
) -> Iterable[Item]:
    """A decision comes before the entries that it made."""
    waiting = list(reversed(told))
    at = position
    for row in rows:
        while waiting and row[2] is not None and waiting[-1][0] <= row[2]:
            at = at._replace(decision_no=waiting[-1][0])
            yield _decided(waiting.pop(), at)
        at = at._replace(seq=row[0])
        yield _entry(row, at, reached.get(row[0], ()))
    for rest in reversed(waiting):
        at = at._replace(decision_no=rest[0])
        yield _decided(rest, at)


def _entry(row: tuple[Any, ...], at: Position, reached: tuple[int, ...]) -> Entry:
    _, body, _, person_no, learner, message = row
    fields = wire_entry.decode(body)
    return Entry(at=at, fields=fields, learner=learner, person_no=person_no, message=message, reached=reached)


def _notice(row: tuple[Any, ...], after_all: Position) -> Notice:
    number, currency, amount, ends_at, told_at, pseudonym, learner = row
    return Notice(
        at=after_all._replace(notice_no=number),
        currency=currency,
        amount=amount,
        ends_at=ends_at,
        told_at=told_at,
        pseudonym=pseudonym,
        learner=learner,
    )


def _decided(row: tuple[Any, ...], at: Position) -> Decided:
    _, rule, version, role, learner, outcome, reason, detail, occurred_at, recorded_at, pseudonym, _ = row
    decision = codec.decode_decision(
        detail,
        event_id=b"",
        rule_id=rule,
        version=version,
        role=role,
        learner=learner,
        outcome=outcome,
        reason=reason,
    )
    return Decided(at=at, decision=decision, pseudonym=pseudonym, occurred_at=occurred_at, recorded_at=recorded_at)
