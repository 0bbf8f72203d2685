"""What vendors answer when they are asked, by the examples of their documentation, for tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from tests.builders import NOW

AT = NOW - 3_600


def iso(at: int = AT) -> str:
    """A time as these vendors write it."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Documented:
    """One system: what it answers, the facts in that (kind, learner, course), and posts that tell some of them."""

    kind: str
    routes: Callable[[web.Request, Sequence[Any]], web.StreamResponse]
    facts: Sequence[tuple[str, str, str | None]]
    posts: Sequence[Any]
    paths: frozenset[str]

    def answer(self, request: web.Request, more: Sequence[Any] = ()) -> web.StreamResponse:
        """What it answers, with ``more`` in each list."""
        return self.routes(request, more)


HOME = "https://lms.example.org"
COURSE_TYPE = "http://adlnet.gov/expapi/activities/course"


def statement(number: int, *, verb: str = "completed") -> dict[str, Any]:
    """A statement as an LRS keeps it."""
    return {
        "id": f"00000000-0000-4000-8000-{number:012}",
        "actor": {"account": {"homePage": HOME, "name": f"ann{number}"}},
        "verb": {"id": f"http://adlnet.gov/expapi/verbs/{verb}"},
        "object": {"id": "https://lms.example.org/course/1", "definition": {"type": COURSE_TYPE}},
        "timestamp": iso(),
        "stored": iso(AT + number),
        "attachments": [{"usageType": "http://example.org/certificate", "length": 7}],
    }


def _lrs(request: web.Request, more: Sequence[Any]) -> web.StreamResponse:
    headers = {"X-Experience-API-Consistent-Through": iso(NOW), "X-Experience-API-Version": "1.0.3"}
    if request.path == "/api/statements":
        page = {"statements": [statement(1), *more, statement(2)], "more": "/api/statements/more?token=a%2Bb"}
        return web.json_response(page, headers=headers)
    if request.path == "/api/statements/more" and request.query.get("token") == "a+b":
        return web.json_response({"statements": [statement(3)], "more": ""}, headers=headers)
    return web.json_response({"error": "no such page"}, status=404)


LRS = Documented(
    kind="xapi",
    routes=_lrs,
    facts=[("course.completed", f"{HOME}|ann{n}", "https://lms.example.org/course/1") for n in (1, 2, 3)],
    posts=[statement(1), [statement(2)], {"statement": statement(3)}],
    paths=frozenset({"/api/statements", "/api/statements/more"}),
)

ANN, BEN, TEACHER = "5ea173beca205e67b47f4552", "5ea18eee1d2c27438d61abe2", "5a323b4f43c90b78098b456c"
PAYMENT = {
    "id": "60fa9afd0436534ae177b072",
    "transaction_id": "Added by admin",
    "type": "one-off",
    "product": {"id": "sleep", "type": "course", "name": "Sleep", "original_price": 32},
    "price": 100,
    "refund_at": None,
    "user_id": ANN,
    "paid_at": AT,
    "billing_info": {"bf_name": "Sherlock Holmes"},
    "created": AT,
}
CERTIFICATE = {
    "id": "5a74574343c90be4158b456a",
    "title": "Certificate of completion",
    "issued": AT + 0.484916,
    "form": {"firstname": "Joe"},
    "user": {"id": BEN, "email": "gatuso@learnworlds.com"},
    "course_id": "sleep",
}


_DID = {"complete_course": [ANN, BEN], "award_certificate": [BEN]}


def _school(path: str, query: Mapping[str, str]) -> list[Any] | None:
    if path == "/api/v2/users":
        return [{"id": TEACHER, "is_instructor": True}] if query.get("role") == "instructor" else []
    if path == "/api/v2/event-logs":
        activity = query["activity"]
        return [{"user": {"id": one}, "created": AT, "activity": activity} for one in _DID.get(activity, [ANN])]
    if path == "/api/v2/payments":
        pages: dict[str, list[Any]] = {"1": [PAYMENT], "2": [{**PAYMENT, "id": "2", "refund_at": AT}]}
        return pages.get(query["page"], [{**PAYMENT, "id": "of years ago", "created": 1, "paid_at": 1}])
    if path == "/api/v2/certificates":
        return [CERTIFICATE] if query["user_id"] == BEN else []
    done = {"course_id": "sleep", "status": "completed", "progress_rate": 100, "completed_at": AT}
    of_user: dict[str, list[Any]] = {
        f"/api/v2/users/{ANN}/progress": [done, {"course_id": "wake", "status": "not_completed", "completed_at": None}],
        f"/api/v2/users/{ANN}/courses": [{"created": AT, "expires": None, "course": {"id": "wake", "title": "Wake"}}],
        f"/api/v2/users/{BEN}/courses": [],
    }
    return of_user.get(path)


def _learnworlds(request: web.Request, more: Sequence[Any]) -> web.StreamResponse:
    if request.path == "/api/v2/certificates" and "user_id" not in request.query:
        return web.json_response({"error": "You need to provide a query parameter"}, status=422)
    rows = _school(request.path, request.query)
    if rows is None:  # whose account was deleted
        return web.json_response({"error": "Sorry the resource does not exist."}, status=404)
    total = 1_000 if request.path == "/api/v2/payments" else 1
    page = int(request.query.get("page", "1"))
    return web.json_response({"data": [*more, *rows], "meta": {"page": page, "totalPages": total}})


LEARNWORLDS = Documented(
    kind="learnworlds",
    routes=_learnworlds,
    facts=[
        ("order.created", ANN, "sleep"),
        ("order.refunded", ANN, "sleep"),
        ("certificate.awarded", BEN, "sleep"),
        ("course.completed", ANN, "sleep"),
        ("course.enrolled", ANN, "wake"),
    ],
    posts=[
        {"type": "productBought", "data": {"payment": PAYMENT, "user": {"id": ANN}}},
        {"type": "awardedCertificate", "data": {"certificate": CERTIFICATE, "user": {"id": BEN}}},
        {
            "type": "courseCompleted",
            "data": {"completed_at": AT + 1.7, "course": {"id": "sleep"}, "user": {"id": ANN}},
        },
        {"type": "enrolledFreeCourse", "data": {"date": AT + 2, "course": {"id": "wake"}, "user": {"id": ANN}}},
    ],
    paths=frozenset(
        {f"/api/v2/{name}" for name in ("users", "event-logs", "payments", "certificates")}
        | {f"/api/v2/users/{user}/{what}" for user in (ANN, BEN) for what in ("progress", "courses")}
    ),
)

SUBMISSION = {
    "id": 900,
    "assignment_id": 23,
    "user_id": 134,
    "attempt": 1,
    "body": "What I learned",
    "late": False,
    "submitted_at": iso(),
    "workflow_state": "graded",
    "score": 9.5,
    "graded_at": iso(AT + 60),
    "posted_at": iso(AT + 60),
    "grader_id": 86,
}
UNSEEN = {**SUBMISSION, "id": 901, "posted_at": None}


def _canvas(request: web.Request, more: Sequence[Any]) -> web.StreamResponse:
    course = "/api/api/v1/courses/565"
    headers = {"X-Rate-Limit-Remaining": "650.1"}
    if request.path in {course, "/api/api/v1/courses/sis_course_id:BIO101"}:
        return web.json_response({"id": 565, "name": "Diff"}, headers=headers)
    if request.path == f"{course}/students/submissions":
        if "graded_since" in request.query:
            graded: list[Any] = [{**one, "assignment": {"points_possible": 10}} for one in (SUBMISSION, UNSEEN)]
            return web.json_response([*graded, *more], headers=headers)
        if request.query.get("page") == "2":
            return web.json_response([SUBMISSION], headers=headers)
        following = f'<{request.url}&page=2>; rel="next",<{request.url}>; rel="current"'
        idle = {**SUBMISSION, "id": 902, "submitted_at": None, "workflow_state": "unsubmitted"}
        quiz = {**SUBMISSION, "id": 903, "assignment_id": 24, "submission_type": "online_quiz"}
        return web.json_response([idle, quiz, *more], headers={**headers, "Link": following})
    quiz = {"id": 4, "quiz_id": 78, "user_id": 134, "finished_at": iso(), "workflow_state": "complete"}
    progress = {"requirement_count": 3, "requirement_completed_count": 3, "completed_at": iso()}
    found: Any = {
        "/api/api/v1/accounts/self/courses": [{"id": 565, "name": "Diff"}, {"id": 566, "name": "Gone"}],
        f"{course}/bulk_user_progress": [{"id": 134, "display_name": "Ann", "progress": progress}],
        f"{course}/quizzes": [{"id": 78, "title": "Q"}],
        f"{course}/quizzes/78/submissions": [quiz],
    }.get(request.path)
    if found is None:
        return web.json_response({"errors": [{"message": "The specified resource does not exist."}]}, status=404)
    listed = [*found, *more]
    wrapped = {"quiz_submissions": listed} if request.path.endswith("78/submissions") else listed
    return web.Response(text=json.dumps(wrapped), headers=headers, content_type="application/json")


def live(name: str, body: dict[str, Any]) -> dict[str, Any]:
    """A Live Event of that course, some seconds later."""
    metadata = {
        "event_name": name,
        "event_time": iso(AT + 63),
        "context_type": "Course",
        "context_id": "21070000000000565",
        "root_account_id": "21070000000000001",
    }
    return {"metadata": metadata, "body": body}


_ONE = {"user_id": "21070000000000134", "assignment_id": "23", "submission_id": "21070000000000900"}

CANVAS = Documented(
    kind="canvas",
    routes=_canvas,
    facts=[
        ("assignment.submitted", "134", "565"),
        ("grade.awarded", "134", "565"),
        ("course.completed", "134", "565"),
        ("quiz.submitted", "134", "565"),
    ],
    posts=[
        live("submission_created", {**_ONE, "attempt": 1, "submitted_at": iso(), "late": False}),
        live("grade_change", {**_ONE, "student_id": "134", "score": 9.5, "points_possible": 10}),
        live(
            "course_completed",
            {"user": {"id": "134"}, "course": {"id": "565"}, "progress": {"completed_at": iso()}},
        ),
    ],
    paths=frozenset(
        {"/api/api/v1/accounts/self/courses"}
        | {
            f"/api/api/v1/courses/{course}/{what}"
            for course in ("565", "566")
            for what in ("students/submissions", "bulk_user_progress", "quizzes", "quizzes/78/submissions")
        }
    ),
)
