"""Who is meant by an account that was merged into another, and rows that the merge made look like other facts.

A merge plugin of the LMS rewrites the user of old rows but not the related user. Read again, such a row has another
natural key than the fact that was recorded; every spelling of its users by their aliases is therefore looked for.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import product

import aiosqlite

from agent.ledger.past import again
from agent.model import Event, Observation

_ALIASES = "SELECT site, lms_user, into_user FROM alias"
_USER, _RELATED, _PARTS = 1, 2, 8
"""Where users stand in the natural key of a row of the log."""

Account = tuple[str, str]
"""(site, LMS user id)."""


class Aliases:
    """Every merged account and whose it is now, chains followed to their end."""

    def __init__(self, merged: Mapping[Account, str] | None = None) -> None:
        merged = merged or {}
        self._roots = {account: _root(account, merged) for account in merged}
        self._groups: defaultdict[Account, set[str]] = defaultdict(set)
        for (site, user), root in self._roots.items():
            self._groups[site, root] |= {root, user}

    def __bool__(self) -> bool:
        return bool(self._roots)

    def learner(self, learner: str) -> str:
        """The learner whose account this is now: itself where it was not merged."""
        site, _, user = learner.partition(":")
        root = self._roots.get((site, user))
        return learner if root is None else f"{site}:{root}"

    def of_learner(self, learner: str) -> tuple[str, ...]:
        """The accounts that were merged into this one, in order."""
        site, _, user = learner.partition(":")
        return tuple(f"{site}:{one}" for one in sorted(self._groups.get((site, user), ())) if one != user)

    def of(self, seen: Observation) -> Observation:
        """The same observation, of those whose accounts these are now."""
        site, roots = seen.site, self._roots
        moved = {user: roots[site, user] for user in seen.people.values() if (site, user) in roots}
        if not moved:
            return seen
        facts = dict(seen.facts)
        for name, value in seen.facts.items():
            about, colon, user = name.rpartition(":")
            if colon and user in moved:
                facts.setdefault(f"{about}:{moved[user]}", value)
        return replace(
            seen,
            people={role: moved.get(user, user) for role, user in seen.people.items()},
            person_marks={moved.get(user, user): mark for user, mark in seen.person_marks.items()},
            facts=facts,
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
        return tuple(sorted(self._groups.get((site, self._roots.get((site, user), user)), {user})))


def _root(account: Account, merged: Mapping[Account, str]) -> str:
    site, user = account
    while (site, user) in merged:
        user = merged[site, user]
    return user


async def load(connection: aiosqlite.Connection) -> Aliases:
    """The aliases of this ledger."""
    rows = await connection.execute_fetchall(_ALIASES)
    return Aliases({(site, user): into for site, user, into in rows})


def of_ledger(connection: sqlite3.Connection) -> Aliases:
    """As `load`, for who only reads."""
    return Aliases({(site, user): into for site, user, into in connection.execute(_ALIASES)})


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
