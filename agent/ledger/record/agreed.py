"""Who has agreed to take part: what people said of it, and what the LMS told last. Statements of one table."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self

import aiosqlite

from agent.ledger.record.erased import Account, Span

OPT_IN = "opt-in"
"""What `participation` says, in config.toml and in the ledger's setting, where nobody earns who has not agreed."""

How = Literal["hand", "file"]
"""By whose word: a person's about one learner, or a list of many."""

_SPANS = "SELECT site, lms_user, since, until, how FROM agreed"
_TOLD = "SELECT site || ':' || lms_user, since FROM agreed WHERE how = 'lms' AND until IS NULL"
_AGREE = """
INSERT INTO agreed (site, lms_user, how, since, said_by) SELECT ?1, ?2, ?3, ?4, ?5
WHERE NOT EXISTS (SELECT 1 FROM agreed WHERE site = ?1 AND lms_user = ?2 AND how <> 'lms' AND until IS NULL)
ON CONFLICT (site, lms_user, how, since) DO UPDATE SET until = NULL
"""
_WITHDRAW = "UPDATE agreed SET until = max(?, since) WHERE site = ? AND lms_user = ? AND until IS NULL"
_LMS_YES = """
INSERT INTO agreed (site, lms_user, how, since, said_by) VALUES (?, ?, 'lms', ?, 'lms')
ON CONFLICT (site, lms_user, how, since) DO UPDATE SET until = NULL
"""
_LMS_NO = "UPDATE agreed SET until = ? WHERE site = ? AND lms_user = ? AND how = 'lms' AND until IS NULL"
_ASKS = "SELECT 1 FROM setting WHERE key = 'participation' AND value = 'opt-in'"
_ASK = "INSERT OR IGNORE INTO setting (key, value) VALUES ('participation', 'opt-in')"
_ASK_NOBODY = "DELETE FROM setting WHERE key = 'participation'"
_NOW = "SELECT DISTINCT site || ':' || lms_user FROM agreed WHERE until IS NULL"
_COUNTS = """
SELECT how, count(DISTINCT site || ':' || lms_user) FROM agreed a
WHERE until IS NULL AND NOT EXISTS (
  SELECT 1 FROM opted_out o WHERE (o.site, o.lms_user) = (a.site, a.lms_user) AND o.until IS NULL)
GROUP BY how
"""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Agreed:
    """By account when people's word held, in ``spans``. Times are seconds UTC. No repr: it names people.

    ``told`` are learners of whom the LMS says so, since which act; ``seen`` is between which acts it said so.
    """

    spans: Mapping[Account, Sequence[Span]] = field(default_factory=dict)
    told: Mapping[str, int] = field(default_factory=dict)
    seen: Mapping[Account, Sequence[Span]] = field(default_factory=dict)

    def at(self, account: Account, at: int) -> bool:
        """Whether somebody's word stands for that time (seconds UTC)."""
        return _within(self.spans.get(account, ()), at)

    def was_seen(self, account: Account, at: int) -> bool:
        """Whether the LMS said so of acts of that time (seconds UTC)."""
        return _within(self.seen.get(account, ()), at)

    def and_told(self, yes: Mapping[Account, int], no: Mapping[Account, int]) -> Self:
        """As it is once `told` has written the same: whoever is seen for the first time costs no reading of all."""
        told, seen = dict(self.told), dict(self.seen)
        for account, at in no.items():
            told.pop(":".join(account), None)
            seen[account] = [(since, at if until is None else until) for since, until in seen.get(account, ())]
        for account, at in yes.items():
            told[":".join(account)] = at
            seen[account] = [*(span for span in seen.get(account, ()) if span[0] != at), (at, None)]
        return replace(self, told=told, seen=seen)


def _within(spans: Sequence[Span], at: int) -> bool:
    return any(since <= at and (until is None or at < until) for since, until in spans)


async def load(connection: aiosqlite.Connection) -> Agreed:
    """As it stands."""
    return _read(await connection.execute_fetchall(_SPANS), await connection.execute_fetchall(_TOLD))


def of_ledger(connection: sqlite3.Connection) -> Agreed:
    """As `load`, for who only reads."""
    return _read(connection.execute(_SPANS), connection.execute(_TOLD))


def _read(rows: Iterable[Any], learners: Iterable[Any]) -> Agreed:
    spans: defaultdict[Account, list[Span]] = defaultdict(list)
    seen: defaultdict[Account, list[Span]] = defaultdict(list)
    for site, user, since, until, how in rows:
        (seen if how == "lms" else spans)[site, user].append((since, until))
    told = {str(learner): int(since) for learner, since in learners}
    return Agreed(spans=dict(spans), seen=dict(seen), told=told)


async def ask(connection: aiosqlite.Connection, *, first: bool) -> None:
    """Keep whether learners are asked first, for whoever only reads the ledger."""
    await connection.execute(_ASK if first else _ASK_NOBODY)


async def agree(connection: aiosqlite.Connection, accounts: Collection[Account], *, how: How, by: str, now: int) -> int:
    """Let acts from ``now`` on earn; of how many accounts for which nobody had said so."""
    before = connection.total_changes
    await connection.executemany(_AGREE, [(*account, how, now, by) for account in accounts])
    return connection.total_changes - before


async def withdraw(connection: aiosqlite.Connection, accounts: Collection[Account], now: int) -> None:
    """Let no word said before stand for acts from ``now`` on."""
    await connection.executemany(_WITHDRAW, [(now, *account) for account in accounts])


async def told(connection: aiosqlite.Connection, yes: Mapping[Account, int], no: Mapping[Account, int]) -> None:
    """Keep what the LMS says now: who has agreed and who has no longer, each as of a time (seconds UTC)."""
    await connection.executemany(_LMS_NO, [(at, *account) for account, at in no.items()])
    await connection.executemany(_LMS_YES, [(*account, at) for account, at in yes.items()])


class Absent:
    """Learners who take no part: those ``out``, and, where ``agreed`` is not None, all that are not among them."""

    def __init__(self, out: Collection[str], agreed: Collection[str] | None) -> None:
        self._out = out
        self._agreed = agreed

    def __contains__(self, learner: object) -> bool:
        return learner in self._out or (self._agreed is not None and learner not in self._agreed)

    def __bool__(self) -> bool:
        return bool(self._out) or self._agreed is not None


def absent(connection: sqlite3.Connection, out: Collection[str]) -> Absent:
    """Who takes no part now; ``out`` are those who said so."""
    if connection.execute(_ASKS).fetchone() is None:
        return Absent(out, None)
    return Absent(out, frozenset(learner for (learner,) in connection.execute(_NOW)))


def counts(connection: sqlite3.Connection) -> Mapping[str, int]:
    """How many accounts have agreed by now, by how that is known (`hand`, `file`, `lms`)."""
    return dict(connection.execute(_COUNTS).fetchall())
