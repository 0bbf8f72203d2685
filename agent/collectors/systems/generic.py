"""The canonical schema, for anything that can post JSON: Zapier, Make, a form, a script.

    {"event": "course.completed", "occurred_at": "2026-09-01T09:00:00Z", "user": {"id": "12345"},
     "context": {"course": {"id": "987"}, "section": {"id": "3"}, "lesson": {"id": "12"}},
     "metrics": {"score_pct": 85}, "trace": {"lms_event_id": "9194694", "request_id": "r-1"}}

One object, a list of them, or `{"events": […]}`. Titles and addresses may stand in it and are not kept; what `user`
says of who that is (`idnumber`, `email`, `username`, `external_ids`: `{"moodle": "35"}`, an account at another site) is
compared where the source is trusted to link. A submission's text is measured and not kept. ``request_id`` is of the
delivery and not of the fact: it is told back and shown beside the act, and never decides whether two acts are one.
What `trust` says of an event can only lower how far it is believed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from agent.collectors.numbers import exact
from agent.collectors.systems.base import (
    Act,
    Arrival,
    RefusedPostError,
    epoch_of,
    identified,
    invalid,
    json_of,
    missing,
    observed,
    of_each,
    text_in,
)
from agent.config.kinds import KindTable
from agent.engine.sighting.again import REQUEST_ID
from agent.engine.trust import lowered
from agent.model import CLAIMED, ROLES, Fact, Identifier, Observation, Trust

KIND = re.compile(r"[a-z0-9_]+(?:\.[a-z0-9_]+)+")
"""A kind of event: dotted past tense."""
_FACT = re.compile(r"[a-z][a-z0-9_]{0,63}")
ID_MAX = 200
"""Characters of an id, and of the name of an event."""
_FACTS_MAX = 50
_FACT_TEXT_MAX = 500
_LISTED_MAX = 50
_ELSEWHERE_MAX = 20
_REQUEST = b'"request_id"'


class Generic:
    """The mapping; a `System`."""

    def observations(self, arrival: Arrival, kinds: KindTable) -> Sequence[Observation]:
        """The events of a post, in its order."""
        del kinds  # the sender names the kind itself
        found = json_of(arrival.body)
        try:
            return tuple(
                of_each(_events(found), lambda data: _seen(data, arrival), called="event", like='{"event": …}')
            )
        except RefusedPostError as error:
            error.request = _request_of(found)
            raise


def _events(found: Any) -> Any:
    """One event, or the list of them."""
    listed = found.get("events") if isinstance(found, dict) else None
    return listed if isinstance(listed, list) else found


def _seen(data: Mapping[str, Any], arrival: Arrival) -> Observation:
    """One event, believed no further than it says itself."""
    claim = text_in(data, "trust")
    if claim is not None:
        if claim not in Trust.__members__:
            raise invalid("trust", f"one of {', '.join(Trust.__members__)}")
        arrival = replace(arrival, evidence=lowered(arrival.evidence, Trust[claim]))
    return observed(_act(data, arrival), arrival)


def _act(data: Mapping[str, Any], arrival: Arrival) -> Act:
    kind = text_in(data, "event", most=ID_MAX)
    if kind is None:
        raise missing("event", "a kind such as course.completed: rewards-agent rules facts lists them")
    if not KIND.fullmatch(kind):
        raise invalid("event", "a kind such as course.completed")
    if "occurred_at" not in data:
        raise missing("occurred_at")
    at = epoch_of(data["occurred_at"], "occurred_at", arrival.received_at)
    people = _people(data)
    course, section, lesson, post = (_place(data, name) for name in ("course", "section", "lesson", "post"))
    submission = _part(data, "submission")
    trace = _part(data, "trace")
    number = _id(submission, "id") or _id(trace, "lms_event_id") or _id(data, "id")
    about = ("id", number) if number else ("at", course or "", section or "", lesson or "", post or "", str(at))
    return Act(
        name=text_in(trace, "lms_eventname", most=ID_MAX) or kind,
        kind=kind,
        people=people,
        key=(kind, people["subject"], *about),
        at=at,
        object_table="submission" if submission else None,
        object_id=number,
        course=course,
        section=section,
        lesson=lesson,
        post=post,
        identifiers=_known_by(people["subject"], data.get("user")),
        facts={
            **_facts(_part(data, "metrics")),
            **_facts(_part(data, "facts")),
            **_submitted(submission),
            **_request(trace),
        },
    )


def request_of(body: bytes) -> str:
    """What a post, or its first event, says of the request that it is; empty where it says nothing, or nothing is read.

    It is asked of posts that are refused, too, and of what is left of them.
    """
    if _REQUEST not in body:
        return ""
    try:
        return _request_of(json_of(body))
    except RefusedPostError:
        return ""


def request_among(seen: Sequence[Observation]) -> str:
    """As `request_of`, by what a post was found to say."""
    said = seen[0].facts.get(REQUEST_ID) if seen else None
    return said if isinstance(said, str) else ""


def _request_of(found: Any) -> str:
    events = _events(found)
    first = next(iter(events), None) if isinstance(events, list) else events
    trace = first.get("trace") if isinstance(first, dict) else None
    return str(_request(trace).get(REQUEST_ID, "")) if isinstance(trace, dict) else ""


def _request(trace: Mapping[str, Any]) -> Mapping[str, Fact]:
    """The request that brought an act; anything odd says nothing, since nothing depends on it."""
    number = trace.get(REQUEST_ID)
    odd = isinstance(number, bool) or not isinstance(number, str | int)
    text = "" if odd else str(number).strip()
    return {REQUEST_ID: text} if 0 < len(text) <= ID_MAX and text.isprintable() else {}


def _known_by(subject: str, user: object) -> Mapping[str, tuple[Identifier, ...]]:
    """What is said of who the learner is, with the accounts at other sites; anything odd says nothing."""
    if not isinstance(user, dict):
        return {}
    said = user.get("external_ids")
    elsewhere = tuple(
        Identifier(by=CLAIMED, value=f"{site}:{number}")
        for site, number in list(said.items() if isinstance(said, dict) else ())[:_ELSEWHERE_MAX]
        if isinstance(number, str | int) and not isinstance(number, bool) and 0 < len(f"{number}") <= ID_MAX
    )
    found = (*identified(subject, user).get(subject, ()), *elsewhere)
    return {subject: found} if found else {}


def _part(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = data.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise invalid(name, "an object")
    return value


def _id(data: Mapping[str, Any], name: str) -> str | None:
    return text_in(data, name, most=ID_MAX)


def _place(data: Mapping[str, Any], name: str) -> str | None:
    """`{"course": {"id": "987"}}`, or shorter `{"course": "987"}`."""
    context = _part(data, "context")
    value = context.get(name)
    return _id(value, "id") if isinstance(value, dict) else _id(context, name)


def _people(data: Mapping[str, Any]) -> dict[str, str]:
    user = data.get("user")
    subject = _id(user, "id") if isinstance(user, dict) else _id(data, "user")
    if subject is None:
        raise missing("user.id", "the learner's id in the sending system")
    people = {"subject": subject}
    others = _part(data, "people")
    for role in ROLES:
        person = others.get(role)
        found = _id(person, "id") if isinstance(person, dict) else _id(others, role)
        if found is not None and role != "subject":
            people[role] = found
    return people


def _facts(values: Mapping[str, Any]) -> dict[str, Fact]:
    """Numbers exact, texts short; a null says nothing."""
    if len(values) > _FACTS_MAX:
        raise RefusedPostError("too_many_values", f"more than {_FACTS_MAX} facts in one event")
    found: dict[str, Fact] = {}
    for name, value in values.items():
        if not _FACT.fullmatch(name):
            raise invalid(name[:64], "the name of a fact: small letters, digits and _")
        if value is not None:
            found[name] = _fact(name, value)
    return found


def _fact(name: str, value: Any) -> Fact:
    match value:
        case bool() | int():
            return value
        case float() if (number := exact(value)) is not None:
            return number
        case str() if len(value) <= _FACT_TEXT_MAX:
            return value
        case list() if len(value) <= _LISTED_MAX and all(isinstance(x, str) and len(x) <= ID_MAX for x in value):
            return tuple(value)
    raise invalid(name, f"a number, a truth value, a text of at most {_FACT_TEXT_MAX} characters, or a list of texts")


def _submitted(submission: Mapping[str, Any]) -> dict[str, Fact]:
    """What is known of a submission besides its facts: how long its text is, which files, which address."""
    found: dict[str, Fact] = {}
    if not submission:
        return found
    text = submission.get("text")
    if isinstance(text, str):
        found["char_count"], found["word_count"] = len(text.strip()), len(text.split())
    files = submission.get("files")
    if isinstance(files, list):
        found["file_count"] = len(files)
        digests = [each.get("sha256") if isinstance(each, dict) else each for each in files]
        found["file_digests"] = tuple(str(one)[:ID_MAX] for one in digests[:_LISTED_MAX] if isinstance(one, str))
    address = text_in(submission, "url", most=_FACT_TEXT_MAX)
    if address is not None:
        found["url"] = address
    return {**found, **_facts(_part(submission, "counts"))}
