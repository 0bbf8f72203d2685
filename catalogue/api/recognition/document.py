"""What can be asked of recognition, in OpenAPI 3.1."""

from __future__ import annotations

from typing import Any

from catalogue.api.openapi import DAY, LIMIT, TEXT, WHOLE, closed, doing, parameter
from catalogue.api.reading import DIGITS_MAX, YEAR_DAYS
from catalogue.api.recognition import choosing, given, remarks
from catalogue.recognition import answers, giving, tags, words
from catalogue.recognition.choices import SHOWN
from catalogue.recognition.moderating import DOINGS, HIDE, SHOW
from catalogue.recognition.policy import SEEN, Policy
from catalogue.recognition.records import AWARD, KUDOS

_READS, _WRITES, _MODERATES = (f"(scope recognition:{may})" for may in ("read", "write", "moderate"))
_NUMBER = WHOLE | {"minimum": 0, "maximum": 10**DIGITS_MAX - 1}
_ANY = {"type": "string"}
_VIEWER = [
    parameter("viewer", TEXT, "The learner who looks; without it what everybody of the campus may see"),
    parameter("all", {"enum": ["true", "false"], "default": "false"}, "Everything, for recognition:moderate"),
]
_USER = parameter("user", TEXT, "The learner's pseudonym") | {"required": True}
_DAYS = WHOLE | {"minimum": 1, "maximum": YEAR_DAYS}
_REASON = _ANY | {"minLength": 1, "maxLength": giving.WHY_CHARS_MAX}
_KEY = _ANY | {"minLength": 1, "maxLength": answers.KEY_CHARS_MAX}
_DOING = closed(do={"enum": list(DOINGS)}, why=_REASON)
_NAME = _ANY | {"minLength": 1, "maxLength": giving.NAME_CHARS_MAX}


def paths() -> dict[str, Any]:
    """Every path of it."""
    return {**_given(KUDOS), **_given(AWARD), **_remarks(), **_choosing()}


def _given(kind: str) -> dict[str, Any]:
    path, about = given.PATHS[kind], given.ABOUT[kind]
    shown = _shown(kind)
    page = closed(rows={"type": "array", "items": shown}, next={"type": ["integer", "null"]})
    filters = [
        *(parameter(name, TEXT, "Only those of this learner") for name in given.FILTERS),
        parameter(about, TEXT, f"Only those with this {about}"),
        parameter("from", DAY, "The first day (UTC)"),
        parameter("until", DAY, "The last day (UTC), included"),
        parameter("after", _NUMBER, "`next` of the page before"),
        LIMIT,
        *_VIEWER,
    ]
    title, writes = ("Kudos", _WRITES) if kind == KUDOS else ("Awards", _MODERATES)
    one: dict[str, Any] = {"parameters": [_in_path("id")], "get": doing(f"One of them {_READS}", _VIEWER, shown)}
    if kind == KUDOS:
        one["delete"] = _silent(doing(f"Who gave them takes them back {_WRITES}", [_USER], shown))
    return {
        path: {
            "get": doing(f"{title}, the newest first {_READS}", filters, page),
            "post": _made(doing(f"Give one {writes}; the same key again is the same one", [], shown), _wish(kind)),
        },
        f"{path}/{{id}}": one,
        f"{path}/{{id}}/moderation": {
            "parameters": [_in_path("id")],
            "post": _sent(doing(f"Hide one, show it again, or revoke it for good {_MODERATES}", [], shown), _DOING),
        },
    }


def _wish(kind: str) -> dict[str, Any]:
    message = _ANY | {"maxLength": words.MESSAGE_CHARS_MAX, "minLength": 1}
    fields = {
        "key": _KEY,
        "giver": _NAME,
        "receiver": _NAME,
        given.ABOUT[kind]: _NAME | ({"maxLength": words.TAG_CHARS_MAX + 1} if kind == KUDOS else {}),
        "message": message,
        "seen": {"enum": list(SEEN if kind == KUDOS else SEEN[:2])},
    }
    if kind == AWARD:
        return _some(fields, "key", "receiver", "badge")
    say = {"maxLength": words.SAID_CHARS_MAX, "description": "`#helpful Thank you`: tag and message in one"}
    return _some(fields | {"say": _ANY | {"minLength": 1} | say}, "key", "giver", "receiver")


def _shown(kind: str) -> dict[str, Any]:
    texts = ("kind", "giver", "receiver", given.ABOUT[kind], "seen", "state", "message")
    fields = dict.fromkeys(texts, _ANY) | dict.fromkeys(("id", "given_at", "likes", "comments"), WHOLE)
    ended = dict.fromkeys(("given_by", "ended_by", "why"), _ANY) | {"ended_at": {"type": ["integer", "null"]}}
    return _some(fields | ended, *fields)


def _remarks() -> dict[str, Any]:
    which = parameter("recognition", _NUMBER, "The id of kudos or of an award") | {"required": True}
    like = closed(user=_ANY, at=WHOLE)
    likes = closed(rows={"type": "array", "items": like}, next={"type": ["string", "null"]})
    comment = closed(id=WHOLE, user=_ANY, at=WHOLE, text=_ANY, state=_ANY)
    comments = closed(rows={"type": "array", "items": comment}, next={"type": ["integer", "null"]})
    after = parameter("after", _NUMBER, "`next` of the page before")
    text = _ANY | {"minLength": 1, "maxLength": words.COMMENT_CHARS_MAX}
    said = closed(recognition=WHOLE | {"minimum": 1}, user=_NAME, key=_KEY, text=text)
    hidden = closed(do={"enum": [HIDE, SHOW]}, why=_REASON)
    one = f"{remarks.COMMENTS}/{{id}}/{{comment}}"
    return {
        remarks.LIKES: {
            "get": doing(f"Who likes one {_READS}", [which, after | {"schema": TEXT}, LIMIT, *_VIEWER], likes)
        },
        f"{remarks.LIKES}/{{id}}/{{user}}": {
            "parameters": [_in_path("id"), _in_path("user", TEXT)],
            "put": _silent(doing(f"A learner likes one {_WRITES}", [], likes)),
            "delete": _silent(doing(f"No longer {_WRITES}", [], likes)),
        },
        remarks.COMMENTS: {
            "get": doing(f"What was said of one {_READS}", [which, after, LIMIT, *_VIEWER], comments),
            "post": _made(doing(f"A learner says something {_WRITES}", [], comment), said),
        },
        one: {
            "parameters": [_in_path("id"), _in_path("comment")],
            "delete": _silent(doing(f"Who wrote it takes it away {_WRITES}", [_USER], comment)),
        },
        f"{one}/moderation": {
            "parameters": [_in_path("id"), _in_path("comment")],
            "post": _silent(_sent(doing(f"Hide a comment, or 0, the message {_MODERATES}", [], comment), hidden)),
        },
    }


def _choosing() -> dict[str, Any]:
    flag = {"type": "boolean"}
    tag = closed(tag=_ANY, title=_ANY, state=_ANY, predefined=flag)
    trend = closed(tag=_ANY, title=_ANY, kudos=WHOLE, before=WHOLE)
    counts = dict.fromkeys(("days", "given", "received", "awards", "likes"), WHOLE)
    stats = closed(user=_ANY, **counts, tags={"type": "object", "additionalProperties": WHOLE})
    rules = {name: flag if isinstance(value, bool) else _ANY for name, value in Policy().told().items()}
    shown = {"enum": list(SHOWN)}
    choice = closed(user=_ANY, shown=shown)
    put_tag = _some({"title": _ANY | {"minLength": 1}, "state": {"enum": list(tags.STATES)}})
    days = parameter("days", _DAYS, "So many days back")
    return {
        choosing.TAGS: {
            "get": doing(f"Tags of kudos {_READS}", [], closed(tags={"type": "array", "items": tag})),
        },
        f"{choosing.TAGS}/{{tag}}": {
            "parameters": [_in_path("tag", TEXT)],
            "put": _silent(_sent(doing(f"Offer or block one {_MODERATES}", [], tag), put_tag)),
            "delete": _silent(doing(f"Forget what the campus said of one {_MODERATES}", [], tag)),
        },
        choosing.TRENDS: {
            "get": doing(
                f"Tags used most lately {_READS}", [days], closed(days=WHOLE, tags={"type": "array", "items": trend})
            ),
        },
        choosing.STATS: {"get": doing(f"What one learner gave and got {_READS}", [_USER, days, *_VIEWER], stats)},
        choosing.POLICY: {
            "get": doing(f"What the campus lets happen {_READS}", [], closed(**rules)),
            "patch": _sent(doing(f"Change what is sent of it {_MODERATES}", [], closed(**rules)), _some(rules)),
        },
        f"{choosing.CHOICES}/{{user}}": {
            "parameters": [_in_path("user", TEXT)],
            "get": doing(f"What a learner chose {_READS}", [], choice),
            "put": _sent(doing(f"Keep what a learner chose {_WRITES}", [], choice), closed(shown=shown)),
        },
    }


def _some(fields: dict[str, Any], *required: str) -> dict[str, Any]:
    """An object that has at least these of its fields."""
    return closed(**fields) | {"required": list(required)}


def _in_path(name: str, schema: dict[str, Any] = _NUMBER) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _sent(operation: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    return operation | {"requestBody": {"required": True, "content": {"application/json": {"schema": body}}}}


def _made(operation: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    made = _sent(operation, body)
    return made | {"responses": made["responses"] | {"201": made["responses"]["200"]}}


def _silent(operation: dict[str, Any]) -> dict[str, Any]:
    told = {status: said for status, said in operation["responses"].items() if status != "200"}
    return operation | {"responses": {"204": {"description": "It is done"}} | told}
