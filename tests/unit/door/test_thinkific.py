"""What Thinkific's webhooks say, by the examples of its documentation."""

from __future__ import annotations

import hashlib
import hmac
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from agent.collectors.systems.base import RefusedPostError
from agent.collectors.systems.registry import SIGNATURES, SYSTEMS
from agent.config.kinds import KindTable
from agent.model import Identifier, Observation
from tests.posts import door_source, open_door
from tests.rule_stories import event, play, rule
from tests.unit.door.test_tool_trigger import arrival

USER = {"email": "robert@example.com", "first_name": "Robert", "id": 123456, "last_name": "Smith"}
COURSE = {"id": 4, "name": "Introduction to Webhooks"}
ENROLMENT = {
    "activated_at": "2026-09-01T22:16:52.255Z",
    "completed_at": None,
    "course": COURSE,
    "course_id": 4,
    "created_at": "2026-09-01T22:16:52.285Z",
    "expiry_date": None,
    "free_trial": False,
    "id": 97472,
    "percentage_completed": "0.0",
    "user": USER,
}
LESSON = {
    "chapter": {"id": 123, "name": "Chapter 1"},
    "course": COURSE,
    "enrollment": {"id": 97472},
    "lesson": {"id": 24220, "name": "Getting started", "position": 0, "type": "Video"},
    "user": USER,
}
QUIZ = {
    "attempts": 2,
    "correct_count": 1,
    "grade": 33.3,
    "incorrect_count": 4,
    "result_id": 12511,
    "user": USER,
    "quiz": {"id": 43811, "name": "Webhook Quiz"},
}
ORDER = {
    "id": 501,
    "user": USER,
    "product_id": 12,
    "product_name": "My Course",
    "amount_cents": 4950,
    "amount_dollars": 49.5,
    "status": "complete",
    "items": [{"product_id": 12, "amount_cents": 4950}],
}


def hook(topic: str, payload: Any, **changes: Any) -> dict[str, Any]:
    resource, action = topic.split(".")
    fields = {
        "id": "20260901221701924",
        "resource": resource,
        "action": action,
        "tenant_id": "3",
        "created_at": "2026-09-01T22:17:01.924Z",
        "payload": payload,
        **changes,
    }
    return {name: value for name, value in fields.items() if value is not None}


def seen(body: dict[str, Any]) -> list[Observation]:
    return list(SYSTEMS["thinkific"].observations(arrival(json.dumps(body).encode()), KindTable()))


@pytest.mark.parametrize(
    ("topic", "payload", "kind", "facts"),
    [
        ("enrollment.created", ENROLMENT, "course.enrolled", {}),
        ("enrollment.progress", {**ENROLMENT, "percentage_completed": "0.333"}, "course.progressed",
         {"progress_pct": Fraction(333, 10)}),
        ("enrollment.progress", {**ENROLMENT, "percentage_completed": 50}, "course.progressed", {"progress_pct": 50}),
        ("enrollment.completed", ENROLMENT, "course.completed", {"progress_pct": 100}),
        ("lesson.completed", LESSON, "lesson.completed", {}),
        ("quiz.attempted", QUIZ, "quiz.submitted", {"score_pct": Fraction(333, 10), "attempt": 2}),
        ("order.created", ORDER, "order.created", {"product": "12", "amount": Fraction(99, 2)}),
        ("user.signin", USER, "user.logged_in", {}),
        ("user.updated", USER, "user.updated", {}),
        ("user.signup", USER, "user.registered", {}),
    ],
)  # fmt: skip
def test_each_topic_of_thinkific_becomes_its_kind_with_exact_facts(
    topic: str, payload: dict[str, Any], kind: str, facts: dict[str, Any]
) -> None:
    (found,) = seen(hook(topic, payload))
    assert (found.kind, found.people["subject"], dict(found.facts)) == (kind, "123456", facts)
    assert kind in KindTable().kinds()
    (other,) = seen({"topic": topic, "created_at": "2026-09-01T22:17:01Z", "payload": payload})
    assert (other.natural_key, other.kind) == (found.natural_key, kind)
    assert "robert" not in repr(found).lower()


def test_a_lesson_of_thinkific_has_its_course_and_chapter() -> None:
    (found,) = seen(hook("lesson.completed", LESSON))
    assert (found.course, found.section, found.lesson) == ("4", "123", "24220")


def test_an_order_names_its_purchaser_and_its_refund_undoes_the_same_order() -> None:
    (order,) = seen(hook("order.created", ORDER))
    assert order.people == {"subject": "123456", "purchaser": "123456"}
    (refund,) = seen(hook("order_transaction.refunded", {"id": 7, "order_id": 501, "user_id": 123456}))
    assert (refund.object_table, refund.object_id) == (order.object_table, order.object_id)
    assert refund.natural_key != order.natural_key
    (nameless,) = seen(hook("order_transaction.refunded", {"id": 7, "order": {"id": 501}}))
    assert (nameless.people, nameless.natural_key) == ({}, refund.natural_key)


def test_a_refund_takes_back_what_its_order_earned_whoever_it_names() -> None:
    rules = rule("order.created", 'reverse_on = "order.refunded"\nonce_per = "event"')
    bought = event("order.created", obj=("order", "501"))
    refunded = event("order.refunded", "2026-09-08T09:00:00", people={}, obj=("order", "501"), position=2)
    assert play(rules, bought, refunded) == ["ann +10 points", "ann reversed undone: order.refunded"]


def test_the_end_of_a_course_is_one_fact_by_whichever_topic_it_is_told() -> None:
    (enrolment,) = seen(hook("enrollment.completed", {**ENROLMENT, "completed_at": "2026-09-01T20:00:00.767Z"}))
    (course,) = seen(hook("course.completed", {"user": USER, "course": COURSE, "enrollment": {"id": 97472}}))
    assert enrolment.natural_key == course.natural_key
    assert enrolment.occurred_at < course.occurred_at


def test_a_lead_is_not_the_user_of_the_same_number() -> None:
    (found,) = seen(hook("lead.created", {"id": 123456, "email": "robert@example.com"}))
    assert found.people == {"subject": "lead-123456"}
    assert not found.identifiers, "anybody may type an address"


@pytest.mark.parametrize(
    ("topic", "payload"),
    [("lesson.completed", LESSON), ("enrollment.progress", ENROLMENT), ("order.created", ORDER), ("user.signin", USER)],
)
def test_the_address_of_a_thinkific_user_says_who_that_is(topic: str, payload: dict[str, Any]) -> None:
    (found,) = seen(hook(topic, payload))
    assert dict(found.identifiers) == {"123456": (Identifier(by="email", value="robert@example.com"),)}


@pytest.mark.parametrize(
    ("roles", "marks"),
    [
        (["affiliate", "site_admin"], {"123456": "site_admin"}),
        (["course_admin"], {"123456": "staff"}),
        (["group_analyst", "affiliate"], {}),
        (None, {}),
        ("site_admin", {}),
    ],
)
def test_who_runs_a_thinkific_site_is_marked_where_a_post_says_so(roles: Any, marks: dict[str, str]) -> None:
    (found,) = seen(hook("user.signin", {**USER, "roles": roles}))
    assert dict(found.person_marks) == marks


def test_the_sample_that_thinkific_sends_for_a_test_is_taken_and_held_for_its_age() -> None:
    course = {"id": 68, "name": "[TEST] lorem ipsum"}
    sample = {
        "activated_at": "2014-02-01T00:18:10.768Z",
        "completed_at": "2014-02-01T00:18:10.767Z",
        "course": course,
        "course_id": 68,
        "expiry_date": "2014-02-01T00:18:10.767Z",
        "id": 3,
        "percentage_completed": "0",
        "user": {"email": "[TEST] john@doe.com", "first_name": "[TEST] John", "id": 94, "last_name": "Doe"},
    }
    (found,) = seen(hook("enrollment.created", sample, created_at="2014-02-01T00:18:10.768Z"))
    assert (found.kind, set(found.marks)) == ("course.enrolled", {"backdated"})


@pytest.mark.parametrize("topic", ["product.updated", "app.uninstalled", "something.new", "course.updated"])
def test_a_topic_of_thinkific_that_earns_nothing_is_taken_and_empty(topic: str) -> None:
    assert seen(hook(topic, {"id": 1})) == []


@pytest.mark.parametrize(
    ("body", "reason", "name"),
    [
        ({"payload": {}}, "field_missing", "topic"),
        (hook("lesson.completed", LESSON, action=None), "field_missing", "action"),
        (hook("lesson.completed", LESSON, created_at=None), "field_missing", "created_at"),
        (hook("lesson.completed", LESSON, created_at="soon"), "time_invalid", "created_at"),
        (hook("lesson.completed", []), "field_invalid", "payload"),
        (hook("lesson.completed", {**LESSON, "user": {}}), "field_missing", "payload.user.id"),
        (hook("lesson.completed", {**LESSON, "lesson": None}), "field_missing", "payload.lesson.id"),
        (hook("quiz.attempted", {**QUIZ, "grade": "well"}), "field_invalid", "grade"),
        (hook("quiz.attempted", {**QUIZ, "quiz": 7}), "field_invalid", "quiz"),
        (hook("order_transaction.refunded", {"id": 7, "user_id": 1}), "field_missing", "payload.order_id"),
    ],
)
def test_a_broken_post_of_thinkific_is_refused_with_its_field(body: Any, reason: str, name: str) -> None:
    with pytest.raises(RefusedPostError) as caught:
        seen(body)
    assert (caught.value.reason, caught.value.name) == (reason, name)


async def test_thinkific_is_let_in_by_its_signature_and_by_nothing_else(tmp_path: Path) -> None:
    source = door_source("school", kind="thinkific", path="/thinkific", tokens=(), secrets=("old", "the-api-key"))
    body = json.dumps(hook("user.signin", USER)).encode()
    signed = hmac.new(b"the-api-key", body, hashlib.sha256).hexdigest()
    async with open_door(tmp_path, source) as door:
        for header, status in ((signed, 200), (signed.upper(), 200), ("", 404), (signed[:-1], 404), ("ü", 404)):
            sent = {"X-Thinkific-Hmac-Sha256": header}
            assert (await door.post(body, path="/thinkific", token=None, headers=sent)).status == status
    assert SIGNATURES["thinkific"](body, {}, b"") is False
