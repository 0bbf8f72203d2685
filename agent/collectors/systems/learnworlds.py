"""LearnWorlds' webhooks: `{"version", "type", "trigger", "school_id", "data"}`, older and third ones besides.

Legacy posts have no `data` around what they tell; programs between write `{"topic", "data", "signature"}`. The header
`Learnworlds-Webhook-Signature: v1=…` is no digest: it is a secret that LearnWorlds shows and sends along.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import orjson

from agent.collectors.systems.base import (
    TEXT_MAX,
    Act,
    Arrival,
    RefusedPostError,
    identified,
    invalid,
    is_plain,
    missing,
    object_of,
    observed,
    text_in,
)
from agent.collectors.systems.fields import by_email, exact, id_in, known, moment, part
from agent.config.kinds import KindTable
from agent.model import Fact, Observation, PersonMark

HEADER = "learnworlds-webhook-signature"
_TAGS_MAX = 200
_ENVELOPE = frozenset({"version", "type", "topic", "trigger", "school_id", "signature"})
"""What stands around an act; in legacy posts beside it."""


def is_signed(body: bytes, headers: Mapping[str, str], secret: bytes) -> bool:
    """Whether the header shows the secret, or the body's own `signature` is its HMAC.

    The latter is `sha256=` and the hexadecimal HMAC-SHA256 of the post without that field, as compact JSON in the order
    it was written.
    """
    shown = headers.get(HEADER, "").strip().removeprefix("v1=").encode("utf-8", "surrogateescape")
    if _same(shown, secret):
        return True
    try:
        post = object_of(body)
    except RefusedPostError:
        return False
    given = post.get("signature")
    if not isinstance(given, str):
        return False
    signed = orjson.dumps({name: value for name, value in post.items() if name != "signature"})
    wanted = hmac.new(secret, signed, hashlib.sha256).hexdigest()
    return _same(given.strip().lower().removeprefix("sha256=").encode("utf-8", "replace"), wanted.encode())


def _same(one: bytes, other: bytes) -> bool:
    """Digests have one length: how long a secret is does not show in the time it takes."""
    return hmac.compare_digest(hashlib.sha256(one).digest(), hashlib.sha256(other).digest())


class LearnWorlds:
    """The mapping; a `System`."""

    def observations(self, arrival: Arrival, kinds: KindTable) -> Sequence[Observation]:
        """What a post says: one event, or one for each tag; none where its type is no learner's act."""
        del kinds  # the type says which it is
        envelope = object_of(arrival.body)
        names = [text_in(envelope, name, most=100) for name in ("type", "topic", "trigger")]
        if not any(names):
            raise missing("type", "LearnWorlds sends type and trigger")
        make = next((_TYPES[plain] for plain in map(_plain, names) if plain in _TYPES), None)
        if make is None:
            return ()
        data = part(envelope, "data") if "data" in envelope else envelope
        told = _Told(name=next(name for name in names if name), data=data, arrival=arrival)
        return tuple(observed(act, arrival) for act in make(told))


def _plain(name: str | None) -> str:
    """`courseCompleted`, `course_completed` and `course.completed` are one name."""
    return re.sub(r"[^a-z]", "", (name or "").lower())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    name: str
    data: Mapping[str, Any]
    arrival: Arrival

    def person(self) -> Mapping[str, Any]:
        """The user, who in posts about subscriptions stands one level deeper."""
        user = part(self.data, "user")
        return part(user, "user") or user

    def user(self) -> str:
        found = (
            id_in(self.person(), "id") or id_in(self.data, "user_id") or id_in(part(self.data, "payment"), "user_id")
        )
        if found is None:
            raise missing("data.user.id")
        return found

    def at(self, *places: tuple[Mapping[str, Any], str]) -> int:
        """The first time that is told; where none is, when the post came."""
        found = self._told_at(places)
        return self.arrival.received_at if found is None else found

    def once(self, *places: tuple[Mapping[str, Any], str]) -> str:
        """What tells an act from the next of its sort: the first time that is told; where none is, all that is told.

        When a post came says nothing of the act: sent again, it would be another one.
        """
        found = self._told_at(places)
        if found is not None:
            return str(found)
        said = {name: value for name, value in self.data.items() if name not in _ENVELOPE}
        return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]

    def _told_at(self, places: Sequence[tuple[Mapping[str, Any], str]]) -> int | None:
        found = (moment(data, (name,), self.arrival.received_at) for data, name in places)
        return next((at for at in found if at is not None), None)

    def act(self, kind: str, user: str, *key: str, at: int, person: Mapping[str, Any], **more: Any) -> Act:
        fields: dict[str, Any] = {
            "name": self.name,
            "kind": kind,
            "people": {"subject": user},
            "key": (kind, *key),
            "at": at,
            "person_marks": _marks(user, person),
            "identifiers": identified(user, {"email": person.get("email")}),
            **more,
        }
        return Act(**fields)


def _marks(user: str, person: Mapping[str, Any]) -> dict[str, PersonMark]:
    """Who runs the school: roles that a school made say of themselves as whose they count."""
    level = part(person, "role").get("level")
    if person.get("is_admin") is True or level == "admin":
        return {user: "site_admin"}
    return {user: "staff"} if person.get("is_instructor") is True or level == "instructor" else {}


def _course(data: Mapping[str, Any]) -> str:
    found = id_in(part(data, "course"), "id") or id_in(data, "course_id")
    if found is None:
        raise missing("data.course.id")
    return found


def _completed(told: _Told) -> Sequence[Act]:
    user, course = told.user(), _course(told.data)
    at = told.at((told.data, "completed_at"), (told.data, "date"))
    # Whoever tells it, webhook or answer, one learner completes a course once: their times need not agree.
    return (
        told.act(
            "course.completed", user, user, course, at=at, person=told.person(), course=course, facts=_by_hand(told)
        ),
    )


def _by_hand(told: _Told) -> dict[str, Fact]:
    by_hand = told.data.get("manually_completed")
    return {"overridden": by_hand} if isinstance(by_hand, bool) else {}


def _enrolled(told: _Told) -> Sequence[Act]:
    user, course = told.user(), _course(told.data)
    at = told.at((told.data, "date"), (told.data, "created"))
    return (told.act("course.enrolled", user, user, course, at=at, person=told.person(), course=course),)


def _unenrolled(told: _Told) -> Sequence[Act]:
    """Of a course; a bundle names none."""
    user, product = told.user(), part(told.data, "product")
    course = id_in(product, "id") if product else _course(told.data)
    if course is None:
        raise missing("data.product.id")
    if product and text_in(product, "type") not in {None, "course"}:
        return ()
    place = (told.data, "date")
    key, at = (user, course, told.once(place)), told.at(place)
    return (told.act("course.unenrolled", user, *key, at=at, person=told.person(), course=course),)


def _bought(told: _Told) -> Sequence[Act]:
    return _payment(told, "order.created", "paid_at", "created")


def _refunded(told: _Told) -> Sequence[Act]:
    """No webhook tells it; the list of payments does, and programs between may."""
    return _payment(told, "order.refunded", "refund_at")


def _payment(told: _Told, kind: str, *times: str) -> Sequence[Act]:
    payment = part(told.data, "payment") or told.data
    user, number = told.user(), id_in(payment, "id") or id_in(payment, "payment_id")
    if number is None:
        raise missing("data.payment.id")
    product = part(payment, "product") or part(told.data, "product")
    course = id_in(product, "id") if text_in(product, "type") == "course" else None
    act = told.act(
        kind,
        user,
        number,
        at=told.at(*((payment, name) for name in times), (told.data, "date")),
        person=told.person(),
        people={"subject": user, "purchaser": user},
        object_table="order",
        object_id=number,
        course=course,
        facts=known({"product": id_in(product, "id"), "amount": exact(payment, "price")}),
    )
    return (act,)


def _certified(told: _Told) -> Sequence[Act]:
    certificate = part(told.data, "certificate")
    user = id_in(part(certificate, "user"), "id") or told.user()
    number = id_in(certificate, "id")
    if number is None:
        raise missing("data.certificate.id")
    act = told.act(
        "certificate.awarded",
        user,
        number,
        at=told.at((certificate, "issued")),
        person=told.person(),
        object_table="certificate",
        object_id=number,
        course=id_in(certificate, "course_id"),
    )
    return (act,)


def _programme(told: _Told) -> Sequence[Act]:
    user, programme = told.user(), id_in(part(told.data, "learningProgram"), "id")
    if programme is None:
        raise missing("data.learningProgram.id")
    place = (told.data, "completed_at")
    key, at = (user, programme, told.once(place)), told.at(place)
    facts = {"programme": programme, **_by_hand(told)}
    return (told.act("programme.completed", user, *key, at=at, person=told.person(), facts=facts),)


def _tagged(told: _Told) -> Sequence[Act]:
    """Every tag that the user has now: those that were told before are the same facts again."""
    person = told.person() or told.data
    user = id_in(person, "id") or told.user()
    tags = person.get("tags", told.data.get("tags"))
    if not isinstance(tags, list) or len(tags) > _TAGS_MAX:
        raise invalid("tags", f"a list of at most {_TAGS_MAX} tags")
    if not all(isinstance(tag, str) and tag.strip() and is_plain(tag.strip()) and len(tag) <= TEXT_MAX for tag in tags):
        raise invalid("tags", "a list of texts")
    at = told.arrival.received_at
    return [
        told.act(
            "tag.added",
            user,
            user,
            tag,
            at=at,
            person=person,
            object_table="tag",
            object_id=tag,
            facts={"tag": tag},
        )
        for tag in dict.fromkeys(tag.strip() for tag in tags)
    ]


def _user(kind: str, told: _Told) -> Sequence[Act]:
    user, at = told.user(), told.arrival.received_at
    key = (user,) if kind == "user.registered" else (user, told.once())
    return (told.act(kind, user, *key, at=at, person=told.person()),)


def _lead(told: _Told) -> Sequence[Act]:
    email = text_in(told.data, "email")
    if email is None:
        raise missing("data.email")
    lead = f"lead-{by_email(email)}"
    return (told.act("lead.created", lead, lead, at=told.at((told.data, "created")), person={}),)


_TYPES: Mapping[str, Callable[[_Told], Sequence[Act]]] = MappingProxyType(
    {
        "coursecompleted": _completed,
        "learningprogramcompleted": _programme,
        **dict.fromkeys(
            ("enrolledfreecourse", "enrolledfree", "enrolmentcreated", "enrollmentcreated"),
            _enrolled,
        ),
        **dict.fromkeys(("userunenrolledfromproduct", "unenrolledfromproduct"), _unenrolled),
        **dict.fromkeys(
            ("productbought", "newpurchase", "paymentcreated", "purchasecreated", "purchasecompleted", "ordercreated",
             "subscriptionpaymentplanbought", "subscriptionstarted"),
            _bought,
        ),
        "paymentrefunded": _refunded,
        **dict.fromkeys(("awardedcertificate", "certificateawarded"), _certified),
        **dict.fromkeys(("usertagadded",), _tagged),
        "userupdated": lambda told: _user("user.updated", told),
        "userregistered": lambda told: _user("user.registered", told),
        **dict.fromkeys(("leadcreated", "emailregister"), _lead),
    }
)  # fmt: skip
