"""What xAPI statements say: verbs, durations, scores, actors, courses, and what is voided."""

from __future__ import annotations

import hashlib
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from agent.collectors.systems.base import RefusedPostError
from agent.collectors.systems.registry import SYSTEMS
from agent.collectors.systems.xapi.duration import seconds_of
from agent.config.kinds import KindTable
from agent.model import Identifier, Observation
from tests.posts import door_source, open_door
from tests.rule_stories import at, event, play, rule
from tests.unit.door.test_tool_trigger import arrival

AT = "2026-09-18T12:17:00+00:00"
NUMBER = "7ccd3322-e1a5-411a-a67d-6a735c76f119"
VERBS = "http://adlnet.gov/expapi/verbs/"
SORTS = "http://adlnet.gov/expapi/activities/"
CMI5 = {"objectType": "Activity", "id": "https://w3id.org/xapi/cmi5/context/categories/cmi5"}
COURSE = {"id": "https://lms.example.com/course/7", "definition": {"type": f"{SORTS}course"}}


def statement(verb: str = "completed", sort: str = "lesson", **changes: Any) -> dict[str, Any]:
    fields = {
        "id": NUMBER,
        "timestamp": AT,
        "actor": {
            "objectType": "Agent",
            "name": "Ann",
            "account": {"homePage": "https://lms.example.com", "name": "35"},
        },
        "verb": {"id": f"{VERBS}{verb}", "display": {"en-US": verb}},
        "object": {"id": "https://lms.example.com/a/1", "definition": {"type": f"{SORTS}{sort}"}},
        **changes,
    }
    return {name: value for name, value in fields.items() if value is not None}


def seen(body: Any) -> list[Observation]:
    return list(SYSTEMS["xapi"].observations(arrival(json.dumps(body).encode()), KindTable()))


def one(verb: str = "completed", sort: str = "lesson", **changes: Any) -> Observation:
    (found,) = seen(statement(verb, sort, **changes))
    return found


@pytest.mark.parametrize(
    ("verb", "sort", "kind"),
    [
        ("completed", "lesson", "lesson.completed"),
        ("completed", "course", "course.completed"),
        ("completed", "assessment", "quiz.submitted"),
        ("passed", "lesson", "lesson.passed"),
        ("passed", "course", "course.passed"),
        ("passed", "assessment", "quiz.submitted"),
        ("failed", "lesson", "lesson.failed"),
        ("experienced", "lesson", "lesson.viewed"),
        ("experienced", "course", "course.viewed"),
        ("progressed", "module", "lesson.progressed"),
        ("progressed", "course", "course.progressed"),
        ("attempted", "assessment", "lesson.started"),
        ("initialized", "course", "course.started"),
        ("terminated", "lesson", "lesson.ended"),
        ("satisfied", "course", "course.satisfied"),
        ("satisfied", "block", "lesson.satisfied"),
    ],
)
def test_verb_and_activity_make_the_kind(verb: str, sort: str, kind: str) -> None:
    found = one(verb, sort)
    assert (found.kind, found.natural_key) == (kind, ("xapi", NUMBER))
    assert kind in KindTable().kinds()
    assert (found.course is not None, found.lesson is None) == ((True, True) if sort == "course" else (False, False))
    assert "Ann" not in repr(found)


@pytest.mark.parametrize("verb", ["answered", "liked", "shared", "http://example.com/verbs/jumped"])
def test_other_verbs_are_taken_and_empty(verb: str) -> None:
    assert seen(statement(verb)) == []


def test_statements_come_alone_in_a_list_or_as_an_answer_of_an_lrs() -> None:
    other = statement("liked"), statement("passed", id=NUMBER.replace("7", "8"))
    for body in ([statement(), *other], {"statements": [statement(), *other], "more": ""}):
        assert [found.kind for found in seen(body)] == ["lesson.completed", "lesson.passed"]
    assert [found.kind for found in seen({"statement": statement(), "hash": "x"})] == ["lesson.completed"]


@pytest.mark.parametrize(
    ("result", "facts"),
    [
        ({"score": {"scaled": 0.95}, "success": True, "duration": "PT1234S"},
         {"score_pct": 95, "success": True, "time_on_task_sec": 1234}),
        ({"score": {"raw": 2, "max": 3}}, {"score_pct": Fraction(200, 3)}),
        ({"score": {"raw": 15, "min": 10, "max": 20, "scaled": None}}, {"score_pct": 50}),
        ({"score": {"raw": 15}}, {}),
        ({"score": {"raw": 15, "max": 0}}, {}),
        ({"score": {"scaled": 1e-05}}, {"score_pct": Fraction(1, 1000)}),
        ({"duration": "PT0.5S"}, {"time_on_task_sec": Fraction(1, 2)}),
        ({"duration": "P1Y"}, {}),
        ({"extensions": {"https://w3id.org/xapi/cmi5/result/extensions/progress": 40}}, {"progress_pct": 40}),
        ({"extensions": {"https://example.com/colour": "red"}}, {}),
    ],
)  # fmt: skip
def test_a_result_gives_exact_facts(result: dict[str, Any], facts: dict[str, Any]) -> None:
    assert dict(one(result=result).facts) == facts


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("PT1H30M", 5400), ("PT45S", 45), ("P1DT1S", 86_401), ("P2W", 1_209_600), ("PT1.25M", 75), ("pt10m", 600),
        ("P0Y0M0DT0H5M0S", 300), ("PT0S", 0), ("PT1,5S", Fraction(3, 2)), ("P1M", None), ("P1Y2D", None), ("P", None),
        ("PT", None), ("1 hour", None), ("-PT1S", None), ("", None),
    ],
)  # fmt: skip
def test_a_duration_is_exact_seconds_or_nothing(text: str, seconds: int | Fraction | None) -> None:
    assert seconds_of(text) == seconds


def test_an_actor_is_its_account_or_the_digest_of_its_address_however_it_is_written() -> None:
    assert one().people == {"subject": "https://lms.example.com|35"}
    digest = hashlib.sha1(b"mailto:ann@example.com", usedforsecurity=False).hexdigest()
    for actor in (
        {"mbox": "mailto:Ann@example.com"},
        {"mbox": " MAILTO:ann@example.com"},
        {"mbox_sha1sum": digest.upper()},
    ):
        assert one(actor=actor).people == {"subject": f"mbox-{digest}"}
    assert one(actor={"openid": "https://id.example.com/ann"}).people == {"subject": "https://id.example.com/ann"}
    assert seen(statement(actor={"objectType": "Group", "member": []})) == []


@pytest.mark.parametrize(
    ("activities", "course"),
    [
        ({"parent": [{"id": "https://x/section"}], "grouping": [{"id": "https://x/y"}, COURSE]}, COURSE["id"]),
        ({"parent": COURSE}, COURSE["id"]),
        ({"parent": [{"id": "https://x/section"}], "grouping": [{"id": "https://x/y"}]}, "https://x/y"),
        ({"parent": [{"id": "https://x/section"}]}, "https://x/section"),
        ({"grouping": [{"id": "https://x/aus/4c07"}], "category": [CMI5]}, None),
        ({"grouping": [{"id": "https://x/aus/4c07"}, COURSE], "category": [CMI5]}, COURSE["id"]),
        ({}, None),
    ],
)
def test_the_course_is_found_among_the_contexts_activities(activities: dict[str, Any], course: str | None) -> None:
    assert one(context={"contextActivities": activities}).course == course


def test_a_voided_statement_names_what_it_undoes() -> None:
    voiding = statement(
        "voided", id=NUMBER.replace("7", "9"), object={"objectType": "StatementRef", "id": NUMBER.upper()}
    )
    (found,) = seen(voiding)
    assert (found.kind, found.object_table, found.object_id) == ("statement.voided", "statement", NUMBER)
    assert (one().object_table, one().object_id) == ("statement", NUMBER)
    assert "subject" not in found.people


def test_only_the_verb_of_the_specification_voids_and_another_of_that_name_is_no_act() -> None:
    ticket = {**statement(), "verb": {"id": "https://shop.example/verbs/voided"}}
    named = {"objectType": "StatementRef", "id": NUMBER}
    assert seen(ticket) == seen({**ticket, "object": named}) == []
    (found,) = seen({**statement(object=named), "verb": {"id": "https://adlnet.gov/expapi/verbs/voided"}})
    assert found.kind == "statement.voided"


def test_a_time_without_its_zone_gives_way_to_that_of_storing() -> None:
    found = one(timestamp="2026-09-18T12:17:00", stored="2026-09-18T10:20:00.123Z")
    assert found.occurred_at == at("2026-09-18T10:20:00", zone="UTC")
    assert one(stored="2026-09-18T13:00:00Z").occurred_at == at("2026-09-18T12:17:00", zone="UTC")


BOUNDARY = "abcABC0123'()+_,-./:=?"
PARTS = [
    "\r\n--{0}\r\nContent-Type:application/json\r\n\r\n{1}\r\n--{0}\r\nContent-Type: a/b\r\n\r\n{{\r\n--{0}--\r\n",
    "--{0}\nContent-Type: application/json; charset=utf-8\nX: y\n\n{1}\n--{0}--",
    "--{0}\r\n\r\n{1}\r\n--{0}--\r\n",
]


@pytest.mark.parametrize("parts", PARTS)
async def test_statements_with_attachments_are_kept_without_them(parts: str, tmp_path: Path) -> None:
    source = door_source("lrs", kind="xapi", path="/xapi")
    async with open_door(tmp_path, source) as door:
        for body in ([statement()], statement()):
            whole = parts.format(BOUNDARY, json.dumps(body, indent=1)).encode()
            sent = {"Content-Type": f'multipart/mixed; boundary="{BOUNDARY}"'}
            assert (await door.post(whole, path="/xapi", headers=sent)).status == 200
        kept = [json.loads(post.body) for post in await door.inbox.after("lrs", 0, 10)]
        assert kept == [[statement()], statement()]


@pytest.mark.parametrize("body", [b"--", b"--a\r\n\r\n{}", b"--a\r\nX: y\r\n", b"-- -", b"--a\n" + b"x\n" * 9_000])
async def test_parts_without_an_end_are_no_post(body: bytes, tmp_path: Path) -> None:
    async with open_door(tmp_path, door_source("lrs", kind="xapi", path="/xapi")) as door:
        answer = await door.post(body, path="/xapi")
        assert (answer.status, answer.told["error"]) == (400, "not_json")


@pytest.mark.parametrize(
    ("body", "reason", "name"),
    [
        ({**statement(), "verb": {}}, "field_missing", "verb.id"),
        (statement(id=None), "field_missing", "id"),
        (statement(id="1"), "field_invalid", "id"),
        (statement(actor={}), "field_missing", "actor.account"),
        (statement(actor={"account": {"name": "35"}}), "field_missing", "actor.account.homePage"),
        (statement(object={}), "field_missing", "object.id"),
        (statement(timestamp="2026-09-18T12:17:00"), "time_invalid", "timestamp"),
        (statement(result={"score": {"scaled": "high"}}), "field_invalid", "scaled"),
        (statement(result={"score": {"scaled": 62}}), "field_invalid", "score.scaled"),
        (statement(result={"score": {"scaled": "-1.01"}}), "field_invalid", "score.scaled"),
        (statement(result=[]), "field_invalid", "result"),
        (statement(context={"contextActivities": {"parent": [1]}}), "field_invalid", "contextActivities.parent"),
        (statement("voided"), "field_invalid", "object"),
        ([statement(), 1], "not_an_object", ""),
        ([{}] * 501, "too_many_events", ""),
    ],
)
def test_a_broken_statement_is_refused_with_its_field(body: Any, reason: str, name: str) -> None:
    with pytest.raises(RefusedPostError) as caught:
        seen(body)
    assert (caught.value.reason, caught.value.name) == (reason, name)


def test_a_voided_statement_takes_back_what_it_had_earned_whoever_voids_it() -> None:
    rules = rule("lesson.passed", 'reverse_on = "statement.voided"')
    act = event("lesson.passed", obj=("statement", NUMBER))
    later = at("2026-09-08T09:00:00")
    voided = event("statement.voided", later, people={"actor": "the LRS"}, obj=("statement", NUMBER), position=2)
    assert play(rules, act, voided) == ["ann +10 points", "ann reversed undone: statement.voided"]
    assert play(rules, voided, act)[-1] == "ann refused undone"


def test_an_actor_who_is_an_address_is_known_by_it_and_an_account_is_not() -> None:
    found = one(actor={"mbox": "mailto:Ann@example.com"})
    assert dict(found.identifiers) == {found.people["subject"]: (Identifier(by="email", value="Ann@example.com"),)}
    account = {"homePage": "https://lms.example.com", "name": "35"}
    assert not one(actor={"account": account, "mbox": "mailto:ann@example.com"}).identifiers
