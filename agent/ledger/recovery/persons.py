"""Persons on their way into safe-keeping: whose sealed copy the catalogue does not have yet."""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import aiosqlite
import orjson

from agent.errors import IntegrityError
from agent.ledger.delivery import Unit
from agent.ledger.merging.unlink import LATER
from agent.ledger.record import erased
from agent.ledger.record.erased import Row
from wire.keeping import SEALED_BYTES_MAX

_PENDING = """
SELECT person_no, site, lms_user, secret, pseudonym, created_at FROM person
WHERE kept_under <> ? AND (kept_under <> ? OR NOT ?) ORDER BY person_no LIMIT ?
"""
_ALIASES = """
SELECT lms_user, merged_at, merged_by, reason, site FROM alias
WHERE into_site = ? AND into_user = ? ORDER BY site, lms_user
"""
_OUT = """
SELECT o.site, o.lms_user, o.since, o.until, o.said_by FROM opted_out o
WHERE o.said_by <> ? AND ((o.site, o.lms_user) = (?, ?) OR EXISTS (SELECT 1 FROM alias a
  WHERE (a.site, a.lms_user) = (o.site, o.lms_user) AND (a.into_site, a.into_user) = (?, ?)))
ORDER BY o.site, o.lms_user, o.since
"""
_ERASED = """
SELECT DISTINCT CAST(e.body AS TEXT) ->> 'learner' AS learner FROM entry e
WHERE NOT EXISTS (SELECT 1 FROM person p WHERE p.person_no = e.person_no)
"""
_ALL = "SELECT person_no, site, lms_user, secret, pseudonym, created_at FROM person"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Known:
    """Everything that a lost disk would lose of a person. Has no repr that could end in a log.

    ``aliases`` are the accounts that were merged into it: (LMS user, when, by whom, why, of which
    site). ``out`` is when they or it wanted no part: (site, LMS user, from, until before, by whom).
    """

    site: str
    lms_user: str
    secret: bytes
    pseudonym: str
    created_at: int
    aliases: Sequence[Sequence[str | int]] = ()
    out: Sequence[Sequence[Any]] = ()
    person_no: int = 0


async def pending(connection: aiosqlite.Connection, fingerprint: str, limit: int, *, behind: bool) -> list[Known]:
    """At most ``limit`` persons that are not yet kept under the recovery key of this fingerprint, the oldest first.

    ``behind`` is whether entries are still to be delivered: whoever is to be sealed after them waits.
    """
    found = []
    for row in await connection.execute_fetchall(_PENDING, (fingerprint, LATER, behind, limit)):
        person_no, site, lms_user, secret, pseudonym, created_at = row
        account = (site, lms_user)
        aliases = await connection.execute_fetchall(_ALIASES, account)
        out = await connection.execute_fetchall(_OUT, (erased.BY_DELETION, *account, *account))
        found.append(
            Known(
                site=site,
                lms_user=lms_user,
                secret=secret,
                pseudonym=pseudonym,
                created_at=created_at,
                aliases=[tuple(alias) for alias in aliases],
                out=[tuple(span) for span in out],
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


MARK = "mark-"
"""How the names begin under which marks of the erased lie beside sealed persons; a pseudonym has no such letters."""
MARKS_KEY = MARK + "key"
"""Under which the key of the marks lies, sealed like a person."""
_FORGOTTEN = """
SELECT pseudonym FROM forgotten WHERE NOT told AND pseudonym NOT IN (SELECT value FROM json_each(?))
ORDER BY pseudonym LIMIT ?
"""
# Programs of before schema 26 kept no pseudonym of who was erased. In a ledger that was never put together anew whoever
# entries name and nobody is was erased; in another it may be somebody whose secret nobody could open yet.
_FORGOTTEN_BEFORE = f"""
INSERT INTO forgotten (pseudonym)
SELECT learner FROM ({_ERASED})
WHERE learner NOT IN (SELECT pseudonym FROM person)
  AND (SELECT coalesce(max(value), '1') FROM setting WHERE key = 'epoch') = '1'
ON CONFLICT (pseudonym) DO NOTHING
"""  # noqa: S608 - the query stands above
_MARKS = f"""
SELECT lower(hex(mark)), why, since, until, marked_at, marked_by, coalesce(s.value, '')
FROM suppressed LEFT JOIN setting s ON s.key = '{erased.BESIDE}' || lower(hex(mark))
WHERE kept_as <> coalesce(until, 0) || ' ' || marked_at LIMIT ?
"""  # noqa: S608 - our own names
_MARK_KEPT = """
UPDATE suppressed SET kept_as = coalesce(until, 0) || ' ' || marked_at WHERE lower(hex(mark)) = ? AND marked_at = ?
  AND until IS ?
"""
_MARK_KEY_KEPT = "marks_kept_under"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Gone:
    """What the catalogue is still to be told of the erased.

    Pseudonyms to forget, marks as they are kept there (name, body, and what makes them kept), and the ``key`` of the
    marks where it was not yet sealed to the recovery key of this fingerprint.
    """

    pseudonyms: tuple[str, ...]
    marks: tuple[tuple[str, bytes, tuple[str, int, int | None]], ...]
    key: bytes

    def __bool__(self) -> bool:
        return bool(self.pseudonyms or self.marks)


async def gone(connection: aiosqlite.Connection, fingerprint: str, limit: int, but: Collection[str] = ()) -> Gone:
    """At most ``limit`` of each, without the pseudonyms of ``but``."""
    left_out = orjson.dumps(sorted(but)).decode()
    names = [name for (name,) in await connection.execute_fetchall(_FORGOTTEN, (left_out, limit))]
    marks = []
    for mark, why, since, until, at, by, beside in await connection.execute_fetchall(_MARKS, (limit,)):
        said = {"why": why, "since": since, "until": until, "at": at, "by": by}
        body = orjson.dumps(said | {"with": beside})
        if len(body) > SEALED_BYTES_MAX:
            body = orjson.dumps(said)  # somebody with hundreds of accounts is readmitted account by account then
        marks.append((_name_of(bytes.fromhex(mark)), body, (mark, at, until)))
    rows = await connection.execute_fetchall(
        "SELECT key, value FROM setting WHERE key IN (?, ?)", (erased.KEY, _MARK_KEY_KEPT)
    )
    settings: dict[str, str] = {key: value for key, value in rows}  # noqa: C416 - rows
    sealed = settings.get(_MARK_KEY_KEPT) == fingerprint or not fingerprint
    return Gone(
        pseudonyms=tuple(names),
        marks=tuple(marks),
        key=b"" if sealed or not marks else bytes.fromhex(settings.get(erased.KEY, "")),
    )


def told(what: Gone, fingerprint: str, *, for_good: bool) -> Unit:
    """A unit that notes that the catalogue knows it; pseudonyms that are not told ``for_good`` will be told again."""

    async def unit(connection: aiosqlite.Connection) -> None:
        if for_good:
            gone = [(one,) for one in what.pseudonyms]
            await connection.executemany("UPDATE forgotten SET told = 1 WHERE pseudonym = ?", gone)
        await connection.executemany(_MARK_KEPT, [row for _, _, row in what.marks])
        if what.key:
            await connection.execute(
                "INSERT OR REPLACE INTO setting (key, value) VALUES (?, ?)", (_MARK_KEY_KEPT, fingerprint)
            )

    return unit


def none_kept() -> Unit:
    """A unit that notes that the catalogue may know nothing of persons, of the erased and their marks.

    It was put back from an older copy.
    """

    async def unit(connection: aiosqlite.Connection) -> None:
        await connection.execute("UPDATE forgotten SET told = 0 WHERE told")
        await connection.execute(_FORGOTTEN_BEFORE)
        await connection.execute("UPDATE person SET kept_under = '' WHERE kept_under <> ''")
        await connection.execute("UPDATE suppressed SET kept_as = '' WHERE kept_as <> ''")
        await connection.execute("DELETE FROM setting WHERE key = ?", (_MARK_KEY_KEPT,))

    return unit


def _name_of(mark: bytes) -> str:
    return MARK + base64.b32encode(mark).decode().rstrip("=").lower()


def mark_row(name: str, body: bytes) -> Row:
    """A mark as the ledger keeps it.

    Raises:
        IntegrityError: it is none.
    """
    try:
        text = name.removeprefix(MARK).upper()
        mark, said = base64.b32decode(text + "=" * (-len(text) % 8)), orjson.loads(body)
        since, until, at = int(said["since"]), said["until"], int(said["at"])
        why, by, beside = str(said["why"]), str(said["by"]), str(said.get("with", ""))
        return mark, why, since, None if until is None else int(until), at, by, "", beside
    except (ValueError, KeyError, TypeError):
        raise IntegrityError("a mark of somebody erased cannot be read", hint="tell us") from None


def unforgotten(connection: sqlite3.Connection) -> int:
    """How many of the erased the catalogue is still to forget."""
    return int(connection.execute("SELECT count(*) FROM forgotten WHERE NOT told").fetchone()[0])


def waiting(connection: sqlite3.Connection, fingerprint: str) -> tuple[int, int]:
    """(persons in all, those that are not yet kept under this recovery key)."""
    sql = "SELECT count(*), count(*) FILTER (WHERE kept_under <> ?) FROM person"
    total, left = connection.execute(sql, (fingerprint,)).fetchone()
    return int(total), int(left)


def erased_of(connection: sqlite3.Connection) -> frozenset[str]:
    """Pseudonyms of a ledger that lead to nobody: their secrets are gone for good."""
    return frozenset(name for (name,) in connection.execute(_ERASED))


def all_of(connection: sqlite3.Connection) -> dict[str, Known]:
    """Every person of a ledger by pseudonym, for a history that is put together anew."""
    found = {}
    for person_no, site, lms_user, secret, pseudonym, created_at in connection.execute(_ALL).fetchall():
        account = (site, lms_user)
        aliases = connection.execute(_ALIASES, account).fetchall()
        out = connection.execute(_OUT, (erased.BY_DELETION, *account, *account)).fetchall()
        found[pseudonym] = Known(
            site=site,
            lms_user=lms_user,
            secret=secret,
            pseudonym=pseudonym,
            created_at=created_at,
            aliases=aliases,
            out=out,
            person_no=person_no,
        )
    return found
