"""What the posts of each system look like, as JSON Schema: the parts that its mapping reads. Data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agent.collectors.systems.base import EVENTS_MAX
from agent.model import Trust

Schema = Mapping[str, Any]

_ID: Schema = {"type": ["string", "integer"]}
_NUMBER: Schema = {"type": ["number", "string", "null"]}
_TIME: Schema = {"type": ["string", "number", "null"], "description": "ISO 8601 with its offset, or seconds since 1970"}
_TRUE: Schema = {"type": "boolean"}
_TEXT: Schema = {"type": "string"}
_ANY: Schema = {"type": "object"}


def _object(required: Sequence[str] = (), /, **properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, **({"required": list(required)} if required else {})}


def _several(one: Schema, name: str = "") -> Schema:
    """One, a list of them, or an object with the list under ``name``."""
    listed = {"type": "array", "items": one, "maxItems": EVENTS_MAX}
    return {"anyOf": [one, listed, *([_object([name], **{name: listed})] if name else [])]}


def _one_of(*words: str) -> Schema:
    """Those that mean something; others are answered 200 and tell nothing."""
    return {"anyOf": [{"enum": list(words)}, _TEXT]}


_BY_ID = _object(["id"], id=_ID)
_EVENT: Schema = _object(
    ["event", "occurred_at", "user"],
    event={"type": "string", "pattern": r"^[a-z0-9_]+(\.[a-z0-9_]+)+$"},
    occurred_at=_TIME,
    user=_BY_ID,
    context=_ANY,
    metrics=_ANY,
    facts=_ANY,
    people=_ANY,
    submission=_ANY,
    trace=_ANY,
    trust={"enum": list(Trust.__members__), "description": "can only lower what the source earns"},
)
_TOOL_TRIGGER: Schema = {
    **_object(
        ["eventname", "userid", "timecreated"],
        eventname={"type": "string", "description": "as the template sends it, URL-encoded or not"},
        userid=_ID,
        timecreated=_ID,
        **dict.fromkeys(("relateduserid", "objectid", "courseid", "contextinstanceid", "contextlevel"), _ID),
        **dict.fromkeys(("objecttable", "origin", "realuserid", "anonymous"), _ID),
    ),
    "patternProperties": {"^other_": {"type": ["string", "number", "boolean", "null"]}},
}
_THINKIFIC = _object(
    ["created_at", "payload"],
    resource=_one_of("enrollment", "course", "lesson", "quiz", "order", "user"),
    action=_one_of("created", "progress", "completed", "attempted", "signin", "signup", "updated"),
    topic=_one_of("enrollment.completed", "lesson.completed", "quiz.attempted", "order.created"),
    created_at=_TIME,
    payload=_object(
        id=_ID,
        user=_BY_ID,
        **dict.fromkeys(("course", "lesson", "chapter", "quiz", "product", "order", "enrollment"), _BY_ID),
        **dict.fromkeys(("percentage_completed", "grade", "attempts", "amount_cents", "amount_dollars"), _NUMBER),
        completed_at=_TIME,
    ),
)
_LEARNWORLDS = _object(
    ["type"],
    type=_one_of("courseCompleted", "enrolledFreeCourse", "productBought", "awardedCertificate", "userTagAdded"),
    data=_object(
        user=_object(["id"], id=_ID, email=_TEXT, tags={"type": "array", "items": _TEXT}, is_admin=_TRUE),
        **dict.fromkeys(("course", "learningProgram", "product"), _BY_ID),
        payment=_object(["id"], id=_ID, price=_NUMBER, paid_at=_TIME, product=_BY_ID),
        certificate=_object(["id"], id=_ID, issued=_TIME, course_id=_ID, user=_BY_ID),
        **dict.fromkeys(("completed_at", "date", "created"), _TIME),
        manually_completed=_TRUE,
    ),
)
_KAJABI_PART = _object(["id", "type"], id=_ID, type=_one_of("contacts", "contact_tags"), attributes=_object(name=_TEXT))
_KAJABI = _object(
    ["event"],
    event=_one_of("tag_added", "tag_removed"),
    payload={"type": "array", "items": _KAJABI_PART, "maxItems": 20},
    tag=_TEXT,
    contact=_object(id=_ID, email=_TEXT),
)
_CANVAS_METADATA = _object(
    ["event_name", "event_time"],
    event_name=_one_of("submission_created", "quiz_submitted", "grade_change", "course_progress", "logged_in"),
    event_time=_TIME,
    context_type=_TEXT,
    **dict.fromkeys(("context_id", "root_account_id", "user_id", "real_user_id", "user_sis_id", "user_login"), _ID),
    context_role=_TEXT,
)
_CANVAS_BODY = _object(
    **dict.fromkeys(("user_id", "student_id", "grader_id", "submission_id", "assignment_id", "quiz_id"), _ID),
    **dict.fromkeys(("discussion_entry_id", "discussion_topic_id", "student_sis_id"), _ID),
    **dict.fromkeys(("submission_type", "workflow_state"), _TEXT),
    **dict.fromkeys(("score", "points_possible", "attempt"), _NUMBER),
    **dict.fromkeys(("user", "course"), _BY_ID),
    **dict.fromkeys(("submitted_at", "created_at"), _TIME),
    progress=_object(requirement_count=_NUMBER, requirement_completed_count=_NUMBER, completed_at=_TIME),
    late=_TRUE,
)
_CANVAS = {
    "anyOf": [
        _object([name, "body"], body=_CANVAS_BODY, **{name: _CANVAS_METADATA}) for name in ("metadata", "attributes")
    ]
}
_AGENT = _object(
    objectType=_TEXT,
    account=_object(["homePage", "name"], homePage=_TEXT, name=_ID),
    **dict.fromkeys(("mbox", "mbox_sha1sum", "openid"), _TEXT),
)
_STATEMENT = _object(
    ["actor", "verb", "object"],
    id=_TEXT,
    actor=_AGENT,
    verb=_object(
        ["id"], id=_one_of("http://adlnet.gov/expapi/verbs/completed", "http://adlnet.gov/expapi/verbs/voided")
    ),
    object=_object(["id"], id=_TEXT, objectType=_TEXT, definition=_object(type=_TEXT)),
    result=_object(
        success=_TRUE,
        score=_object(**dict.fromkeys(("scaled", "raw", "min", "max"), _NUMBER)),
        duration=_TEXT,
        extensions=_ANY,
    ),
    context=_object(instructor=_AGENT, contextActivities=_ANY),
    timestamp=_TIME,
)

BODIES: Mapping[str, Schema] = {
    "canvas": _several(_CANVAS),
    "generic": _several(_EVENT, "events"),
    "kajabi": _KAJABI,
    "learnworlds": _LEARNWORLDS,
    "thinkific": _THINKIFIC,
    "tool-trigger": _TOOL_TRIGGER,
    "xapi": _several(_STATEMENT, "statements"),
}
"""Kind of source → what its posts look like; what else they hold is not read."""
