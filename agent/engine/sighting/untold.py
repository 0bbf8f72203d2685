r"""What a state table tells and no log row told: by what such a fact and a log row about it are known to be one. Pure.

A row of the log has an actor and a context in its key, a state table has neither. What both have is the site, the
event's name, the learner, the object and the state; two sightings that agree in these, near in time, are one fact.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction

from agent.config.ways_in import SUFFIX
from agent.model import Event, Fact, Observation

STATE = "state"
"""The first part of a key that a state table gave."""

COMPLETION = r"\core\event\course_module_completion_updated"
COMPLETED = r"\core\event\course_completed"
GRADED = r"\core\event\user_graded"
BADGE = r"\core\event\badge_awarded"

BEFORE_S = 300
"""How much older than the state its log row may be."""
AFTER_S = 300
"""How much younger."""
COURSE_AFTER_S = 14 * 86_400
"""The same for courses: cron tells that a course was completed long after the last activity completed it, the longer
the longer it stood still."""

_GRADE_STEP = Fraction(1, 100_000)

Key = tuple[str, str, str, str]
"""(site, event name, learner, object) of a fact; its state is compared where both sightings tell it."""


def keys_of(seen: Observation) -> tuple[Key, ...]:
    """By what a fact is known; nothing for all that no state table tells, and for ratings (no log row does).

    A grade is known by its own number, which a database has, and by that of its item, which web services tell.
    """
    learner = seen.people.get("subject")
    if learner is None:
        return ()
    return tuple((seen.site, seen.lms_event, learner, thing) for thing in _objects_of(seen))


def is_of_a_state(seen: Observation) -> bool:
    """Whether a state table told it first."""
    return seen.source.endswith(SUFFIX)


def _objects_of(seen: Observation) -> Iterator[str]:
    if seen.lms_event == COMPLETION:
        thing = seen.lesson if seen.kind == "lesson.completed" else None
    elif seen.lms_event == COMPLETED:
        thing = seen.course
    else:
        thing = seen.object_id if seen.lms_event in {GRADED, BADGE} else None
    if thing is not None:
        yield thing
    if seen.lms_event == GRADED and "grade_item" in seen.facts:
        yield f"item {seen.facts['grade_item']}"


def _state_of(seen: Observation) -> Fact | None:
    """What the learner reached, where it was asked for."""
    return seen.facts.get("completion_state" if seen.lms_event == COMPLETION else "grade")


def after_s(event: str) -> int:
    """How much younger than the state a log row of this event may be."""
    return COURSE_AFTER_S if event == COMPLETED else AFTER_S


def near(state_at: int, told_at: int, event: str) -> bool:
    """Whether a log row of ``told_at`` can be about a state of ``state_at``."""
    return -BEFORE_S <= told_at - state_at <= after_s(event)


def _is_one(state: Observation, told: Observation) -> bool:
    one, other = _state_of(state), _state_of(told)
    same = one is None or other is None or one == other or _same_grade(one, other)
    return same and near(state.occurred_at, told.occurred_at, state.lms_event)


def _same_grade(one: Fact, other: Fact) -> bool:
    """An event can tell a grade unrounded, a state has five decimal places."""
    if not isinstance(one, int | Fraction) or not isinstance(other, int | Fraction):
        return False
    return abs(Fraction(one) - Fraction(other)) < _GRADE_STEP


def _by_key(events: Iterable[Event]) -> Mapping[Key, list[Event]]:
    found: defaultdict[Key, list[Event]] = defaultdict(list)
    for event in events:
        for key in keys_of(event.seen):
            found[key].append(event)
    return found


def _about(event: Event, known: Mapping[Key, list[Event]]) -> list[Event]:
    """Those of ``known`` that are about the same thing."""
    return [one for key in keys_of(event.seen) for one in known.get(key, ())]


def around(states: Iterable[Event]) -> list[tuple[int, int]]:
    """Stretches of time in which log rows about these states can lie."""
    return whole((at - BEFORE_S, at + after_s(event)) for at, event in _times(states))


def around_told(events: Iterable[Event]) -> list[tuple[int, int]]:
    """Stretches of time in which states that these events tell can lie; none where they tell no state."""
    return whole((at - after_s(event), at + BEFORE_S) for at, event in _times(events))


def names(events: Iterable[Event]) -> list[str]:
    """What those of the events are called that tell a state."""
    return sorted({one.seen.lms_event for one in events if keys_of(one.seen)})


def learners(events: Iterable[Event]) -> list[str]:
    """Whose states they tell."""
    return sorted({one.seen.people["subject"] for one in events if keys_of(one.seen)})


def _times(events: Iterable[Event]) -> Iterable[tuple[int, str]]:
    return [(one.seen.occurred_at, one.seen.lms_event) for one in events if keys_of(one.seen)]


def whole(ends: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Those that overlap as one."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(ends):
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return found


def unmatched(states: Iterable[Event], recorded: Iterable[Event]) -> list[Event]:
    """Those of ``states`` that none of the ``recorded`` events told; one that is recorded itself stays among them."""
    told = _by_key(recorded)
    return [
        state
        for state in states
        if not any(
            other.event_id != state.event_id and _is_one(state.seen, other.seen) for other in _about(state, told)
        )
    ]


def recognised(events: Iterable[Event], states: Iterable[Event]) -> list[Event]:
    """The events of a page; a row about a recorded state becomes a second sighting of it."""
    known = _by_key(states)
    found = []
    for event in events:
        state = next((one for one in _about(event, known) if _is_one(one.seen, event.seen)), None)
        found.append(event if state is None else _as_known(event, state))
    return found


def _as_known(told: Event, state: Event) -> Event:
    seen = replace(told.seen, occurred_at=state.seen.occurred_at)
    return Event(seen=seen, event_id=state.event_id, trust=told.trust)
