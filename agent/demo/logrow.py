r"""One row of Moodle's log as Moodle would write it: what an event name implies, and the two encodings of `other`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent.demo.schema import LOG

LOG_COLUMNS = LOG.names
"""The 21 columns in the table's order, `id` first."""

SYSTEM = (1, 10, 0)
"""The site's context: (id, level, instance)."""

# objecttable, crud and edulevel of the events a campus writes here; views of any module are worked out in `shape`.
_SHAPES: Mapping[str, tuple[str | None, str, int]] = {
    r"\assignsubmission_onlinetext\event\assessable_uploaded": ("assign_submission", "c", 2),
    r"\assignsubmission_onlinetext\event\submission_created": ("assignsubmission_onlinetext", "c", 2),
    r"\assignsubmission_onlinetext\event\submission_updated": ("assignsubmission_onlinetext", "u", 2),
    r"\core\event\badge_awarded": ("badge", "c", 1),
    r"\core\event\course_completed": ("course_completions", "u", 2),
    r"\core\event\course_module_created": ("course_modules", "c", 1),
    r"\core\event\course_module_completion_updated": ("course_modules_completion", "u", 2),
    r"\core\event\course_restored": ("course", "c", 1),
    r"\core\event\course_viewed": (None, "r", 2),
    r"\core\event\dashboard_viewed": (None, "r", 0),
    r"\core\event\grade_item_updated": ("grade_items", "u", 0),
    r"\core\event\notification_sent": ("notifications", "c", 0),
    r"\core\event\tag_added": ("tag_instance", "c", 0),
    r"\core\event\user_enrolment_created": ("user_enrolments", "c", 0),
    r"\core\event\user_graded": ("grade_grades", "u", 1),
    r"\core\event\user_loggedin": ("user", "r", 0),
    r"\core\event\user_loggedinas": ("user", "r", 0),
    r"\core\event\user_loggedout": ("user", "r", 0),
    r"\core\event\user_profile_viewed": ("user", "r", 0),
    r"\gradereport_user\event\grade_report_viewed": (None, "r", 2),
    r"\mod_assign\event\assessable_submitted": ("assign_submission", "u", 2),
    r"\mod_assign\event\submission_form_viewed": (None, "r", 0),
    r"\mod_assign\event\submission_graded": ("assign_grades", "u", 1),
    r"\mod_assign\event\submission_status_viewed": (None, "r", 0),
    r"\mod_feedback\event\response_submitted": ("feedback_completed", "c", 2),
    r"\mod_forum\event\assessable_uploaded": ("forum_posts", "c", 2),
    r"\mod_forum\event\discussion_created": ("forum_discussions", "c", 2),
    r"\mod_forum\event\discussion_subscription_created": ("forum_discussion_subs", "c", 2),
    r"\mod_forum\event\discussion_viewed": ("forum_discussions", "r", 2),
    r"\mod_forum\event\post_created": ("forum_posts", "c", 2),
    r"\mod_quiz\event\attempt_reviewed": ("quiz_attempts", "r", 2),
    r"\mod_quiz\event\attempt_started": ("quiz_attempts", "c", 2),
    r"\mod_quiz\event\attempt_submitted": ("quiz_attempts", "u", 2),
    r"\mod_quiz\event\attempt_summary_viewed": ("quiz_attempts", "r", 2),
    r"\mod_quiz\event\attempt_updated": ("quiz_attempts", "u", 2),
    r"\mod_quiz\event\attempt_viewed": ("quiz_attempts", "r", 2),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRow:
    """What happened, before the log gives it a number.

    ``context`` is (id, level, instance); ``at`` is `timecreated`; ``other`` is encoded by `values`.
    """

    event: str
    at: int
    user: int
    context: tuple[int, int, int]
    course: int = 0
    related: int | None = None
    object_id: int | None = None
    other: Any = None
    anonymous: int = 0
    origin: str | None = "web"
    real_user: int | None = None


def shape(event: str) -> tuple[str | None, str, int]:
    r"""(objecttable, crud, edulevel) of an event; `\mod_page\event\course_module_viewed` is read off its name."""
    known = _SHAPES.get(event)
    if known is not None:
        return known
    component, _, action = event.strip("\\").split("\\")
    if action == "course_module_viewed":
        return (component.removeprefix("mod_"), "r", 2)
    return (None, "r", 0)


def php_json(value: Any) -> str:
    """JSON as PHP's `json_encode` writes it: no spaces, slashes escaped."""
    return json.dumps(value, separators=(",", ":")).replace("/", "\\/")


def php_serialize(value: Any) -> str:
    """PHP's `serialize` for null, booleans, whole numbers, text, and dicts (lists become numbered arrays).

    Raises:
        TypeError: a value of another type.
    """
    match value:
        case None:
            return "N;"
        case bool():
            return f"b:{int(value)};"
        case int():
            return f"i:{value};"
        case str():
            return f's:{len(value.encode())}:"{value}";'
        case dict():
            inner = "".join(php_serialize(key) + php_serialize(item) for key, item in value.items())
            return f"a:{len(value)}:{{{inner}}}"
        case list() | tuple():
            return php_serialize(dict(enumerate(value)))
        case _:
            message = f"cannot serialize {type(value).__name__}"
            raise TypeError(message)


def values(row: LogRow, log_id: int, *, as_php: bool = False) -> tuple[int | str | None, ...]:
    """The row's 21 columns in the order of `LOG_COLUMNS`."""
    component, _, name = row.event.strip("\\").split("\\")
    target, _, action = name.rpartition("_")
    table, crud, level = shape(row.event)
    other = php_serialize(row.other) if as_php else php_json(row.other)
    ip = "203.0.113.7" if row.origin in ("web", "ws") else None
    context, context_level, instance = row.context
    return (
        *(log_id, row.event, component, action, target, table, row.object_id, crud, level),
        *(context, context_level, instance, row.user, row.course, row.related, row.anonymous),
        *(other, row.at, row.origin, ip, row.real_user),
    )
