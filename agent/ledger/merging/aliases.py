"""Who is meant by an account that was merged into another, and rows that the merge made look like other facts.

A merge plugin of the LMS rewrites the user of old rows but not the related user. Read again, such a row has another
natural key than the fact that was recorded; every spelling of its users by their aliases is therefore looked for.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from itertools import product
from typing import Any

import aiosqlite

from agent.ledger.past import again
from agent.model import Event, Observation

_ALIASES = "SELECT site, lms_user, into_site, into_user FROM alias"
_USER, _RELATED, _PARTS = 1, 2, 8
"""Where users stand in the natural key of a row of the log."""

Account = tuple[str, str]
"""(site, LMS user id)."""


class Aliases:
    """Every account that is another's, of its own or of another site; chains are followed to their end."""

    def __init__(self, merged: Mapping[Account, Account] | None = None) -> None:
        merged = merged or {}
        self._roots = {account: _root(account, merged) for account in merged}
        self._groups: defaultdict[Account, set[Account]] = defaultdict(set)
        for account, root in self._roots.items():
            self._groups[root] |= {root, account}

    def __bool__(self) -> bool:
        return bool(self._roots)

    def root(self, account: Account) -> Account:
        """The account whose wallet it is: itself where it is nobody's alias."""
        return self._roots.get(account, account)

    def group(self, account: Account) -> AbstractSet[Account]:
        """All accounts of one person."""
        root = self.root(account)
        return self._groups.get(root, {root})

    def learner(self, learner: str) -> str:
        """The learner whose account this is now: itself where it was not merged."""
        site, _, user = learner.partition(":")
        return ":".join(self._roots.get((site, user), (site, user)))

    def of_learner(self, learner: str) -> tuple[str, ...]:
        """The accounts that were merged into this one, in order."""
        site, _, user = learner.partition(":")
        return tuple(":".join(one) for one in sorted(self._groups.get((site, user), ())) if one != (site, user))

    def of(self, seen: Observation) -> Observation:
        """The same observation, of those whose accounts these are now."""
        site, roots = seen.site, self._roots
        ours = {user: roots[site, user] for user in seen.people.values() if (site, user) in roots}
        if not ours:
            return seen
        moved = {user: into for user, (where, into) in ours.items() if where == site}
        away = {user: f"{where}:{into}" for user, (where, into) in ours.items() if where != site}
        facts = dict(seen.facts)
        for name, value in seen.facts.items():
            about, colon, user = name.rpartition(":")
            if colon and user in moved:
                facts.setdefault(f"{about}:{moved[user]}", value)
        return replace(
            seen,
            people={role: moved.get(user, user) for role, user in seen.people.items()},
            person_marks={moved.get(user, user): mark for user, mark in seen.person_marks.items()},
            agreed={moved.get(user, user): since for user, since in seen.agreed.items()},
            facts=facts,
            accounts={**seen.accounts, **away},
        )

    def spellings(self, seen: Observation) -> list[tuple[str, ...]]:
        """The natural keys under which the same row may be recorded, its own left out."""
        key = seen.natural_key
        if len(key) != _PARTS:
            return []
        users, related = (self._spelt(seen.site, key[at]) for at in (_USER, _RELATED))
        if len(users) == len(related) == 1:
            return []
        keys = ((key[0], one, other, *key[_RELATED + 1 :]) for one, other in product(users, related))
        return [each for each in keys if each != key]

    def _spelt(self, site: str, user: str) -> tuple[str, ...]:
        return tuple(sorted({user} | {one for where, one in self.group((site, user)) if where == site}))


def _root(account: Account, merged: Mapping[Account, Account]) -> Account:
    while account in merged:
        account = merged[account]
    return account


async def load(connection: aiosqlite.Connection) -> Aliases:
    """The aliases of this ledger."""
    return _read(await connection.execute_fetchall(_ALIASES))


async def pairs(connection: aiosqlite.Connection) -> dict[Account, Account]:
    """Each account that is another's, and whose it was said to be."""
    return _pairs(await connection.execute_fetchall(_ALIASES))


def of_ledger(connection: sqlite3.Connection) -> Aliases:
    """As `load`, for who only reads."""
    return _read(connection.execute(_ALIASES))


def _read(rows: Iterable[Any]) -> Aliases:
    return Aliases(_pairs(rows))


def _pairs(rows: Iterable[Any]) -> dict[Account, Account]:
    return {(site, user): (into_site, into) for site, user, into_site, into in rows}


async def recognised(
    connection: aiosqlite.Connection,
    events: Sequence[Event],
    aliases: Aliases,
    identify: Callable[[str, tuple[str, ...]], bytes],
) -> list[Event]:
    """The events of those whose accounts these are now, under the ids by which they are recorded already.

    ``identify`` makes an event's id of its site and natural key.
    """
    ours = [replace(event, seen=aliases.of(event.seen)) for event in events]
    others = {
        event.event_id: [
            replace(event, event_id=identify(event.seen.site, key)) for key in aliases.spellings(event.seen)
        ]
        for event in ours
    }
    if not any(others.values()):
        return ours
    stored = await again.known(connection, [*ours, *(one for found in others.values() for one in found)])
    return [
        event
        if event.event_id in stored
        else next((other for other in others[event.event_id] if other.event_id in stored), event)
        for event in ours
    ]
