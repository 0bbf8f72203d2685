"""In which cohorts and which country somebody is, asked of a site's tables at this moment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agent.collectors.cohorts import called
from agent.collectors.logstore.dialects.connect import database_for
from agent.collectors.logstore.dialects.database import Unreadable
from agent.collectors.logstore.options import LogstoreOptions
from agent.collectors.numbers import whole_number

_COHORTS = (
    "SELECT c.idnumber, c.name, o.idnumber FROM {cohort_members} m JOIN {cohort} c ON c.id = m.cohortid "
    "LEFT JOIN {cohort} o ON o.idnumber = c.name WHERE m.userid = ?"
)
_COUNTRY = "SELECT u.country FROM {user} u WHERE u.id = ?"


async def cohorts_of(options: LogstoreOptions, user: str) -> frozenset[str] | None:
    """The cohorts of a user, each by idnumber and by name (see `called`); None where the tables cannot be read.

    Raises:
        ConfigError: the database refuses us.
        TransientError: it cannot be reached.
    """
    rows = await _asked(options, _COHORTS, user)
    if rows is None:
        return None
    numbers = frozenset(other for _, _, other in rows)
    return frozenset(text for idnumber, name, _ in rows for text in called(idnumber, name, numbers))


async def countries_of(options: LogstoreOptions, user: str) -> frozenset[str] | None:
    """The country in a user's profile, two capital letters; None where it says none, or may not be read.

    Raises:
        ConfigError: the database refuses us.
        TransientError: it cannot be reached.
    """
    rows = await _asked(options, _COUNTRY, user)
    return frozenset(str(country).upper() for (country,) in rows or () if country) or None


async def _asked(options: LogstoreOptions, sql: str, user: str) -> Sequence[Sequence[Any]] | None:
    """The rows of one user; none of what is no user, None where the tables cannot be read."""
    number = whole_number(user)
    if number is None:
        return ()
    database = database_for(options)
    try:
        (answer,) = await database.fetch_all([database.schema.query(sql, number)])
    finally:
        await database.close()
    return None if isinstance(answer, Unreadable) else answer
