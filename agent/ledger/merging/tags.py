"""By what accounts are known to be one person's, as MACs; and the links that wait for a person to decide."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import aiosqlite
import orjson

from agent.ledger.merging.aliases import Account

Tags = Mapping[str, tuple[str, bool]]
"""`idnumber`, `email` … → (hex MAC under the link key, whether the system gives it to several accounts)."""

_ALIKE = """
SELECT DISTINCT t.site, t.lms_user FROM json_each(?) w CROSS JOIN account_tag t
  ON t.said_by = w.value ->> 0 AND t.tag = w.value ->> 1
"""
_OF = """
SELECT t.site, t.lms_user, t.said_by, t.tag, t.shared FROM json_each(?) w CROSS JOIN account_tag t
  ON t.site = w.value ->> 0 AND t.lms_user = w.value ->> 1
"""
_HAVE = """
SELECT w.value ->> 0, w.value ->> 1 FROM json_each(?) w
WHERE EXISTS (SELECT 1 FROM person p WHERE p.site = w.value ->> 0 AND p.lms_user = w.value ->> 1)
   OR EXISTS (SELECT 1 FROM hold h WHERE h.learner = (w.value ->> 0) || ':' || (w.value ->> 1) AND h.state = 'open')
"""
_KEY_IS = "SELECT 1 FROM setting WHERE key = 'link_key' AND value = ?"
UNSEEN = "nothing was seen of that account yet"
"""Why a link waits that needs nobody: it is decided when the account that was named appears."""
_SOURCES_ARE = "SELECT 1 FROM setting WHERE key = 'link_sources' AND value = ?"
_AWAITED = "SELECT site, lms_user, others FROM link_held WHERE reason = ? LIMIT ?"
_AWAITING = """
SELECT h.site, h.lms_user, h.others FROM json_each(?) w CROSS JOIN link_held h
  ON h.site = w.value ->> 0 AND h.lms_user = w.value ->> 1 WHERE h.reason = ?
"""
_HELD = "SELECT site || ':' || lms_user, others, reason, held_at FROM link_held ORDER BY held_at, site, lms_user"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldLink:
    """``learner`` may be one person with ``others`` (learners), and why nobody may guess; ``held_at``: seconds UTC."""

    learner: str
    others: tuple[str, ...]
    reason: str
    held_at: int

    @property
    def told(self) -> str:
        """It, for people."""
        return f"{self.learner} is not linked to {', '.join(self.others)}, held: {self.reason}"


async def adopt(connection: aiosqlite.Connection, key_name: str) -> None:
    """Say under which key tags are made; those of another key compare with nothing and are forgotten."""
    if not await connection.execute_fetchall(_KEY_IS, (key_name,)):
        await connection.execute("DELETE FROM account_tag")
        await connection.execute("INSERT OR REPLACE INTO setting VALUES ('link_key', ?)", (key_name,))


async def trust(connection: aiosqlite.Connection, sources: Collection[str]) -> None:
    """Say by whose word accounts are linked; what others named that nobody has seen is forgotten with their trust."""
    told = orjson.dumps(sorted(sources)).decode()
    if not await connection.execute_fetchall(_SOURCES_ARE, (told,)):
        await connection.execute("DELETE FROM link_held WHERE reason = ?", (UNSEEN,))
        await connection.execute("INSERT OR REPLACE INTO setting VALUES ('link_sources', ?)", (told,))


async def awaited(connection: aiosqlite.Connection, most: int) -> list[tuple[Account, frozenset[Account]]]:
    """Who named accounts that nobody has seen, and which; the first ``most``."""
    return _named(await connection.execute_fetchall(_AWAITED, (UNSEEN, most)))


async def awaiting(
    connection: aiosqlite.Connection, accounts: Iterable[Account]
) -> list[tuple[Account, frozenset[Account]]]:
    """As `awaited`, those of ``accounts`` that still do."""
    return _named(await connection.execute_fetchall(_AWAITING, (_listed(accounts), UNSEEN)))


def _named(rows: Iterable[Any]) -> list[tuple[Account, frozenset[Account]]]:
    named = ((site, user, orjson.loads(others)) for site, user, others in rows)
    return [((site, user), frozenset(_account(one) for one in others)) for site, user, others in named]


def _account(learner: str) -> Account:
    site, _, user = learner.partition(":")
    return site, user


async def of(connection: aiosqlite.Connection, accounts: Iterable[Account]) -> dict[Account, Tags]:
    """What is known of these accounts."""
    found: defaultdict[Account, dict[str, tuple[str, bool]]] = defaultdict(dict)
    rows = await connection.execute_fetchall(_OF, (_listed(accounts),))
    for site, user, by, tag, shared in rows:
        found[site, user][by] = tag, bool(shared)
    return dict(found)


async def alike(connection: aiosqlite.Connection, tags: Iterable[Tags]) -> dict[Account, Tags]:
    """Every account that any of these tags was told of, with all that is known of it."""
    wanted = {(by, tag) for one in tags for by, (tag, _) in one.items()}
    rows = await connection.execute_fetchall(_ALIKE, (_listed(wanted),))
    return await of(connection, [(site, user) for site, user in rows])


async def having(connection: aiosqlite.Connection, accounts: Iterable[Account]) -> set[Account]:
    """Those of ``accounts`` that the ledger has anything of, or that something waits for."""
    return {(site, user) for site, user in await connection.execute_fetchall(_HAVE, (_listed(accounts),))}


async def keep(connection: aiosqlite.Connection, told: Mapping[Account, Tags]) -> None:
    """What was said of these accounts last; what was said before is forgotten."""
    await connection.executemany("DELETE FROM account_tag WHERE site = ? AND lms_user = ?", list(told))
    await connection.executemany(
        "INSERT INTO account_tag (site, lms_user, said_by, tag, shared) VALUES (?, ?, ?, ?, ?)",
        [(*account, by, tag, int(shared)) for account, tags in told.items() for by, (tag, shared) in tags.items()],
    )


async def hold(
    connection: aiosqlite.Connection, account: Account, others: Collection[Account], reason: str, now: int
) -> None:
    """Let a link wait for a person; without a ``reason`` none waits any longer."""
    await connection.execute("DELETE FROM link_held WHERE site = ? AND lms_user = ?", account)
    if reason:
        listed = orjson.dumps(sorted(":".join(one) for one in others)).decode()
        await connection.execute("INSERT INTO link_held VALUES (?, ?, ?, ?, ?)", (*account, listed, reason, now))


def held(connection: sqlite3.Connection) -> list[HeldLink]:
    """The links that wait, the oldest first."""
    return [
        HeldLink(learner=learner, others=tuple(orjson.loads(others)), reason=reason, held_at=at)
        for learner, others, reason, at in connection.execute(_HELD)
    ]


def _listed(pairs: Iterable[tuple[str, str]]) -> str:
    return orjson.dumps(list(pairs)).decode()
