"""Events that an administrator imports: into the inbox, as if a system had posted them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import orjson

from agent.clock import Clock
from agent.collectors.inbox.readable import require_readable
from agent.collectors.inbox.store import Inbox
from agent.collectors.systems.base import EVENTS_MAX, VALUES_MAX, Arrival, RefusedPostError, System
from agent.config.kinds import KindTable
from agent.errors import InvalidInputError
from agent.model import Evidence

Numbered = Sequence[tuple[int, Mapping[str, Any]]]
"""Events with their places in what was asked to be taken."""

_NESTED = (dict, list)
_AROUND = 2
"""Values of a post beside those of its events: the object and the list that hold them."""


class Imports:
    """Takes events for the ``sources`` (names) that speak the canonical schema, which ``system`` maps."""

    def __init__(
        self, inbox: Inbox, sources: Collection[str], system: System, kinds: Callable[[], KindTable], clock: Clock
    ) -> None:
        self._inbox = inbox
        self._sources = frozenset(sources)
        self._system = system
        self._kinds = kinds
        self._clock = clock

    async def take(self, *, source: str, events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Keep canonical events; when this returns they are on disk.

        An event that the reader of the inbox would refuse spoils none beside it: ``refused`` names its place among
        ``events``, the field, what is wrong and what to do. ``kept`` counts the others.

        Raises:
            InvalidInputError: the source is not one that takes them.
            TransientError: they cannot be kept now.
        """
        if source not in self._sources:
            raise InvalidInputError(
                f"source {source!r} takes no imports", hint='name a [[source]] with kind = "generic" in config.toml'
            )
        now = self._clock.now()
        kept = 0
        refused: dict[int, InvalidInputError] = {}
        for part in _parts(list(enumerate(events))):
            refused |= self._refused(source, now, part)
            good = [event for place, event in part if place not in refused]
            if good:
                await self._inbox.append(source, now, Evidence.file, _post(good))
            kept += len(good)
        return {"kept": kept, "refused": [_told(place, error) for place, error in sorted(refused.items())]}

    def _refused(self, source: str, now: int, part: Numbered) -> dict[int, InvalidInputError]:
        """The events of a post that nobody could read later, found by halves: nearly always there is none."""
        try:
            body = _post([event for _, event in part])
            arrival = Arrival(source=source, site=source, number=0, received_at=now, evidence=Evidence.file, body=body)
            require_readable(self._system, arrival, self._kinds())
        except InvalidInputError as error:
            if len(part) == 1:
                return {part[0][0]: error}
            half = len(part) // 2
            return self._refused(source, now, part[:half]) | self._refused(source, now, part[half:])
        return {}


def _post(events: Sequence[Mapping[str, Any]]) -> bytes:
    try:
        return orjson.dumps({"events": events})
    except orjson.JSONEncodeError as error:
        raise InvalidInputError("the event holds a value that JSON has not", hint="look for a huge number") from error


def _parts(events: Numbered) -> Iterator[Numbered]:
    """What fits into one post each: so many events and so many values as a post may have."""
    part: list[tuple[int, Mapping[str, Any]]] = []
    values = 0
    for place, event in events:
        more = _values(event)
        if part and (len(part) == EVENTS_MAX or values + more > VALUES_MAX - _AROUND):
            yield part
            part, values = [], 0
        part.append((place, event))
        values += more
    if part:
        yield part


def _values(value: object) -> int:
    """How many values there are in one, itself included; how deep they may lie is asked of each post."""
    count, level = 0, [value]
    while level and count <= VALUES_MAX:
        count += len(level)
        level = [
            inner
            for each in level
            if isinstance(each, _NESTED)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
    return count


def _told(place: int, error: InvalidInputError) -> dict[str, Any]:
    field = error.name if isinstance(error, RefusedPostError) else ""
    return {"event": place, "field": field, "problem": error.message, "remedy": error.hint}
