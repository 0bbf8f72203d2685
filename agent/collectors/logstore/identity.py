"""Is the log still the log it was? Rows remembered by content (anchors) tell when it was truncated or went back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import structlog

from agent.collectors.logstore.options import Limits
from agent.collectors.logstore.reading.stretch import Reader
from agent.errors import IntegrityError, TransientError
from agent.model import Anchor, SourceState

_ANCHORS = "SELECT id, eventname, userid, timecreated FROM {log} WHERE id IN ([ids])"
_BOUNDS = "SELECT (SELECT MIN(id) FROM {log}), (SELECT MAX(id) FROM {log})"
_OLDEST = "SELECT timecreated FROM {log} WHERE origin IS NOT NULL ORDER BY timecreated LIMIT 1"
"""What a restored course brought has the times of long ago, and says nothing of what the log keeps."""

_OF_USER = "SELECT id FROM {log} WHERE userid = ? AND id <= ? LIMIT 1"

KEPT_MIN_S = 86_400
"""Moodle's own cleanup keeps a log for two days at least: what is younger was removed by somebody else."""


async def verified(reader: Reader, anchors: Sequence[Anchor], name: str) -> tuple[Anchor, ...]:
    """The anchors that still hold, as they are now; those that retention removed are dropped.

    Call it inside a snapshot. Where two accounts were merged in the LMS, what the one did is the other's: the row is
    the same. Where somebody's data were deleted on their request, all that they did is gone from the log.

    Raises:
        BehindError: the log's newest id is below an anchor.
        IntegrityError: another row stands where an anchor was, or one is gone and nothing explains it.
    """
    if not anchors:
        return ()
    schema = reader.database.schema
    found, ((first, newest),) = await reader.ask_all(
        [schema.query(_ANCHORS, ids=[anchor.position for anchor in anchors]), schema.query(_BOUNDS)]
    )
    there = {row[0]: Anchor(position=row[0], lms_event=row[1], user=row[2], occurred_at=row[3]) for row in found}
    same = any(there.get(anchor.position) == anchor for anchor in anchors)
    for anchor in anchors:
        seen = there.get(anchor.position)
        if seen is not None and seen != anchor and not (same and seen == replace(anchor, user=seen.user)):
            raise _fault(name, f"row {anchor.position} was {_told(anchor)}, and is {_told(seen)}")
    top = max(anchors, key=lambda one: one.position)
    if newest is None or newest < top.position:
        raise BehindError(name, top, newest)
    highest = max(there, default=0)
    gone = [anchor for anchor in anchors if anchor.position not in there and anchor.position > highest]
    if gone:
        oldest = await reader.ask(schema.query(_OLDEST))
        for anchor in gone:
            if first > anchor.position and not any(at <= anchor.occurred_at for (at,) in oldest):
                continue
            if not same or await reader.ask(schema.query(_OF_USER, anchor.user, anchor.position)):
                what = f"row {anchor.position} was {_told(anchor)}, and is gone, though row {first} is still there"
                raise _fault(name, what)
    return tuple(there[anchor.position] for anchor in anchors if anchor.position in there)


class BehindError(IntegrityError):
    """The log ends (at ``newest``, None: is empty) before row ``top``, which was read: rewound, or one that lags."""

    def __init__(self, name: str, top: Anchor, newest: int | None) -> None:
        end = "is empty" if newest is None else f"ends at row {newest}"
        what = f"row {top.position} was {_told(top)}, and the log {end}"
        super().__init__(f"source {name}: the log is no longer the log it was: {what}", hint=_hint(name))
        self._top, self._newest = top, newest

    def is_retention(self, now: int) -> bool:
        """Whether the log may be empty because nobody came for as long as it is kept: nothing was written over."""
        return self._newest is None and now - self._top.occurred_at >= KEPT_MIN_S


def _fault(name: str, what: str) -> IntegrityError:
    return IntegrityError(f"source {name}: the log is no longer the log it was: {what}", hint=_hint(name))


def _hint(name: str) -> str:
    return (
        "the log was truncated, or the database is an older copy; if that is meant to be so, "
        f"`rewards-agent source accept-rewind {name}` shows what is there now and reads it again from its start"
    )


def _told(anchor: Anchor) -> str:
    return f"{anchor.lms_event} of user {anchor.user} at {anchor.occurred_at}"


def anchored(anchors: Sequence[Anchor], last: Anchor | None, limits: Limits) -> tuple[Anchor, ...]:
    """The anchors with a page's last row: the newest few, and older ones at a distance, in order, bounded."""
    if last is None:
        return tuple(anchors)
    known = sorted({*anchors, last}, key=lambda one: one.position)
    older, newest = known[: -limits.anchors_last], known[-limits.anchors_last :]
    kept: list[Anchor] = []
    for anchor in older:
        if not kept or anchor.position - kept[-1].position >= limits.anchor_every_ids:
            kept.append(anchor)
    return (*kept[-(limits.anchors_max - len(newest)) :], *newest)


class Watch:
    """Looks at a log's identity on every connection and once a minute, and at who answers at its address."""

    def __init__(self, reader: Reader, name: str) -> None:
        self._reader = reader
        self._name = name
        self._due = 0.0
        self._generation = -1
        self._server = ""
        self._known: set[str] = set()
        self._behind_since: float | None = None
        self._step = 1
        self._log = structlog.get_logger("logstore")

    def forget(self) -> None:
        """Look again at once."""
        self._generation = -1

    def is_due(self, running: float) -> bool:
        """Whether it is time: a new connection, or a minute is over."""
        return self._generation != self._reader.database.generation or running >= self._due

    @property
    def step(self) -> int:
        """By how much ids grow on the server that answers."""
        return self._step

    async def verified(self, state: SourceState, running: float, now: int) -> SourceState:
        """The state with the anchors that still hold, if it is time; see `verified`. Call it inside a snapshot.

        The newest is kept, also where retention removed it, until there is one after it.

        Raises:
            IntegrityError: it is not the log it was.
            TransientError: another server answers, and it lags.
        """
        if not self.is_due(running):
            return state
        database = self._reader.database
        server = await database.server()
        try:
            anchors = await verified(self._reader, state.anchors, self._name) or state.anchors[-1:]
        except BehindError as error:
            if not error.is_retention(now):
                self._wait_for(server, running, error)
                raise
            anchors = state.anchors
        self._step = await database.step()
        if self._server and server != self._server:
            self._log.warning(
                "another server answers at this address",
                source=self._name,
                was=self._server,
                now=server,
                alternating=server in self._known,
            )
        self._server = server
        self._known.add(server)
        self._behind_since = None
        self._due = running + self._reader.limits.anchor_check_s
        self._generation = database.generation
        return state if anchors == state.anchors else replace(state, anchors=anchors)

    def _wait_for(self, server: str, running: float, error: BehindError) -> None:
        """Another server than before may merely lag: wait a while before it is a log that went back."""
        if not self._server or server == self._server:
            return
        self._behind_since = running if self._behind_since is None else self._behind_since
        if running - self._behind_since < self._reader.limits.replica_patience_s:
            raise TransientError(
                f"source {self._name}: two servers answer at one address, and this one is behind "
                f"(now {server}, before {self._server})",
                hint="let the URL name one server; it is tried again",
            ) from error
