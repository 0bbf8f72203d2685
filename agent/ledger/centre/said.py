"""What systems that post call their users, for the register of names at the catalogue; in the writer's units."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import aiosqlite
import orjson

Said = tuple[str, str, str, str, int]
"""(site, LMS user, what kind of name, the name, when it was said: seconds UTC)."""

_KEEP = """
INSERT INTO name_said (site, lms_user, said_by, name, said_at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (site, lms_user) DO UPDATE SET said_by = excluded.said_by, name = excluded.name, said_at = excluded.said_at
WHERE excluded.name <> name_said.name AND excluded.said_at >= name_said.said_at
"""
_OF = """
SELECT lms_user, name FROM name_said WHERE site = ? AND lms_user IN (SELECT value FROM json_each(?)) AND said_by = ?
"""
_FORGET = """
DELETE FROM name_said WHERE said_at < ? AND NOT EXISTS (
  SELECT 1 FROM person p WHERE (p.site, p.lms_user) = (name_said.site, name_said.lms_user)
     OR (p.site, p.lms_user) IN (SELECT a.into_site, a.into_user FROM alias a
       WHERE (a.site, a.lms_user) = (name_said.site, name_said.lms_user)))
"""


async def adopt(connection: aiosqlite.Connection, said_by: str) -> None:
    """Begin: names of another kind, or all where none are told, are not kept."""
    await connection.execute("DELETE FROM name_said WHERE said_by <> ?", (said_by,))


async def keep(connection: aiosqlite.Connection, said: Sequence[Said]) -> None:
    """Keep what was said; what was said later stands."""
    await connection.executemany(_KEEP, said)


async def of(connection: aiosqlite.Connection, site: str, users: Collection[str], said_by: str) -> dict[str, str]:
    """What those of these users of a site are called of whom it was said."""
    listed = orjson.dumps(list(users)).decode()
    return dict(map(tuple, await connection.execute_fetchall(_OF, (site, listed, said_by))))


async def forget(connection: aiosqlite.Connection, *, before: int) -> None:
    """Let go of names that were said before then (seconds UTC) of users who have earned nothing."""
    await connection.execute(_FORGET, (before,))
