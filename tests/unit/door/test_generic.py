"""What posts in the canonical schema say."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import pytest

from agent.collectors.systems.base import RefusedPostError
from agent.collectors.systems.generic import request_of
from agent.collectors.systems.registry import SYSTEMS
from agent.config.kinds import KindTable
from agent.engine import trust
from agent.engine.sighting.again import merged
from agent.model import CLAIMED, Identifier, Observation, Trust
from tests.builders import NOW
from tests.unit.door.test_tool_trigger import arrival

SYSTEM = SYSTEMS["generic"]
FULL = Trust.server_verified


def event(**changes: Any) -> dict[str, Any]:
    """One event of the canonical schema."""
    fields = {
        "event": "course.completed",
        "source": "custom",
        "occurred_at": "2026-09-21T13:00:00Z",
        "user": {"id": "12345", "email": "learner@example.edu", "external_ids": {"moodle": "8774"}},
        "context": {"course": {"id": "987", "title": "Health & Safety"}, "lesson": {"id": "l-12"}},
        "metrics": {"progress_pct": 100, "score_pct": 66.7},
        "trace": {"lms_event_id": "9194694"},
        **changes,
    }
    return {name: value for name, value in fields.items() if value is not None}


def seen(body: Any) -> list[Observation]:
    return list(SYSTEM.observations(arrival(json.dumps(body).encode()), KindTable()))


def test_the_canonical_schema_becomes_an_observation_with_exact_facts() -> None:
    (found,) = seen(event())
    assert (found.kind, found.course, found.lesson, found.people) == (
        "course.completed",
        "987",
        "l-12",
        {"subject": "12345"},
    )
    assert found.facts == {"progress_pct": 100, "score_pct": Fraction(667, 10)}
    assert found.natural_key == ("course.completed", "12345", "id", "9194694")
    assert found.occurred_at == 1_790_000_000 - 0 + (found.occurred_at - NOW)


def test_the_accounts_of_a_user_at_other_sites_are_told_and_odd_ones_are_not() -> None:
    (found,) = seen(
        event(user={"id": "1", "external_ids": {"moodle": 35, "canvas": "x" * 201, "lms": None, "b": True}})
    )
    assert dict(found.identifiers) == {"1": (Identifier(by=CLAIMED, value="moodle:35"),)}
    (found,) = seen(event(user={"id": "1", "external_ids": ["moodle"]}))
    assert not found.identifiers


@pytest.mark.parametrize(
    ("claim", "believed"),
    [
        ("unverified", Trust.unverified),
        ("client_reported", Trust.client_reported),
        ("server_verified", Trust.trusted_source),
        (None, Trust.trusted_source),
    ],
)
def test_an_event_is_believed_no_further_than_it_says_itself(claim: str | None, believed: Trust) -> None:
    """Nobody asked what a post said of its trust: what a browser had told a sender counted as the sender's word."""
    first, other = seen([event(trust=claim), event(user="7")])
    assert trust.tag(first, FULL).trust is believed
    assert trust.tag(other, FULL).trust is Trust.trusted_source


def test_a_trust_that_there_is_not_is_refused_by_name() -> None:
    with pytest.raises(RefusedPostError) as caught:
        seen(event(trust="verified"))
    assert (caught.value.name, "server_verified" in caught.value.hint) == ("trust", True)


def test_several_events_in_one_post_keep_their_order() -> None:
    for body in ([event(), event(user="7")], {"events": [event(), event(user="7")]}):
        assert [one.people["subject"] for one in seen(body)] == ["12345", "7"]


def test_without_an_id_the_fact_is_who_what_where_and_when() -> None:
    (found,) = seen(event(trace=None))
    assert found.natural_key[:3] == ("course.completed", "12345", "at")
    assert found.natural_key[-1] == str(found.occurred_at)


@pytest.mark.parametrize(
    "at",
    [
        1_789_995_600,
        1_789_995_600.75,
        "1789995600",
        "1789995600.123456",
        "2026-09-21T13:00:00z",
        "2026-09-21 13:00:00.999999999Z",
        "2026-09-21T15:00:00,5+0200",
        "20260921T130000Z",
    ],
)
def test_one_moment_is_one_fact_however_it_is_written(at: object) -> None:
    (found,) = seen(event(occurred_at=at, trace=None))
    (plain,) = seen(event(occurred_at="2026-09-21T13:00:00Z", trace=None))
    assert (found.occurred_at, found.natural_key) == (1_789_995_600, plain.natural_key)


@pytest.mark.parametrize("odd", ["a\nb", "\x1b[31mred", "a\0b", "\u202etxt", "a\x9bb", "a\u2028b"])
def test_what_names_something_has_no_control_characters(odd: str) -> None:
    for body in (event(user={"id": odd}), event(context={"lesson": odd}), event(trace={"lms_eventname": odd})):
        with pytest.raises(RefusedPostError) as caught:
            seen(body)
        assert (caught.value.reason, caught.value.hint) == ("field_invalid", "send a text without control characters")
    (found,) = seen(event(user={"id": "né 👩\u200d💻"}))
    assert found.people == {"subject": "né 👩\u200d💻"}


@pytest.mark.parametrize(
    ("body", "reason", "hint"),
    [
        (b"event=course.completed&user%5Bid%5D=1", "not_json", "it is a form: send JSON in UTF-8"),
        (b"user[id]=1", "not_json", "it is a form: send JSON in UTF-8"),
        (json.dumps(event()).encode("utf-16"), "not_json", "it is UTF-16: send JSON in UTF-8"),
        (b"\x1f\x8b\x08\x00", "not_json", "it is packed by gzip: send JSON in UTF-8"),
        (b"<?xml version='1.0'?><a/>", "not_json", "it is XML or a page: send JSON in UTF-8"),
        (b'{"event": "a" = 1}', "not_json", "send JSON in UTF-8"),
        (json.dumps(json.dumps(event())).encode(), "not_an_object",
         'the whole post stands in quotes, as a text: send {"event": …}'),
        (b"[1]", "not_an_object", 'send {"event": …}'),
    ],
)  # fmt: skip
def test_what_is_no_event_at_all_is_told_with_what_it_looks_like(body: bytes, reason: str, hint: str) -> None:
    with pytest.raises(RefusedPostError) as caught:
        SYSTEM.observations(arrival(body), KindTable())
    assert (caught.value.reason, caught.value.hint) == (reason, hint)


def test_an_id_of_so_many_digits_that_some_are_lost_is_refused_and_names_nobody() -> None:
    for digits in ("123456789012345678901", "1e22", "-9007199254740993.5"):
        body = json.dumps(event(user={"id": "ID"})).replace('"ID"', digits).encode()
        with pytest.raises(RefusedPostError, match="in quotes"):
            SYSTEM.observations(arrival(body), KindTable())
    (whole,) = seen(event(user={"id": 12345678901234567890}))
    assert whole.people == {"subject": "12345678901234567890"}


def test_a_byte_order_mark_before_a_post_says_nothing() -> None:
    body = b"\xef\xbb\xbf" + json.dumps(event()).encode()
    assert list(SYSTEM.observations(arrival(body), KindTable())) == seen(event())


def test_roles_beside_the_learner_are_taken_over() -> None:
    (found,) = seen(event(people={"referrer": {"id": "9"}, "actor": "8", "subject": "7"}))
    assert found.people == {"subject": "12345", "referrer": "9", "actor": "8"}


def test_a_submission_is_measured_and_its_text_is_not_kept() -> None:
    submission = {
        "id": "s-1",
        "text": "What I learned from my pupils",
        "files": [{"sha256": "ab"}, "cd"],
        "url": "https://example.org/talk",
        "counts": {"peers": 12},
    }
    (found,) = seen(event(event="submission.received", metrics=None, trace=None, submission=submission))
    assert found.facts == {
        "char_count": 29,
        "word_count": 6,
        "file_count": 2,
        "file_digests": ("ab", "cd"),
        "url": "https://example.org/talk",
        "peers": 12,
    }
    assert "pupils" not in repr(found)
    assert found.natural_key == ("submission.received", "12345", "id", "s-1")


@pytest.mark.parametrize(
    ("body", "reason", "name"),
    [
        (event(event=None), "field_missing", "event"),
        (event(event="Course Completed"), "field_invalid", "event"),
        (event(user={}), "field_missing", "user.id"),
        (event(user={"id": True}), "field_invalid", "id"),
        (event(occurred_at="yesterday"), "time_invalid", "occurred_at"),
        (event(occurred_at="2026-09-21T13:00:00"), "time_invalid", "occurred_at"),
        (event(occurred_at=None), "field_missing", "occurred_at"),
        (event(occurred_at="1789995600.1.2"), "time_invalid", "occurred_at"),
        (event(occurred_at="1789995600."), "time_invalid", "occurred_at"),
        (event(occurred_at="1789995600000.5"), "time_invalid", "occurred_at"),
        (event(context=[]), "field_invalid", "context"),
        (event(metrics={"Score": 1}), "field_invalid", "Score"),
        (event(metrics={"score": {"a": 1}}), "field_invalid", "score"),
        ([1], "not_an_object", ""),
        ([event()] * 501, "too_many_events", ""),
        ([{}] * 501, "too_many_events", ""),
    ],
)
def test_an_event_that_cannot_be_used_is_refused_with_its_field(body: Any, reason: str, name: str) -> None:
    with pytest.raises(RefusedPostError) as caught:
        seen(body)
    assert (caught.value.reason, caught.value.name) == (reason, name)


def test_by_which_request_an_act_was_told_is_beside_it_and_makes_it_no_other() -> None:
    (plain,), (one,), (two,) = (
        seen(event(trace={"lms_event_id": "9194694", **trace}))
        for trace in ({}, {"request_id": " r-1 "}, {"request_id": 2})
    )
    assert one.facts == {**plain.facts, "request_id": "r-1"}
    assert plain.natural_key == one.natural_key == two.natural_key
    assert merged(trust.tag(one, FULL), trust.tag(two, FULL)) is None
    assert merged(trust.tag(plain, FULL), trust.tag(two, FULL)) is None


@pytest.mark.parametrize("odd", [None, "", " ", "x" * 201, "a\nb", True, ["r"], {"id": "r"}, 1.5])
def test_an_odd_request_id_says_nothing_and_spoils_nothing(odd: Any) -> None:
    body = event(trace={"lms_event_id": "1", "request_id": odd})
    (found,) = seen(body)
    assert "request_id" not in found.facts
    assert request_of(json.dumps(body).encode()) == ""


@pytest.mark.parametrize("text", ['{"trace": {"request_id": "r-1"}}', '[{"trace": {"request_id": "r-1"}}, 7]'])
def test_the_request_of_a_post_is_known_also_where_it_is_refused(text: str) -> None:
    assert request_of(text.encode()) == "r-1"
    assert request_of(text.encode()[:-3]) == ""
