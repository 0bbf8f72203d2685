"""Runs of scheduled rewards as they are kept: since when each is in force, and what became of every nominal time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import aiosqlite
import orjson

from agent.ledger import codec
from agent.model import Decision

State = Literal["failed", "announced", "closed"]
PRIZE_NOT_COUNTED = "SELECT DISTINCT scheduled FROM scheduled_run WHERE counts = 0"

_COLUMNS = (
    "scheduled, nominal, begins, ends, state, rules_version, counts, as_of_seq, as_of_event, announced_seq, list,"
    " report, error, decided_at"
)
_SAVE = f"INSERT OR REPLACE INTO scheduled_run ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - columns alone
_HIGH_WATER = "SELECT coalesce(max(high_water), 0) FROM source_state"
_PRIZES = """
SELECT d.decision_no, d.detail, v.event_id, r.version, d.role, d.learner, d.outcome, d.reason
FROM event v JOIN name s ON s.no = v.source_no AND s.text = 'scheduled' JOIN decision d ON d.event_no = v.event_no
JOIN name n ON n.no = d.rule_no JOIN rules_version r ON r.version_no = d.version_no
WHERE v.occurred_at = ? AND n.text = ? ORDER BY d.decision_no
"""
_HELD = """
SELECT h.decision_no, h.rule_id, h.promise FROM hold h
JOIN decision d ON d.decision_no = h.decision_no JOIN event v ON v.event_no = d.event_no
WHERE h.state = 'open' AND v.occurred_at >= ? AND v.occurred_at < ?
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run. Times are seconds UTC; ``report`` is what JSON can carry; ``error`` is why it failed, or empty."""

    scheduled: str
    nominal: int
    begins: int
    ends: int
    state: State
    rules_version: str
    counts: bool
    as_of_seq: int
    as_of_event: int
    decided_at: int
    announced_seq: int | None = None
    participants: str = ""
    report: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""


async def keep_in_force(connection: aiosqlite.Connection, scheduled: Iterable[str]) -> None:
    """Note which scheduled rewards are in force from here on.

    One that was not is so since the newest act that was read: what ended before it is not paid, as no rule pays for
    acts that were read before there was a rule.
    """
    ((newest,),) = await connection.execute_fetchall(_HIGH_WATER)
    known = {
        name: bool(on) for name, on in await connection.execute_fetchall("SELECT scheduled, in_force FROM schedule")
    }
    wanted = set(scheduled)
    begun = [(name, newest) for name in sorted(wanted) if not known.get(name, False)]
    await connection.executemany("INSERT OR REPLACE INTO schedule VALUES (?, ?, 1)", begun)
    ended = [(name,) for name, on in known.items() if on and name not in wanted]
    await connection.executemany("UPDATE schedule SET in_force = 0 WHERE scheduled = ?", ended)


async def keep(connection: aiosqlite.Connection, run: Run) -> None:
    """Write a run; one that is closed is never written again.

    Raises:
        sqlite3.IntegrityError: it is closed already.
    """
    row = (
        run.scheduled,
        run.nominal,
        run.begins,
        run.ends,
        run.state,
        run.rules_version,
        int(run.counts),
        run.as_of_seq,
        run.as_of_event,
        run.announced_seq,
        run.participants,
        orjson.dumps(dict(run.report)).decode(),
        run.error,
        run.decided_at,
    )
    await connection.execute(_SAVE, row)


async def is_closed(connection: aiosqlite.Connection, scheduled: str, nominal: int) -> bool:
    """Whether a run is over."""
    sql = "SELECT 1 FROM scheduled_run WHERE scheduled = ? AND nominal = ? AND state = 'closed'"
    return bool(list(await connection.execute_fetchall(sql, (scheduled, nominal))))


async def is_kept(connection: aiosqlite.Connection, scheduled: str, nominal: int) -> bool:
    """Whether a run is over, or a draw's list is announced."""
    sql = "SELECT 1 FROM scheduled_run WHERE scheduled = ? AND nominal = ? AND state <> 'failed'"
    return bool(list(await connection.execute_fetchall(sql, (scheduled, nominal))))


def since(connection: sqlite3.Connection) -> dict[str, int]:
    """Those in force, each with the time before which nothing is paid."""
    rows = connection.execute("SELECT scheduled, since FROM schedule WHERE in_force = 1")
    return {name: at for name, at in rows}  # noqa: C416 - rows


def newest(connection: sqlite3.Connection) -> dict[str, int]:
    """The newest nominal time of each that a run is kept of."""
    rows = connection.execute("SELECT scheduled, max(nominal) FROM scheduled_run GROUP BY scheduled")
    return {name: at for name, at in rows}  # noqa: C416 - rows


def listed(
    connection: sqlite3.Connection, *, scheduled: str = "", states: Iterable[State] = (), limit: int = -1
) -> list[Run]:
    """Runs, the newest nominal time first; of one scheduled reward, or in some states."""
    wanted = tuple(states)
    marks = ", ".join("?" * len(wanted))
    among = f" AND state IN ({marks})" if wanted else ""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM scheduled_run WHERE (? = '' OR scheduled = ?){among}"  # noqa: S608 - marks alone
        " ORDER BY nominal DESC, scheduled LIMIT ?",
        (scheduled, scheduled, *wanted, limit),
    )
    return [_run(row) for row in rows]


def one(connection: sqlite3.Connection, scheduled: str, nominal: int) -> Run | None:
    """A run by its name, or None."""
    sql = f"SELECT {_COLUMNS} FROM scheduled_run WHERE scheduled = ? AND nominal = ?"  # noqa: S608 - columns alone
    row = connection.execute(sql, (scheduled, nominal)).fetchone()
    return None if row is None else _run(row)


def prizes(connection: sqlite3.Connection, scheduled: str, nominal: int) -> list[tuple[int, Decision]]:
    """What a run decided for whom, each with its number, in order."""
    return [
        (
            number,
            codec.decode_decision(
                detail,
                event_id=event_id,
                rule_id=scheduled,
                version=version,
                role=role,
                learner=learner,
                outcome=outcome,
                reason=reason,
            ),
        )
        for number, detail, event_id, version, role, learner, outcome, reason in connection.execute(
            _PRIZES, (nominal, scheduled)
        )
    ]


def uncounted(connection: sqlite3.Connection) -> frozenset[str]:
    """The scheduled rewards whose prizes do not count into rankings, as they were written when they paid."""
    return frozenset(name for (name,) in connection.execute(PRIZE_NOT_COUNTED))


def held(connection: sqlite3.Connection, begins: int, ends: int) -> list[tuple[int, str, frozenset[str]]]:
    """Open holds about acts of a span: decision number, rule, and the currencies it promises."""
    rows = connection.execute(_HELD, (begins, ends)).fetchall()
    return [
        (number, rule, frozenset(currency for currency, _ in orjson.loads(promise)["p"]))
        for number, rule, promise in rows
    ]


def _run(row: tuple[Any, ...]) -> Run:
    return Run(
        scheduled=row[0],
        nominal=row[1],
        begins=row[2],
        ends=row[3],
        state=row[4],
        rules_version=row[5],
        counts=bool(row[6]),
        as_of_seq=row[7],
        as_of_event=row[8],
        announced_seq=row[9],
        participants=row[10],
        report=orjson.loads(row[11]),
        error=row[12],
        decided_at=row[13],
    )
