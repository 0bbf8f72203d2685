"""Posts that were read or refused, sought again and put back at the end of the line; inside the inbox's own thread."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from agent.model import Evidence

_REFUSED = """
SELECT no, received_at, evidence, body, reason, told, whole FROM refused
WHERE source = :source AND no > :after AND received_at >= :since AND received_at < :until
  AND (:ids = '[]' OR no IN (SELECT value FROM json_each(:ids))) AND :reason IN ('', reason)
ORDER BY no LIMIT :most
"""
_READ = """
SELECT no, received_at, evidence, body, was FROM post
WHERE source = :source AND no > :after AND no <= :upto AND received_at >= :since AND received_at < :until
  AND (:ids = '[]' OR no IN (SELECT value FROM json_each(:ids)))
ORDER BY no LIMIT :most
"""
_MOVE = """
INSERT INTO post (no, source, received_at, evidence, body, was, leaves)
SELECT ?, source, received_at, evidence, body, CASE was WHEN 0 THEN no ELSE was END, leaves
FROM post WHERE no = ? AND source = ?
"""
_MOVED = "DELETE FROM post WHERE no = ?"
_TAKE_IN = """
INSERT INTO post (no, source, received_at, evidence, body)
SELECT ?, source, received_at, evidence, body FROM refused WHERE no = ? AND source = ? AND whole
"""
_TAKEN_IN = "DELETE FROM refused WHERE no = ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A post as it is kept.

    ``number`` is unique in the inbox, over all sources, and its place in the line. ``first`` is the number that it had
    when it came, and is known by: another only where it was put back in line.
    """

    number: int
    received_at: int
    evidence: Evidence
    body: bytes
    first: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A post that was refused: why (for machines, for people), and whether its body is ``whole``."""

    number: int
    received_at: int
    evidence: Evidence
    body: bytes
    reason: str
    told: str
    whole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """Posts that came between two times (seconds UTC, end excluded), of these numbers and this reason; empty is any."""

    since: int = 0
    until: int = 2**62
    ids: Sequence[int] = ()
    reason: str = ""


def kept(row: Sequence[Any]) -> Kept:
    """A post from its row: number, time, evidence, body, first number (0: the same)."""
    number, received_at, evidence, body, was = row
    return Kept(number=number, received_at=received_at, evidence=Evidence(evidence), body=body, first=was or number)


def refused(connection: sqlite3.Connection, source: str, sought: Sought, after: int, most: int) -> list[Refused]:
    """Refused posts behind a number, in order."""
    rows = connection.execute(_REFUSED, _asked(source, sought, after, most))
    return [
        Refused(
            number=number,
            received_at=received_at,
            evidence=Evidence(evidence),
            body=body,
            reason=reason,
            told=told,
            whole=bool(whole),
        )
        for number, received_at, evidence, body, reason, told, whole in rows
    ]


def read(connection: sqlite3.Connection, source: str, sought: Sought, after: int, upto: int, most: int) -> list[Kept]:
    """Posts behind a number and up to another, in order."""
    rows = connection.execute(_READ, {**_asked(source, sought, after, most), "upto": upto})
    return [kept(row) for row in rows]


def _asked(source: str, sought: Sought, after: int, most: int) -> dict[str, Any]:
    return {**asdict(sought), "ids": json.dumps(list(sought.ids)), "source": source, "after": after, "most": most}


def move(
    connection: sqlite3.Connection, source: str, *, posts: Sequence[int], refused: Sequence[int], behind: int
) -> int:
    """Give posts, then refused ones, the next numbers behind one; how many were there. In the caller's transaction."""
    number = behind
    for take, leave, numbers in ((_MOVE, _MOVED, posts), (_TAKE_IN, _TAKEN_IN, refused)):
        for each in numbers:
            if connection.execute(take, (number + 1, each, source)).rowcount:
                connection.execute(leave, (each,))
                number += 1
    return number - behind
