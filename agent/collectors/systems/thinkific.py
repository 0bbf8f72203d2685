"""Thinkific's webhooks: `{"id", "resource", "action", "created_at", "payload"}`, or a `topic` for resource and action.

A course's end is told by `enrollment.completed` and by `course.completed`: one fact, whichever comes. Progress is
written as a share of one (`"0.5"`); above one it is taken as per cent. Leads are no users: their ids are kept apart.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Any

from agent.collectors.numbers import whole
from agent.collectors.systems.base import Act, Arrival, identified, missing, object_of, observed, text_in
from agent.collectors.systems.fields import exact, id_in, known, moment, needed, part, per_cent
from agent.config.kinds import KindTable
from agent.model import Fact, Identifier, Observation, PersonMark

HEADER = "x-thinkific-hmac-sha256"
_RUNS: Mapping[str, PersonMark] = MappingProxyType({"site_admin": "site_admin", "course_admin": "staff"})
"""The roles of users that are no learner's, the higher one first; only posts about users tell them."""


def is_signed(body: bytes, headers: Mapping[str, str], secret: bytes) -> bool:
    """Whether the header is the hexadecimal HMAC-SHA256 of the body under the API key."""
    shown = headers.get(HEADER, "").strip().lower().encode("utf-8", "surrogateescape")
    return hmac.compare_digest(shown, hmac.new(secret, body, hashlib.sha256).hexdigest().encode())


class Thinkific:
    """The mapping; a `System`."""

    def observations(self, arrival: Arrival, kinds: KindTable) -> Sequence[Observation]:
        """The one event of a post; none where its topic is no learner's act."""
        del kinds  # the topic says which it is
        envelope = object_of(arrival.body)
        topic = _topic(envelope)
        make = _TOPICS.get(topic)
        if make is None:
            return ()
        payload = part(envelope, "payload")
        at = moment(envelope, ("created_at", "timestamp"), arrival.received_at)
        if at is None:
            raise missing("created_at")
        return (observed(make(_Told(topic=topic, payload=payload, at=at, arrival=arrival)), arrival),)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    topic: str
    payload: Mapping[str, Any]
    at: int
    arrival: Arrival

    def user(self) -> str:
        """The learner: `payload.user.id`, or `payload.user_id`; in posts about users the payload itself."""
        found = self.payer()
        if found is None:
            raise missing("payload.user.id")
        return found

    def payer(self) -> str | None:
        """As `user`, where a post may leave it out."""
        return id_in(part(self.payload, "user"), "id") or id_in(self.payload, "user_id")

    def about(self, name: str) -> str | None:
        """The id of a course, lesson, chapter or quiz."""
        return id_in(part(self.payload, name), "id") or id_in(self.payload, f"{name}_id")

    def act(self, kind: str, *key: str, facts: Mapping[str, Fact | None] | None = None, **more: Any) -> Act:
        fields: dict[str, Any] = {
            "name": self.topic,
            "kind": kind,
            "key": (kind, *key),
            "at": self.at,
            "course": self.about("course"),
            "section": self.about("chapter"),
            "facts": known(facts or {}),
            "person_marks": self._marks(more.get("people", {}).get("subject")),
            "identifiers": self._identified(more.get("people", {}).get("subject")),
            **more,
        }
        return Act(**fields)

    def _person(self, subject: str | None) -> Mapping[str, Any]:
        """What is said of the learner; a lead is nobody yet."""
        person = self.payload if self.topic.startswith("user.") else part(self.payload, "user")
        return {} if subject is None or id_in(person, "id") != subject else person

    def _marks(self, subject: str | None) -> Mapping[str, PersonMark]:
        roles = self._person(subject).get("roles")
        mark = next((mark for role, mark in _RUNS.items() if isinstance(roles, list) and role in roles), None)
        return {} if mark is None or subject is None else {subject: mark}

    def _identified(self, subject: str | None) -> Mapping[str, tuple[Identifier, ...]]:
        """By which address the learner is known."""
        person = self._person(subject)
        return {} if subject is None else identified(subject, {"email": person.get("email")})


def _topic(envelope: Mapping[str, Any]) -> str:
    topic = text_in(envelope, "topic", most=100)
    if topic is None:
        resource, action = (text_in(envelope, name, most=100) for name in ("resource", "action"))
        if resource is None or action is None:
            raise missing("topic" if resource is None else "action", "Thinkific sends resource and action")
        topic = f"{resource}.{action}"
    return topic.lower()


def _enrolment(told: _Told) -> str:
    """The number of the enrolment: a second one in the same course is another fact."""
    if told.topic.startswith("enrollment."):
        return id_in(told.payload, "id") or ""
    return id_in(part(told.payload, "enrollment"), "id") or ""


def _enrolled(told: _Told) -> Act:
    user, course = told.user(), told.about("course") or ""
    return told.act("course.enrolled", user, course, _enrolment(told), people={"subject": user})


def _progress(told: _Told) -> Act:
    user, course = told.user(), told.about("course") or ""
    share = exact(told.payload, "percentage_completed")
    progress = None if share is None else share if share > 1 else per_cent(share)
    return told.act(
        "course.progressed",
        user,
        course,
        _enrolment(told),
        str(told.at if progress is None else progress),
        people={"subject": user},
        facts={"progress_pct": progress},
    )


def _completed(told: _Told) -> Act:
    user, course = told.user(), told.about("course") or ""
    at = moment(told.payload, ("completed_at",), told.arrival.received_at) or told.at
    return told.act(
        "course.completed", user, course, _enrolment(told), at=at, people={"subject": user}, facts={"progress_pct": 100}
    )


def _lesson(told: _Told) -> Act:
    user, lesson = told.user(), told.about("lesson")
    if lesson is None:
        raise missing("payload.lesson.id")
    return told.act("lesson.completed", user, lesson, _enrolment(told), lesson=lesson, people={"subject": user})


def _quiz(told: _Told) -> Act:
    user, quiz = told.user(), told.about("quiz")
    if quiz is None:
        raise missing("payload.quiz.id")
    result = id_in(told.payload, "result_id")
    attempt = exact(told.payload, "attempts")
    return told.act(
        "quiz.submitted",
        user,
        quiz,
        result or f"at {told.at}",
        lesson=quiz,
        object_table="result" if result else None,
        object_id=result,
        people={"subject": user},
        facts={"score_pct": exact(told.payload, "grade"), "attempt": attempt},
    )


def _order(told: _Told) -> Act:
    """What was bought; a refund is found again by its order, also where it does not say whose that was."""
    transaction = told.topic.startswith("order_transaction.")
    user = told.payer() if transaction else told.user()
    order = id_in(told.payload, "order_id") or id_in(part(told.payload, "order"), "id")
    order = order or (None if transaction else id_in(told.payload, "id"))
    if order is None:
        raise missing("payload.order_id" if transaction else "payload.id")
    cents = exact(told.payload, "amount_cents")
    amount = exact(told.payload, "amount_dollars") if cents is None else whole(Fraction(cents, 100))
    kind = "order.refunded" if transaction else "order.created"
    about = (order, id_in(told.payload, "id") or "") if transaction else (order,)
    return told.act(
        kind,
        *about,
        object_table="order",
        object_id=order,
        people={"subject": user, "purchaser": user} if user else {},
        facts={"product": told.about("product"), "amount": amount},
    )


def _signed_in(told: _Told) -> Act:
    user = needed(told.payload, "id", "payload.id")
    return told.act("user.logged_in", user, str(told.at), people={"subject": user})


def _updated(told: _Told) -> Act:
    user = needed(told.payload, "id", "payload.id")
    return told.act("user.updated", user, str(told.at), people={"subject": user})


def _signed_up(told: _Told) -> Act:
    user = needed(told.payload, "id", "payload.id")
    return told.act("user.registered", user, people={"subject": user})


def _lead(told: _Told) -> Act:
    lead = f"lead-{needed(told.payload, 'id', 'payload.id')}"
    return told.act("lead.created", lead, people={"subject": lead})


_TOPICS: Mapping[str, Callable[[_Told], Act]] = MappingProxyType(
    {
        "enrollment.created": _enrolled,
        "enrollment.progress": _progress,
        "enrollment.completed": _completed,
        "course.completed": _completed,
        "lesson.completed": _lesson,
        "quiz.attempted": _quiz,
        "order.created": _order,
        "order_transaction.refunded": _order,
        "user.signin": _signed_in,
        "user.updated": _updated,
        "user.signup": _signed_up,
        "lead.created": _lead,
    }
)
