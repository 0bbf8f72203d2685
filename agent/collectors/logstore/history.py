"""The helpdesk's questions, answered by a live read: who is this, what did they do, is completion tracked there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from agent.clock import Clock
from agent.collectors.logstore.dialects.connect import database_for
from agent.collectors.logstore.dialects.database import Query, Rows, Unreadable
from agent.collectors.logstore.draft import Kinds, drafts_of, observation_of
from agent.collectors.logstore.grants import log_unreadable
from agent.collectors.logstore.lookups import look_up
from agent.collectors.logstore.options import LogstoreOptions
from agent.collectors.logstore.reading.stretch import filter_of
from agent.collectors.numbers import whole_number
from agent.collectors.systems.moodle import SITE_COURSE
from agent.config.kinds import KindTable
from agent.errors import ConfigError, InvalidInputError
from agent.model import Demand, Observation

_ACTS = (
    "SELECT [columns] FROM {log} WHERE [column] = ? AND timecreated >= ? AND timecreated < ?[course] "
    "AND ([wanted]) ORDER BY id DESC LIMIT [most]"
)
_ACT = "SELECT [columns] FROM {log} WHERE id = ? AND ([wanted])"
_ROW = "SELECT id, eventname, userid, relateduserid, courseid, anonymous, timecreated, origin FROM {log} WHERE id = ?"
_IDS = "SELECT MIN(id), MAX(id) FROM {log}"
_COURSES = (
    "SELECT DISTINCT courseid FROM {log} WHERE userid = ? AND timecreated >= ? AND timecreated < ? "
    "AND courseid > [site] ORDER BY courseid LIMIT [most]"
)
_ALIKE = (
    "SELECT idnumber, id FROM {user} WHERE deleted = 0 AND idnumber IN (SELECT idnumber FROM {user} "
    "WHERE deleted = 0 AND idnumber <> '' GROUP BY idnumber HAVING COUNT(*) > 1) ORDER BY idnumber, id"
)
_PEOPLE = (
    "SELECT id, username, idnumber, email, firstname, lastname, deleted, suspended FROM {user} WHERE [match] "
    "ORDER BY id LIMIT 20"
)
_COURSE = "SELECT id, shortname, enablecompletion FROM {course} WHERE [match]"
_TRACKED = "SELECT COUNT(*) FROM {course_modules} WHERE course = ? AND completion > 0 AND deletioninprogress = 0"

_COURSES_MAX = 20

Matched = Literal["id", "username", "idnumber", "email"]
_MATCHES: tuple[Matched, ...] = ("id", "username", "idnumber", "email")
_MATCHED: Mapping[Matched, str] = {
    "id": "id = ?",
    "username": "LOWER(username) = LOWER(?)",
    "idnumber": "idnumber = ?",
    "email": "LOWER(email) = LOWER(?)",
}

ID_MAX = 2**63 - 1
"""The highest id of any table of Moodle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundUser:
    """Somebody in Moodle's user table, and which column the text was found in."""

    user_id: str
    username: str
    idnumber: str
    email: str
    first_name: str
    last_name: str
    deleted: bool
    suspended: bool
    matched: Matched


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracking:
    """Whether a course tracks completion: switched on at all, and for how many activities."""

    course: str
    shortname: str
    enabled: bool
    activities: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedRow:
    """One row of the log as it stands, whether or not any rule wants it. Ids are as in the row."""

    position: int
    lms_event: str
    user: int
    related: int | None
    course: int | None
    anonymous: bool
    occurred_at: int
    origin: str | None


class History:
    """Answers one source's questions on a connection of its own. Close it after use."""

    def __init__(self, options: LogstoreOptions, clock: Clock, kinds: KindTable | None = None) -> None:
        self._options = options
        self._clock = clock
        self._kinds = Kinds(kinds or KindTable())
        self._log = database_for(options, log=True)
        self._state = self._log if options.log_url is None else database_for(options)

    async def acts_of(
        self, user_id: str, demand: Demand, *, since: int, until: int, course: str | None = None
    ) -> list[Observation]:
        """What the log holds of one person between ``since`` and ``until`` (excluded), in order, with look-ups.

        Only what ``demand`` wants; at most the newest `acts_max` rows of each sort. Anonymous rows are left out.

        Raises:
            ConfigError: the log cannot be read as configured.
            TransientError: it cannot be reached.
        """
        wanted = filter_of(demand, self._log.schema)
        within = f" AND courseid = {int(course)}" if course is not None else ""
        queries = [
            wanted.around(
                self._log.schema.query(
                    _ACTS,
                    int(user_id),
                    since,
                    until,
                    columns=wanted.columns,
                    column=column,
                    course=within,
                    wanted=wanted.condition,
                    most=[self._options.limits.acts_max],
                )
            )
            for column in ("userid", "relateduserid")
        ]
        return await self._observed(queries, demand, since=since, user_id=user_id)

    async def act_at(self, position: int, demand: Demand) -> Observation | None:
        """The row of this id, with look-ups; None where it is not there, anonymous, or nothing that ``demand`` wants.

        Raises:
            ConfigError: the log cannot be read as configured.
            TransientError: it cannot be reached.
        """
        wanted = filter_of(demand, self._log.schema)
        query = self._log.schema.query(_ACT, position, columns=wanted.columns, wanted=wanted.condition)
        found = await self._observed([wanted.around(query)], demand)
        return found[0] if found else None

    async def row_at(self, position: int) -> LoggedRow | None:
        """The log's row of this id as it stands, or None; errors as `act_at`."""
        (answer,) = await self._log.fetch_all([self._log.schema.query(_ROW, position)])
        for number, event, user, related, course, anonymous, at, origin in self._log_rows(answer):
            return LoggedRow(
                position=number,
                lms_event=event,
                user=user,
                related=related,
                course=course,
                anonymous=bool(anonymous),
                occurred_at=at,
                origin=origin,
            )
        return None

    async def ids(self) -> tuple[int, int]:
        """The lowest and the highest id that the log has now; zeros where it is empty. Errors as `act_at`."""
        (answer,) = await self._log.fetch_all([self._log.schema.query(_IDS)])
        ((lowest, highest),) = self._log_rows(answer)
        return lowest or 0, highest or 0

    async def courses_of(self, user_id: str, *, since: int, until: int) -> list[str]:
        """Ids of the courses in which a person did anything at all then, at most 20; errors as `act_at`."""
        query = self._log.schema.query(_COURSES, int(user_id), since, until, site=[SITE_COURSE], most=[_COURSES_MAX])
        (answer,) = await self._log.fetch_all([query])
        return [str(course) for (course,) in self._log_rows(answer)]

    async def _observed(
        self, queries: Sequence[Query], demand: Demand, *, since: int = 0, user_id: str | None = None
    ) -> list[Observation]:
        """What these rows of the log show, once each and in order, with look-ups; of one person where given."""
        async with self._log.snapshot():
            answers = await self._log.fetch_all(queries)
            rows = {row[0]: row for answer in answers for row in self._log_rows(answer)}
            drafts = drafts_of(
                [rows[position] for position in sorted(rows)],
                self._kinds,
                demand.facts,
                start_at=since,
                backdated=frozenset(),
                seen=Counter(),
            )
            mine = [draft for draft in drafts if user_id is None or user_id in draft.people.values()]
            if self._state is self._log:
                await look_up(self._state, mine, demand, self._kinds, self._options, now=self._clock.now())
        if self._state is not self._log:
            async with self._state.snapshot():
                await look_up(self._state, mine, demand, self._kinds, self._options, now=self._clock.now())
        name, site = self._options.name, self._options.site_name
        return [observation_of(draft, source=name, site=site) for draft in mine]

    async def find_user(self, text: str) -> list[FoundUser]:
        """Everybody whose id, username, idnumber or e-mail is ``text``, each once, ids first.

        Usernames and e-mails are the same in capitals, as they are to Moodle.

        Raises:
            ConfigError: the user table may not be read.
            TransientError: the database cannot be reached.
        """
        text = text.strip()
        columns = [column for column in _MATCHES if text and (column != "id" or _is_id(text))]
        queries = [
            self._state.schema.query(_PEOPLE, _value(column, text), match=_MATCHED[column]) for column in columns
        ]
        answers = await self._state.fetch_all(queries)
        found: dict[int, FoundUser] = {}
        for column, answer in zip(columns, answers, strict=True):
            for row in self._rows(answer):
                found.setdefault(row[0], _found(row, column))
        return list(found.values())

    async def the_user(self, text: str) -> FoundUser:
        """The one person meant by ``text``.

        Raises:
            InvalidInputError: nobody, or several, whom the message names.
        """
        found = await self.find_user(text)
        present = [one for one in found if not one.deleted] or found
        if len(present) == 1:
            return present[0]
        if not present:
            raise InvalidInputError(
                f"Moodle knows nobody with the username, idnumber, e-mail or id {text!r}",
                hint="check the spelling in Moodle under Site administration > Users",
            )
        told = "; ".join(f"id {one.user_id} ({one.username}, by {one.matched})" for one in present)
        raise InvalidInputError(f"{text!r} is more than one person: {told}", hint="ask again with the id")

    async def same_idnumber(self) -> list[tuple[str, str]]:
        """(idnumber, user id) of every account whose idnumber another account has too, in this order.

        Raises:
            ConfigError: the user table may not be read.
            TransientError: the database cannot be reached.
        """
        (answer,) = await self._state.fetch_all([self._state.schema.query(_ALIKE)])
        return [(str(idnumber), str(user)) for idnumber, user in self._rows(answer)]

    async def completion_tracking(self, course: str) -> Tracking | None:
        """Whether a course, named by id or short name, tracks completion; None where there is no such course."""
        queries = [self._state.schema.query(_COURSE, course, match="shortname = ?")]
        if _is_id(course):
            queries.insert(0, self._state.schema.query(_COURSE, int(course), match="id = ?"))
        rows = [row for answer in await self._state.fetch_all(queries) for row in self._rows(answer)]
        if not rows:
            return None
        number, shortname, enabled = rows[0]
        (answer,) = await self._state.fetch_all([self._state.schema.query(_TRACKED, number)])
        ((count,),) = self._rows(answer)
        return Tracking(course=str(number), shortname=shortname, enabled=bool(enabled), activities=count)

    async def close(self) -> None:
        """Let go of connections; may be called twice."""
        await self._log.close()
        await self._state.close()

    def _log_rows(self, answer: Rows | Unreadable) -> Rows:
        if isinstance(answer, Unreadable):
            raise log_unreadable(answer, self._options, self._log.schema)
        return answer

    def _rows(self, answer: Rows | Unreadable) -> Rows:
        if isinstance(answer, Unreadable):
            raise ConfigError(
                f"{self._options.place}: table {self._state.schema.full(answer.table)} cannot be read",
                hint="`rewards-agent doctor` prints the GRANT statements that this needs",
            )
        return answer


def _is_id(text: str) -> bool:
    number = whole_number(text)
    return number is not None and number <= ID_MAX


def _value(column: Matched, text: str) -> str | int:
    return int(text) if column == "id" else text


def _found(row: tuple[object, ...], matched: Matched) -> FoundUser:
    return FoundUser(
        user_id=str(row[0]),
        username=str(row[1]),
        idnumber=str(row[2]),
        email=str(row[3]),
        first_name=str(row[4]),
        last_name=str(row[5]),
        deleted=bool(row[6]),
        suspended=bool(row[7]),
        matched=matched,
    )
