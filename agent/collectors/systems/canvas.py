"""Canvas' Live Events as JSON: `{"metadata": {"event_name", "event_time", …}, "body": {…}}`, one or a list.

A Canvas that somebody runs themselves writes `attributes` for `metadata`. Canvas writes ids of its own shard now whole
(`21070000000000565`), now short (`565`): they are made short, so that both name one course and one learner. Texts are
measured and not kept. Grades that learners do not see earn nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Any

from agent.collectors.lengths import letters_in, words_in
from agent.collectors.systems.base import (
    Act,
    Arrival,
    identified,
    json_of,
    missing,
    observed,
    of_each,
    text_in,
)
from agent.collectors.systems.fields import exact, id_in, known, moment, part, per_cent
from agent.config.kinds import KindTable
from agent.model import Observation, PersonMark

SHARD = 10**13
"""A whole id is its shard's number times this, and the short id."""
_RUNS: Mapping[str, PersonMark] = MappingProxyType(
    {
        "TeacherEnrollment": "staff",
        "TaEnrollment": "staff",
        "DesignerEnrollment": "staff",
        "AccountAdmin": "site_admin",
    }
)
"""As what somebody acts in a course, where that is no learner; roles that a school made have other names."""
_HANDED_IN = frozenset({None, "submitted", "pending_review", "graded"})
_CLASSIC_QUIZ = "online_quiz"


class Canvas:
    """The mapping; a `System`."""

    def observations(self, arrival: Arrival, kinds: KindTable) -> Sequence[Observation]:
        """A post's events in their order, without those that are no learner's act."""
        del kinds  # the event's name says which it is
        found = json_of(arrival.body)
        acts = of_each(found, lambda data: _act(data, arrival), called="event", like='{"metadata": …}')
        return tuple(observed(act, arrival) for act in acts if act is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    name: str
    metadata: Mapping[str, Any]
    body: Mapping[str, Any]
    at: int
    arrival: Arrival

    def id(self, data: Mapping[str, Any], name: str) -> str | None:
        """An id, short where it is of the account's own shard."""
        found, account = id_in(data, name), id_in(self.metadata, "root_account_id") or ""
        if found is None or not (_is_number(found) and _is_number(account)):
            return found
        shard, short = divmod(int(found), SHARD)
        return str(short) if shard and shard == int(account) // SHARD else found

    def needed(self, data: Mapping[str, Any], name: str, told: str) -> str:
        found = self.id(data, name)
        if found is None:
            raise missing(told)
        return found

    def course(self) -> str | None:
        if text_in(self.metadata, "context_type") not in {None, "Course"}:
            return None
        return self.id(self.metadata, "context_id")

    def act(self, kind: str, user: str, *key: str, **more: Any) -> Act:
        own, role = self._acting() == user, text_in(self.metadata, "context_role")
        mark = _RUNS.get(role or "") if own else None
        fields: dict[str, Any] = {
            "name": self.name,
            "kind": kind,
            "people": {"subject": user},
            "key": ("canvas", kind, *key),
            "at": self.at,
            "course": self.course(),
            "marks": frozenset({"logged_in_as"} if own and self._is_played(user) else ()),
            "person_marks": {} if mark is None else {user: mark},
            "identifiers": identified(user, self._known_by(user)),
            **more,
        }
        return Act(**fields)

    def _acting(self) -> str | None:
        return self.id(self.metadata, "user_id")

    def _is_played(self, user: str) -> bool:
        """Whether somebody else acts as this user."""
        return self.id(self.metadata, "real_user_id") not in {None, user}

    def _known_by(self, user: str) -> Mapping[str, Any]:
        """What is said of the learner: beside an act of their own the SIS id and login, a grade's SIS id, an address.

        Somebody who acts as a learner has a login of their own.
        """
        said: dict[str, Any] = {}
        if self._acting() == user and not self._is_played(user):
            said = {"idnumber": self.metadata.get("user_sis_id"), "username": self.metadata.get("user_login")}
        if self.id(self.body, "student_id") == user and self.body.get("student_sis_id"):
            said["idnumber"] = self.body["student_sis_id"]
        person = self.body.get("user")
        if isinstance(person, dict) and self.id(person, "id") == user:
            said["email"] = person.get("email")
        return said


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _act(data: Mapping[str, Any], arrival: Arrival) -> Act | None:
    metadata = part(data, "metadata") or part(data, "attributes")
    name = text_in(metadata, "event_name", most=100)
    if name is None:
        caliper = "this is a message of Caliper: choose Canvas as message type" if "dataVersion" in data else ""
        raise missing("metadata.event_name", caliper)
    make = _EVENTS.get(name)
    if make is None:
        return None
    at = moment(metadata, ("event_time",), arrival.received_at)
    if at is None:
        raise missing("metadata.event_time")
    return make(_Told(name=name, metadata=metadata, body=part(data, "body"), at=at, arrival=arrival))


def _submitted(told: _Told) -> Act | None:
    """What was handed in; Canvas also makes rows for work that nobody handed in, and classic quizzes are `_quiz`."""
    user = told.needed(told.body, "user_id", "body.user_id")
    number = told.needed(told.body, "submission_id", "body.submission_id")
    attempt, late = exact(told.body, "attempt"), told.body.get("late")
    at = moment(told.body, ("submitted_at",), told.arrival.received_at)
    is_quiz = told.body.get("submission_type") == _CLASSIC_QUIZ
    if at is None or is_quiz or text_in(told.body, "workflow_state") not in _HANDED_IN:
        return None
    return told.act(
        "assignment.submitted",
        user,
        number,
        str(at if attempt is None else attempt),
        at=at,
        object_table="submission",
        object_id=number,
        lesson=told.needed(told.body, "assignment_id", "body.assignment_id"),
        facts=known({"attempt": attempt, "on_time": not late if isinstance(late, bool) else None}),
    )


def _quiz(told: _Told) -> Act | None:
    """A classic quiz; new quizzes are assignments. Quizzes have numbers of their own beside those of assignments.

    Where nobody pressed the button (the time was up) Canvas does not say whose it is: its grade does.
    """
    user = told.id(told.body, "user_id") or told.id(told.metadata, "user_id")
    number = told.needed(told.body, "submission_id", "body.submission_id")
    quiz = told.needed(told.body, "quiz_id", "body.quiz_id")
    if user is None:
        return None
    return told.act("quiz.submitted", user, number, str(told.at), lesson=f"quiz-{quiz}")


def _graded(told: _Told) -> Act | None:
    user = told.id(told.body, "student_id") or told.needed(told.body, "user_id", "body.student_id")
    number = told.needed(told.body, "submission_id", "body.submission_id")
    score, most = exact(told.body, "score"), exact(told.body, "points_possible")
    if score is None or told.body.get("muted") is True or told.body.get("grading_complete") is False:
        return None
    grader = told.id(told.body, "grader_id")
    return told.act(
        "grade.awarded",
        user,
        number,
        str(score),
        people={"subject": user} if grader is None else {"subject": user, "actor": grader},
        object_table="submission",
        object_id=number,
        lesson=told.needed(told.body, "assignment_id", "body.assignment_id"),
        facts=known({"grade": score, "score_pct": per_cent(Fraction(score) / most) if most and most > 0 else None}),
    )


def _progress(told: _Told) -> Act:
    user = told.needed(part(told.body, "user"), "id", "body.user.id")
    course = told.needed(part(told.body, "course"), "id", "body.course.id")
    progress = part(told.body, "progress")
    done, of = exact(progress, "requirement_completed_count"), exact(progress, "requirement_count")
    share = per_cent(Fraction(done) / of) if done is not None and of and of > 0 else None
    if told.name == "course_completed":
        at = moment(progress, ("completed_at",), told.arrival.received_at) or told.at
        return told.act(
            "course.completed", user, user, course, str(at), at=at, course=course, facts={"progress_pct": 100}
        )
    key = (user, course, str(told.at) if share is None else f"{done}/{of}")
    return told.act("course.progressed", user, *key, course=course, facts=known({"progress_pct": share}))


def _signed_in(told: _Told) -> Act:
    user = told.needed(told.metadata, "user_id", "metadata.user_id")
    return told.act("user.logged_in", user, user, str(told.at), course=None)


def _enrolled(told: _Told) -> Act | None:
    """Students; teachers are enrolled too."""
    if text_in(told.body, "type") not in {None, "StudentEnrollment"}:
        return None
    user = told.needed(told.body, "user_id", "body.user_id")
    course = told.needed(told.body, "course_id", "body.course_id")
    number = told.needed(told.body, "enrollment_id", "body.enrollment_id")
    return told.act("course.enrolled", user, number, course=course)


def _left(told: _Told) -> Act | None:
    """A student who is taken out of a course; all else that changes about an enrolment is no act."""
    if text_in(told.body, "workflow_state") != "deleted" or text_in(told.body, "type") != "StudentEnrollment":
        return None
    user = told.needed(told.body, "user_id", "body.user_id")
    course = told.needed(told.body, "course_id", "body.course_id")
    number = told.needed(told.body, "enrollment_id", "body.enrollment_id")
    at = moment(told.body, ("updated_at",), told.arrival.received_at) or told.at
    return told.act("course.unenrolled", user, number, str(at), at=at, course=course)


def _course_graded(told: _Told) -> Act | None:
    """A course's final score as its student sees it; changes of what is hidden from them are none."""
    user = told.needed(told.body, "user_id", "body.user_id")
    course = told.needed(told.body, "course_id", "body.course_id")
    score, before = exact(told.body, "final_score"), exact(told.body, "old_final_score")
    if score is None or score == before or text_in(told.body, "workflow_state") == "deleted":
        return None
    at = moment(told.body, ("updated_at",), told.arrival.received_at) or told.at
    facts = {"grade": score, "score_pct": score}
    return told.act("course.graded", user, user, course, str(score), at=at, course=course, facts=facts)


def _discussed(told: _Told) -> Act:
    """An entry of a discussion; of one that is graded two events tell."""
    user = told.needed(told.body, "user_id", "body.user_id")
    entry = told.needed(told.body, "discussion_entry_id", "body.discussion_entry_id")
    topic = told.needed(told.body, "discussion_topic_id", "body.discussion_topic_id")
    at = moment(told.body, ("created_at",), told.arrival.received_at) or told.at
    return _post(told, user, entry, topic, at, told.body.get("text"))


def _began_discussion(told: _Told) -> Act | None:
    """A discussion that somebody began; of those that a copy of a course brings nobody is named."""
    user = told.id(told.metadata, "user_id")
    topic = told.needed(told.body, "discussion_topic_id", "body.discussion_topic_id")
    if user is None or told.body.get("is_announcement") is True:
        return None
    return _post(told, user, f"discussion-{topic}", topic, told.at, told.body.get("body"))


def _post(told: _Told, user: str, post: str, topic: str, at: int, text: object) -> Act:
    written = text if isinstance(text, str) else None
    lengths = {} if written is None else {"word_count": words_in(written), "char_count": letters_in(written)}
    return told.act(
        "forum.posted",
        user,
        post,
        at=at,
        post=post,
        lesson=f"discussion-{topic}",
        facts={"is_reply": post != f"discussion-{topic}", **lengths},
    )


_EVENTS: Mapping[str, Callable[[_Told], Act | None]] = MappingProxyType(
    {
        "submission_created": _submitted,
        "quiz_submitted": _quiz,
        "grade_change": _graded,
        "course_completed": _progress,
        "course_progress": _progress,
        "logged_in": _signed_in,
        "enrollment_created": _enrolled,
        "enrollment_updated": _left,
        "course_grade_change": _course_graded,
        "discussion_entry_created": _discussed,
        "discussion_entry_submitted": _discussed,
        "discussion_topic_created": _began_discussion,
    }
)
