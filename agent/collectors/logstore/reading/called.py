"""What users of a site are called, asked of its table at this moment, and no more of them than what is to leave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agent.collectors.logstore.dialects.connect import database_for
from agent.collectors.logstore.dialects.database import Unreadable
from agent.collectors.logstore.options import LogstoreOptions
from agent.collectors.numbers import whole_number

_USERNAMES = "SELECT id, username FROM {user} WHERE deleted = 0 AND suspended = 0 AND id IN ([ids])"
_EMAILS = "SELECT id, email FROM {user} WHERE deleted = 0 AND suspended = 0 AND id IN ([ids])"


async def names_of(options: LogstoreOptions, said_by: str, users: Sequence[str]) -> Mapping[str, str] | None:
    """Usernames, or e-mail addresses where ``said_by`` is `email`, of users who are there and not suspended.

    None where the table cannot be read.

    Raises:
        ConfigError: the database refuses us.
        TransientError: it cannot be reached.
    """
    numbers = {number: user for user in users if (number := whole_number(user)) is not None}
    if not numbers:
        return {}
    database = database_for(options)
    try:
        sql = _EMAILS if said_by == "email" else _USERNAMES
        (answer,) = await database.fetch_all([database.schema.query(sql, ids=sorted(numbers))])
    finally:
        await database.close()
    if isinstance(answer, Unreadable):
        return None
    return {numbers[number]: str(name) for number, name in answer if number in numbers and name}
