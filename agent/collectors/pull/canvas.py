"""Asking Canvas' REST API for submissions, grades, classic quizzes and module progress, in the words of Live Events.

Quizzes have no key in common with their Live Event, which tells neither attempt nor time of finishing: they are asked
for only where no events are posted. The first round remembers how far everybody's modules are and pays nothing for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from agent.collectors.inbox.pulls import Fetched
from agent.collectors.pull.client import Answer
from agent.collectors.pull.plan import Ask, Round, Took, answered, iso, listed, mark_of, seconds, told, words

OVERLAP_S = 900
"""What is written while a round reads may be missed by it: the next one begins so much earlier."""
GRADES_OVERLAP_S = 14 * 86_400
"""Grades are shown to learners later than they are given, and can be asked for by the latter alone."""
_PER_PAGE = {"per_page": "100"}
_NEXT = re.compile(r"<([^<>]+)>\s*;[^,]*rel=\"?next\"?")
_OF_SUBMISSION = ("user_id", "assignment_id", "attempt", "late", "submitted_at", "submission_type")
_FINISHED = frozenset({"complete", "pending_review"})


class CanvasPlan:
    """The plan for one account, or for these ``courses`` alone (ids, or `sis_course_id:BIO101`).

    ``quizzes`` is whether classic quizzes are asked for.
    """

    def __init__(self, account: str, *, quizzes: bool, courses: Sequence[str] = ()) -> None:
        self._account = account
        self._quizzes = quizzes
        self._courses = tuple(courses)

    def first(self, this: Round) -> Sequence[Ask]:
        """The courses that have students, whenever the last round was."""
        del this
        if self._courses:
            return [Ask(what="course", target=f"api/v1/courses/{quote(one, safe=':')}") for one in self._courses]
        query = [("enrollment_type[]", "student"), ("state[]", "available"), *_PER_PAGE.items()]
        path = f"api/v1/accounts/{quote(self._account, safe='')}/courses"
        return (Ask(what="courses", target=f"{path}?{urlencode(query)}", needed=True),)

    def took(self, ask: Ask, answer: Answer, this: Round, now: int) -> Took:
        """One page."""
        found = answered(answer, ask.what)
        if ask.what == "quiz_submissions" and isinstance(found, dict):
            found = found.get("quiz_submissions")
        rows = listed([found] if ask.what == "course" else found, ask.what)
        following = _NEXT.search(answer.headers.get("link", ""))
        ends = following is None or following[1] == ask.target
        follow = [] if following is None or ends else [Ask(what=ask.what, target=following[1], about=ask.about)]
        if ask.what in {"courses", "course"}:
            asks = [each for row in rows for each in self._of_course(words(row.get("id")), this)]
        elif ask.what == "quizzes":
            asks = [each for row in rows for each in _of_quiz(ask.about, words(row.get("id")))]
        else:
            facts = [fact for row in rows for fact in _FACTS[ask.what](row, ask.about, this, now)]
            return Took(fetched=facts, asks=follow)
        return Took(asks=[*asks, *follow])

    def since(self, this: Round) -> int:
        """A little before this round began."""
        return max(this.since, this.begun - OVERLAP_S)

    def _of_course(self, course: str, this: Round) -> Iterator[Ask]:
        if not course:
            return
        path, graded = f"api/v1/courses/{quote(course, safe='')}", max(this.start, this.since - GRADES_OVERLAP_S)
        everybody = {"student_ids[]": "all", **_PER_PAGE}
        submitted = urlencode({**everybody, "submitted_since": iso(this.since)})
        yield Ask(what="submissions", target=f"{path}/students/submissions?{submitted}", about=course)
        grades = urlencode({**everybody, "graded_since": iso(graded), "include[]": "assignment"})
        yield Ask(what="grades", target=f"{path}/students/submissions?{grades}", about=course)
        yield Ask(what="progress", target=f"{path}/bulk_user_progress?{urlencode(_PER_PAGE)}", about=course)
        if self._quizzes:
            yield Ask(what="quizzes", target=f"{path}/quizzes?{urlencode(_PER_PAGE)}", about=course)


def _of_quiz(course: str, quiz: str) -> Iterator[Ask]:
    if quiz:
        path = f"api/v1/courses/{quote(course, safe='')}/quizzes/{quote(quiz, safe='')}/submissions"
        yield Ask(what="quiz_submissions", target=f"{path}?{urlencode(_PER_PAGE)}", about=course)


def _submitted(row: Mapping[str, Any], course: str, _: Round, __: int) -> Iterator[Fetched]:
    at = seconds(row.get("submitted_at"))
    if at is not None and row.get("workflow_state") != "unsubmitted":
        body = {name: row.get(name) for name in _OF_SUBMISSION}
        yield _event("submission_created", course, at, {**body, "submission_id": row.get("id")})


def _graded(row: Mapping[str, Any], course: str, _: Round, __: int) -> Iterator[Fetched]:
    at, assignment, grader = seconds(row.get("graded_at")), row.get("assignment"), row.get("grader_id")
    shown = row.get("posted_at") is not None and row.get("workflow_state") == "graded"
    if at is not None and shown and row.get("score") is not None:
        body = {
            "student_id": row.get("user_id"),
            "assignment_id": row.get("assignment_id"),
            "submission_id": row.get("id"),
            "score": row["score"],
            "points_possible": assignment.get("points_possible") if isinstance(assignment, dict) else None,
            # Below zero it is a quiz or a tool that graded.
            "grader_id": grader if isinstance(grader, int) and grader > 0 else None,
        }
        yield _event("grade_change", course, at, body)


def _progressed(row: Mapping[str, Any], course: str, this: Round, now: int) -> Iterator[Fetched]:
    user, progress = words(row.get("id")), row.get("progress")
    if not user or not isinstance(progress, dict):
        return
    body = {"user": {"id": user}, "course": {"id": course}, "progress": progress}
    finished = seconds(progress.get("completed_at"))
    if finished is not None:
        yield _event("course_completed", course, finished, body)
    done = words(progress.get("requirement_completed_count"))
    if done not in {"", "0"}:
        mark = ("progress", course, user, f"{done}/{words(progress.get('requirement_count'))}")
        fact = _event("course_progress", course, now, body, *mark)
        # What was done before the first look has no time of its own: it is not paid as if it were done now.
        yield fact if this.number else Fetched(body=None, mark=mark_of(*mark), recorded_at=now)


def _finished(row: Mapping[str, Any], course: str, this: Round, _: int) -> Iterator[Fetched]:
    at = seconds(row.get("finished_at"))
    if at is not None and at >= this.since and row.get("workflow_state") in _FINISHED:
        body = {"submission_id": row.get("id"), "quiz_id": row.get("quiz_id"), "user_id": row.get("user_id")}
        yield _event("quiz_submitted", course, at, body)


def _event(name: str, course: str, at: int, body: Mapping[str, Any], *mark: str) -> Fetched:
    metadata = {"event_name": name, "event_time": iso(at), "context_type": "Course", "context_id": course}
    return told({"metadata": metadata, "body": body}, at, *mark)


_FACTS: Mapping[str, Callable[[Mapping[str, Any], str, Round, int], Iterator[Fetched]]] = {
    "submissions": _submitted,
    "grades": _graded,
    "progress": _progressed,
    "quiz_submissions": _finished,
}
