"""Whatever a system answers when it is asked, the walk through it goes on or says why; nothing else is ever raised."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.collectors.pull import plan as plans
from agent.collectors.pull.canvas import CanvasPlan
from agent.collectors.pull.client import Answer
from agent.collectors.pull.learnworlds import LearnWorldsPlan
from agent.collectors.pull.plan import Ask, OddAnswerError, Plan, Round
from agent.collectors.pull.xapi import XapiPlan
from agent.collectors.systems.base import Arrival, RefusedPostError
from agent.collectors.systems.registry import SYSTEMS
from agent.config.kinds import KindTable
from agent.model import Evidence
from tests.builders import NOW

WHATS: dict[str, tuple[Plan, tuple[str, ...]]] = {
    "xapi": (XapiPlan(), ("statements",)),
    "learnworlds": (
        LearnWorldsPlan(), ("staff", "payments", "certificates", "logs", "progress", "courses")
    ),
    "canvas": (
        CanvasPlan("self", quizzes=True),
        ("courses", "course", "submissions", "grades", "progress", "quizzes", "quiz_submissions"),
    ),
}  # fmt: skip
NAMES = [
    "id",
    "data",
    "meta",
    "totalPages",
    "user",
    "user_id",
    "course",
    "course_id",
    "created",
    "paid_at",
    "product",
    "type",
    "issued",
    "status",
    "completed_at",
    "statements",
    "more",
    "stored",
    "timestamp",
    "actor",
    "verb",
    "object",
    "result",
    "account",
    "name",
    "homePage",
    "definition",
    "score",
    "scaled",
    "raw",
    "max",
    "duration",
    "extensions",
    "assignment_id",
    "submitted_at",
    "graded_at",
    "posted_at",
    "workflow_state",
    "attempt",
    "assignment",
    "points_possible",
    "grader_id",
    "progress",
    "requirement_completed_count",
    "requirement_count",
    "quiz_submissions",
    "quiz_id",
    "finished_at",
    "price",
]
TELLING: list[Any] = [
    "completed",
    "complete",
    "graded",
    "2026-09-01T00:00:00Z",
    "9999-12-31T23:59:59-23:59",
    "0001-01-01T00:00:00+14:00",
    "PT1H",
    "/api/statements/more",
    "https://elsewhere.example.org/x",
    "http://adlnet.gov/expapi/verbs/completed",
]
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.just(10**11)


def _fits(found: Any) -> bool:
    """Whether it can be written: numbers of 64 bits, text without half characters."""
    try:
        orjson.dumps(found)
    except TypeError:
        return False
    return True


LEAVES = st.none() | st.booleans() | NUMBERS | st.text(max_size=8) | st.sampled_from(TELLING)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=3), inner),
    max_leaves=25,
)
ROWS = st.lists(st.dictionaries(st.sampled_from(NAMES), JSON, max_size=6), max_size=3)
BODIES = st.binary(max_size=20) | st.one_of(
    JSON,
    ROWS,
    ROWS.map(lambda rows: {"data": rows, "statements": rows, "meta": {"totalPages": 3}}),
).filter(_fits).map(orjson.dumps)
HEADERS = st.dictionaries(st.sampled_from(["link", "x-experience-api-consistent-through"]), st.text(max_size=40))


@pytest.mark.parametrize("kind", WHATS)
@given(st.data(), BODIES, HEADERS)
def test_any_answer_is_understood_or_odd_and_what_it_tells_is_a_fact_or_refused(
    kind: str, data: st.DataObject, body: bytes, headers: dict[str, str]
) -> None:
    plan, whats = WHATS[kind]
    this = plans.began(plan, Round(start=NOW - 86_400, since=NOW - 3_600, number=data.draw(st.integers(0, 1))), NOW)
    about = data.draw(st.sampled_from(["", "admin", "instructor", "565"]))
    what = data.draw(st.sampled_from(whats))
    ask = Ask(what=what, target="v2/x?page=1", about="admin" if what == "staff" else about)
    try:
        took = plan.took(ask, Answer(status=200, headers=headers, body=body), this, NOW)
    except OddAnswerError:
        return
    for fact in took.fetched:
        assert 0 < len(fact.mark) <= 32
        _checked(kind, fact.body)
    this = plans.went_on(plan, this, took)
    assert plans.read(plans.written(this)) == this
    assert plan.first(plans.began(plan, Round(start=this.start, since=plan.since(this)), NOW))


def _checked(kind: str, body: bytes | None) -> None:
    if body is None:
        return
    arrival = Arrival(source="it", site="it", number=0, received_at=NOW, evidence=Evidence.bearer_token, body=body)
    try:
        found = SYSTEMS[kind].observations(arrival, KindTable())
    except RefusedPostError:
        return
    assert all(one.natural_key for one in found)
