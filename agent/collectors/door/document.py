"""The door in OpenAPI 3.1: each source's path, what lets a post in, what it must look like, and every answer. Pure.

It is served at the status address and not at the door: it names the paths, which the door tells nobody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from agent import __version__
from agent.collectors.door.app import DoorSource
from agent.collectors.door.bodies import BODIES
from agent.collectors.systems.base import Reason

_WAIT: Mapping[str, Any] = {
    "Retry-After": {"description": "seconds to wait", "required": True, "schema": {"type": "integer", "minimum": 1}}
}
_ALLOWED: Mapping[str, Any] = {"Allow": {"required": True, "schema": {"const": "POST"}}}
_KEPT: Mapping[str, Any] = {
    "type": "object",
    "required": ["status", "number"],
    "properties": {
        "status": {"const": "kept"},
        "number": {"type": "integer", "minimum": 1},
        "dup_of": {
            "type": "integer",
            "minimum": 1,
            "description": "the same bytes came a moment ago, as this one",
        },
        "request_id": {"type": "string", "description": "the first event's trace.request_id"},
    },
    "additionalProperties": False,
}
_TURNED_AWAY: Mapping[int, tuple[str, Sequence[str]]] = {
    404: ("No such path, or a credential that does not fit: nobody learns which", ("not_found",)),
    405: ("Not posted, by somebody with the right token; a redirect on the way turns a post into a GET", ("method",)),
    408: ("The body came too slowly", ("too_slow",)),
    413: ("The body is too large", ("too_large",)),
    415: ("The body is compressed; send it as it is", ("encoded",)),
    429: ("This source posts faster than it may", ("too_many",)),
    503: ("It could not be kept: a full disk, too many at once, a restart. Post it again", ("not_kept", "closing")),
}
_WRAPPINGS: Mapping[str, str] = {
    "canvas": "Signed payloads (a JWT, alone or as a JSON text) are taken as what they hold.",
    "xapi": "Of multipart/mixed the first part is taken, the statements, and the files are not.",
}
"""What else than bare JSON is taken, of the kinds of source that come wrapped."""


def described(sources: Sequence[DoorSource], *, tls: bool = False) -> dict[str, Any]:
    """The document of a door with these sources."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "The door of a rewards agent",
            "version": __version__,
            "description": "A post that is answered 200 is on disk. Posting one again is harmless: a fact counts once.",
        },
        "servers": [{"url": f"{'https' if tls else 'http'}://the-agent", "description": "[http] listen"}],
        "paths": {source.path: {"post": _operation(source)} for source in sources},
        "components": {
            "schemas": {"Kept": _KEPT, "Unread": _unread()},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "token_in_address": {"type": "apiKey", "in": "query", "name": "token"},
                "signature": {"type": "apiKey", "in": "header", "name": "the vendor's signature header"},
            },
        },
    }


def _operation(source: DoorSource) -> dict[str, Any]:
    refusal = {"$ref": "#/components/schemas/Unread"}
    answers = {"200": _answer("Kept on disk", {"$ref": "#/components/schemas/Kept"}), "400": _answer(_UNREAD, refusal)}
    answers |= {str(status): _answer(told, _coded(codes)) for status, (told, codes) in _TURNED_AWAY.items()}
    for status in ("429", "503"):
        answers[status]["headers"] = _WAIT
    answers["405"]["headers"] = _ALLOWED
    wrapping = {"description": _WRAPPINGS[source.kind]} if source.kind in _WRAPPINGS else {}
    return {
        "operationId": f"post_{source.name}",
        "summary": f"What {source.name} saw",
        "description": f"At most {source.body_bytes_max} bytes and {source.rate_per_s:g} posts a second on average.",
        "security": _security(source),
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": dict(BODIES[source.kind])}},
            **wrapping,
        },
        "responses": answers,
    }


_UNREAD = "The body is not what this system sends; `error` says why, `field` and `hint` where and what to do"


def _security(source: DoorSource) -> list[dict[str, list[str]]]:
    """What must be shown: one of the ways to show a token, each with the signature where there is one."""
    credentials = source.credentials
    signed: dict[str, list[str]] = {"signature": []} if credentials.secrets else {}
    if not credentials.tokens:
        return [signed] if signed else []
    ways = ["token", *(["token_in_address"] if source.token_in_address else [])]
    return [{way: [], **signed} for way in ways]


def _answer(told: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": told, "content": {"application/json": {"schema": dict(schema)}}}


def _coded(codes: Sequence[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["error"],
        "properties": {"error": {"enum": list(codes)}},
        "additionalProperties": False,
    }


def _unread() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {"enum": [*get_args(Reason), "broken_body", "bad_request"]},
            "event": {"type": "integer", "minimum": 1, "description": "which of several in the post is to blame"},
            **{name: {"type": "string"} for name in ("field", "message", "hint", "request_id")},
        },
        "additionalProperties": False,
    }
