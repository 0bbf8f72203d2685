r"""Moodle's tool_trigger plugin: one event in each post, its values as the workflow's template wrote them.

Written as a template, every value arrives URL-encoded (`%5Cmod_forum%5Cevent%5Cpost_created`, spaces as `+`) and as
text. With the plugin's "JSON encode" option values are plain, and a user's text can inject fields: ids are taken from a
post, names never. Placeholders that were not replaced (`{other}`) are absent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote_plus

from agent.collectors.numbers import exact, whole_number
from agent.collectors.systems import moodle
from agent.collectors.systems.base import (
    TEXT_MAX,
    Act,
    Arrival,
    epoch_of,
    invalid,
    missing,
    number_in,
    object_of,
    observed,
    text_in,
)
from agent.config.kinds import KindTable
from agent.model import EventMark, Fact, Observation, PersonMark

_PLACEHOLDER = re.compile(r"\{[A-Za-z0-9_-]+\}")
_EVENT = re.compile(r"\\[a-z0-9_]+\\event\\[a-z0-9_]+")
_VIEWED = re.compile(r"\\mod_([a-z0-9_]+)\\event\\course_module_viewed")
_EVENT_MAX = 255
_event_name = lru_cache(1_024)(unquote_plus)
"""Names of events are few, and each comes many times."""
_WITH_DETAIL = moodle.BY_DETAIL | {moodle.GRADED, moodle.QUIZ_QUESTION_MARKED}
"""Events whose key has a part that stands in `other`."""
_FIRST = -1
"""Before every number that the plugin or the inbox gives."""
_GRADE = "other_finalgrade"
"""Where a template tells a grade; it is sent empty where the grade was cleared."""
_TEMPLATE_HINT = "the workflow's template must name it: rewards-agent init --tool-trigger writes a complete one"

TABLES: Mapping[str, str | None] = MappingProxyType(
    {
        moodle.COMPLETION: "course_modules_completion",
        moodle.COURSE_COMPLETED: "course_completions",
        moodle.GRADED: "grade_grades",
        moodle.QUIZ_SUBMITTED: "quiz_attempts",
        moodle.QUIZ_DELETED: "quiz_attempts",
        moodle.QUIZ_QUESTION_MARKED: "question",
        moodle.ASSIGN_SUBMITTED: "assign_submission",
        moodle.ENROLLED: "user_enrolments",
        moodle.UNENROLLED: "user_enrolments",
        r"\mod_assign\event\submission_graded": "assign_grades",
        moodle.TAGGED: "tag_instance",
        moodle.ASSIGN_STATUS: "assign_submission",
        r"\core\event\user_loggedin": "user",
        r"\core\event\course_viewed": None,
        r"\core\event\badge_awarded": "badge",
        r"\core\event\badge_revoked": "badge",
        r"\mod_feedback\event\response_submitted": "feedback_completed",
        r"\mod_choice\event\answer_created": "choice_answers",
        r"\mod_glossary\event\entry_created": "glossary_entries",
        **{
            rf"\{mod}\event\{name}": f"{tables}_{of}"
            for mod, tables in moodle.FORUMS.items()
            for name, of in (
                ("post_created", "posts"),
                ("post_deleted", "posts"),
                ("discussion_created", "discussions"),
                ("discussion_deleted", "discussions"),
            )
        },
    }
)
"""The table of each event's object, which Moodle fixes for each class of events and stock templates do not send."""


class ToolTrigger:
    """The mapping; a `System`."""

    def observations(self, arrival: Arrival, kinds: KindTable) -> Sequence[Observation]:
        """The one event of a post; none where it is anonymous."""
        data = _plain(object_of(arrival.body))
        if number_in(data, "anonymous"):
            return ()
        act = _act(data, arrival, kinds)
        return (observed(act, arrival),)


def _plain(data: Mapping[str, Any]) -> dict[str, Any]:
    """Values decoded where the template encoded them, placeholders left out."""
    event = data.get("eventname")
    encoded = isinstance(event, str) and "%5C" in event.upper()
    found = {}
    for name, value in data.items():
        text = value
        if isinstance(value, str):
            if encoded and ("%" in value or "+" in value):
                text = _event_name(value) if name == "eventname" and len(value) <= _EVENT_MAX else unquote_plus(value)
            if text[:1] == "{" and _PLACEHOLDER.fullmatch(text):
                continue
        found[name] = text
    return found


def _act(data: Mapping[str, Any], arrival: Arrival, kinds: KindTable) -> Act:
    event = text_in(data, "eventname", most=_EVENT_MAX)
    if event is None:
        raise missing("eventname", _TEMPLATE_HINT)
    if not _EVENT.fullmatch(event):
        raise invalid("eventname", r"a full event name such as \core\event\course_completed")
    user = number_in(data, "userid")
    if user is None:
        raise missing("userid", _TEMPLATE_HINT)
    if "timecreated" not in data:
        raise missing("timecreated", _TEMPLATE_HINT)
    at = epoch_of(data["timecreated"], "timecreated", arrival.received_at)
    related = number_in(data, "relateduserid") or None
    object_id = number_in(data, "objectid")
    context = number_in(data, "contextinstanceid")
    other = _other(data)
    detail = moodle.detail_of(event, other)
    table, known = _table(data, event)
    cleared = event == moodle.GRADED and data.get(_GRADE, _GRADE) in ("", None)
    complete = context is not None and known and (detail != "" or cleared or event not in _WITH_DETAIL)
    people = moodle.people_of(event, user, related)
    about_table, about_id = moodle.about(event, table, object_id, other)
    course = number_in(data, "courseid")
    return Act(
        name=event,
        kind=_kind(kinds, event, "cleared" if cleared else detail),
        people=people,
        key=moodle.natural_key(
            event=event,
            user=user,
            related=related,
            object_table=table,
            object_id=object_id,
            context_instance=context or 0,
            time=at,
            detail=detail,
        ),
        at=at,
        object_table=about_table,
        object_id=_id(about_id),
        course=_id(course) if course else None,
        lesson=_id(context) if _in_activity(data, event) else None,
        post=_post(event, object_id, other),
        marks=_marks(data, object_id),
        person_marks=_person_marks(people, arrival.site_admins),
        facts=_facts(event, data, other, course, detail),
        complete=complete,
        order=_order(data, event, detail),
    )


def _order(data: Mapping[str, Any], event: str, detail: str) -> int:
    """The plugin's own number of an event: it posts those of one run of Moodle's cron in no certain order.

    Where it is not told, an undone completion comes first in its second: Moodle undoes and completes what is viewed.
    """
    number = whole_number(str(data.get("id", "")))
    return number or (_FIRST if event == moodle.COMPLETION and detail == "0" else 0)


def _id(number: int | None) -> str | None:
    return None if number is None else str(number)


def _other(data: Mapping[str, Any]) -> moodle.Other:
    """`other_…` fields, the only way in which a template can send what stands in `other`; none is a whole essay."""
    return {
        name.removeprefix("other_"): value
        for name, value in data.items()
        if name.startswith("other_") and value != "" and (value is None or isinstance(value, str | int | float))
        if not isinstance(value, str) or len(value) <= TEXT_MAX
    }


def _table(data: Mapping[str, Any], event: str) -> tuple[str | None, bool]:
    """The object's table, and whether it is known: sent, or fixed by the event's class."""
    if "objecttable" in data:
        return text_in(data, "objecttable"), True
    if event in TABLES:
        return TABLES[event], True
    viewed = _VIEWED.fullmatch(event)
    return (viewed[1], True) if viewed else (None, False)


def _kind(kinds: KindTable, event: str, detail: str) -> str | None:
    """A grade's kind hangs on its item, which no post tells; that none is left is told."""
    if event == moodle.GRADED:
        return kinds.kind_of(event, detail) if detail == "cleared" else None
    return kinds.kind_of(event, detail if event in moodle.BY_DETAIL else "")


def _in_activity(data: Mapping[str, Any], event: str) -> bool:
    level = number_in(data, "contextlevel")
    if level is not None:
        return level == moodle.CONTEXT_MODULE
    return event.startswith(r"\mod_") or event == moodle.COMPLETION


def _post(event: str, object_id: int | None, other: moodle.Other) -> str | None:
    """A reply is its own post; the first post of a discussion has no number here, so the discussion stands for it."""
    if event == moodle.TAGGED:
        # By its number alone a post of Open Forum would be taken for one of Moodle's forum, and of its author.
        ours = other.get("itemtype") != "hsuforum_posts"
        return str(other["itemid"]) if other.get("itemid") and ours else None
    if object_id is None:
        return None
    if event in moodle.POSTS:
        return str(object_id)
    return f"discussion-{object_id}" if event in moodle.DISCUSSIONS else None


def _marks(data: Mapping[str, Any], object_id: int | None) -> frozenset[EventMark]:
    found: set[EventMark] = set()
    if number_in(data, "realuserid"):
        found.add("logged_in_as")
    if text_in(data, "origin") == "restore" or object_id in moodle.RESTORED_IDS:
        found.add("restored")
    return frozenset(found)


def _person_marks(people: Mapping[str, str], site_admins: frozenset[int]) -> dict[str, PersonMark]:
    found: dict[str, PersonMark] = {}
    for person in people.values():
        mark = moodle.mark_of_id(int(person), site_admins)
        if mark is not None:
            found[person] = mark
    return found


def _facts(
    event: str, data: Mapping[str, Any], other: moodle.Other, course: int | None, detail: str
) -> dict[str, Fact]:
    facts: dict[str, Fact] = {}
    origin = text_in(data, "origin")
    if course:
        facts["course_id"] = str(course)
    if origin:
        facts["origin"] = origin
    if event == moodle.COMPLETION:
        state = whole_number(detail)
        if state is not None:
            facts["completion_state"] = state
        facts["overridden"] = bool(other.get("overrideby"))
    if event == moodle.GRADED:
        facts |= _grade_facts(data, other)
    if event in moodle.REPLIES or event in moodle.DISCUSSIONS:
        facts["is_reply"] = event in moodle.REPLIES
        if event in moodle.REPLIES and other.get("discussionid"):
            facts["discussion"] = str(other["discussionid"])
    if event == moodle.TAGGED and other.get("tagname"):
        facts["tag"] = str(other["tagname"])
    if event in {moodle.ENROLLED, moodle.UNENROLLED} and other.get("enrol"):
        facts["enrol_method"] = str(other["enrol"])
    return facts


def _grade_facts(data: Mapping[str, Any], other: moodle.Other) -> dict[str, Fact]:
    """The grade as the event tells it, and its item: two grades that agree in it are one."""
    facts: dict[str, Fact] = {}
    grade, item = exact(other.get("finalgrade")), other.get("itemid")
    if grade is not None:
        facts["grade"] = grade
    if isinstance(item, str | int) and whole_number(str(item)) is not None:
        facts["grade_item"] = str(item)
    if "other_overridden" in data:  # PHP writes false as nothing
        facts["overridden"] = bool(number_in(data, "other_overridden"))
    return facts
