r"""Moodle's events, pure: who the learner is, what makes the fact, what `other` holds. Shared by log rows and posts.

Everything here is data or arithmetic over one event; nothing is looked up.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from types import MappingProxyType
from typing import Any, Literal

import orjson

from agent.collectors.numbers import decimal_of, whole_number
from agent.collectors.systems.php import decode_php
from agent.errors import InvalidInputError
from agent.model import PersonMark

COMPLETION = r"\core\event\course_module_completion_updated"
COURSE_COMPLETED = r"\core\event\course_completed"
GRADED = r"\core\event\user_graded"
QUIZ_SUBMITTED = r"\mod_quiz\event\attempt_submitted"
QUIZ_DELETED = r"\mod_quiz\event\attempt_deleted"
QUIZ_REGRADED = r"\mod_quiz\event\attempt_regraded"
QUIZ_MARKED = r"\mod_quiz\event\attempt_manual_grading_completed"
QUIZ_QUESTION_MARKED = r"\mod_quiz\event\question_manually_graded"
"""A question of an attempt was marked: the row names the question, `other` the attempt, and nobody the learner. That
the whole attempt is marked (`QUIZ_MARKED`) is only told of learners who may have an e-mail of it: by default nobody."""
QUIZ_GRADED = r"\mod_quiz\event\attempt_graded"
"""Since Moodle 5.0: questions that take long to grade are graded some time after the attempt was handed in."""
GRADE_DELETED = r"\core\event\grade_deleted"
"""A grade went: with its item or its learner's enrolment, or with all at a reset. One that is cleared stays, empty."""
MODULE_DELETED = r"\core\event\course_module_deleted"
COURSE_CLEARED = r"\core\event\course_content_deleted"
ASSIGN_REMOVED = r"\mod_assign\event\submission_removed"
ASSIGN_STATUS = r"\mod_assign\event\submission_status_updated"
ASSIGN_SUBMITTED = r"\mod_assign\event\assessable_submitted"
TAGGED = r"\core\event\tag_added"
RATED = r"\mod_forum\rating"
"""Stands where a log row has its event: Moodle writes none for a rating."""
ENROLLED = r"\core\event\user_enrolment_created"
COURSE_RESET = r"\core\event\course_reset_ended"
COURSE_RESTORED = r"\core\event\course_restored"
BIN_RESTORED = r"\tool_recyclebin\event\course_bin_item_restored"
"""An activity came back out of a course's recycle bin, with what its learners had done in it."""
USER_UPDATED = r"\core\event\user_updated"
USER_DELETED = r"\core\event\user_deleted"
UNENROLLED = r"\core\event\user_enrolment_deleted"
ASSESSED = frozenset(rf"\mod_workshop\event\submission_{name}" for name in ("assessed", "reassessed"))
"""A workshop's submission was assessed by whom the row calls its user; its author is the related one."""

FORUMS: Mapping[str, str] = {"mod_forum": "forum", "mod_hsuforum": "hsuforum"}
"""Component → beginning of its tables' names; Open LMS has a forum of its own."""
POSTS = frozenset(rf"\{mod}\event\{name}" for mod in FORUMS for name in ("post_created", "post_deleted"))
POSTS_DELETED = frozenset(rf"\{mod}\event\{name}" for mod in FORUMS for name in ("post_deleted", "discussion_deleted"))
"""What is also told of each post where its whole forum is deleted."""
REPLIES = frozenset(rf"\{mod}\event\post_created" for mod in FORUMS)
DISCUSSIONS: Mapping[str, str] = {rf"\{mod}\event\discussion_created": tables for mod, tables in FORUMS.items()}

CONTEXT_MODULE = 70
"""`contextlevel` of an activity: then `contextinstanceid` is the course module."""
RESTORED_IDS = frozenset({-31337, -31338})
"""Ids that a restore writes where it could not map (-31337) or find (-31338) the original."""
SITE_COURSE = 1
TIME_MAX = 9_999_999_999
"""Moodle keeps times in ten digits; what is later (milliseconds, say) is no time that a calendar knows."""

GUEST, NOBODY, SYSTEM = 1, 0, -1

Learner = Literal["related", "user"]
LEARNER: Mapping[str, Learner] = MappingProxyType(
    {
        COMPLETION: "related",
        COURSE_COMPLETED: "related",
        GRADED: "related",
        QUIZ_SUBMITTED: "related",
        QUIZ_DELETED: "related",
        QUIZ_REGRADED: "related",
        QUIZ_MARKED: "related",
        QUIZ_QUESTION_MARKED: "related",
        GRADE_DELETED: "related",
        ASSIGN_REMOVED: "related",
        ASSIGN_STATUS: "related",
        ENROLLED: "related",
        UNENROLLED: "related",
        USER_UPDATED: "related",
        USER_DELETED: "related",
        COURSE_RESET: "related",
        TAGGED: "related",
        r"\mod_assign\event\submission_graded": "related",
        r"\core\event\badge_awarded": "related",
        r"\core\event\badge_revoked": "related",
        r"\mod_feedback\event\response_submitted": "related",
        r"\core\event\message_sent": "user",
        **dict.fromkeys(sorted(ASSESSED), "user"),
        **{rf"\{mod}\event\post_deleted": "related" for mod in FORUMS},
        **{rf"\{mod}\event\post_created": "user" for mod in FORUMS},
        **{rf"\{mod}\event\discussion_created": "user" for mod in FORUMS},
        **{rf"\{mod}\event\discussion_deleted": "user" for mod in FORUMS},
    }
)
"""Which column names the learner. Everything else: the related user, or where there is none the user; but whoever looks
at something did that, whosesoever it is. A tag names none, nor does the mark of a question: who wrote what was tagged
and whose attempt was marked is looked up."""

LOOKED = ("_viewed", "_reviewed")
"""How the names of events end that tell of a look."""

OTHER_KEYS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        COMPLETION: ("completionstate", "overrideby", "relateduserid"),
        GRADED: ("itemid", "finalgrade", "overridden"),
        QUIZ_QUESTION_MARKED: ("attemptid",),
        ASSIGN_STATUS: ("newstatus",),
        ENROLLED: ("enrol",),
        UNENROLLED: ("enrol",),
        TAGGED: ("tagname", "itemid", "itemtype"),
        COURSE_RESET: ("reset_options/reset_completion",),
        **dict.fromkeys(sorted(REPLIES), ("discussionid",)),
    }
)
"""What is kept of `other`; `a/b` is what stands under b in a. Events that are not named here never have it fetched:
`assessable_uploaded` carries whole
essays there."""

BY_DETAIL = frozenset({COMPLETION, TAGGED, ASSIGN_STATUS, COURSE_RESET})
"""Events whose detail is the word that the table of kinds asks for."""

_GRADE_PLACES = Decimal("0.00001")
"""Moodle keeps grades as DECIMAL(10,5); events may carry the unrounded float."""

_OUTCOMES_FROM = 1_000
"""Items of an activity with this number and higher are outcomes that are rated beside its grade."""

OtherValue = None | bool | int | float | str
Other = Mapping[str, OtherValue]
RESTORE_KEYS = ("mode",)
"""What is read of `other` where a course was restored."""
_IMPORT = "20"
"""The `mode` of a restore that brings contents from another course, and nobody's data."""
_NOTHING: Other = MappingProxyType({})
_NESTED = (dict, list)
_MISSING = object()


def decode_other(text: str | None, keys: tuple[str, ...]) -> Other:
    """The scalars under ``keys`` of an `other` column, JSON or PHP serialize; null and non-arrays are empty.

    Raises:
        InvalidInputError: it is neither.
    """
    if text is None or text in {"", "null", "N;"}:
        return _NOTHING
    if text[0] in "{[":
        try:
            found = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise InvalidInputError("`other` begins like JSON but is not") from error
    else:
        found = decode_php(text.encode())
    if not isinstance(found, dict):
        return _NOTHING
    values: dict[str, OtherValue] = {}
    for key in keys:
        value = _under(found, key) if "/" in key else found.get(key, _MISSING)
        if value is not _MISSING and not isinstance(value, _NESTED):
            values[key] = value
    return values


def _under(found: object, key: str) -> Any:
    """What stands under `a/b`."""
    for part in key.split("/"):
        found = found.get(part, _MISSING) if isinstance(found, dict) else _MISSING
    return found


def brings_people(other: Other) -> bool:
    """Whether a restored course may have come with what learners did: an import of contents never does."""
    return str(other.get("mode")) != _IMPORT


def canonical_decimal(value: object) -> str:
    """A grade as Moodle stores it, in one spelling: `100`, `100.0` and `"100.00000"` are all `100`; none is empty."""
    number = decimal_of(value)
    if number is None:
        return ""
    rounded = number.quantize(_GRADE_PLACES, rounding=ROUND_HALF_UP).normalize()
    return format(rounded or Decimal(0), "f")


def people_of(event: str, user: int, related: int | None) -> dict[str, str]:
    """Who takes part, by role, as LMS user ids. No `subject` where the column that names the learner is empty."""
    column = "user" if event.endswith(LOOKED) else LEARNER.get(event)
    subject = user if column == "user" or (column is None and related is None) else related
    people: dict[str, str] = {"actor": str(user)}
    if subject is not None:
        people["subject"] = str(subject)
        if event in POSTS or event in DISCUSSIONS:
            people["author"] = people["subject"]
    if event in ASSESSED and related is not None:
        people["author"] = str(related)
    return people


def detail_of(event: str, other: Other) -> str:
    """What is part of the fact: a state, a final grade, a submission's status, what was tagged, reset or marked."""
    if event == COMPLETION:
        return state_of(other)
    if event == GRADED:
        return canonical_decimal(other.get("finalgrade"))
    if event == COURSE_RESET:
        return "completion" if other.get("reset_options/reset_completion") in {True, "1"} else ""
    key = {TAGGED: "itemtype", ASSIGN_STATUS: "newstatus", QUIZ_QUESTION_MARKED: "attemptid"}.get(event)
    return str(other.get(key) or "") if key else ""


def about(event: str, table: str | None, number: int | None, other: Other) -> tuple[str | None, int | None]:
    """What an event is about, as (table, id): what its row names; a marked question is about its attempt."""
    if event != QUIZ_QUESTION_MARKED:
        return table, number
    return "quiz_attempts", whole_number(str(other.get("attemptid")))


def grade_word(item_type: str | None, item_number: int | None, *, cleared: bool) -> str:
    """The word that the table of kinds asks for: the type of a grade's item, unless it is an outcome, or none is left.

    Nothing where the item is not known.
    """
    if item_type is None:
        return ""
    if item_type == "mod" and item_number is not None and item_number >= _OUTCOMES_FROM:
        return "outcome"
    return "cleared" if cleared else item_type


def state_of(other: Other) -> str:
    """The completion state of a completion event as text, empty where it is missing or no whole number."""
    state = other.get("completionstate")
    if isinstance(state, float):
        return str(int(state)) if state.is_integer() else ""
    return "" if state is None else str(int(state)) if isinstance(state, int) else state.strip()


def natural_key(
    *,
    event: str,
    user: int,
    related: int | None,
    object_table: str | None,
    object_id: int | None,
    context_instance: int,
    time: int,
    detail: str,
) -> tuple[str, ...]:
    """What identifies the fact, whoever delivers it; `engine.trust` puts the site before it.

    Absent parts: related user `0`, object table and id empty.
    """
    return (
        event,
        str(user),
        "0" if related is None else str(related),
        object_table or "",
        "" if object_id is None else str(object_id),
        str(context_instance),
        str(time),
        detail,
    )


_FIXED: Mapping[int, PersonMark] = {GUEST: "guest", NOBODY: "nobody", SYSTEM: "system"}


def mark_of_id(user: int, site_admins: frozenset[int]) -> PersonMark | None:
    """What the number of an account alone says about a person."""
    # Below -1 stand Moodle's own senders (no reply, support): nobody's accounts either.
    mark = _FIXED.get(max(user, SYSTEM))
    return "site_admin" if mark is None and user in site_admins else mark
