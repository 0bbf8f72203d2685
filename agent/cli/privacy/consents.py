"""A CSV file of who has agreed: each row is one learner, looked up by what the heading says it holds."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from agent.collectors.csvfile import cells
from agent.collectors.csvfile import source as csv_source
from agent.collectors.csvfile.judging import Fault, fault, misplaced
from agent.errors import InvalidInputError

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from agent.collectors.logstore.history import FoundUser, History
    from agent.config.settings import Settings

LEARNER = "learner"
"""The column that may hold anything a learner is found by."""
COLUMNS = (LEARNER, "distinct_id", "email", "username", "idnumber")
"""Columns that say who a row is about; the first of these that the heading has is taken."""
ROWS_MAX = 200_000


class Agreement(NamedTuple):
    """A row that is good: its number, the learner, and all accounts of theirs."""

    row: int
    learner: str
    accounts: list[list[str]]


class Consents:
    """The rows of a file, judged one after another."""

    def __init__(self, path: Path, encoding: str = "") -> None:
        self._file = csv_source.opened(path, encoding=encoding)
        named = [name for name in COLUMNS if name in self._file.columns]
        if not named:
            raise InvalidInputError(
                f"{path}: no column says who agreed", hint=f"its heading needs one of: {', '.join(COLUMNS)}"
            )
        self.column = named[0]
        self._places = {
            name: self._file.columns.index(name) for name in (self.column, "consent") if name in self._file.columns
        }
        self._needed = max(self._places.values()) + 1
        self._rows: dict[str, int] = {}

    async def read(self, people: People) -> tuple[list[Agreement], list[Fault]]:
        """The rows that are good, and what is wrong with the others.

        Raises:
            InvalidInputError: the file cannot be read, or has too many rows.
            RewardsError: Moodle must be asked and cannot be.
        """
        good: list[Agreement] = []
        bad: list[Fault] = []
        for number, row in self._file.rows():
            if number > ROWS_MAX:
                raise InvalidInputError(f"more than {ROWS_MAX:,} rows", hint="divide the file")
            found = await self._judged(number, row, people)
            if isinstance(found, Agreement):
                good.append(found)
            else:
                bad.extend(found)
        return good, bad

    async def _judged(self, number: int, row: Sequence[str], people: People) -> Agreement | list[Fault]:
        if (shifted := misplaced(row, len(self._file.columns), self._needed)) is not None:
            return [fault(number, "", "", shifted)]
        said = {name: row[place].strip() for name, place in self._places.items()}
        faults = [*_refused(number, said)]
        called = said[self.column]
        if not called:
            return [*faults, Fault(number, self.column, "", "nobody is named", "name a learner, or take the row out")]
        try:
            learner = await people.learner(called, self.column)
        except InvalidInputError as error:
            return [*faults, Fault(number, self.column, called, error.message, error.hint)]
        if faults:
            return faults
        first = self._rows.setdefault(learner, number)
        if first != number:
            told = f"the same learner as in row {first}"
            return [Fault(number, self.column, called, told, "leave one of them out")]
        return Agreement(number, learner, people.accounts(learner))


def _refused(number: int, said: Mapping[str, str]) -> Iterator[Fault]:
    wrong = cells.consent(said["consent"]) if "consent" in said else None
    if wrong is not None:
        yield fault(number, "consent", said["consent"], wrong)


class People:
    """Who is meant, by the ledger and by the user tables of the log sources, which stay open meanwhile.

    With a ``site`` all names are its user ids, and nobody is asked.
    """

    def __init__(
        self, connection: sqlite3.Connection, histories: Mapping[str, History], *, sites: Sequence[str], site: str
    ) -> None:
        from agent.ledger.merging import aliases

        self._connection = connection
        self._histories = histories
        self._sites = sites
        self._site = site
        self._merged = aliases.of_ledger(connection)

    async def learner(self, text: str, column: str) -> str:
        """The learner that ``text`` means, in a column of that name.

        Raises:
            InvalidInputError: nobody, or several.
        """
        return self._merged.learner(await self._account(text, column))

    def accounts(self, learner: str) -> list[list[str]]:
        """All accounts of a learner."""
        from agent.ledger.privacy import holdings

        return [list(account) for account in holdings.accounts_of(self._connection, learner)]

    async def _account(self, text: str, column: str) -> str:
        from agent.ledger import reading

        if self._site:
            return f"{self._site}:{text}"
        site, colon, user = text.partition(":")
        if colon and user and site in self._sites and site not in self._histories:
            return text
        known = reading.learner_called(self._connection, text) if column == LEARNER else None
        if known:
            return known
        found = [
            f"{name}:{user.user_id}"
            for name, history in self._histories.items()
            for user in await _users(history, *_of_site(name, text), column)
        ]
        if len(found) == 1:
            return found[0]
        if found:
            raise InvalidInputError(f"several are called so: {', '.join(found)}", hint="name one by site:id")
        raise InvalidInputError("nobody is called so", hint="check it in Moodle; for another system name --source")


def _of_site(name: str, text: str) -> tuple[str, bool]:
    """What to look for in a site, and whether as an id alone."""
    site, colon, user = text.partition(":")
    return (user, True) if colon and site == name else (text, False)


async def _users(history: History, text: str, by_id: bool, column: str) -> list[FoundUser]:
    found = [one for one in await history.find_user(text) if not one.deleted]
    if by_id:
        return [one for one in found if one.user_id == text]
    if column in {"email", "username", "idnumber"}:
        return [one for one in found if str(getattr(one, column)).lower() == text.lower()]
    return found


@contextlib.asynccontextmanager
async def people_of(settings: Settings, connection: sqlite3.Connection, source: str) -> AsyncIterator[People]:
    """Who is meant by names of a file; those of ``source`` where one is named.

    Raises:
        InvalidInputError: there is no such source.
    """
    from agent.cli.terms.who import history_of

    sites = {one.name: one.site_name for one in settings.log_sources}
    sites |= {one.name: one.site_name for one in settings.post_sources}
    if source and source not in sites:
        raise InvalidInputError(f"there is no source {source!r}", hint=f"config.toml has: {', '.join(sites)}")
    async with contextlib.AsyncExitStack() as stack:
        histories = {
            one.site_name: await stack.enter_async_context(history_of(settings, one, None))
            for one in ([] if source else settings.log_sources)
        }
        yield People(connection, histories, sites=[*sites.values()], site=sites.get(source, ""))
