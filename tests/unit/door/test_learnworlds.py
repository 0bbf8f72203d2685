"""What LearnWorlds' webhooks say, by the examples of its documentation."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest

from agent.collectors.systems.base import RefusedPostError
from agent.collectors.systems.registry import SYSTEMS
from agent.config.kinds import KindTable
from agent.model import Observation
from tests.builders import NOW
from tests.posts import door_source, open_door
from tests.unit.door.test_tool_trigger import arrival

ID = "618a740f8d07051ab200e5f4"
USER = {
    "created": 1636463631.488376,
    "email": "john@example.com",
    "fields": {"bio": "my story"},
    "id": ID,
    "is_admin": False,
    "is_instructor": False,
    "tags": ["testgeo", "hi"],
    "username": "johndoe",
}
COURSE = {"access": "free", "created": 1637232215.057839, "id": "sample-course", "title": "sample course"}
PAYMENT = {
    "created": 1637235626.53355,
    "id": "61963baafbbd1d36c777b493",
    "paid_at": 1637235626.56606,
    "price": 100,
    "product": {"final_price": 100, "id": "webex", "name": "Webex", "type": "course"},
    "user_id": ID,
}
COMPLETED = {"completed_at": 1637232384.736462, "manually_completed": False, "course": COURSE, "user": USER}
CERTIFICATE = {
    "course_id": "certificate-course",
    "id": "619600bfec57735ec64a6b39",
    "issued": 1637220543.671415,
    "score": "OK",
    "user": {"email": "john@example.com", "id": ID},
}


def hook(kind: str, data: Any, trigger: str = "something") -> dict[str, Any]:
    return {"version": 2, "type": kind, "trigger": trigger, "school_id": "60004a6de11ac0798538ccc2", "data": data}


def seen(body: Any) -> list[Observation]:
    return list(SYSTEMS["learnworlds"].observations(arrival(json.dumps(body).encode()), KindTable()))


@pytest.mark.parametrize(
    ("name", "data", "kind", "course", "at"),
    [
        ("courseCompleted", COMPLETED, "course.completed", "sample-course", 1637232384),
        ("enrolledFreeCourse", {"date": 1638190255, "course": COURSE, "user": USER}, "course.enrolled",
         "sample-course", 1638190255),
        ("productBought", {"payment": PAYMENT, "user": USER}, "order.created", "webex", 1637235626),
        ("paymentCreated", {"payment": PAYMENT, "user": USER}, "order.created", "webex", 1637235626),
        ("subscriptionPaymentPlanBought", {"date": 1638189386, "payment": {**PAYMENT, "product": {"id": "s"}},
         "user": {"user": USER}}, "order.created", None, 1637235626),
        ("awardedCertificate", {"certificate": CERTIFICATE, "user": USER}, "certificate.awarded",
         "certificate-course", 1637220543),
        ("learningProgramCompleted", {"learningProgram": {"id": "p"}, "user": USER, "completed_at": 1753702464.76},
         "programme.completed", None, 1753702464),
        ("userUnenrolledFromProduct", {"product": {"id": "webex", "type": "course"}, "user": USER},
         "course.unenrolled", "webex", NOW),
        ("userUpdated", {"user": USER}, "user.updated", None, NOW),
    ],
)  # fmt: skip
def test_each_type_of_learnworlds_becomes_its_kind_at_its_time(
    name: str, data: dict[str, Any], kind: str, course: str | None, at: int
) -> None:
    (found,) = seen(hook(name, data))
    assert (found.kind, found.course, found.occurred_at, found.people["subject"]) == (kind, course, at, ID)
    assert kind in KindTable().kinds()
    assert "john" not in repr(found)
    (legacy,) = seen({"version": 1, "type": name, **data})
    (between,) = seen({"topic": name, "data": data, "signature": "sha256=00"})
    assert legacy.natural_key == between.natural_key == found.natural_key


def test_a_purchase_that_is_told_by_two_webhooks_is_one_fact() -> None:
    (one,) = seen(hook("productBought", {"payment": PAYMENT, "user": USER}))
    (two,) = seen(hook("paymentCreated", {"payment": PAYMENT, "user": USER}))
    assert one.natural_key == two.natural_key
    assert one.people == {"subject": ID, "purchaser": ID}
    assert dict(one.facts) == {"product": "webex", "amount": 100}


def test_a_refund_names_the_order_that_it_undoes() -> None:
    (order,) = seen(hook("paymentCreated", {"payment": PAYMENT, "user": USER}))
    refunded = {**PAYMENT, "refund_at": 1637400000.5}
    (refund,) = seen(hook("paymentRefunded", {"payment": refunded, "user": USER}))
    assert (refund.kind, refund.occurred_at, refund.people) == ("order.refunded", 1637400000, order.people)
    assert (refund.object_table, refund.object_id) == (order.object_table, order.object_id)
    assert refund.natural_key != order.natural_key


def test_every_tag_a_learner_has_is_a_fact_of_its_own() -> None:
    first = seen(hook("userTagAdded", USER))
    again = seen(hook("userTagAdded", {**USER, "tags": ["testgeo", "hi", "new"]}))
    assert [one.facts["tag"] for one in again] == ["testgeo", "hi", "new"]
    assert [one.natural_key for one in again][:2] == [one.natural_key for one in first]


def test_who_runs_the_school_is_marked() -> None:
    (admin,) = seen(hook("courseCompleted", {**COMPLETED, "user": {**USER, "is_admin": True}}))
    (teacher,) = seen(hook("courseCompleted", {**COMPLETED, "user": {**USER, "is_instructor": True}}))
    assert (admin.person_marks, teacher.person_marks) == ({ID: "site_admin"}, {ID: "staff"})


@pytest.mark.parametrize(
    ("level", "marks"), [("admin", {ID: "site_admin"}), ("instructor", {ID: "staff"}), ("user", {})]
)
def test_a_role_that_a_school_made_counts_as_the_one_it_is_a_level_of(level: str, marks: dict[str, str]) -> None:
    user = {**USER, "role": {"level": level, "name": "Head of faculty"}}
    (found,) = seen(hook("courseCompleted", {**COMPLETED, "user": user}))
    assert dict(found.person_marks) == marks


def test_a_programme_says_too_whether_it_was_completed_by_hand() -> None:
    data = {"learningProgram": {"id": "p"}, "user": USER, "completed_at": 1753702464.76, "manually_completed": True}
    (found,) = seen(hook("learningProgramCompleted", data))
    assert dict(found.facts) == {"programme": "p", "overridden": True}


def test_a_lead_is_known_by_a_digest_of_its_address() -> None:
    (one,) = seen(hook("leadCreated", {"created": 1636451710.95, "email": "John@example.com "}))
    (two,) = seen(hook("leadCreated", {"created": 1636451710.95, "email": "john@example.com"}))
    assert one.people == two.people
    assert "john" not in repr(one).lower()


@pytest.mark.parametrize("name", ["previewedFree", "userTagDeleted", "subscriptionTrialStarted", "somethingNew"])
def test_a_type_of_learnworlds_that_earns_nothing_is_taken_and_empty(name: str) -> None:
    assert seen(hook(name, {"user": USER})) == []
    bundle = {"product": {"id": "b", "type": "bundle"}, "user": USER}
    assert seen(hook("userUnenrolledFromProduct", bundle)) == []


@pytest.mark.parametrize(
    ("body", "reason", "name"),
    [
        ({"data": {}}, "field_missing", "type"),
        (hook("courseCompleted", []), "field_invalid", "data"),
        (hook("courseCompleted", {**COMPLETED, "user": {}}), "field_missing", "data.user.id"),
        (hook("courseCompleted", {**COMPLETED, "course": None}), "field_missing", "data.course.id"),
        (hook("courseCompleted", {**COMPLETED, "completed_at": "soon"}), "time_invalid", "completed_at"),
        (hook("courseCompleted", {**COMPLETED, "completed_at": 1637232384736.5}), "field_invalid", "completed_at"),
        (hook("productBought", {"payment": {}, "user": USER}), "field_missing", "data.payment.id"),
        (hook("awardedCertificate", {"user": USER}), "field_missing", "data.certificate.id"),
        (hook("learningProgramCompleted", {"user": USER}), "field_missing", "data.learningProgram.id"),
        (hook("userTagAdded", {**USER, "tags": "hi"}), "field_invalid", "tags"),
        (hook("userTagAdded", {**USER, "tags": [1]}), "field_invalid", "tags"),
        (hook("userTagAdded", {**USER, "tags": ["a\x1b[2Jb"]}), "field_invalid", "tags"),
        (hook("leadCreated", {}), "field_missing", "data.email"),
        (hook("userUnenrolledFromProduct", {"product": {"type": "course"}, "user": USER}), "field_missing",
         "data.product.id"),
    ],
)  # fmt: skip
def test_a_broken_post_of_learnworlds_is_refused_with_its_field(body: Any, reason: str, name: str) -> None:
    with pytest.raises(RefusedPostError) as caught:
        seen(body)
    assert (caught.value.reason, caught.value.name) == (reason, name)


async def test_learnworlds_is_let_in_by_the_secret_it_shows_or_by_the_signature_of_its_body(tmp_path: Path) -> None:
    secret = "e8fad5b079d0977f61bc2d21fc5f461719e6478df7de56"
    source = door_source("academy", kind="learnworlds", path="/lw", tokens=(), secrets=(secret,))
    post = hook("courseCompleted", COMPLETED)
    plain = json.dumps(post, separators=(",", ":"), ensure_ascii=False).encode()
    digest = hmac.new(secret.encode(), plain, hashlib.sha256).hexdigest()
    cases: list[tuple[dict[str, Any], str, int]] = [
        (post, f"v1={secret}", 200),
        (post, secret, 200),
        (post, f"v1={secret[:-1]}", 404),
        (post, "v1=", 404),
        (post, f"v1={digest}", 404),
        ({**post, "signature": f"sha256={digest}"}, "", 200),
        ({**post, "signature": f"sha256={digest[:-1]}"}, "", 404),
        ({**post, "signature": 7}, "", 404),
        ({**post, "type": "productBought", "signature": f"sha256={digest}"}, "", 404),
    ]
    async with open_door(tmp_path, source) as door:
        for body, header, status in cases:
            sent = {"Learnworlds-Webhook-Signature": header}
            assert (await door.post(body, path="/lw", token=None, headers=sent)).status == status, header
        assert (await door.post(b"[", path="/lw", token=None)).status == 404
