"""What Canvas' Live Events say, by the examples of its documentation."""

from __future__ import annotations

import base64
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from agent.collectors.systems.base import RefusedPostError
from agent.collectors.systems.registry import SYSTEMS
from agent.config.kinds import KindTable
from agent.model import Identifier, Observation
from tests.posts import TOKEN, door_source, open_door
from tests.unit.door.test_tool_trigger import arrival

METADATA = {
    "context_id": "21070000000000565",
    "context_type": "Course",
    "event_time": "2026-09-01T19:11:21.419Z",
    "producer": "canvas",
    "root_account_id": "21070000000000001",
    "user_id": "21070000000001122",
    "user_login": "ann@example.com",
}
SUBMISSION = {
    "assignment_id": "21070000000234012",
    "attempt": 12,
    "body": "What I learned from my pupils",
    "late": False,
    "score": 99.5,
    "submission_id": "21070000012345567",
    "submission_type": "online_text_entry",
    "submitted_at": "2026-09-01T19:11:20.419Z",
    "user_id": "21070000000001122",
}
GRADE = {
    "assignment_id": "21070000000234012",
    "grade": "2",
    "grader_id": "21070000000000987",
    "grading_complete": True,
    "muted": False,
    "points_possible": 3,
    "score": 2,
    "student_id": "21070000000001122",
    "submission_id": "21070000012345567",
    "user_id": "21070000000001122",
}
PROGRESS = {
    "course": {"account_id": "1", "id": "565", "name": "Diff Equations"},
    "progress": {"completed_at": None, "requirement_completed_count": 2, "requirement_count": 3},
    "user": {"email": "ann@example.com", "id": "1122", "name": "Ann"},
}
ENTRY = {
    "created_at": "2026-09-01T19:11:03Z",
    "discussion_entry_id": "92",
    "discussion_topic_id": "189",
    "text": "<p>What I learned</p><p>from my pupils</p>",
    "user_id": "1122",
}
COURSE_GRADE = {
    "course_id": "565",
    "final_score": 82.5,
    "old_final_score": 79.72,
    "updated_at": "2026-09-01T19:11:04Z",
    "user_id": "1122",
    "workflow_state": "active",
}
ENROLMENT = {"course_id": "565", "enrollment_id": "9", "type": "StudentEnrollment", "user_id": "1122"}


def told(name: str, body: Any, **changes: Any) -> dict[str, Any]:
    metadata = {**METADATA, "event_name": name, **changes}
    return {"metadata": {key: value for key, value in metadata.items() if value is not None}, "body": body}


def seen(body: Any) -> list[Observation]:
    return list(SYSTEMS["canvas"].observations(arrival(json.dumps(body).encode()), KindTable()))


@pytest.mark.parametrize(
    ("name", "body", "kind", "lesson", "facts"),
    [
        ("submission_created", SUBMISSION, "assignment.submitted", "234012", {"attempt": 12, "on_time": True}),
        ("quiz_submitted", {"quiz_id": "78", "submission_id": "4"}, "quiz.submitted", "quiz-78", {}),
        ("grade_change", GRADE, "grade.awarded", "234012", {"grade": 2, "score_pct": Fraction(200, 3)}),
        ("course_progress", PROGRESS, "course.progressed", None, {"progress_pct": Fraction(200, 3)}),
        ("course_completed", PROGRESS, "course.completed", None, {"progress_pct": 100}),
        ("enrollment_created", ENROLMENT, "course.enrolled", None, {}),
    ],
)
def test_each_live_event_becomes_its_kind_of_one_learner_and_course_however_ids_are_written(
    name: str, body: dict[str, Any], kind: str, lesson: str | None, facts: dict[str, Any]
) -> None:
    (found,) = seen(told(name, body))
    assert (found.kind, found.people["subject"], found.course) == (kind, "1122", "565")
    assert (found.lesson, dict(found.facts)) == (lesson, facts)
    assert kind in KindTable().kinds()
    assert "pupils" not in repr(found)
    assert "example.com" not in repr(found)


def test_signing_in_is_told_by_the_metadata_alone() -> None:
    (found,) = seen(told("logged_in", {"redirect_url": "https://example.com"}, context_type="Account"))
    assert (found.kind, found.people, found.course) == ("user.logged_in", {"subject": "1122"}, None)


def test_beside_an_act_of_the_learner_canvas_says_who_that_is_and_of_nobody_elses() -> None:
    told_by = {"user_sis_id": "HR-7"}
    (done,) = seen(told("submission_created", SUBMISSION, **told_by))
    said = [Identifier(by="idnumber", value="HR-7"), Identifier(by="username", value="ann@example.com")]
    assert dict(done.identifiers) == {"1122": tuple(said)}
    (progress,) = seen(told("course_completed", PROGRESS, user_id=None))
    assert dict(progress.identifiers) == {"1122": (Identifier(by="email", value="ann@example.com"),)}
    (graded,) = seen(told("grade_change", GRADE, user_id="21070000000000987", **told_by))
    (acted_for,) = seen(told("submission_created", SUBMISSION, real_user_id="21070000000000001", **told_by))
    assert not graded.identifiers
    assert not acted_for.identifiers


def test_somebody_of_another_shard_keeps_the_whole_number() -> None:
    (found,) = seen(told("submission_created", {**SUBMISSION, "user_id": "10640000000001122"}))
    assert found.people == {"subject": "10640000000001122"}


def test_a_grade_names_who_gave_it_and_the_submission_that_it_changes() -> None:
    (submission,) = seen(told("submission_created", SUBMISSION))
    (grade,) = seen(told("grade_change", GRADE))
    assert grade.people == {"subject": "1122", "actor": "987"}
    assert (grade.object_table, grade.object_id) == (submission.object_table, submission.object_id)
    for hidden in ({"muted": True}, {"grading_complete": False}, {"score": None}):
        assert seen(told("grade_change", {**GRADE, **hidden})) == []


def test_another_attempt_is_another_submission_and_another_delivery_is_not() -> None:
    first, again = seen([told("submission_created", SUBMISSION), told("submission_created", SUBMISSION)])
    (other,) = seen(told("submission_created", {**SUBMISSION, "attempt": 13}))
    assert first.natural_key == again.natural_key != other.natural_key


@pytest.mark.parametrize("changes", [{"submitted_at": None}, {"workflow_state": "unsubmitted"}])
def test_a_row_that_canvas_makes_for_work_that_nobody_handed_in_is_no_submission(changes: dict[str, Any]) -> None:
    assert seen(told("submission_created", {**SUBMISSION, "attempt": None, **changes})) == []


def test_a_classic_quiz_is_told_by_its_own_event_and_not_as_an_assignment_too() -> None:
    assert seen(told("submission_created", {**SUBMISSION, "submission_type": "online_quiz"})) == []


def test_a_quiz_that_canvas_hands_in_by_itself_names_nobody_and_is_taken() -> None:
    assert seen(told("quiz_submitted", {"quiz_id": "78", "submission_id": "4"}, user_id=None, job_id="1")) == []


def test_a_grade_names_the_sis_id_of_its_student_and_not_of_its_teacher() -> None:
    body = {**GRADE, "student_sis_id": "ABC.123"}
    (found,) = seen(told("grade_change", body, user_id="21070000000000987", user_sis_id="456-T45"))
    assert dict(found.identifiers) == {"1122": (Identifier(by="idnumber", value="ABC.123"),)}


def test_what_somebody_does_as_a_learner_never_earns_and_what_is_done_to_one_does() -> None:
    acting = {"real_user_id": "21070000000000001"}
    (submission,) = seen(told("submission_created", SUBMISSION, **acting))
    (grade,) = seen(told("grade_change", GRADE, **{**acting, "user_id": "21070000000000987"}))
    assert ("logged_in_as" in submission.marks, "logged_in_as" in grade.marks) == (True, False)


@pytest.mark.parametrize(("role", "mark"), [("TeacherEnrollment", "staff"), ("AccountAdmin", "site_admin")])
def test_who_acts_in_a_course_as_its_teacher_is_marked_and_a_student_who_is_graded_is_not(role: str, mark: str) -> None:
    (quiz,) = seen(told("quiz_submitted", {"quiz_id": "78", "submission_id": "4"}, context_role=role))
    (grade,) = seen(told("grade_change", GRADE, context_role=role, user_id="21070000000000987"))
    assert (dict(quiz.person_marks), dict(grade.person_marks)) == ({"1122": mark}, {})


def test_a_canvas_of_ones_own_writes_attributes_where_the_hosted_one_writes_metadata() -> None:
    (hosted,) = seen(told("submission_created", SUBMISSION))
    own = told("submission_created", SUBMISSION)
    (found,) = seen({"attributes": own.pop("metadata"), **own})
    assert (found.natural_key, found.course, found.identifiers) == (hosted.natural_key, "565", hosted.identifiers)


def test_a_courses_final_score_is_its_grade_as_far_as_the_student_sees_it() -> None:
    (found,) = seen(told("course_grade_change", COURSE_GRADE, user_id="987", context_role="TeacherEnrollment"))
    facts = {"grade": Fraction(165, 2), "score_pct": Fraction(165, 2)}
    assert (found.kind, found.people, found.course, dict(found.facts)) == (
        "course.graded",
        {"subject": "1122"},
        "565",
        facts,
    )
    hidden = {**COURSE_GRADE, "old_final_score": 82.5, "unposted_final_score": 90}
    for nothing in (hidden, {**COURSE_GRADE, "final_score": None}, {**COURSE_GRADE, "workflow_state": "deleted"}):
        assert seen(told("course_grade_change", nothing)) == []


def test_a_student_who_is_taken_out_of_a_course_is_unenrolled_and_other_changes_say_nothing() -> None:
    changed = {**ENROLMENT, "updated_at": "2026-09-01T19:11:12Z"}
    (found,) = seen(told("enrollment_updated", {**changed, "workflow_state": "deleted"}))
    assert (found.kind, found.course, found.people) == ("course.unenrolled", "565", {"subject": "1122"})
    teacher = {**changed, "workflow_state": "deleted", "type": "TeacherEnrollment"}
    for nothing in ({**changed, "workflow_state": "active"}, changed, teacher):
        assert seen(told("enrollment_updated", nothing)) == []


def test_an_entry_of_a_discussion_is_a_post_however_it_is_told_and_its_text_is_measured() -> None:
    (entry,) = seen(told("discussion_entry_created", ENTRY))
    (graded,) = seen(told("discussion_entry_submitted", {**ENTRY, "submission_id": "567", "assignment_id": "649"}))
    (topic,) = seen(
        told("discussion_topic_created", {"discussion_topic_id": "21070000000000189", "body": "Hi", "title": "T"})
    )
    facts = {"is_reply": True, "word_count": 6, "char_count": 24}
    assert (entry.kind, entry.post, entry.lesson, dict(entry.facts)) == ("forum.posted", "92", "discussion-189", facts)
    assert (entry.natural_key, entry.people) == (graded.natural_key, {"subject": "1122"})
    assert (topic.post, topic.lesson, topic.people) == ("discussion-189", "discussion-189", {"subject": "1122"})
    assert topic.facts["is_reply"] is False
    assert "pupils" not in repr(entry)
    copied = {"discussion_topic_id": "189", "body": "Hi"}
    assert seen(told("discussion_topic_created", copied, user_id=None, job_id="1")) == []
    assert seen(told("discussion_topic_created", {**copied, "is_announcement": True})) == []


def test_a_message_of_caliper_is_refused_with_what_to_choose_instead() -> None:
    with pytest.raises(RefusedPostError) as caught:
        seen({"sensor": "http://x/", "dataVersion": "http://purl.imsglobal.org/ctx/caliper/v1p1", "data": [{}]})
    assert (caught.value.name, "Caliper" in caught.value.hint) == ("metadata.event_name", True)


def _signed(data: Any) -> bytes:
    parts = (json.dumps(part).encode() for part in ({"alg": "RS256", "kid": "2026-09", "typ": "JWT"}, data))
    return b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in (*parts, b"a signature"))


async def test_a_signed_payload_is_unwrapped_and_kept_as_the_event_that_it_holds(tmp_path: Path) -> None:
    event = told("submission_created", SUBMISSION)
    source = door_source("canvas", kind="canvas", path="/canvas")
    async with open_door(tmp_path, source) as door:
        for body in (_signed({**event, "iat": 1}), b'"' + _signed(event) + b'"\n'):
            assert (await door.post(body, path=f"/canvas?token={TOKEN}", token=None)).status == 200
        for broken in (b"eyJ.eyJ.x", b"eyJhIjoxfQ.eyJhIjox.x", b"eyJhIjoxfQ.eyJhIjoxfQ", _signed([1])):
            refused = await door.post(broken, path=f"/canvas?token={TOKEN}", token=None)
            assert refused.status == 400, broken
        assert (await door.post(_signed(event), path="/canvas?token=another", token=None)).status == 404
        kept = [
            SYSTEMS["canvas"].observations(arrival(post.body), KindTable())
            for post in await door.inbox.after("canvas", 0, 10)
        ]
    assert [one.natural_key for (one,) in kept] == [seen(event)[0].natural_key] * 2


@pytest.mark.parametrize("name", ["asset_accessed", "attachment_created", "submission_updated", "something_new"])
def test_other_live_events_are_taken_and_empty(name: str) -> None:
    assert seen(told(name, {"user_id": "1"})) == []
    assert seen(told("enrollment_created", {**ENROLMENT, "type": "TeacherEnrollment"})) == []


@pytest.mark.parametrize(
    ("body", "reason", "name"),
    [
        ({}, "field_missing", "metadata.event_name"),
        (told("logged_in", {}, event_time=None), "field_missing", "metadata.event_time"),
        (told("logged_in", {}, event_time="soon"), "time_invalid", "event_time"),
        (told("logged_in", {}, user_id=None), "field_missing", "metadata.user_id"),
        (told("submission_created", []), "field_invalid", "body"),
        (told("submission_created", {}), "field_missing", "body.user_id"),
        (told("submission_created", {**SUBMISSION, "attempt": "many"}), "field_invalid", "attempt"),
        (told("quiz_submitted", {"submission_id": "4"}), "field_missing", "body.quiz_id"),
        (told("grade_change", {**GRADE, "submission_id": None}), "field_missing", "body.submission_id"),
        (told("course_progress", {**PROGRESS, "user": 7}), "field_invalid", "user"),
        ([1], "not_an_object", ""),
        ([{}] * 501, "too_many_events", ""),
    ],
)
def test_a_broken_live_event_is_refused_with_its_field(body: Any, reason: str, name: str) -> None:
    with pytest.raises(RefusedPostError) as caught:
        seen(body)
    assert (caught.value.reason, caught.value.name) == (reason, name)
