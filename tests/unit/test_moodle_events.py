"""Moodle's events, pure: learners, facts' identities, `other`."""

from __future__ import annotations

from decimal import Decimal

import pytest

from agent.collectors.systems import moodle
from agent.errors import InvalidInputError


@pytest.mark.parametrize(
    ("event", "user", "related", "subject"),
    [
        (moodle.COMPLETION, 65, 35, "35"),
        (moodle.COURSE_COMPLETED, 2, 35, "35"),
        (moodle.GRADED, -1, 35, "35"),
        (moodle.QUIZ_SUBMITTED, 2, 35, "35"),
        (moodle.ASSIGN_SUBMITTED, 35, None, "35"),
        (moodle.ASSIGN_SUBMITTED, 65, 35, "35"),
        (r"\core\event\badge_awarded", 2, 35, "35"),
        (r"\mod_forum\event\post_created", 35, None, "35"),
        (r"\mod_forum\event\post_deleted", 65, 35, "35"),
        (r"\mod_choice\event\answer_created", 35, None, "35"),
        (r"\mod_choice\event\answer_created", 65, 35, "35"),
        (r"\mod_quiz\event\attempt_reviewed", 65, 35, "65"),
        (r"\mod_workshop\event\submission_viewed", 36, 35, "36"),
        (r"\core\event\course_viewed", 35, None, "35"),
        (r"\mod_workshop\event\submission_assessed", 36, 35, "36"),
        (moodle.COURSE_COMPLETED, 2, None, None),
    ],
)
def test_the_learner_is_who_the_event_is_about(event: str, user: int, related: int | None, subject: str | None) -> None:
    people = moodle.people_of(event, user, related)
    assert (people.get("subject"), people["actor"]) == (subject, str(user))


def test_the_author_of_a_post_is_named() -> None:
    assert moodle.people_of(r"\mod_forum\event\post_created", 35, None)["author"] == "35"
    assert moodle.people_of(r"\mod_hsuforum\event\post_deleted", 65, 35)["author"] == "35"
    assert "author" not in moodle.people_of(moodle.COURSE_COMPLETED, 2, 35)
    assert moodle.people_of(r"\mod_workshop\event\submission_reassessed", 36, 35)["author"] == "35"


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        (100, "100"), (100.0, "100"), ("100.00000", "100"), (66.66667, "66.66667"), ("66.66667", "66.66667"),
        (66.66666666666667, "66.66667"), (0, "0"), ("0.00000", "0"), (-0.0, "0"), (5.5, "5.5"), (1e-05, "0.00001"),
        (1200000, "1200000"), (Decimal("3.10000"), "3.1"), (None, ""), ("", ""), ("abc", ""), (True, ""),
        (float("nan"), ""), ("Infinity", ""), ("1e999", ""), ("1e-5000", "0"), ("9" * 41, ""), ("٣", ""),
    ],
)  # fmt: skip
def test_a_grade_has_one_spelling(written: object, canonical: str) -> None:
    assert moodle.canonical_decimal(written) == canonical


def test_a_log_row_and_a_post_of_one_act_have_one_key() -> None:
    row = moodle.natural_key(
        event=moodle.GRADED, user=65, related=35, object_table="grade_grades", object_id=1, context_instance=3,
        time=1_795_219_673, detail=moodle.detail_of(moodle.GRADED, {"finalgrade": "100.00000"}),
    )  # fmt: skip
    post = moodle.natural_key(
        event=moodle.GRADED, user=65, related=35, object_table="grade_grades", object_id=1, context_instance=3,
        time=1_795_219_673, detail=moodle.detail_of(moodle.GRADED, {"finalgrade": 100}),
    )  # fmt: skip
    assert row == post
    assert row == (moodle.GRADED, "65", "35", "grade_grades", "1", "3", "1795219673", "100")


def test_what_is_absent_is_told_from_what_is_zero() -> None:
    key = moodle.natural_key(
        event="e", user=0, related=None, object_table=None, object_id=None, context_instance=0, time=1, detail=""
    )
    assert key == ("e", "0", "0", "", "", "0", "1", "")


@pytest.mark.parametrize("text", ["null", "N;", "", None, "[]", "a:0:{}", 's:1:"x";', "[1]"])
def test_nothing_in_other_is_nothing(text: str | None) -> None:
    assert dict(moodle.decode_other(text, ("a",))) == {}


@pytest.mark.parametrize(
    "text", ['{"a":1,"b":"essay","c":{"d":1}}', 'a:3:{s:1:"a";i:1;s:1:"b";s:5:"essay";s:1:"c";a:0:{}}']
)
def test_only_the_keys_asked_for_are_kept_and_only_scalars(text: str) -> None:
    assert dict(moodle.decode_other(text, ("a", "c", "z"))) == {"a": 1}


@pytest.mark.parametrize("text", ["{broken", "[1", "hello", 'O:8:"stdClass":0:{}', "i:1;i:2;"])
def test_a_broken_other_is_invalid_input(text: str) -> None:
    with pytest.raises(InvalidInputError):
        moodle.decode_other(text, ("a",))


@pytest.mark.parametrize("state", [1, "1", 1.0])
def test_a_completion_state_is_text_whatever_it_was_written_as(state: float | str) -> None:
    assert moodle.detail_of(moodle.COMPLETION, {"completionstate": state}) == "1"


@pytest.mark.parametrize("state", [float("inf"), float("nan"), 1.5, None])
def test_a_completion_state_that_is_no_whole_number_is_none(state: float | None) -> None:
    assert moodle.detail_of(moodle.COMPLETION, {"completionstate": state}) == ""


def test_essays_are_in_no_event_whose_other_is_fetched() -> None:
    small = {*moodle.REPLIES, moodle.ENROLLED}
    assert not [name for name in moodle.OTHER_KEYS if "uploaded" in name or ("created" in name and name not in small)]
