r"""What the log says about rows of state tables: which of them it told, and what came with a restored course."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.collectors.logstore.dialects.database import Database, Rows, Unreadable
from agent.collectors.states.tables import RATED, Found, events_of
from agent.collectors.systems import moodle
from agent.engine.sighting import untold
from agent.errors import InvalidInputError, TransientError

RESTORED = r"\core\event\course_restored"
STRETCHES_MAX = 50
"""Stretches of time in one query on the log."""

_OLDEST = "SELECT MIN(timecreated) FROM {log}"
_TOLD = (
    "SELECT eventname, relateduserid, objectid, contextinstanceid, other, timecreated FROM {log} "
    "WHERE eventname IN ([names]) AND ([stretches])"
)
_RESTORES = (
    "SELECT courseid, MAX(timecreated) FROM {log} WHERE courseid IN ([courses]) AND anonymous = 0 "
    "AND eventname = ? AND origin IS NOT NULL GROUP BY courseid"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Restores:
    """When each course was last restored, as far as the log goes back: ``oldest`` is its oldest row's time."""

    oldest: int
    at: Mapping[int, int]

    def copied(self, one: Found) -> bool:
        """Whether a restore brought the row: it is older than its course."""
        return one.course is not None and one.at < self.at.get(one.course, 0)

    def unknown(self, one: Found) -> bool:
        """Whether the log does not go back so far that it could tell."""
        return one.at < self.oldest


async def untold_by(log: Database, found: Sequence[Found]) -> list[Found]:
    """Those of ``found`` that no row of the log tells.

    Raises:
        TransientError: connection lost, time-out, or the log cannot be read.
    """
    names = sorted(events_of(found))
    told: dict[tuple[str, int | None, str, str], list[int]] = {}
    ends = _stretches(found)
    for start in range(0, len(ends) if names else 0, STRETCHES_MAX):
        stretches = ends[start : start + STRETCHES_MAX]
        query = log.schema.query(
            _TOLD,
            *names,
            *(time for stretch in stretches for time in stretch),
            names=", ".join("?" * len(names)),
            stretches=" OR ".join(["timecreated BETWEEN ? AND ?"] * len(stretches)),
        )
        for event, related, object_id, instance, other, at in _rows(*await log.fetch_all([query])):
            thing = object_id if event in {untold.GRADED, untold.BADGE} else instance
            told.setdefault((event, related, str(thing), _state(event, other)), []).append(at)
    return [
        one
        for one in found
        if not any(
            untold.near(one.at, at, one.event) for at in told.get((one.event, one.learner, one.object, one.state), ())
        )
    ]


async def restores_of(log: Database, found: Sequence[Found]) -> Restores:
    """What the log knows of restores of these rows' courses; errors as `untold_by`."""
    courses = sorted({one.course for one in found if one.course})
    oldest, restored = await log.fetch_all(
        [log.schema.query(_OLDEST), log.schema.query(_RESTORES, RESTORED, courses=courses)]
    )
    ((first,),) = _rows(oldest)
    return Restores(oldest=first if first is not None else moodle.TIME_MAX, at=dict(_rows(restored)))


def _state(event: str, other: str | None) -> str:
    """What a log row says that the learner reached, as `Found.state` is written."""
    keys = moodle.OTHER_KEYS.get(event)
    if keys is None:
        return ""
    try:
        return moodle.detail_of(event, moodle.decode_other(other, keys))
    except InvalidInputError:
        return ""


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
