"""What the catalogue is still to be told of accounts: by what they are known, and whose they are."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

import aiosqlite
import orjson

from agent.ledger import delivery
from agent.ledger.delivery import Unit
from agent.ledger.merging import aliases, tags
from agent.ledger.merging.aliases import Account, Aliases
from wire.people.known import SAID_BY, TAGS_MAX, Tag, Told

_TOLD_UNDER = "links_told_under"
"""The setting that holds the name of the link key under which tags were told last; empty: none are."""
_TAG_DIGITS = 32
_WHATEVER = 2
"""`must` of what is told by an agent that tells no tags, too."""
# Whoever has something undelivered waits: an older ledger that is put back may not know them, and would have them anew
# under another pseudonym, which the catalogue could not tell from a second person.
_WAITING = """
WITH ahead AS MATERIALIZED (
  SELECT DISTINCT person_no FROM entry WHERE seq > coalesce((SELECT acked_seq FROM reader WHERE name = ?), 0)
)
SELECT u.site, u.lms_user, u.must, u.again FROM link_untold u WHERE NOT EXISTS (
  SELECT 1 FROM person p WHERE p.site = u.site AND p.lms_user = u.lms_user AND p.person_no IN ahead
) AND NOT EXISTS (
  SELECT 1 FROM alias a JOIN person p ON p.site = a.into_site AND p.lms_user = a.into_user
  WHERE a.site = u.site AND a.lms_user = u.lms_user AND p.person_no IN ahead
) ORDER BY u.site, u.lms_user LIMIT ?
"""
_PERSONS = """
SELECT p.site, p.lms_user, p.pseudonym FROM json_each(?) w CROSS JOIN person p
  ON p.site = w.value ->> 0 AND p.lms_user = w.value ->> 1
"""
_ALL_AGAIN = """
INSERT INTO link_untold (site, lms_user, must) SELECT DISTINCT site, lms_user, ? FROM account_tag WHERE true
ON CONFLICT (site, lms_user) DO UPDATE SET must = max(must, excluded.must)
"""
_MERGED_AGAIN = """
INSERT INTO link_untold (site, lms_user, must) SELECT site, lms_user, 2 FROM alias WHERE true
ON CONFLICT (site, lms_user) DO UPDATE SET must = 2
"""
_DONE = "DELETE FROM link_untold WHERE site = ? AND lms_user = ? AND again = ?"
_SET = "INSERT OR REPLACE INTO setting (key, value) VALUES (?, ?)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kin:
    """Whether and how this agent tells: under the link ``key`` (32 bytes) of this name; without a key only merges."""

    campus: str
    key: bytes = b""
    key_name: str = ""

    def tag(self, said_by: str, tag: str) -> str:
        """What the catalogue is told of a tag: another MAC, so that its list and the ledger's cannot be compared."""
        said = f"catalogue\0{self.campus}\0{said_by}\0{tag}".encode()
        return hmac.new(self.key, said, sha256).hexdigest()[:_TAG_DIGITS]


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """``people`` to tell of, and the accounts that are told of with them, each with how often it was news."""

    people: tuple[Told, ...]
    accounts: tuple[tuple[str, str, int], ...]


async def next_ones(connection: aiosqlite.Connection, kin: Kin, limit: int) -> Waiting | None:
    """Of at most ``limit`` accounts what is to be told; None where nothing waits but for delivery."""
    rows = [(*row,) for row in await connection.execute_fetchall(_WAITING, (delivery.CATALOGUE, limit))]
    if not rows:
        return None
    merged = await aliases.load(connection)
    must: dict[Account, int] = {}
    for site, user, how, _ in rows:
        account, root = (site, user), merged.root((site, user))
        # An account that is somebody's has no tags of its own; that it became theirs takes none of theirs away.
        must[root] = max(must.get(root, 0), 0 if account != root and how == _WHATEVER else how)
        if account != root:
            must[account] = _WHATEVER
    names = await _pseudonyms(connection, must)
    known = await tags.of(connection, {mate for one in names for mate in merged.group(one)}) if kin.key else {}
    people = [_told(kin, one, name, merged, names, known) for one, name in sorted(names.items())]
    least = 1 if kin.key else _WHATEVER
    must_be = {names[one] for one, how in must.items() if one in names and how >= least}
    return Waiting(
        people=tuple(one for one in people if one.tags or one.name in must_be),
        accounts=tuple((site, user, again) for site, user, _, again in rows),
    )


def _told(
    kin: Kin,
    account: Account,
    name: str,
    merged: Aliases,
    names: dict[Account, str],
    known: dict[Account, tags.Tags],
) -> Told:
    """What a person is known by: all their accounts' tags; of an account that is somebody's only whose."""
    root = merged.root(account)
    if root != account:
        return Told(name=name, into=names.get(root, ""))
    said: dict[tuple[str, str], bool] = {}
    for one in sorted(merged.group(account)):
        for by, (tag, shared) in known.get(one, {}).items():
            key = (by, kin.tag(by, tag))
            said[key] = said.get(key, False) or shared
    order = sorted(said, key=lambda key: (SAID_BY.index(key[0]), key[1]))
    return Told(name=name, tags=tuple(Tag(said_by=by, tag=tag, shared=said[by, tag]) for by, tag in order[:TAGS_MAX]))


async def _pseudonyms(connection: aiosqlite.Connection, accounts: Iterable[Account]) -> dict[Account, str]:
    listed = orjson.dumps(sorted(accounts)).decode()
    return {(site, user): name for site, user, name in await connection.execute_fetchall(_PERSONS, (listed,))}


def told(accounts: Sequence[tuple[str, str, int]]) -> Unit:
    """A unit that notes that the catalogue knows it."""

    async def unit(connection: aiosqlite.Connection) -> None:
        await connection.executemany(_DONE, accounts)

    return unit


def under(kin: Kin) -> Unit:
    """A unit that begins: where tags were told under another key, or none were, or no more are, all are told anew."""

    async def unit(connection: aiosqlite.Connection) -> None:
        rows = await connection.execute_fetchall("SELECT value FROM setting WHERE key = ?", (_TOLD_UNDER,))
        before = next((value for (value,) in rows), "")
        if before != kin.key_name:
            await connection.execute(_ALL_AGAIN, (_WHATEVER if before else 0,))
            await connection.execute(_SET, (_TOLD_UNDER, kin.key_name))

    return unit


def all_again() -> Unit:
    """A unit that notes that the catalogue may know nothing: it was put back from an older copy."""

    async def unit(connection: aiosqlite.Connection) -> None:
        await connection.execute(_ALL_AGAIN, (0,))
        await connection.execute(_MERGED_AGAIN)
        await connection.execute("UPDATE elsewhere_stand SET moved = 0, linked = 0")

    return unit
