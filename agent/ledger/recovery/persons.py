"""Persons on their way into safe-keeping: whose sealed copy the catalogue does not have yet."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

import aiosqlite

from agent.ledger.delivery import Unit

_PENDING = """
SELECT person_no, site, lms_user, secret, pseudonym, created_at FROM person
WHERE kept_under <> ? ORDER BY person_no LIMIT ?
"""
_ALIASES = """
SELECT lms_user, merged_at, merged_by, reason, site FROM alias
WHERE into_site = ? AND into_user = ? ORDER BY site, lms_user
"""
_ALL = "SELECT person_no, site, lms_user, secret, pseudonym, created_at FROM person"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Known:
    """Everything that a lost disk would lose of a person. Has no repr that could end in a log.

    ``aliases`` are the accounts that were merged into it: (LMS user, when, by whom, why, of which
    site).
    """

    site: str
    lms_user: str
    secret: bytes
    pseudonym: str
    created_at: int
    aliases: Sequence[Sequence[str | int]] = ()
    person_no: int = 0


async def pending(connection: aiosqlite.Connection, fingerprint: str, limit: int) -> list[Known]:
    """At most ``limit`` persons that are not yet kept under the recovery key of this fingerprint, the oldest first."""
    found = []
    for row in await connection.execute_fetchall(_PENDING, (fingerprint, limit)):
        person_no, site, lms_user, secret, pseudonym, created_at = row
        aliases = await connection.execute_fetchall(_ALIASES, (site, lms_user))
        found.append(
            Known(
                site=site,
                lms_user=lms_user,
                secret=secret,
                pseudonym=pseudonym,
                created_at=created_at,
                aliases=[tuple(alias) for alias in aliases],
                person_no=person_no,
            )
        )
    return found


def kept(persons: Sequence[Known], fingerprint: str) -> Unit:
    """A unit that notes that the catalogue has these persons under this recovery key."""

    async def unit(connection: aiosqlite.Connection) -> None:
        await connection.executemany(
            "UPDATE person SET kept_under = ? WHERE person_no = ?", [(fingerprint, one.person_no) for one in persons]
        )

    return unit


def waiting(connection: sqlite3.Connection, fingerprint: str) -> tuple[int, int]:
    """(persons in all, those that are not yet kept under this recovery key)."""
    sql = "SELECT count(*), count(*) FILTER (WHERE kept_under <> ?) FROM person"
    total, left = connection.execute(sql, (fingerprint,)).fetchone()
    return int(total), int(left)


def all_of(connection: sqlite3.Connection) -> dict[str, Known]:
    """Every person of a ledger by pseudonym, for a history that is put together anew."""
    found = {}
    for person_no, site, lms_user, secret, pseudonym, created_at in connection.execute(_ALL).fetchall():
        aliases = connection.execute(_ALIASES, (site, lms_user)).fetchall()
        found[pseudonym] = Known(
            site=site,
            lms_user=lms_user,
            secret=secret,
            pseudonym=pseudonym,
            created_at=created_at,
            aliases=aliases,
            person_no=person_no,
        )
    return found
