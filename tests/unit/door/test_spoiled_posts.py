"""Every vendor's good examples, spoiled in one place by any JSON: understood or refused, and always alike."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.collectors.systems.base import RefusedPostError
from agent.collectors.systems.registry import SYSTEMS
from agent.config.kinds import KindTable
from tests.unit.door import test_canvas, test_kajabi, test_learnworlds, test_thinkific, test_xapi
from tests.unit.door.test_tool_trigger import arrival

SCORED = {"score": {"raw": 2, "min": 0, "max": 3}, "duration": "PT1H", "extensions": {"https://x/progress": 4}}
EXAMPLES: dict[str, list[Any]] = {
    "thinkific": [
        test_thinkific.hook(topic, payload)
        for topic, payload in (
            ("enrollment.progress", test_thinkific.ENROLMENT),
            ("enrollment.completed", test_thinkific.ENROLMENT),
            ("lesson.completed", test_thinkific.LESSON),
            ("quiz.attempted", test_thinkific.QUIZ),
            ("order.created", test_thinkific.ORDER),
        )
    ],
    "learnworlds": [
        test_learnworlds.hook("courseCompleted", test_learnworlds.COMPLETED),
        test_learnworlds.hook("productBought", {"payment": test_learnworlds.PAYMENT, "user": test_learnworlds.USER}),
        test_learnworlds.hook("awardedCertificate", {"certificate": test_learnworlds.CERTIFICATE}),
        test_learnworlds.hook("userTagAdded", test_learnworlds.USER),
    ],
    "kajabi": [
        test_kajabi.hook(test_kajabi.CONTACT, test_kajabi.TAGGED),
        {"event": "tag_added", "tag": "a", "contact": {"id": "7", "email": "a@example.com"}},
    ],
    "xapi": [
        test_xapi.statement("passed", result=SCORED, context={"contextActivities": {"parent": [test_xapi.COURSE]}}),
        test_xapi.statement("voided", object={"objectType": "StatementRef", "id": test_xapi.NUMBER}),
    ],
    "canvas": [
        test_canvas.told("submission_created", test_canvas.SUBMISSION),
        test_canvas.told("grade_change", test_canvas.GRADE),
        test_canvas.told("course_progress", test_canvas.PROGRESS),
    ],
}
SPOILS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(["1e400", "9" * 40, "0.1", "-1", "2026-09-01T00:00:00", "2026-09-01", "\0", " "]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def places(data: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inside = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for name, value in inside:
        yield (*above, name)
        yield from places(value, (*above, name))


def told(kind: str, body: bytes) -> str:
    try:
        return repr(SYSTEMS[kind].observations(arrival(body), KindTable()))
    except RefusedPostError as error:
        return f"{error.reason} {error.name} {error.message}"


@pytest.mark.parametrize("kind", sorted(EXAMPLES))
@given(data=st.data())
def test_a_spoiled_example_is_understood_or_refused_and_always_alike(kind: str, data: st.DataObject) -> None:
    example = copy.deepcopy(data.draw(st.sampled_from(EXAMPLES[kind])))
    *above, last = data.draw(st.sampled_from(list(places(example))))
    inside = example
    for name in above:
        inside = inside[name]
    inside[last] = data.draw(SPOILS)
    body = json.dumps(example).encode()
    assert told(kind, body) == told(kind, body)
