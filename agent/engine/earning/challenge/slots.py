"""What of an act is kept as a member of a challenge's set: which step, which thing, when; and being enrolled. Pure.

A slot has 63 bits: ten for the step, 32 for the thing, 21 for the time, which the member has whole beside it. Steps and
things are short hashes, so that a step keeps its acts when others are put before it.
"""

from __future__ import annotations

import hashlib

from agent.config.rulefile.tables.challenge import Step
from agent.config.rulefile.warn import default_once_per
from agent.engine.calendar import Moment
from agent.engine.conditions import told
from agent.model import Observation

CODES = (1 << 10) - 1
_THING_BITS = 32
_TIME_BITS = 21
_OBJECTS = frozenset({"lesson", "section", "course", "post"})

ENROLLED = 1
WITHDRAWN = 0


def code_of(step: Step) -> int:
    """The number of a step, 1 to `CODES`: of its id, else of what it is about (its count may change)."""
    return 1 + _hash(step.id or f"{step.on}|{step.per}|{told(step.conditions)}", 8) % CODES


def act(code: int, thing: int, at: int) -> int:
    """The slot of an act."""
    return (code << _THING_BITS | thing) << _TIME_BITS | at % (1 << _TIME_BITS)


def mark(what: int, at: int) -> int:
    """The slot of an enrolment or a withdrawal."""
    return act(0, what, at)


def parts(slot: int) -> tuple[int, int]:
    """(step's code, thing); code 0 is a mark."""
    rest = slot >> _TIME_BITS
    return rest >> _THING_BITS, rest & ((1 << _THING_BITS) - 1)


def per_of(step: Step, kind: str | None) -> tuple[str, ...]:
    """What a step counts different ones of, for events of a kind."""
    return step.per or ((default_once_per(kind) if kind else "event"),)


def thing(names: tuple[str, ...], seen: Observation, moment: Moment) -> int | str:
    """The thing that an act is about, as a number; or what it lacks: `no lesson`."""
    found = []
    for name in names:
        value = _part(name, seen, moment)
        if value is None:
            return f"no {name}"
        found.append(value)
    return _hash("\0".join(found), 4)


def _part(name: str, seen: Observation, moment: Moment) -> str | None:
    if name in _OBJECTS:
        number: str | None = getattr(seen, name)
        return f"{name}={seen.site}:{number}" if number else None
    match name:
        case "event":
            # What an act says of itself: the same on every reading of a log, and from what was recorded of it.
            about = (seen.kind, seen.lms_event, seen.object_table, seen.object_id, seen.course, seen.lesson, seen.post)
            return f"event={seen.site}:{seen.occurred_at}:{about}:{sorted(seen.people.items())}"
        case "badge":
            return f"badge={seen.site}:{seen.object_id}" if seen.object_table == "badge" and seen.object_id else None
        case "subject":
            subject = seen.people.get("subject")
            return None if subject is None else f"subject={seen.learner(subject)}"
    bucket = moment.windows.get(name)
    return None if bucket is None else f"{name}={bucket}"


def _hash(text: str, size: int) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=size).digest(), "big")
