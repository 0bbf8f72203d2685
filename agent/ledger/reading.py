"""What people ask of the ledger, read-only: entries, events, decisions, holds, balances, rules versions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from agent.errors import IntegrityError
from agent.ledger import codec
from agent.ledger.projections import READ_AT_ONCE
from agent.ledger.record import BADGE_PREFIX
from agent.model import Decision, Event
from wire import entry as wire_entry

DRAW_PREFIX = "draw:"
"""The accounts that hold announcements of draws: they move nothing."""

_ENTRIES = """
SELECT e.seq, e.body, p.site, p.lms_user, v.event_id, e.decision_no, e.person_no
FROM entry e LEFT JOIN person p ON p.person_no = e.person_no LEFT JOIN event v ON v.event_no = e.event_no
WHERE e.seq > ? ORDER BY e.seq LIMIT ?
"""
_EVENT = """
SELECT v.event_no, v.occurred_at, v.event_id, n.text, v.position, v.trust, v.payload
FROM event v JOIN name n ON n.no = v.source_no
"""
_EVENTS_LIKE = """
WHERE v.occurred_at >= :since AND v.occurred_at < :until
  AND (:kind = '' OR coalesce(CAST(v.payload AS TEXT) ->> 'k', '') GLOB :kind)
  AND (:user = '' OR (coalesce(CAST(v.payload AS TEXT) ->> 'si', n.text) = :site
    AND EXISTS (SELECT 1 FROM json_each(CAST(v.payload AS TEXT), '$.w') j WHERE j.value = :user)))
ORDER BY v.event_no DESC LIMIT :newest
"""
_BEHIND = "WHERE v.event_no > ? ORDER BY v.event_no LIMIT ?"
_DECISION = """
SELECT d.decision_no, v.event_id, n.text, r.version, d.role, coalesce(h.learner, d.learner), d.outcome, d.reason,
       d.detail, v.event_no, h.state, h.settled_by, h.note, v.occurred_at, s.text, v.position
FROM decision d JOIN event v ON v.event_no = d.event_no JOIN name n ON n.no = d.rule_no
JOIN name s ON s.no = v.source_no
JOIN rules_version r ON r.version_no = d.version_no LEFT JOIN hold h ON h.decision_no = d.decision_no
"""
_WHOSE = """
WITH RECURSIVE whose(learner) AS (
  SELECT ? UNION
  SELECT a.site || ':' || a.lms_user FROM alias a JOIN whose w ON a.into_site || ':' || a.into_user = w.learner)
SELECT learner FROM whose
"""
"""A learner and the accounts that were merged into theirs."""

_LISTED = """
SELECT e.seq, e.body, p.site, p.lms_user, v.event_id, e.decision_no, e.person_no
FROM entry e LEFT JOIN person p ON p.person_no = e.person_no LEFT JOIN event v ON v.event_no = e.event_no
WHERE (:learner = '' OR e.person_no = (SELECT q.person_no FROM person q WHERE q.site || ':' || q.lms_user = :learner))
  AND (:rule = '' OR CAST(e.body AS TEXT) ->> 'rule' = :rule)
  AND (:currency = '' OR CAST(e.body AS TEXT) ->> 'currency' = :currency)
  AND CAST(e.body AS TEXT) ->> 'occurred_at' >= :since AND CAST(e.body AS TEXT) ->> 'occurred_at' < :until
"""
_ENTRY_FROM = "SELECT seq, decision_no FROM entry WHERE seq >= ? AND decision_no IS NOT NULL ORDER BY seq LIMIT 1"
_ENTRIES_BY = "SELECT seq FROM entry WHERE seq BETWEEN ? AND ? AND decision_no = ? ORDER BY seq"
_FREED = """
SELECT 1 FROM quota_use u JOIN name n ON n.no = u.meter_no JOIN person p ON p.person_no = u.person_no
WHERE n.kind = 'meter' AND n.text = 'once:' || ? AND u.bucket = ? AND p.site = ? AND p.lms_user = ? AND u.slot = ?
  AND u.freed = 1
"""
_REVERSED_BY = """
SELECT r.seq FROM entry e JOIN entry r ON r.seq > e.seq AND r.person_no = e.person_no
WHERE e.seq = ? AND CAST(r.body AS TEXT) ->> 'reverses' = CAST(e.body AS TEXT) ->> 'entry_id' LIMIT 1
"""
_ENTRIES_PER_DECISION_MAX = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryRow:
    """One entry as it is shown: ``learner`` is ``<site>:<LMS user id>``, or the pseudonym of an erased person."""

    seq: int
    fields: dict[str, Any]
    learner: str
    event_id: str
    decision_no: int | None
    person_no: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRow:
    """One recorded decision with its number and, where it was held, what became of the hold (else empty).

    ``occurred_at`` (seconds UTC), ``source`` and ``position`` are those of the event.
    """

    decision_no: int
    event_no: int
    decision: Decision
    hold_state: str
    settled_by: str
    note: str
    occurred_at: int
    source: str
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which entries are asked for: those where everything fits; empty text is anything. Times are the events' own."""

    learner: str = ""
    rule: str = ""
    currency: str = ""
    since: int = 0
    until: int = 2**62


def entries(connection: sqlite3.Connection, *, after: int = 0, badges: bool = False) -> Iterator[EntryRow]:
    """Entries after ``after`` in order, in constant memory; badge accounts only with ``badges``.

    Raises:
        IntegrityError: an entry's bytes cannot be read.
    """
    while rows := connection.execute(_ENTRIES, (after, READ_AT_ONCE)).fetchall():
        for row in rows:
            entry = _entry(row)
            account = entry.fields["currency"]
            if not account.startswith(DRAW_PREFIX) and (badges or not account.startswith(BADGE_PREFIX)):
                yield entry
        after = rows[-1][0]


def chosen(connection: sqlite3.Connection, choice: Choice, *, newest: bool = True, limit: int = -1) -> list[EntryRow]:
    """The newest (or oldest) entries of a choice, badges included, at most ``limit`` (-1: all), in that order.

    Raises:
        IntegrityError: an entry's bytes cannot be read.
    """
    direction = "DESC" if newest else "ASC"
    return [
        _entry(row)
        for row in connection.execute(
            f"{_LISTED} ORDER BY e.seq {direction} LIMIT :limit",
            {**asdict(choice), "limit": limit},
        )
    ]


def _entry(row: tuple[Any, ...]) -> EntryRow:
    seq, body, site, lms_user, event_id, decision_no, person_no = row
    fields = _fields(seq, body)
    return EntryRow(
        seq=seq,
        fields=fields,
        learner=f"{site}:{lms_user}" if site is not None else fields["learner"],
        event_id=event_id.hex() if event_id is not None else fields.get("event_ref", ""),
        decision_no=decision_no,
        person_no=person_no,
    )


def _fields(seq: int, body: bytes) -> dict[str, Any]:
    try:
        return wire_entry.decode(body)
    except wire_entry.MalformedEntryError as exc:
        raise IntegrityError(f"entry {seq}: {exc}", hint="run: rewards-agent ledger verify") from None


def head(connection: sqlite3.Connection) -> tuple[int, bytes]:
    """(seq, hash) of the newest entry; (0, genesis) of an empty ledger."""
    row = connection.execute("SELECT seq, hash FROM entry ORDER BY seq DESC LIMIT 1").fetchone()
    return (row[0], row[1]) if row else (0, b"\0" * 32)


def _event(row: tuple[Any, ...]) -> tuple[int, Event]:
    event_no, occurred_at, event_id, source, position, trust, payload = row
    event = codec.decode_event(
        payload, source=source, position=position, occurred_at=occurred_at, event_id=event_id, trust=trust
    )
    return event_no, event


def find_events(connection: sqlite3.Connection, wanted: str) -> list[tuple[int, Event]]:
    """Events by what a person has in hand: (event_no, event) each, oldest first, at most 20.

    ``wanted`` is an event id (hex, or its beginning of at least 8 digits), ``source:number`` or a bare number of the
    source's log.
    """
    source, _, number = wanted.rpartition(":")
    if number.isdecimal() and int(number) < 2**63:
        rows = connection.execute(
            _EVENT + "WHERE v.position = ? AND (? = '' OR n.text = ?) ORDER BY v.event_no LIMIT 20",
            (int(number), source, source),
        ).fetchall()
        if rows or not wanted.isdecimal() or len(wanted) < _ID_DIGITS_MIN:
            return [_event(row) for row in rows]
    if len(wanted) >= _ID_DIGITS_MIN:
        rows = connection.execute(
            _EVENT + "WHERE substr(lower(hex(v.event_id)), 1, ?) = ? ORDER BY v.event_no LIMIT 20",
            (len(wanted), wanted.lower()),
        ).fetchall()
        return [_event(row) for row in rows]
    return []


_ID_DIGITS_MIN = 8


def events(
    connection: sqlite3.Connection,
    *,
    learner: str = "",
    kind: str = "",
    since: int = 0,
    until: int = 2**62,
    newest: int = 50,
) -> list[tuple[int, Event]]:
    """The newest events, newest first.

    Of one learner (``<site>:<id>``, in whatever role), of a kind (`forum.*`), between two times (seconds UTC, end
    excluded), where given.
    """
    site, _, user = learner.partition(":")
    asked = {"site": site, "user": user, "kind": kind, "since": since, "until": until, "newest": newest}
    return [_event(row) for row in connection.execute(_EVENT + _EVENTS_LIKE, asked)]


def events_behind(connection: sqlite3.Connection, number: int, most: int) -> list[tuple[int, Event]]:
    """The events recorded after the one of that number, oldest first, at most ``most``."""
    return [_event(row) for row in connection.execute(_EVENT + _BEHIND, (number, most))]


def event_by_no(connection: sqlite3.Connection, event_no: int) -> Event | None:
    """One event, or None where it is no longer kept."""
    row = connection.execute(_EVENT + "WHERE v.event_no = ?", (event_no,)).fetchone()
    return _event(row)[1] if row else None


def event_by_id(connection: sqlite3.Connection, event_id: bytes, occurred_at: int) -> tuple[int, Event] | None:
    """(event_no, event) of one fact, or None; found by its time (seconds UTC), which is part of it."""
    row = connection.execute(_EVENT + "WHERE v.occurred_at = ? AND v.event_id = ?", (occurred_at, event_id)).fetchone()
    return _event(row) if row else None


def _decision(row: tuple[Any, ...]) -> DecisionRow:
    number, event_id, rule_id, version, role, learner, outcome, reason, detail, event_no, *rest = row
    state, by, note, occurred_at, source, position = rest
    return DecisionRow(
        decision_no=number,
        event_no=event_no,
        decision=codec.decode_decision(
            detail,
            event_id=event_id,
            rule_id=rule_id,
            version=version,
            role=role,
            learner=learner,
            outcome=outcome,
            reason=reason,
        ),
        hold_state=state or "",
        settled_by=by or "",
        note=note or "",
        occurred_at=occurred_at,
        source=source,
        position=position,
    )


def decisions_about(connection: sqlite3.Connection, event_no: int) -> list[DecisionRow]:
    """Every decision about one event, in order."""
    rows = connection.execute(_DECISION + "WHERE d.event_no = ? ORDER BY d.decision_no", (event_no,)).fetchall()
    return [_decision(row) for row in rows]


def decisions_of(
    connection: sqlite3.Connection, learner: str, *, since: int = 0, until: int = 2**62, rule_id: str = ""
) -> list[DecisionRow]:
    """Every decision about one learner's acts between two times (seconds UTC, end excluded), oldest act first."""
    rows = connection.execute(
        _DECISION
        + f"WHERE v.occurred_at >= ? AND v.occurred_at < ? AND d.learner IN ({_WHOSE}) AND (? = '' OR n.text = ?)"
        " ORDER BY v.occurred_at, d.decision_no",
        (since, until, learner, rule_id, rule_id),
    ).fetchall()
    return [_decision(row) for row in rows]


def holds(
    connection: sqlite3.Connection, *, state: str = "open", learner: str = "", until: int = 2**62
) -> list[DecisionRow]:
    """Held decisions in one state (`all` for every state), held no later than ``until`` (seconds UTC), oldest first."""
    rows = connection.execute(
        _DECISION + "WHERE h.decision_no IS NOT NULL AND (? = 'all' OR h.state = ?) AND (? = '' OR h.learner = ?)"
        " AND h.held_at <= ? ORDER BY d.decision_no",
        (state, state, learner, learner, until),
    ).fetchall()
    return [_decision(row) for row in rows]


def held(connection: sqlite3.Connection, decision_no: int) -> tuple[DecisionRow, Event, bytes] | None:
    """A held decision (in whatever state its hold is), its event, and the promise `codec.decode_promise` reads."""
    rows = connection.execute(_DECISION + "WHERE h.decision_no = ?", (decision_no,)).fetchall()
    promise = connection.execute("SELECT promise FROM hold WHERE decision_no = ?", (decision_no,)).fetchone()
    if not rows or promise is None:
        return None
    row = _decision(rows[0])
    event = event_by_no(connection, row.event_no)
    return (row, event, promise[0]) if event is not None else None


def balances_of(connection: sqlite3.Connection, learner: str) -> dict[str, tuple[int, int]]:
    """Currency (or ``badge:<id>``) → (amount, lifetime) of one learner."""
    site, _, user = learner.partition(":")
    return {
        currency: (amount, lifetime)
        for currency, amount, lifetime in connection.execute(
            "SELECT b.currency, b.amount, b.lifetime FROM balance b JOIN person p ON p.person_no = b.person_no"
            " WHERE p.site = ? AND p.lms_user = ? ORDER BY b.currency",
            (site, user),
        )
    }


def booked(connection: sqlite3.Connection, row: DecisionRow) -> list[tuple[int, int | None]]:
    """The entries that a decision made: (seq, seq of the entry that reversed it or None) each.

    Entries stand in the order of their decisions, so they are found by halving; only where the scope was given back
    is a reversal looked for.
    """
    first = _first_of(connection, row.decision_no)
    seqs = connection.execute(_ENTRIES_BY, (first, first + _ENTRIES_PER_DECISION_MAX, row.decision_no)).fetchall()
    decision = row.decision
    site, _, user = decision.learner.partition(":")
    given_back = connection.execute(
        _FREED, (decision.rule_id, decision.scope, site, user, decision.generation)
    ).fetchone()
    if not given_back:
        return [(seq, None) for (seq,) in seqs]
    by = [(seq, connection.execute(_REVERSED_BY, (seq,)).fetchone()) for (seq,) in seqs]
    return [(seq, found[0] if found else None) for seq, found in by]


def _first_of(connection: sqlite3.Connection, decision_no: int) -> int:
    low, high = 1, head(connection)[0]
    while low < high:
        middle = (low + high) // 2
        found = connection.execute(_ENTRY_FROM, (middle,)).fetchone()
        if found is not None and found[1] < decision_no:
            low = found[0] + 1
        else:
            high = middle
    return low


def learner_called(connection: sqlite3.Connection, text: str) -> str | None:
    """``<site>:<LMS user id>`` of the person whose learner or pseudonym ``text`` is; None where there is none."""
    found = "SELECT site || ':' || lms_user FROM person WHERE pseudonym = ? OR (site = ? AND lms_user = ?)"
    row = connection.execute(found, (text, *text.partition(":")[::2])).fetchone()
    return row[0] if row else None


def is_known(connection: sqlite3.Connection, learner: str) -> bool:
    """Whether a learner (``<site>:<LMS user id>``) has a wallet, or any decision is about them."""
    decided = "SELECT 1 FROM decision WHERE learner = ? LIMIT 1"
    return bool(pseudonym_of(connection, learner)) or connection.execute(decided, (learner,)).fetchone() is not None


def pseudonym_of(connection: sqlite3.Connection, learner: str) -> str:
    """The name a learner (``<site>:<id>``) has outside the campus; empty where the ledger has no such person."""
    row = connection.execute(
        "SELECT pseudonym FROM person WHERE site = ? AND lms_user = ?", learner.partition(":")[::2]
    ).fetchone()
    return row[0] if row else ""


def rules_versions(connection: sqlite3.Connection) -> list[tuple[str, int, int]]:
    """(version, first used at, decisions made by it), oldest first."""
    return connection.execute(
        "SELECT r.version, r.first_at, coalesce(d.made, 0) FROM rules_version r"
        " LEFT JOIN (SELECT version_no, count(*) AS made FROM decision GROUP BY version_no) d"
        " ON d.version_no = r.version_no ORDER BY r.version_no"
    ).fetchall()


def rules_text(connection: sqlite3.Connection, version: str) -> tuple[str, str] | None:
    """(version, text) of the one version that begins with ``version``; None where none or several do."""
    rows = connection.execute(
        "SELECT version, text FROM rules_version WHERE substr(version, 1, ?) = ? LIMIT 2", (len(version), version)
    ).fetchall()
    return tuple(rows[0]) if len(rows) == 1 else None


def setting(connection: sqlite3.Connection, key: str) -> str | None:
    """A value of table `setting`."""
    row = connection.execute("SELECT value FROM setting WHERE key = ?", (key,)).fetchone()
    return row[0] if row else None
