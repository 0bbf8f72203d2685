"""Every system's good examples, spoiled in one place by any JSON: understood or refused, and always alike.

What is understood can be kept: its numbers have bounds, so the ledger can write them.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.collectors.systems.base import EVENTS_MAX, RefusedPostError
from agent.collectors.systems.registry import SYSTEMS
from agent.config.kinds import KindTable
from agent.ledger import codec
from tests.builders import NOW
from tests.posts import a_post
from tests.unit.door import test_canvas, test_generic, test_kajabi, test_learnworlds, test_thinkific, test_xapi
from tests.unit.door.test_tool_trigger import arrival

SCORED = {"score": {"raw": 2, "min": 0, "max": 3}, "duration": "PT1H", "extensions": {"https://x/progress": 4}}
GRADED = {"other_finalgrade": "66.66667", "other_itemid": "3", "other_overridden": "", "objecttable": "grade_grades"}
EXAMPLES: dict[str, list[Any]] = {
    "tool-trigger": [
        a_post(),
        a_post(eventname=r"\core\event\user_graded", **GRADED),
        a_post(eventname=r"\mod_forum\event\post_created", other_discussionid="12"),
        a_post(eventname=r"\core\event\tag_added", other_tagname="a", other_itemid="5", other_itemtype="forum_posts"),
    ],
    "generic": [
        test_generic.event(people={"actor": "8", "referrer": {"id": "9"}}, facts={"passed": True, "tags": ["a"]}),
        {"events": [test_generic.event(submission={"id": "s", "text": "a b", "files": ["c"], "counts": {"peers": 1}})]},
    ],
    "thinkific": [
        test_thinkific.hook(topic, payload)
        for topic, payload in (
            ("enrollment.progress", test_thinkific.ENROLMENT),
            ("enrollment.completed", test_thinkific.ENROLMENT),
            ("lesson.completed", test_thinkific.LESSON),
            ("quiz.attempted", test_thinkific.QUIZ),
            ("order.created", test_thinkific.ORDER),
            ("user.signin", {**test_thinkific.USER, "roles": ["site_admin"]}),
        )
    ],
    "learnworlds": [
        test_learnworlds.hook("courseCompleted", test_learnworlds.COMPLETED),
        test_learnworlds.hook("productBought", {"payment": test_learnworlds.PAYMENT, "user": test_learnworlds.USER}),
        test_learnworlds.hook("awardedCertificate", {"certificate": test_learnworlds.CERTIFICATE}),
        test_learnworlds.hook("userTagAdded", test_learnworlds.USER),
        test_learnworlds.hook("userUpdated", {"user": test_learnworlds.USER}),
        test_learnworlds.hook("userUnenrolledFromProduct", {"user": {"id": "7"}, "product": {"id": "c"}}),
        test_learnworlds.hook("learningProgramCompleted", {"user": {"id": "7"}, "learningProgram": {"id": "p"}}),
        test_learnworlds.hook("leadCreated", {"created": 1636451710.954462, "email": "john@example.com"}),
    ],
    "kajabi": [
        test_kajabi.hook(test_kajabi.CONTACT, test_kajabi.TAGGED),
        {"event": "tag_added", "tag": "a", "contact": {"id": "7", "email": "a@example.com"}},
    ],
    "xapi": [
        test_xapi.statement("passed", result=SCORED, context={"contextActivities": {"parent": [test_xapi.COURSE]}}),
        test_xapi.statement(
            actor={"mbox": "mailto:a@example.com"}, timestamp="2026-09-18T12:17:00", stored=test_xapi.AT
        ),
        test_xapi.statement("voided", object={"objectType": "StatementRef", "id": test_xapi.NUMBER}),
    ],
    "canvas": [
        test_canvas.told("submission_created", test_canvas.SUBMISSION),
        test_canvas.told("grade_change", test_canvas.GRADE),
        test_canvas.told("course_progress", test_canvas.PROGRESS),
        test_canvas.told("quiz_submitted", {"quiz_id": "78", "submission_id": "4"}, context_role="TaEnrollment"),
        test_canvas.told("discussion_entry_created", test_canvas.ENTRY, real_user_id="3"),
        test_canvas.told("course_grade_change", test_canvas.COURSE_GRADE),
        test_canvas.told("discussion_topic_created", {"discussion_topic_id": "7", "body": "Hi"}),
        {"attributes": test_canvas.told("logged_in", {})["metadata"], "body": {}},
    ],
}
NUMBERS = ["1e-5000", "1e-3000000", "1e5000", "1e400", "9" * 40, "9" * 5_000, "²", "٣", "0x1", 1e-300, 1e300, 2**64 - 1]
"""What looks like a number and is one too large, too small, or none that whole numbers are made of."""
SPOILS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(["0.1", "-1", "2026-09-01T00:00:00", "2026-09-01", "\0", " ", *NUMBERS]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def places(data: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inside = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for name, value in inside:
        yield (*above, name)
        yield from places(value, (*above, name))


def told(kind: str, body: bytes) -> str:
    """What a post means, as text; the ledger can write it."""
    try:
        found = SYSTEMS[kind].observations(arrival(body), KindTable())
        return f"{found!r} {codec.encode_events(found)!r}"
    except RefusedPostError as error:
        return f"{error.reason} {error.name} {error.message}"


def spoiled(example: Any, place: tuple[Any, ...], spoil: Any) -> bytes:
    """An example with something else in one place."""
    example = copy.deepcopy(example)
    *above, last = place
    inside = example
    for name in above:
        inside = inside[name]
    inside[last] = spoil
    return json.dumps(example).encode()


def test_every_system_has_examples() -> None:
    assert set(EXAMPLES) == set(SYSTEMS)


@pytest.mark.parametrize("kind", sorted(EXAMPLES))
def test_a_post_that_is_sent_again_later_tells_the_same_facts(kind: str) -> None:
    for example in EXAMPLES[kind]:
        body = json.dumps(example).encode()
        first, again = (
            [seen.natural_key for seen in SYSTEMS[kind].observations(arrival(body, received_at=at), KindTable())]
            for at in (NOW, NOW + 100_000)
        )
        assert first == again != []


@pytest.mark.parametrize("example", [EXAMPLES["generic"][0], *EXAMPLES["xapi"], *EXAMPLES["canvas"]])
def test_a_post_may_tell_as_many_documented_events_as_the_manual_says(example: Any) -> None:
    (kind,) = (kind for kind, examples in EXAMPLES.items() if example in examples)
    if kind == "canvas":  # everything that Canvas writes about an event stands there
        about = "metadata" if "metadata" in example else "attributes"
        example = {**example, about: {**{f"field_{n}": "x" for n in range(26)}, **example[about]}}
    body = json.dumps([example] * EVENTS_MAX).encode()
    assert len(SYSTEMS[kind].observations(arrival(body), KindTable())) == EVENTS_MAX


@pytest.mark.parametrize("kind", sorted(EXAMPLES))
def test_a_number_out_of_all_bounds_in_any_place_is_understood_or_refused(kind: str) -> None:
    for example in EXAMPLES[kind]:
        for place in places(example):
            for number in NUMBERS:
                assert told(kind, spoiled(example, place, number))


@pytest.mark.parametrize("kind", sorted(EXAMPLES))
@given(data=st.data())
def test_a_spoiled_example_is_understood_or_refused_and_always_alike(kind: str, data: st.DataObject) -> None:
    example = data.draw(st.sampled_from(EXAMPLES[kind]))
    body = spoiled(example, data.draw(st.sampled_from(list(places(example)))), data.draw(SPOILS))
    assert told(kind, body) == told(kind, body)
