"""In which cohorts somebody is, asked of a site's tables at this moment."""

from __future__ import annotations

from agent.collectors.logstore.dialects.connect import database_for
from agent.collectors.logstore.dialects.database import Unreadable
from agent.collectors.logstore.options import LogstoreOptions
from agent.collectors.numbers import whole_number

_COHORTS = "SELECT c.idnumber, c.name FROM {cohort_members} m JOIN {cohort} c ON c.id = m.cohortid WHERE m.userid = ?"


async def cohorts_of(options: LogstoreOptions, user: str) -> frozenset[str] | None:
    """The cohorts of a user, each by idnumber and by name; None where the tables cannot be read.

    Raises:
        ConfigError: the database refuses us.
        TransientError: it cannot be reached.
    """
    number = whole_number(user)
    if number is None:
        return frozenset()
    database = database_for(options)
    try:
        (answer,) = await database.fetch_all([database.schema.query(_COHORTS, number)])
    finally:
        await database.close()
    if isinstance(answer, Unreadable):
        return None
    return frozenset(str(text) for row in answer for text in row if text)
