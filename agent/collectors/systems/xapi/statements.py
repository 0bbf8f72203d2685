"""xAPI statements, one or a list, as an LRS forwards them, a proxy copies them or `GET /statements` answers.

A statement's id is its key. The course is the activity itself where it is one, else the course among the context's
parents and groupings, else the first grouping or parent. A voided statement undoes what it names. Addresses of actors
become the digest by which xAPI itself names them (`mbox_sha1sum`) and are not kept.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from types import MappingProxyType
from typing import Any

from agent.collectors.numbers import whole
from agent.collectors.systems.base import (
    Act,
    Arrival,
    from_iso,
    identified,
    invalid,
    json_of,
    missing,
    observed,
    of_each,
    text_in,
)
from agent.collectors.systems.fields import exact, id_in, known, moment, needed, part, per_cent
from agent.collectors.systems.xapi.duration import seconds_of
from agent.config.kinds import KindTable
from agent.model import Fact, Observation

STATEMENT = "statement"
_ACTIVITIES_MAX = 50
_COURSE = re.compile(r".*/(?:course|unit_of_learning)/?", re.IGNORECASE)
_ASSESSMENT = re.compile(r".*/(?:assessment|quiz|test|exam)/?", re.IGNORECASE)
_PROGRESS = re.compile(r".*[/#]progress/?", re.IGNORECASE)
_CMI5 = "https://w3id.org/xapi/cmi5/context/categories/cmi5"
_MAILTO = re.compile(r"^mailto:", re.IGNORECASE)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_VOIDED = re.compile(r"https?://adlnet\.gov/expapi/verbs/voided")
"""The one verb that voids, whatever others call theirs."""

_VERBS: Mapping[str, str] = MappingProxyType(
    {
        "completed": "completed",
        "passed": "passed",
        "failed": "failed",
        "mastered": "passed",
        "scored": "scored",
        "satisfied": "satisfied",
        "experienced": "viewed",
        "viewed": "viewed",
        "progressed": "progressed",
        "attempted": "started",
        "initialized": "started",
        "launched": "started",
        "terminated": "ended",
        "exited": "ended",
        "suspended": "ended",
    }
)
"""The last word of a verb's address → what happened. Others earn nothing.

A system of cmi5 says `satisfied` also of who was let off, and where nothing had to be done: it is no completion.
"""

_TRIED = frozenset({"completed", "passed", "failed", "scored"})
"""What ends an attempt at an assessment."""


class Xapi:
    """The mapping; a `System`."""

    def observations(self, arrival: Arrival, kinds: KindTable) -> Sequence[Observation]:
        """A post's statements in their order, without those whose verb is no act of learning."""
        del kinds  # verb and activity say which it is
        found = _statements(arrival.body)
        acts = of_each(found, lambda data: _act(data, arrival), called="statement", like='{"actor": …}')
        return tuple(observed(act, arrival) for act in acts if act is not None)


def _statements(body: bytes) -> Any:
    """One statement, or the list of them."""
    found = json_of(body)
    listed = found.get("statements") if isinstance(found, dict) else None
    return listed if isinstance(listed, list) else found


def _act(told: Mapping[str, Any], arrival: Arrival) -> Act | None:
    data = part(told, "statement") or told
    verb = needed(part(data, "verb"), "id", "verb.id")
    if _VOIDED.fullmatch(verb):
        return _voiding(data, verb, arrival)
    word = verb.rstrip("/").rpartition("/")[2].rpartition("#")[2].lower()
    done = _VERBS.get(word)
    activity = part(data, "object")
    if done is None or text_in(activity, "objectType") not in {None, "Activity"}:
        return None
    learner = _agent(part(data, "actor"), "actor")
    if learner is None:
        return None
    about = needed(activity, "id", "object.id")
    sort = text_in(part(activity, "definition"), "type") or ""
    is_course = _COURSE.fullmatch(sort) is not None
    number = _number(data)
    course = about if is_course else _course(part(part(data, "context"), "contextActivities"))
    return Act(
        name=verb,
        kind=_kind(done, sort, is_course=is_course),
        people={"subject": learner, **_teacher(data)},
        key=("xapi", number),
        at=_when(data, arrival),
        object_table=STATEMENT,
        object_id=number,
        course=course,
        lesson=None if is_course else about,
        facts=_facts(part(data, "result")),
        identifiers=identified(learner, {"email": _address(data["actor"])}),
    )


def _voiding(data: Mapping[str, Any], verb: str, arrival: Arrival) -> Act | None:
    """The undoing of another statement: the LRS or an administrator says so, and no learner."""
    named = part(data, "object")
    if text_in(named, "objectType") != "StatementRef":
        raise invalid("object", "a StatementRef")
    voider = _agent(part(data, "actor"), "actor")
    return Act(
        name=verb,
        kind="statement.voided",
        people={} if voider is None else {"actor": voider},
        key=("xapi", "voided", needed(named, "id", "object.id").lower()),
        at=_when(data, arrival),
        object_table=STATEMENT,
        object_id=needed(named, "id", "object.id").lower(),
    )


def _number(data: Mapping[str, Any]) -> str:
    number = needed(data, "id", "id").lower()
    if not _UUID.fullmatch(number):
        raise invalid("id", "a UUID")
    return number


def _when(data: Mapping[str, Any], arrival: Arrival) -> int:
    """When it was done; where that is written without its zone (version 1.0 allows it), when it was stored."""
    names = ("stored",) if data.get("stored") and _lacks_zone(data.get("timestamp")) else ("timestamp", "stored")
    found = moment(data, names, arrival.received_at)
    return arrival.received_at if found is None else found


def _lacks_zone(time: object) -> bool:
    try:
        return isinstance(time, str) and from_iso(time).tzinfo is None
    except ValueError:
        return False


def _kind(done: str, sort: str, *, is_course: bool) -> str:
    if is_course:
        return f"course.{done}"
    if done in _TRIED and _ASSESSMENT.fullmatch(sort):
        return "quiz.submitted"
    return f"lesson.{done}"


def id_of_address(mbox: str) -> str:
    """What an actor is called who is known by an address, with or without `mailto:`."""
    address = f"mailto:{mbox.lower().removeprefix('mailto:').strip()}"
    return f"mbox-{hashlib.sha1(address.encode(), usedforsecurity=False).hexdigest()}"


def _agent(actor: Mapping[str, Any], name: str) -> str | None:
    """Who an agent is, by the first of its identifiers; None for a group, whose members did not act each."""
    if text_in(actor, "objectType") == "Group":
        return None
    account = part(actor, "account")
    if account:
        home = needed(account, "homePage", f"{name}.account.homePage")
        return f"{home.rstrip('/')}|{needed(account, 'name', f'{name}.account.name')}"
    mbox = id_in(actor, "mbox")
    if mbox is not None:
        return id_of_address(mbox)
    digest = id_in(actor, "mbox_sha1sum")
    if digest is not None:
        return f"mbox-{digest.lower()}"
    openid = id_in(actor, "openid")
    if openid is None:
        raise missing(f"{name}.account", "an account, mbox, mbox_sha1sum or openid")
    return openid


def _address(actor: Mapping[str, Any]) -> str | None:
    """The address of an agent that is known by nothing else; beside an account it names nobody."""
    mbox = None if actor.get("account") else actor.get("mbox")
    return _MAILTO.sub("", mbox.strip()) if isinstance(mbox, str) else None


def _teacher(data: Mapping[str, Any]) -> dict[str, str]:
    teacher = part(part(data, "context"), "instructor")
    found = _agent(teacher, "context.instructor") if teacher else None
    return {} if found is None else {"actor": found}


def _course(activities: Mapping[str, Any]) -> str | None:
    """The course that an activity belongs to; cmi5 does not say it, and names the activity itself once more."""
    groupings, parents = (_listed(activities, name) for name in ("grouping", "parent"))
    for each in (*parents, *groupings):
        sort = text_in(part(each, "definition"), "type")
        if sort is not None and _COURSE.fullmatch(sort):
            return id_in(each, "id")
    if any(id_in(each, "id") == _CMI5 for each in _listed(activities, "category")):
        return None
    return next((id_in(each, "id") for each in (*groupings, *parents)), None)


def _listed(activities: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    """A list of activities; version 0.95 writes a single one without the list."""
    found = activities.get(name)
    listed = [] if found is None else found if isinstance(found, list) else [found]
    if len(listed) > _ACTIVITIES_MAX or not all(isinstance(each, dict) for each in listed):
        raise invalid(f"contextActivities.{name}", f"a list of at most {_ACTIVITIES_MAX} activities")
    return listed


def _facts(result: Mapping[str, Any]) -> dict[str, Fact]:
    success = result.get("success")
    duration = text_in(result, "duration", most=100)
    spent = seconds_of(duration) if duration is not None else None
    return known(
        {
            "score_pct": _score(part(result, "score")),
            "success": success if isinstance(success, bool) else None,
            "time_on_task_sec": None if spent is None else whole(spent),
            "progress_pct": _progress(part(result, "extensions")),
        }
    )


def _score(score: Mapping[str, Any]) -> int | Fraction | None:
    """Per cent: the scaled score, else where the raw one lies between least and most."""
    scaled = exact(score, "scaled")
    if scaled is not None:
        if not -1 <= scaled <= 1:  # per cent would pay whoever scored anything
            raise invalid("score.scaled", "a number from -1 to 1")
        return per_cent(scaled)
    raw, least, most = (exact(score, name) for name in ("raw", "min", "max"))
    if raw is None or most is None or most <= (least or 0):
        return None
    return per_cent(Fraction(raw - (least or 0)) / (most - (least or 0)))


def _progress(extensions: Mapping[str, Any]) -> int | Fraction | None:
    """The extension of cmi5 and of its relatives: a number from 0 to 100."""
    for name in extensions:
        if _PROGRESS.fullmatch(name):
            return exact(extensions, name)
    return None
