"""What the mapping of every posting system shares: a post as it came, what it maps to, and why one is refused.

A mapping is pure: bytes in, observations out. It is asked twice, by the door (is this a post we understand?) and by the
reader of the inbox (what does it say?), and must answer alike.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from typing import Any, Literal, Protocol, TypeVar

import orjson

from agent.config.kinds import KindTable
from agent.errors import InvalidInputError
from agent.model import EventMark, Evidence, Fact, Identifier, Observation, PersonMark, noun

DEPTH_MAX = 20
"""Lists and tables inside each other."""
VALUES_MAX = 40_000
"""Values in one post, all levels together: eighty for each of as many events as it may tell."""
TEXT_MAX = 2_000
"""Characters of a text that names something; longer ones are refused."""
EVENTS_MAX = 500
"""Events in one post."""
TIME_MAX = 9_999_999_999
"""Times have ten digits; what is later is in milliseconds, or nonsense."""
AHEAD_MAX_S = 86_400
"""How far a sender's clock may run ahead of ours."""

Reason = Literal[
    "not_json",
    "not_an_object",
    "too_deep",
    "too_many_values",
    "too_many_events",
    "field_missing",
    "field_invalid",
    "time_invalid",
    "time_in_the_future",
    "event_unknown",
    "not_readable",
]
"""Why a post is refused, for machines; the closed list."""

_Made = TypeVar("_Made")


class RefusedPostError(InvalidInputError):
    """A post that is not what its system sends: ``reason`` for machines, ``name`` the field where one is to blame.

    ``request`` is what the post calls itself, where its mapping came so far as to know; ``event`` the place of what is
    wrong among several in one post, from 1, and 0 where there is one alone.
    """

    def __init__(self, reason: Reason, message: str, *, name: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.reason = reason
        self.name = name
        self.request = ""
        self.event = 0

    def among(self, called: str, number: int) -> None:
        """It is about one of several: the one with this number."""
        self.event, self.message = number, f"{called} {number}: {self.message}"


@noun
class Arrival:
    """A post as the inbox keeps it.

    ``number`` is its place in the inbox, ``received_at`` seconds UTC by our clock. ``backdated_after_s`` is how much
    older than its arrival an act may be before it is held. With ``awaits_log`` a log tells the same acts: a post is
    unconfirmed until its row is seen, or with ``pay_before_log`` only where the post lacks a part of its key.
    """

    source: str
    site: str
    number: int
    received_at: int
    evidence: Evidence
    body: bytes
    backdated_after_s: int = 7 * 86_400
    awaits_log: bool = False
    pay_before_log: bool = False
    site_admins: frozenset[int] = field(default_factory=frozenset)


class System(Protocol):
    """One system's mapping."""

    def observations(self, arrival: Arrival, kinds: KindTable) -> Sequence[Observation]:
        """What a post says, in its own order; empty where it is well-formed and tells nothing that could earn.

        Raises:
            RefusedPostError: it is not what this system sends.
        """
        ...


Signature = Callable[[bytes, Mapping[str, str], bytes], bool]
"""(body, headers in small letters, secret) → whether the post is signed with the secret; compares in constant time."""


def json_of(body: bytes) -> Any:
    """The body as JSON, within bounds.

    Raises:
        RefusedPostError: it is none, too deep, or has too many values.
    """
    try:
        found = orjson.loads(body.removeprefix(BOM_UTF8))  # PowerShell and .NET write one
    except orjson.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        looks = next((said for mark, said in _LOOKS if mark.match(body)), "")
        raise RefusedPostError(
            "not_json", f"the body is not JSON: {place}", hint=f"{looks}send JSON in UTF-8"
        ) from error
    opened = body.count(b"{") + body.count(b"[")  # those in texts too: there are no more lists and tables than that
    if opened >= DEPTH_MAX or opened + body.count(b",") >= VALUES_MAX:
        _bounded(found)
    return found


def object_of(body: bytes) -> Mapping[str, Any]:
    """The body as one JSON object, within bounds.

    Raises:
        RefusedPostError: as `json_of`, or it is something else.
    """
    found = json_of(body)
    if not isinstance(found, dict):
        raise RefusedPostError("not_an_object", "the body is JSON, but not an object", hint=_instead(found, '{"…": …}'))
    return found


_LOOKS = (
    (re.compile(rb"\x1f\x8b"), "it is packed by gzip: "),
    (re.compile(rb"\xff\xfe|\xfe\xff"), "it is UTF-16: "),
    (re.compile(rb"\s*<"), "it is XML or a page: "),
    (re.compile(rb"[\w.%+~\[\]-]{1,200}="), "it is a form: "),
)
"""How what is no JSON begins, and what it is then."""


def _instead(found: object, like: str) -> str:
    """What to send instead of something that is no object."""
    return f"the whole post stands in quotes, as a text: send {like}" if isinstance(found, str) else f"send {like}"


def of_each(found: Any, make: Callable[[Mapping[str, Any]], _Made], *, called: str, like: str) -> Iterator[_Made]:
    """What ``make`` finds in each of a list of objects, or in the one that there is.

    ``called`` is what one is called, ``like`` how one begins.

    Raises:
        RefusedPostError: there are too many, or one is refused: it says which.
    """
    listed = found if isinstance(found, list) else [found]
    if len(listed) > EVENTS_MAX:
        raise RefusedPostError("too_many_events", f"more than {EVENTS_MAX} {called}s in one post", hint="send several")
    for number, data in enumerate(listed, start=1):
        try:
            if not isinstance(data, dict):
                raise RefusedPostError("not_an_object", "it is not an object", hint=_instead(data, like))  # noqa: TRY301
            made = make(data)
        except RefusedPostError as error:
            if isinstance(found, list):
                error.among(called, number)
            raise
        yield made


_NESTED = (dict, list)


def _bounded(found: object) -> None:
    level, count = [found], 0
    for _ in range(DEPTH_MAX):
        count += len(level)
        if count > VALUES_MAX:
            raise RefusedPostError("too_many_values", f"more than {VALUES_MAX} values in one post")
        level = [
            inner
            for each in level
            if isinstance(each, _NESTED)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return
    raise RefusedPostError("too_deep", f"more than {DEPTH_MAX} levels")


def missing(name: str, hint: str = "") -> RefusedPostError:
    """A required field is not there."""
    return RefusedPostError("field_missing", f"{name} is missing", name=name, hint=hint)


def invalid(name: str, wanted: str) -> RefusedPostError:
    """A field's value cannot be used. The value is not repeated: it may be personal."""
    return RefusedPostError("field_invalid", f"{name} is not {wanted}", name=name, hint=f"send {wanted}")


_DIGITS_MAX = len(str(2**63))


def number_in(data: Mapping[str, Any], name: str) -> int | None:
    """A whole number under ``name``, written as number or text; None where it is absent, empty or null.

    Raises:
        RefusedPostError: it is something else.
    """
    value = data.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, str):
        text = value.strip()
        digits = text.removeprefix("-")
        if digits.isascii() and digits.isdigit() and len(digits) <= _DIGITS_MAX:
            return int(text)
    elif isinstance(value, int) and not isinstance(value, bool):
        return value
    elif isinstance(value, float) and value.is_integer() and abs(value) <= TIME_MAX:
        return int(value)
    raise invalid(name, "a whole number")


_EXACT_MAX = 2.0**53
"""From here on a float is not every whole number."""


def text_in(data: Mapping[str, Any], name: str, *, most: int = TEXT_MAX) -> str | None:
    """A text under ``name`` (numbers as they are written); None where it is absent, empty or null.

    Raises:
        RefusedPostError: it is a truth value, a table, a list, too long, or a number that lost its last digits.
    """
    value = data.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise invalid(name, "a text")
        if isinstance(value, float) and abs(value) >= _EXACT_MAX:  # two ids of twenty digits would be one
            raise invalid(name, "a text in quotes, or a number of fewer digits")
    text = str(value).strip()
    if len(text) > most:
        raise invalid(name, f"a text of at most {most} characters")
    if not is_plain(text):
        raise invalid(name, "a text without control characters")
    return text or None


def is_plain(text: str) -> bool:
    """Whether a text that names something stays on its line and in its order wherever it is shown."""
    return text.isprintable() or not _CONTROLS.search(text)


_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""What ends lines, moves the cursor of a terminal or turns the direction of what follows."""


def epoch_of(value: object, name: str, received_at: int) -> int:
    """A time as whole seconds since 1970, from seconds or ISO 8601 with a zone; parts of a second are dropped.

    Raises:
        RefusedPostError: it is neither, has no zone, is in milliseconds, or lies more than a day ahead.
    """
    if isinstance(value, str):
        value = value.strip()
        value = _PARTS.sub("", value) if "." in value else value
    elif isinstance(value, float) and abs(value) <= TIME_MAX:
        value = int(value)
    if isinstance(value, str) and not value.removeprefix("-").isdigit():
        try:
            moment = from_iso(value)
        except ValueError:
            raise RefusedPostError("time_invalid", f"{name} is not a time", name=name, hint=_TIMES) from None
        if moment.tzinfo is None:
            raise RefusedPostError("time_invalid", f"{name} does not say of which zone it is", name=name, hint=_TIMES)
        seconds = int(moment.timestamp())
    else:
        found = number_in({name: value}, name)
        if found is None:
            raise missing(name, _TIMES)
        seconds = found
    if seconds > TIME_MAX:
        raise RefusedPostError("time_invalid", f"{name} is in milliseconds, or no time", name=name, hint=_TIMES)
    if seconds < 0:
        raise RefusedPostError("time_invalid", f"{name} is before 1970", name=name, hint=_TIMES)
    if seconds > received_at + AHEAD_MAX_S:
        told = f"{name} is more than a day ahead of our clock"
        raise RefusedPostError("time_in_the_future", told, name=name, hint="correct the sender's clock")
    return seconds


def from_iso(text: str) -> datetime:
    """A time in ISO 8601; RFC 3339 allows a small `z` too, which Python does not read.

    Raises:
        ValueError: it is none.
    """
    return datetime.fromisoformat(text.strip().upper())


_PARTS = re.compile(r"(?<=^\d{10})\.\d+$", re.ASCII)
"""Parts of a second, behind seconds in digits."""
_TIMES = "send seconds since 1970 (UTC), or ISO 8601 with a zone such as 2026-09-01T09:00:00Z"


@noun
class Act:
    """What a mapping found, before it is an observation: ids are those of the system, as text.

    ``complete`` is whether the key has all its parts, so that another delivery of the same fact has the same. ``order``
    tells acts of one second apart where posts come in no certain order; 0 is the order in which they come.
    """

    name: str
    kind: str | None
    people: Mapping[str, str]
    key: tuple[str, ...]
    at: int
    object_table: str | None = None
    object_id: str | None = None
    course: str | None = None
    section: str | None = None
    lesson: str | None = None
    post: str | None = None
    marks: frozenset[EventMark] = frozenset()
    person_marks: Mapping[str, PersonMark] = field(default_factory=dict)
    facts: Mapping[str, Fact] = field(default_factory=dict)
    identifiers: Mapping[str, tuple[Identifier, ...]] = field(default_factory=dict, repr=False)
    complete: bool = True
    order: int = 0


def observed(act: Act, arrival: Arrival) -> Observation:
    """The observation of an act; one much older than its arrival is marked backdated."""
    marks = act.marks
    if arrival.awaits_log and not (arrival.pay_before_log and act.complete):
        marks |= {"unconfirmed"}
    if not act.complete:
        marks |= {"partial"}
    imported = arrival.evidence is Evidence.file  # what happened long ago is what an import is for
    if not imported and act.at < arrival.received_at - arrival.backdated_after_s:
        marks |= {"backdated"}
    return Observation(
        source=arrival.source,
        site=arrival.site,
        position=arrival.number,
        lms_event=act.name,
        kind=act.kind,
        people=act.people,
        natural_key=act.key,
        occurred_at=act.at,
        evidence=arrival.evidence,
        object_table=act.object_table,
        object_id=act.object_id,
        course=act.course,
        section=act.section,
        lesson=act.lesson,
        post=act.post,
        marks=marks,
        person_marks=act.person_marks,
        facts=act.facts,
        identifiers=act.identifiers,
        order=act.order,
    )


def identified(user: str, data: Mapping[str, Any]) -> dict[str, tuple[Identifier, ...]]:
    """What the part of a post about a user says of who that is; anything odd says nothing."""
    said = ((by, data.get(by)) for by in _IDENTIFIERS)
    found = tuple(
        Identifier(by=by, value=value)
        for by, value in said
        if isinstance(value, str) and 0 < len(value) <= _IDENTIFIER_MAX
    )
    return {user: found} if found else {}


_IDENTIFIERS = ("idnumber", "email", "username")
_IDENTIFIER_MAX = 255
