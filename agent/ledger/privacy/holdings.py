"""Everything that a ledger holds about one person, table by table, for the person who asks."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from agent import queries
from agent.ledger.privacy.tables import LEDGER
from agent.ledger.record.erased import Account, Erased
from agent.ledger.record.people import split_learner

SQL = queries.load("agent.ledger.privacy", "about.sql")
_JSON = "_json"
_PERSONS = """
SELECT p.person_no FROM json_each(?) w JOIN person p ON p.site = w.value ->> 0 AND p.lms_user = w.value ->> 1
"""
_PSEUDONYMS = "SELECT p.pseudonym FROM json_each(?) w JOIN person p ON p.person_no = w.value"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Somebody as the tables know them.

    All ``accounts`` that are one person, the first of them the one that stays; numbers of their rows in `person`, and
    of the ``events`` that name any of them.
    """

    accounts: tuple[Account, ...]
    persons: tuple[int, ...]
    events: tuple[int, ...]

    def parameters(self, sites: Iterable[tuple[str, str]] = ()) -> dict[str, str]:
        """For the statements of `about.sql`; ``sites`` are (source, its site)."""
        lists = {"accounts": self.accounts, "persons": self.persons, "events": self.events, "sites": tuple(sites)}
        return {name: orjson.dumps(value).decode() for name, value in lists.items()}


def accounts_of(connection: sqlite3.Connection, learner: str) -> tuple[Account, ...]:
    """``learner`` (``<site>:<LMS user id>``) and every account that was merged into it or linked with it."""
    site, user = split_learner(learner)
    rows = connection.execute(SQL["accounts"], {"site": site, "lms_user": user}).fetchall()
    return ((site, user), *sorted({(one, other) for one, other in rows} - {(site, user)}))


def subject_of(connection: sqlite3.Connection, accounts: Sequence[Account]) -> Subject:
    """The person of these accounts; every recorded act is looked at."""
    listed = orjson.dumps(accounts).decode()
    persons = [number for (number,) in connection.execute(_PERSONS, (listed,))]
    events = [number for (number,) in connection.execute(SQL["acts"], {"accounts": listed, "after": 0})]
    return Subject(accounts=tuple(accounts), persons=tuple(persons), events=tuple(events))


def pseudonyms_of(connection: sqlite3.Connection, subject: Subject) -> tuple[str, ...]:
    """Under what the person is known outside the campus."""
    listed = orjson.dumps(subject.persons).decode()
    return tuple(name for (name,) in connection.execute(_PSEUDONYMS, (listed,)))


def marked_in(connection: sqlite3.Connection, erased: Erased) -> tuple[Account, ...]:
    """Accounts in a copy of the ledger that were erased since it was made; who was readmitted is there anew."""
    first: dict[Account, int] = {}
    if erased:
        for site, user, at in connection.execute(SQL["everybody"]):
            account = (site, str(user))
            first[account] = min(at, first.get(account, at))
    return tuple(sorted(account for account, at in first.items() if erased.was(account, at)))


def half_erased(connection: sqlite3.Connection, erased: Erased) -> list[Account]:
    """Accounts that are marked, not readmitted, and still somebody's here."""
    people = connection.execute("SELECT site, lms_user FROM person ORDER BY person_no") if erased.spans else ()
    return [(site, user) for site, user in people if erased.bars_now((site, user))]


def holdings(
    connection: sqlite3.Connection,
    subject: Subject,
    sites: Iterable[tuple[str, str]],
    only: Collection[str] = LEDGER.keys(),
) -> dict[str, list[dict[str, Any]]]:
    """By table, what it says about ``subject``; texts in JSON are taken apart, tables that say nothing are empty."""
    asked = subject.parameters(sites)
    found: dict[str, list[dict[str, Any]]] = {}
    for table, kept in LEDGER.items():
        if kept.holds and table in only:
            cursor = connection.execute(SQL[table], asked)
            columns = [column[0] for column in cursor.description]
            found[table] = [_row(dict(zip(columns, row, strict=True))) for row in cursor]
    return found


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name.removesuffix(_JSON): _loaded(value) if name.endswith(_JSON) else value for name, value in row.items()}


def _loaded(value: bytes | str | None) -> Any:
    return None if value is None else json.loads(value)
