"""Who was erased, known again by keyed digests: what is left of a person says nothing to whoever lacks the key."""

from __future__ import annotations

import json
import secrets
import sqlite3
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import blake2s
from typing import Any

import aiosqlite

KEY = "suppression_key"
"""The setting that holds the key, hexadecimal."""
KEY_BYTES = 32
BY_DELETION = "user.deleted"
"""Who says that an account takes no part, where its system deleted it."""
_REMEMBERED = 100_000
_KEY = "SELECT value FROM setting WHERE key = 'suppression_key'"
_ROWS = "SELECT mark, since, until FROM suppressed"
_OUT = "SELECT site, lms_user, since, until, said_by FROM opted_out"
_MARK = """
INSERT INTO suppressed (mark, why, since, until, marked_at, marked_by) VALUES (?, 'erased', 0, NULL, ?, ?)
ON CONFLICT (mark) DO UPDATE
SET until = NULL, marked_at = excluded.marked_at, marked_by = excluded.marked_by, kept_as = ''
WHERE until IS NOT NULL
"""
BESIDE = "erased_with:"
"""How the settings begin that hold, by mark, with which accounts it was erased (`together`)."""
_COLUMNS = "mark, why, since, until, marked_at, marked_by, kept_as"
_LISTED = f"""
SELECT {_COLUMNS}, coalesce((SELECT value FROM setting WHERE key = '{BESIDE}' || lower(hex(mark))), '')
FROM suppressed ORDER BY mark
"""  # noqa: S608 - columns and our own names
_KEEP = f"INSERT OR REPLACE INTO suppressed ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - columns alone
_TABLE = "SELECT 1 FROM sqlite_schema WHERE name = 'suppressed'"
_OUT_TABLE = "SELECT 1 FROM sqlite_schema WHERE name = 'opted_out'"
_SET = "INSERT OR REPLACE INTO setting (key, value) VALUES (?, ?)"
_CARRIED = "suppressed_carried"
"""The setting in which a file of an older schema keeps the marks until it is brought up to date."""
_FORGOTTEN_CARRIED = "forgotten_carried"
"""Likewise for pseudonyms that the catalogue is still to forget."""
_CARRIES = "SELECT value FROM setting WHERE key = ?"
_FORGET = "INSERT OR IGNORE INTO forgotten (pseudonym) VALUES (?)"
_GO_OUT = """
INSERT INTO opted_out (site, lms_user, since, said_by) SELECT ?1, ?2, ?3, ?4
WHERE NOT EXISTS (SELECT 1 FROM opted_out WHERE site = ?1 AND lms_user = ?2 AND until IS NULL)
ON CONFLICT (site, lms_user, since) DO UPDATE SET until = NULL
"""
_GONE = """
INSERT INTO opted_out (site, lms_user, since, said_by)
SELECT ?1, ?2, ?3 + (SELECT count(*) FROM opted_out WHERE (site, lms_user, since) = (?1, ?2, ?3) AND said_by <> ?4), ?4
WHERE NOT EXISTS
  (SELECT 1 FROM opted_out WHERE site = ?1 AND lms_user = ?2 AND since <= ?3 AND until IS NULL AND said_by = ?4)
ON CONFLICT (site, lms_user, since) DO NOTHING
"""
_COME_IN = """
UPDATE opted_out SET until = iif(?1 >= since, ?1, max(since, coalesce(
  (SELECT high_water FROM source_state WHERE source = opted_out.site), 0)))
WHERE site = ?2 AND lms_user = ?3 AND until IS NULL
"""
"""Where the clock shows a time before they went out, it is at least as late as the newest act that was read."""
_BACK = "SELECT coalesce(max(until), 0) FROM opted_out WHERE (site, lms_user) = (?, ?)"
_SEAL_ANEW = """
UPDATE person SET kept_under = '' WHERE (site, lms_user) = (?1, ?2)
   OR (site, lms_user) IN (SELECT into_site, into_user FROM alias WHERE (site, lms_user) = (?1, ?2))
"""
"""What a lost disk would lose of a person is news."""
_OUT_NOW = "SELECT site || ':' || lms_user FROM opted_out WHERE until IS NULL"
_LIFT = "UPDATE suppressed SET until = max(?, marked_at), marked_by = ?, kept_as = '' WHERE mark = ? AND until IS NULL"
_LIFTED = "SELECT coalesce(max(until), 0) FROM suppressed WHERE mark = ?"

Account = tuple[str, str]
"""(site, LMS user id)."""

Row = tuple[bytes, str, int, int | None, int, str, str, str]
"""A row of table `suppressed`, and what lies sealed beside it: with whom it was erased, empty where nobody kept it."""

Span = tuple[int, int | None]
"""(from, until before) in seconds UTC; None: for ever."""


def mark_of(key: bytes, account: Account) -> bytes:
    """What stays of an account: a MAC under the key of this ledger, 32 bytes."""
    return blake2s("\0".join(account).encode(), key=key, person=b"mark").digest()


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Erased:
    """The marks of one ledger, when somebody wanted no part (``out``), and since when accounts are ``deleted``.

    Has no repr that could end in a log.
    """

    key: bytes = b""
    spans: Mapping[bytes, Span] = field(default_factory=dict)
    out: Mapping[Account, Sequence[Span]] = field(default_factory=dict)
    deleted: Mapping[Account, Sequence[Span]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.spans or self.out or self.deleted)

    @classmethod
    def of(cls, key: bytes, rows: Iterable[Row]) -> Erased:
        """Those of rows of the table; without a key nobody is recognised."""
        return cls(key=key, spans={row[0]: (row[2], row[3]) for row in rows} if key else {})

    def was(self, account: Account, at: int) -> bool:
        """Whether what a copy knows of an account since ``at`` is of before it was erased."""
        span = self.span(account)
        return span is not None and (span[1] is None or at < span[1])

    def span(self, account: Account) -> Span | None:
        """When acts of an account count for nothing; None where they count."""
        return self.spans.get(_remembered(self.key, account)) if self.spans else None

    def bars(self, account: Account, at: int) -> bool:
        """Whether an act of that time (seconds UTC) counts for nothing."""
        span = self.span(account)
        return (span is not None and _holds(span, at)) or self.is_out(account, at) or self.is_deleted(account, at)

    def is_out(self, account: Account, at: int) -> bool:
        """Whether somebody wanted no part at that time (seconds UTC)."""
        return any(_holds(span, at) for span in self.out.get(account, ()))

    def is_deleted(self, account: Account, at: int) -> bool:
        """Whether its system had deleted the account by that time (seconds UTC)."""
        return any(_holds(span, at) for span in self.deleted.get(account, ()))

    def and_deleted(self, accounts: Iterable[tuple[Account, int]]) -> Erased:
        """As they are once `delete` has written the same: a site that deletes a whole year reads nothing again."""
        gone = dict(self.deleted)
        for account, since in accounts:
            spans = gone.get(account, ())
            if all(since != span[0] for span in spans):
                gone[account] = (*spans, (since, None))
        return replace(self, deleted=gone)

    def by_now(self) -> Erased:
        """As they are where the past is decided anew: who is deleted now gets nothing more for acts of before."""
        ever: Sequence[Span] = [(0, None)]
        still = {account: ever for account, spans in self.deleted.items() if any(until is None for _, until in spans)}
        return replace(self, deleted={**self.deleted, **still}) if still else self

    def bars_now(self, account: Account) -> bool:
        """Whether the account is marked and was not readmitted."""
        span = self.span(account)
        return span is not None and span[1] is None

    def of_event(self, event_id: bytes) -> bytes:
        """What stands for the id of an act in which somebody marked took part: it too was a digest of who it was."""
        return blake2s(event_id, key=self.key, person=b"act").digest()

    def called(self, account: Account) -> str:
        """What stands for an account where something of somebody else has named it: the same word everywhere."""
        return f"erased-{mark_of(self.key, account).hex()[:16]}"


def _holds(span: Span, at: int) -> bool:
    return span[0] <= at and (span[1] is None or at < span[1])


@lru_cache(maxsize=_REMEMBERED)
def _remembered(key: bytes, account: Account) -> bytes:
    return mark_of(key, account)


def forget_remembered() -> None:
    """Let go of who was looked for."""
    _remembered.cache_clear()


async def adopt(connection: aiosqlite.Connection) -> Erased:
    """The marks of this ledger; a ledger that has no key yet gets one. Inside one of the writer's units."""
    kept = [text for (text,) in await connection.execute_fetchall(_KEY)]
    if not kept:
        kept = [secrets.token_bytes(KEY_BYTES).hex()]
        await connection.execute("INSERT INTO setting (key, value) VALUES (?, ?)", (KEY, kept[0]))
    for (text,) in list(await connection.execute_fetchall(_CARRIES, (_CARRIED,))):
        await connection.executemany(_KEEP, [(bytes.fromhex(mark), *rest) for mark, *rest in json.loads(text)])
    for (text,) in list(await connection.execute_fetchall(_CARRIES, (_FORGOTTEN_CARRIED,))):
        await connection.executemany(_FORGET, [(name,) for name in json.loads(text)])
    await connection.execute("DELETE FROM setting WHERE key IN (?, ?)", (_CARRIED, _FORGOTTEN_CARRIED))
    out, gone = _absences(await connection.execute_fetchall(_OUT))
    return replace(_marks(kept[0], await connection.execute_fetchall(_ROWS)), out=out, deleted=gone)


def of_ledger(connection: sqlite3.Connection) -> Erased:
    """As they stand, for who only reads; without a key there are none."""
    row = connection.execute(_KEY).fetchone()
    marked = Erased.of(bytes.fromhex(row[0]), rows_of(connection)) if row else Erased()
    out, gone = _absences(connection.execute(_OUT)) if connection.execute(_OUT_TABLE).fetchone() else ({}, {})
    return replace(marked, out=out, deleted=gone)


def rows_of(connection: sqlite3.Connection) -> tuple[Row, ...]:
    """All that is kept of the marks, for copies of the ledger."""
    return tuple(connection.execute(_LISTED)) if connection.execute(_TABLE).fetchone() else ()


def untold_of(connection: sqlite3.Connection) -> tuple[str, ...]:
    """Pseudonyms of the erased that the catalogue is still to forget; of a ledger of this schema."""
    return tuple(name for (name,) in connection.execute("SELECT pseudonym FROM forgotten WHERE NOT told"))


def carry_untold(connection: sqlite3.Connection, pseudonyms: Collection[str]) -> bool:
    """Let a copy of the ledger, of any schema, have the catalogue forget these as well; whether that is news to it."""
    before = connection.total_changes
    if connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'forgotten'").fetchone():
        connection.executemany(_FORGET, [(name,) for name in pseudonyms])
        return connection.total_changes > before
    kept = connection.execute(_CARRIES, (_FORGOTTEN_CARRIED,)).fetchone()
    known = set(json.loads(kept[0])) if kept else set()
    if known >= set(pseudonyms):
        return False
    connection.execute(_SET, (_FORGOTTEN_CARRIED, json.dumps(sorted(known | set(pseudonyms)))))
    return True


def carry(connection: sqlite3.Connection, key: bytes, rows: Sequence[Row]) -> bool:
    """Give a copy of the ledger, of any schema, the marks of the ledger; whether it had not all of them."""
    kept = connection.execute(_KEY).fetchone()
    if connection.execute(_TABLE).fetchone():
        if kept == (key.hex(),) and set(rows) <= set(rows_of(connection)):
            return False
        connection.executemany(_KEEP, [row[:-1] for row in rows])
    else:
        written = json.dumps([(mark.hex(), *rest) for mark, *rest, _ in rows])
        if connection.execute("SELECT 1 FROM setting WHERE (key, value) = (?, ?)", (_CARRIED, written)).fetchone():
            return False
        connection.execute(_SET, (_CARRIED, written))
    beside = [(BESIDE + row[0].hex(), row[-1]) for row in rows]
    connection.executemany("DELETE FROM setting WHERE key = ?", [(name,) for name, _ in beside])
    connection.executemany(_SET, [(name, text) for name, text in beside if text])
    connection.execute(_SET, (KEY, key.hex()))
    return True


def _absences(rows: Iterable[Any]) -> tuple[dict[Account, tuple[Span, ...]], dict[Account, tuple[Span, ...]]]:
    """When people wanted no part, and when accounts were deleted, of rows of table `opted_out`."""
    out: dict[Account, tuple[Span, ...]] = {}
    gone: dict[Account, tuple[Span, ...]] = {}
    for site, user, since, until, said_by in rows:
        about, account = gone if said_by == BY_DELETION else out, (sys.intern(site), user)
        about[account] = (*about.get(account, ()), (since, until))
    return out, gone


def _marks(key: str, rows: Iterable[Any]) -> Erased:
    return Erased(key=bytes.fromhex(key), spans={bytes(mark): (since, until) for mark, since, until in rows})


async def mark(
    connection: aiosqlite.Connection, erased: Erased, accounts: Collection[Account], by: str, now: int
) -> int:
    """Mark accounts for ever; how many were not marked before."""
    rows = [(mark_of(erased.key, account), now, by) for account in accounts]
    before = connection.total_changes
    await connection.executemany(_MARK, rows)
    return connection.total_changes - before


async def lift(
    connection: aiosqlite.Connection, erased: Erased, accounts: Collection[Account], by: str, now: int
) -> int:
    """Let acts from ``now`` on count again; of how many accounts. What was before stays nobody's.

    Where the clock shows a time before they were erased, it is from then on.
    """
    before = connection.total_changes
    await connection.executemany(_LIFT, [(now, by, mark_of(erased.key, account)) for account in accounts])
    return connection.total_changes - before


async def lifted_at(connection: aiosqlite.Connection, erased: Erased, accounts: Collection[Account]) -> int:
    """From when on acts of all these accounts count that were readmitted (seconds UTC)."""
    return await _latest(connection, _LIFTED, [(mark_of(erased.key, account),) for account in accounts])


async def opt_out(connection: aiosqlite.Connection, accounts: Collection[Account], by: str, now: int) -> int:
    """Let acts from ``now`` on earn nothing; of how many accounts that were not out already."""
    before = connection.total_changes
    await connection.executemany(_GO_OUT, [(*account, now, by) for account in accounts])
    changed = connection.total_changes - before
    await connection.executemany(_SEAL_ANEW, list(accounts) if changed else [])
    return changed


async def delete(connection: aiosqlite.Connection, accounts: Iterable[tuple[Account, int]]) -> int:
    """Let no act of these accounts earn from when they were deleted (seconds UTC) on; how many were not by then.

    What they did before counts whenever it is read, and what was paid stands.
    """
    before = connection.total_changes
    await connection.executemany(_GONE, [(*account, since, BY_DELETION) for account, since in accounts])
    return connection.total_changes - before


async def opt_in(connection: aiosqlite.Connection, accounts: Collection[Account], now: int) -> int:
    """Let acts from ``now`` on earn again; of how many accounts. What was meanwhile stays unpaid."""
    before = connection.total_changes
    await connection.executemany(_COME_IN, [(now, *account) for account in accounts])
    changed = connection.total_changes - before
    await connection.executemany(_SEAL_ANEW, list(accounts) if changed else [])
    return changed


async def back_at(connection: aiosqlite.Connection, accounts: Collection[Account]) -> int:
    """From when on acts of all these accounts earn that take part again (seconds UTC); 0 where none was ever out."""
    return await _latest(connection, _BACK, accounts)


async def _latest(connection: aiosqlite.Connection, query: str, about: Iterable[Sequence[object]]) -> int:
    found = [await connection.execute_fetchall(query, one) for one in about]
    return max((int(at) for rows in found for (at,) in rows), default=0)


def out_now(connection: sqlite3.Connection) -> frozenset[str]:
    """Learners who take no part now: by their own word, or because their system deleted them."""
    return frozenset(learner for (learner,) in connection.execute(_OUT_NOW))
