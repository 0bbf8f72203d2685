"""In which cohorts somebody is, asked of a site's tables at this moment."""

from __future__ import annotations

from agent.collectors.logstore.dialects.connect import database_for
from agent.collectors.logstore.dialects.database import Unreadable
from agent.collectors.logstore.options import LogstoreOptions

_COHORTS = "SELECT c.idnumber, c.name FROM {cohort_members} m JOIN {cohort} c ON c.id = m.cohortid WHERE m.userid = ?"
_DIGITS_MAX = 18


async def cohorts_of(options: LogstoreOptions, user: str) -> frozenset[str] | None:
    """The cohorts of a user, each by idnumber and by name; None where the tables cannot be read.

    Raises:
        ConfigError: the database refuses us.
        TransientError: it cannot be reached.
    """
    if not (user.isascii() and user.isdecimal() and len(user) <= _DIGITS_MAX):
        return frozenset()
    database = database_for(options)
    try:
        (answer,) = await database.fetch_all([database.schema.query(_COHORTS, int(user))])
    finally:
        await database.close()
    if isinstance(answer, Unreadable):
        return None
    return frozenset(str(text) for row in answer for text in row if text)
