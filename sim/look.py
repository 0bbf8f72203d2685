"""What one look into an agent's ledger shows: where delivery stands, what learners have, and what waits for people."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from agent.errors import RewardsError
from agent.ledger import delivery, file, reading
from agent.ledger.merging import tags
from agent.ledger.record import erased
from agent.ledger.record.erased import Erased
from sim.model import Awards

_BALANCES = """
SELECT p.site || ':' || p.lms_user, b.amount FROM balance b JOIN person p USING (person_no) WHERE b.amount <> 0
"""
_AWARDS = """
SELECT p.site || ':' || p.lms_user, CAST(e.body AS TEXT) ->> 'rule',
  sum(iif(CAST(e.body AS TEXT) ->> 'kind' = 'award', 1, -1)), sum(CAST(e.body AS TEXT) ->> 'amount')
FROM entry e JOIN person p USING (person_no) GROUP BY 1, 2
"""
_OPEN = """
SELECT (SELECT count(*) FROM wish WHERE state = 'asked')
  + (SELECT count(*) FROM allowance WHERE state IN ('asked', 'shown', 'returning'))
"""
_LOST = "SELECT coalesce(CAST(counts AS TEXT) ->> 'lost_ids', 0) FROM source_state WHERE source = 'moodle'"
_READ = "SELECT position FROM source_state WHERE source = 'moodle'"
_GAPS = "SELECT lo, hi FROM source_gap WHERE source = 'moodle'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The ledger at one moment. ``delivery`` tells in words where it stands, ``fault`` and ``trouble`` what it says."""

    fault: str
    trouble: str
    delivered: bool
    """Whether the catalogue has answered for the newest entry, and nothing stands against delivery."""
    delivery: str
    wishes: int
    """How many wishes there are of which nobody knows what became, and vouchers of which the catalogue does not."""
    balances: dict[str, int]
    """Learner → points, of everybody who has any."""
    earned: dict[str, int]
    """Learner → points, the sum of all entries."""
    awards: Awards
    """Awards that stand: each that was reversed is one less."""
    reviews: tuple[tuple[int, str, int], ...]
    """Decisions that wait for a reviewer, each with its rule and the number of the form that it is about."""
    marks: Erased
    """Who was erased."""
    lost_ids: int
    """How many ids Moodle removed before they were read, as the agent says."""
    held: tuple[tuple[str, tuple[str, ...]], ...]
    """Accounts whose link waits for a person, each with those that it would be linked to."""


def look(home: Path) -> Seen | None:
    """Look into the ledger of the agent that lies in ``home``; None while there is none to be read."""
    try:
        with file.reading(home / "data") as connection:
            stands = delivery.standing(connection)
            newest = connection.execute("SELECT coalesce(max(seq), 0) FROM entry").fetchone()[0]
            balances = dict(connection.execute(_BALANCES).fetchall())
            entries = connection.execute(_AWARDS).fetchall()
            reviews = tuple(_reviews(connection))
            marks = erased.of_ledger(connection)
            lost_ids = connection.execute(_LOST).fetchone()
            wishes = connection.execute(_OPEN).fetchone()[0]
            held = tuple((one.learner, one.others) for one in tags.held(connection))
    except RewardsError:
        return None
    keep = ("acked_seq", "last_error", "fault", "attempts", "next_try_at")
    return Seen(
        fault=str(stands["fault"]),
        trouble=str(stands["last_error"]),
        delivered=bool(stands["acked_seq"] == newest and not stands["last_error"] and not stands["fault"]),
        delivery=f"delivery: {json.dumps({name: stands.get(name) for name in keep})}",
        wishes=wishes,
        balances=balances,
        earned=_sums((who, points) for who, _, _, points in entries),
        awards={(who, rule): times for who, rule, times, _ in entries if times},
        reviews=reviews,
        marks=marks,
        lost_ids=lost_ids[0] if lost_ids else 0,
        held=held,
    )


def read_to(home: Path) -> tuple[int, list[tuple[int, int]]]:
    """How far Moodle's log is read, and the gaps before that: (first, last) each."""
    try:
        with file.reading(home / "data") as connection:
            position = connection.execute(_READ).fetchone()
            return (position[0] if position else 0), connection.execute(_GAPS).fetchall()
    except RewardsError:
        return 0, []


def _sums(parts: Iterable[tuple[str, int]]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for who, points in parts:
        found[who] += points
    return {who: points for who, points in found.items() if points}


def _reviews(connection: sqlite3.Connection) -> Iterator[tuple[int, str, int]]:
    for row in reading.holds(connection):
        event = reading.event_by_no(connection, row.event_no)
        if row.decision.rule_id in {"essay", "form"} and event is not None:
            yield row.decision_no, row.decision.rule_id, int((event.seen.object_id or "s0").removeprefix("s"))
