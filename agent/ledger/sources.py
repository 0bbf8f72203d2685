"""How far each source is read: position, gaps, anchors and counts, written in the transaction of the page."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable

import aiosqlite
import orjson

from agent.ledger.feeds import hours
from agent.model import Anchor, Evidence, Gap, Observation, SourceState

_SAVE = """
INSERT INTO source_state (source, position, high_water, start_at, running_s, proven_at, fault, counts, updated_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (source) DO UPDATE SET
  position = excluded.position, high_water = excluded.high_water, start_at = excluded.start_at,
  running_s = excluded.running_s, proven_at = excluded.proven_at, fault = excluded.fault,
  counts = excluded.counts, updated_at = excluded.updated_at
"""
_RENAME = (
    "UPDATE source_state SET source = ? WHERE source = ?",
    "UPDATE source_gap SET source = ? WHERE source = ?",
    "UPDATE source_anchor SET source = ? WHERE source = ?",
    "UPDATE feed_hour SET source = ? WHERE source = ?",
    "UPDATE source_unsure SET source = ? WHERE source = ?",
    "UPDATE set_aside SET source = ? WHERE source = ?",
)


def load(connection: sqlite3.Connection, source: str) -> SourceState | None:
    """The stored state of a source, or None where it was never read."""
    row = connection.execute(
        "SELECT position, high_water, start_at, running_s, proven_at, fault, counts FROM source_state WHERE source = ?",
        (source,),
    ).fetchone()
    if row is None:
        return None
    gaps = connection.execute(
        "SELECT lo, hi, step, present, opened_running_s, high_water, state FROM source_gap"
        " WHERE source = ? ORDER BY lo, step",
        (source,),
    ).fetchall()
    anchors = connection.execute(
        "SELECT position, lms_event, user, occurred_at FROM source_anchor WHERE source = ? ORDER BY position", (source,)
    ).fetchall()
    unsure = connection.execute("SELECT after, upto FROM source_unsure WHERE source = ?", (source,)).fetchone()
    return SourceState(
        position=row[0],
        high_water=row[1],
        start_at=row[2],
        running_s=row[3],
        proven_at=row[4],
        fault=row[5],
        counts=orjson.loads(row[6]),
        gaps=tuple(
            Gap(lo=lo, hi=hi, step=step, present=present, opened_running_s=opened, high_water=high, state=state)
            for lo, hi, step, present, opened, high, state in gaps
        ),
        anchors=tuple(
            Anchor(position=position, lms_event=name, user=user, occurred_at=at) for position, name, user, at in anchors
        ),
        unsure=unsure or (0, 0),
    )


def names(connection: sqlite3.Connection) -> list[str]:
    """Every source that was ever read."""
    return [name for (name,) in connection.execute("SELECT source FROM source_state ORDER BY source")]


def updated_at(connection: sqlite3.Connection, source: str) -> int | None:
    """When a source's state was last saved, or None."""
    row = connection.execute("SELECT updated_at FROM source_state WHERE source = ?", (source,)).fetchone()
    return int(row[0]) if row else None


def awaited(gaps: Iterable[Gap]) -> tuple[int, int, int]:
    """How many ids are missing and may come, how many the numbering passes over, and by how much it grows (1: by one).

    Several servers that write one table count in steps, each beginning elsewhere, so that most ids are never given.
    Where gaps were merged to stay within their limit, each row that is there passes over a step less one.
    """
    still = [gap for gap in gaps if gap.state == "open"]
    step = max((gap.step for gap in still), default=1)
    missing = sum(gap.missing for gap in still)
    over = sum(gap.missing if gap.step > 1 else min(gap.missing, gap.present * (step - 1)) for gap in still)
    return missing - over, over, step


def low_water(connection: sqlite3.Connection) -> dict[str, int]:
    """Per source how far it is read without an open gap: one below the lowest, else the position."""
    rows = connection.execute(
        "SELECT s.source, s.position, min(g.lo) FROM source_state s"
        " LEFT JOIN source_gap g ON g.source = s.source AND g.state = 'open' GROUP BY s.source"
    )
    return {source: position if lowest is None else min(position, lowest - 1) for source, position, lowest in rows}


async def left(connection: aiosqlite.Connection, configured: Collection[str]) -> dict[str, tuple[Anchor, ...]]:
    """By name, the rows that are remembered of logs that were read and are ``configured`` no more."""
    rows = await connection.execute_fetchall(
        "SELECT source, position, lms_event, user, occurred_at FROM source_anchor ORDER BY source, position"
    )
    found: dict[str, tuple[Anchor, ...]] = {}
    for source, position, event, user, at in rows:
        if source not in configured:
            row = Anchor(position=position, lms_event=event, user=user, occurred_at=at)
            found[source] = (*found.get(source, ()), row)
    return found


async def rename(connection: aiosqlite.Connection, old: str, new: str) -> None:
    """Let the source ``new`` go on where ``old`` stood, unless it was read under its own name already."""
    there = await connection.execute_fetchall("SELECT 1 FROM source_state WHERE source = ?", (new,))
    if not list(there):
        for statement in _RENAME:
            await connection.execute(statement, (new, old))


async def save(
    connection: aiosqlite.Connection,
    source: str,
    state: SourceState,
    before: SourceState | None,
    now: int,
    seen: Iterable[Observation] = (),
) -> None:
    """Write ``state``; of gaps, anchors and what is unsure only what differs from ``before``, the state last saved.

    ``seen`` is what was observed on the way there: it is counted by the hour, but for what somebody imported from a
    file, which says nothing of how the feed lives.
    """
    lived = (one.occurred_at for one in seen if one.evidence is not Evidence.file)
    await hours.count(connection, source, lived, now)
    await connection.execute(
        _SAVE,
        (
            source,
            state.position,
            state.high_water,
            state.start_at,
            state.running_s,
            state.proven_at,
            state.fault,
            orjson.dumps(dict(state.counts)),
            now,
        ),
    )
    old_gaps = set(before.gaps) if before else set()
    new_gaps = set(state.gaps)
    if old_gaps != new_gaps:
        await connection.executemany(
            "DELETE FROM source_gap WHERE source = ? AND lo = ? AND step = ?",
            [(source, gap.lo, gap.step) for gap in old_gaps - new_gaps],
        )
        await connection.executemany(
            "INSERT INTO source_gap (source, lo, step, hi, present, opened_running_s, high_water, state)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (source, g.lo, g.step, g.hi, g.present, g.opened_running_s, g.high_water, g.state)
                for g in new_gaps - old_gaps
            ],
        )
    old_anchors = set(before.anchors) if before else set()
    new_anchors = set(state.anchors)
    if old_anchors != new_anchors:
        await connection.executemany(
            "DELETE FROM source_anchor WHERE source = ? AND position = ?",
            [(source, anchor.position) for anchor in old_anchors - new_anchors],
        )
        await connection.executemany(
            "INSERT INTO source_anchor (source, position, lms_event, user, occurred_at) VALUES (?, ?, ?, ?, ?)",
            [(source, a.position, a.lms_event, a.user, a.occurred_at) for a in new_anchors - old_anchors],
        )
    if state.unsure != (before.unsure if before else (0, 0)):
        await connection.execute("INSERT OR REPLACE INTO source_unsure VALUES (?, ?, ?)", (source, *state.unsure))
