"""Posts that lack a part of their key: what else they say tells which row they are about, where only one fits. Pure.

A template that names no context, or no completion state, gives a post that can never have the key of its row. It is
compared with what is told at the very same second. Where exactly one fits, the post was about that; where several do it
stays what it is, and where none does it waits.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from agent.model import Event, Observation


@dataclass(frozen=True, slots=True, kw_only=True)
class Lacking:
    """A recorded post that lacks a part: its number, and the id of what it turned out to be about (empty: not yet).

    ``paid``: it was decided by itself, so that what it is about is another sighting of it. Else it only waited.
    """

    number: int
    event: Event
    told: bytes
    paid: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """The events of a page as they are to be taken, and which recorded posts they told: number → event id.

    ``settled`` are those of the posts that only waited for it. ``completed`` are posts that lack nothing any more: what
    they lacked was nothing, as in the system's own context, so that their key is the whole one.
    """

    events: list[Event]
    told: dict[int, bytes] = field(default_factory=dict)
    settled: frozenset[int] = frozenset()
    completed: frozenset[int] = frozenset()


def lacks(event: Event) -> bool:
    """Whether a part of its key is missing."""
    return "partial" in event.seen.marks


def fits(post: Observation, row: Observation) -> bool:
    """Whether a post that lacks a part says nothing that the row does not say."""
    if (post.site, post.lms_event, post.occurred_at) != (row.site, row.lms_event, row.occurred_at):
        return False
    said = (
        (post.object_table, row.object_table),
        (post.object_id, row.object_id),
        (post.course, row.course),
        (post.lesson, row.lesson),
        (post.kind, row.kind),
    )
    return all(mine is None or mine == theirs for mine, theirs in said) and post.people.items() <= row.people.items()


def matched(events: Sequence[Event], lacking: Collection[Lacking], recorded: Iterable[Event]) -> Matched:
    """A page beside what is recorded: ``lacking`` posts, and whole events of the same seconds.

    A post that exactly one whole event explains is left out: it adds nothing to it. A whole event that is the only one
    to explain a recorded post tells it; of one that was decided by itself it is another sighting.
    """
    whole = {event.event_id: event for event in recorded} | {e.event_id: e for e in events if not lacks(e)}
    completed = {one.number: one for one in lacking if one.event.event_id in whole}
    waiting = [one for one in lacking if one.number not in completed]
    found, told = [], dict[int, bytes]()
    for event in events:
        if not lacks(event):
            found.append(_taken(event, waiting, whole.values(), told))
        elif len(_fitting(event, whole.values())) != 1:
            found.append(event)
    settled = frozenset(one.number for one in waiting if one.number in told and not one.paid)
    return Matched(events=found, told=told, settled=settled, completed=frozenset(completed))


def _fitting(post: Event, whole: Iterable[Event]) -> list[Event]:
    return [row for row in whole if fits(post.seen, row.seen)]


def _taken(event: Event, waiting: Iterable[Lacking], whole: Iterable[Event], told: dict[int, bytes]) -> Event:
    for one in waiting:
        known = told.get(one.number, one.told)
        if not known and fits(one.event.seen, event.seen) and len(_fitting(one.event, whole)) == 1:
            known = told[one.number] = event.event_id
        if known == event.event_id and one.paid:
            return replace(event, event_id=one.event.event_id)
    return event
