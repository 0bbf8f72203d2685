"""The statement's movements as rows beside the entries: each after the newest entry that stood before it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent.ledger.reading import EntryRow

# The centre's lines stand after the newest of our entries that it had when it told them; a waiver is what nobody owes.
_ROWS = """
SELECT 's' || s.no, s.after_seq, s.no, s.currency, s.kind, s.amount, s.of, s.occurred_at, s.recorded_at,
       p.site || ':' || p.lms_user, s.person_no,
       (SELECT CAST(e.body AS TEXT) ->> 'learner' FROM entry e WHERE e.person_no = s.person_no LIMIT 1)
FROM statement s LEFT JOIN person p ON p.person_no = s.person_no
WHERE s.after_seq >= :after AND (SELECT at FROM centre_stand) = 0
UNION ALL
SELECT 'c' || l.no, g.seq, l.no, l.currency, l.kind, l.amount + l.waived, l.about, l.occurred_at, l.posted_at,
       p.site || ':' || p.lms_user, coalesce(p.person_no, 0), l.pseudonym
FROM (SELECT page_no, CAST(header AS TEXT) ->> 'seq' AS seq FROM centre_page) g
JOIN centre_live l ON l.page_no = g.page_no LEFT JOIN person p ON p.pseudonym = l.pseudonym
WHERE g.seq >= :after AND l.amount + l.waived <> 0
ORDER BY 2, 3
"""


def beside(connection: sqlite3.Connection, entries: Iterable[EntryRow], after: int) -> Iterator[EntryRow]:
    """The entries with the statement between them; with an ``after`` only what was stated at or after that entry."""
    stated = iter(connection.execute(_ROWS, {"after": after}).fetchall())
    waiting = next(stated, None)
    for entry in entries:
        while waiting is not None and waiting[1] < entry.seq:
            yield _row(waiting)
            waiting = next(stated, None)
        yield entry
    while waiting is not None:
        yield _row(waiting)
        waiting = next(stated, None)


def _row(row: tuple[Any, ...]) -> EntryRow:
    from agent.ledger.reading import EntryRow

    entry_id, seq, _, currency, kind, amount, of, occurred_at, recorded_at, learner, person_no, pseudonym = row
    fields = {
        "entry_id": entry_id,
        "occurred_at": occurred_at,
        "recorded_at": recorded_at,
        "rule": "",
        "rules_version": "",
        "currency": currency,
        "amount": amount,
        "kind": kind,
        "source": "statement",
        "trust": "server_verified",
        "reason": "",
        "reverses": of,
    }
    return EntryRow(
        seq=seq, fields=fields, learner=learner or pseudonym or "", event_id="", decision_no=None, person_no=person_no
    )
