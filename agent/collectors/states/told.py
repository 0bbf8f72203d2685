r"""What the log says about rows of state tables: which of them it told, and what came with a restored course."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence

from agent.collectors.logstore.dialects.database import Database, Rows, Unreadable
from agent.collectors.states.found import Found
from agent.collectors.states.tables import events_of
from agent.collectors.systems import moodle
from agent.collectors.systems.moodle import RATED
from agent.engine.sighting import untold
from agent.errors import InvalidInputError, TransientError

STRETCHES_MAX = 50
"""Stretches of time in one query on the log."""
LOOKED_S = 7 * 86_400
"""So many seconds of the log are read at once: stretches of many rows are together as long as the log."""
PIECE_S = 3 * 3_600
"""So many where nobody waits."""
PAUSE_S = 0.02
"""Between two short transactions of a look that nobody waits for."""

_OLDEST = "SELECT MIN(timecreated) FROM {log}"
_TOLD = (
    "SELECT eventname, relateduserid, objectid, contextinstanceid, other, timecreated FROM {log} "
    "WHERE eventname IN ([names]) AND ([stretches])"
)
_RESTORES = (
    "SELECT courseid, eventname, timecreated, other FROM {log} WHERE courseid IN ([courses]) AND anonymous = 0 "
    "AND timecreated > ? AND eventname IN (?, ?) AND origin IS NOT NULL"
)
_GRADED_LATER = (
    "SELECT eventname, relateduserid, objectid, other FROM {log} WHERE courseid IN ([courses]) AND anonymous = 0 "
    "AND timecreated > ? AND eventname = ?"
)


class Restores:
    """When each course was last restored, as far as the log goes back; asked of it during one walk.

    Likewise when an activity of it last came out of the recycle bin: which one it was the log does not say.
    The log has no index for events, so what it says of a course is read once, from ``since`` on; later looks in the
    walk read what was written after ``began``. A row of a state table that is no older than ``since`` is only copied
    by a restore that is younger still.
    """

    def __init__(self, *, since: int, began: int) -> None:
        self._since = since
        self._began = began
        self._oldest = moodle.TIME_MAX
        self._at: dict[int, int] = {}
        self._unbinned: dict[int, int] = {}

    async def look(self, log: Database, found: Sequence[Found]) -> None:
        """Ask the log about these rows' courses; errors as `untold_by`."""
        courses = {one.course for one in found if one.course}
        new = sorted(courses - self._at.keys())
        known = sorted(courses & self._at.keys())
        queries = [log.schema.query(_OLDEST)]
        for wanted, after in ((new, self._since), (known, self._began)):
            if wanted:
                names = (moodle.COURSE_RESTORED, moodle.BIN_RESTORED)
                queries.append(log.schema.query(_RESTORES, after, *names, courses=wanted))
        oldest, *restored = await log.fetch_all(queries)
        ((first,),) = _rows(oldest)
        self._oldest = first if first is not None else moodle.TIME_MAX
        self._at |= dict.fromkeys(new, 0)
        for course, event, at, other in (row for answer in restored for row in _rows(answer)):
            if event == moodle.BIN_RESTORED:
                self._unbinned[course] = max(at, self._unbinned.get(course, 0))
            elif moodle.brings_people(_other(other, moodle.RESTORE_KEYS)):
                self._at[course] = max(at, self._at[course])

    def copied(self, one: Found) -> bool:
        """Whether a restore brought the row: it is older than its course, or than what it is about."""
        return one.at < one.began or (one.course is not None and one.at < self._at.get(one.course, 0))

    def unknown(self, one: Found) -> bool:
        """Whether it may have come out of the recycle bin, or the log does not go back so far that it could tell."""
        return one.at < self._oldest or (one.course is not None and one.at < self._unbinned.get(one.course, 0))


async def untold_by(log: Database, found: Sequence[Found]) -> list[Found]:
    """Those of ``found`` that no row of the log tells.

    A grade is told when the learner gets it, and has the time at which it was given: a workshop that is closed, names
    that are revealed, can be weeks later.

    Raises:
        TransientError: connection lost, time-out, or the log cannot be read.
    """
    told = _Told(found)
    for stretches in packed(_stretches(found), LOOKED_S):
        await told.look(log, stretches)
    left = told.untold(found)
    told_later = await _graded_later(log, [one for one in left if one.event == untold.GRADED])
    return [one for one in left if _graded(one) not in told_later]


async def untold_until(log: Database, found: Sequence[Found], now: int) -> list[Found]:
    """As `untold_by`, for rows of any age: a few hours of the log in each of many short transactions."""
    told = _Told(found)
    begun = [(first, min(last, now)) for first, last in _stretches(found)]
    for stretches in packed(begun, PIECE_S):
        async with log.snapshot():
            await told.look(log, stretches)
        await asyncio.sleep(PAUSE_S)
    return told.untold(found)


async def _graded_later(log: Database, found: Sequence[Found]) -> set[tuple[int, str, str]]:
    """The grades that the log tells of these rows' courses from the first of them on: whose, its number, how much."""
    courses = sorted({one.course for one in found if one.course})
    if not courses:
        return set()
    after = min(one.at for one in found)
    answers = await log.fetch_all([log.schema.query(_GRADED_LATER, after, untold.GRADED, courses=courses)])
    return {
        (related, str(number), _state(event, other))
        for answer in answers
        for event, related, number, other in _rows(answer)
    }


def _graded(one: Found) -> tuple[int, str, str]:
    return one.learner, one.object, one.state


def packed(stretches: Iterable[tuple[int, int]], most_s: int) -> Iterator[list[tuple[int, int]]]:
    """The stretches (first and last second) cut and put together, at most ``most_s`` seconds of the log at a time."""
    packed: list[tuple[int, int]] = []
    room = most_s
    for begin, last in stretches:
        first = begin
        while first <= last:
            end = min(last, first + room - 1)
            packed.append((first, end))
            room -= end - first + 1
            first = end + 1
            if not room or len(packed) == STRETCHES_MAX:
                yield packed
                packed, room = [], most_s
    if packed:
        yield packed


class _Told:
    """What the log says about some rows, as far as it was looked at: of what, and when."""

    def __init__(self, found: Sequence[Found]) -> None:
        self._names = sorted(events_of(found))
        self._at: dict[tuple[str, int | None, str, str], list[int]] = {
            (one.event, one.learner, one.object, one.state): [] for one in found
        }

    async def look(self, log: Database, stretches: Sequence[tuple[int, int]]) -> None:
        """Read what the log says in some stretches of time."""
        if not self._names:
            return
        query = log.schema.query(
            _TOLD,
            *self._names,
            *(time for stretch in stretches for time in stretch),
            names=", ".join("?" * len(self._names)),
            stretches=" OR ".join(["timecreated BETWEEN ? AND ?"] * len(stretches)),
        )
        for event, related, object_id, instance, other, at in _rows(*await log.fetch_all([query])):
            thing = object_id if event in {untold.GRADED, untold.BADGE} else instance
            about = self._at.get((event, related, str(thing), _state(event, other)))
            if about is not None:
                about.append(at)

    def untold(self, found: Sequence[Found]) -> list[Found]:
        """Those of which it says nothing."""
        return [
            one
            for one in found
            if not any(
                untold.near(one.at, at, one.event) for at in self._at[one.event, one.learner, one.object, one.state]
            )
        ]


def _state(event: str, other: str | None) -> str:
    """What a log row says that the learner reached, as `Found.state` is written."""
    return moodle.detail_of(event, _other(other, moodle.OTHER_KEYS.get(event, ())))


def _other(text: str | None, keys: tuple[str, ...]) -> moodle.Other:
    """What stands under these keys of `other`; nothing where it cannot be read."""
    try:
        return moodle.decode_other(text, keys)
    except InvalidInputError:
        return {}


def _stretches(found: Sequence[Found]) -> list[tuple[int, int]]:
    return untold.whole(
        (one.at - untold.BEFORE_S, one.at + untold.after_s(one.event)) for one in found if one.event != RATED
    )


def _rows(answer: Rows | Unreadable) -> Rows:
    if isinstance(answer, Unreadable):
        raise TransientError(
            f"the log cannot be read: {answer.reason}", hint="the log's own source says what to do about it"
        )
    return answer
