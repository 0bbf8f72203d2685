"""What is going on in the ledger of a running agent, read beside it and never in its way."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from agent.demo.stage.place import Place
from agent.ledger import file
from agent.model import Outcome

_OUTCOMES = "SELECT outcome, COUNT(*) FROM decision GROUP BY outcome"
_NEWEST = """
SELECT d.decision_no, n.text, d.learner, d.outcome, d.reason
FROM decision d JOIN name n ON n.no = d.rule_no WHERE d.decision_no > ? ORDER BY d.decision_no
"""
_REASONS = """
SELECT reason, COUNT(*) FROM decision WHERE outcome <> ? AND reason <> ''
GROUP BY reason ORDER BY COUNT(*) DESC LIMIT 20
"""
_READER = "SELECT acked_seq, attempts, last_error FROM reader ORDER BY name LIMIT 1"
_GAPS = "SELECT lo, hi, step, present FROM source_gap WHERE state = 'open'"
_LOG = "mdl_logstore_standard_log"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One decision as it is shown."""

    number: int
    rule: str
    learner: str
    outcome: Outcome
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One look. ``behind`` is how many log rows the agent has not read yet; ``reasons`` most frequent first."""

    log_rows: int = 0
    behind: int = 0
    gaps: int = 0
    events: int = 0
    entries: int = 0
    acked: int = 0
    batches: int = 0
    attempts: int = 0
    trouble: str = ""
    points: Mapping[str, int] = field(default_factory=dict)
    outcomes: Mapping[Outcome, int] = field(default_factory=dict)
    reasons: Mapping[str, int] = field(default_factory=dict)
    verdicts: tuple[Verdict, ...] = ()


class Watch:
    """Looks again and again; each look gives the verdicts since the last."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._seen = 0

    def look(self) -> Figures:
        """What stands now; nothing but the log's size until the agent has made its ledger."""
        newest, rows = _log(self._place.moodle)
        if not file.ledger_path(self._place.data_dir).exists():
            return Figures(log_rows=rows, behind=newest)
        with closing(file.open_for_reading(self._place.data_dir)) as db:
            db.execute("BEGIN")
            if not _one(db, "SELECT COUNT(*) FROM sqlite_master WHERE name = 'reader'"):
                return Figures(log_rows=rows, behind=newest)
            verdicts = tuple(
                Verdict(number=no, rule=rule, learner=learner, outcome=Outcome(outcome), reason=reason)
                for no, rule, learner, outcome, reason in db.execute(_NEWEST, (self._seen,))
            )
            self._seen = verdicts[-1].number if verdicts else self._seen
            gaps = db.execute(_GAPS).fetchall()
            reader = db.execute(_READER).fetchone() or (0, 0, "")
            return Figures(
                log_rows=rows,
                behind=max(0, newest - _one(db, "SELECT COALESCE(SUM(position), 0) FROM source_state"))
                + _came_late(self._place.moodle, gaps),
                gaps=len(gaps),
                events=_one(db, "SELECT COUNT(*) FROM event"),
                entries=_one(db, "SELECT COALESCE(MAX(seq), 0) FROM entry"),
                acked=reader[0],
                batches=_one(db, "SELECT COUNT(*) FROM receipt"),
                attempts=reader[1],
                trouble=reader[2],
                points=dict(
                    db.execute("SELECT currency, SUM(amount) FROM balance GROUP BY currency ORDER BY currency")
                ),
                outcomes={Outcome(outcome): n for outcome, n in db.execute(_OUTCOMES)},
                reasons=dict(db.execute(_REASONS, (Outcome.awarded,))),
                verdicts=verdicts,
            )


def _log(moodle: Path) -> tuple[int, int]:
    with closing(sqlite3.connect(f"file:{moodle}?mode=ro", uri=True, timeout=10)) as db:
        newest, rows = db.execute(f"SELECT COALESCE(MAX(id), 0), COUNT(*) FROM {_LOG}").fetchone()  # noqa: S608 - constant
    return int(newest), int(rows)


def _came_late(moodle: Path, gaps: list[tuple[int, int, int, int]]) -> int:
    """Rows that stand where the agent saw a gap: committed late, and not read yet."""
    sql = f"SELECT COUNT(*) FROM {_LOG} WHERE id BETWEEN ? AND ? AND (id - ?) % ? = 0"  # noqa: S608 - constant
    with closing(sqlite3.connect(f"file:{moodle}?mode=ro", uri=True, timeout=10)) as db:
        return sum(int(db.execute(sql, (lo, hi, lo, step)).fetchone()[0]) - present for lo, hi, step, present in gaps)


def _one(db: sqlite3.Connection, sql: str) -> int:
    return int(db.execute(sql).fetchone()[0])
