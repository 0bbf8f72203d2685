"""What can be asked, told in OpenAPI 3.1."""

from __future__ import annotations

from typing import Any

from catalogue.api.reading import COLUMNS, PAGE_ROWS, PAGE_ROWS_MAX, TEXT_CHARS_MAX
from catalogue.api.shelf import KINDS, REDEEMED, STATES
from catalogue.rewards.model import Reward

_TEXT = {"type": "string", "minLength": 1, "maxLength": TEXT_CHARS_MAX}
_DAY = {"type": "string", "format": "date"}
_WHOLE = {"type": "integer"}
_NUMBERS = ("no", "occurred_at", "posted_at", "amount", "waived")
_REFUSALS = {
    "400": "A parameter cannot be read",
    "401": "The token is missing, unknown, over or revoked",
    "403": "The token lacks the scope, or the campus is suspended",
    "404": "There is no such reward",
    "409": "It cannot be done as things are; the message says why",
    "413": "The body is too large",
    "415": "The body is not JSON",
    "429": "Too many requests with this token; Retry-After says how many seconds to wait",
    "503": "Busy, or the database does not answer; Retry-After says how many seconds to wait",
}


def document() -> dict[str, Any]:
    """The document."""
    user = _parameter("user", _TEXT, "The learner's pseudonym") | {"required": True}
    described = Reward.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas = described.pop("$defs", {}) | {"Reward": _without_id(described)}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Rewards catalogue", "version": "1"},
        "security": [{"token": []}],
        "paths": {
            "/api/user/points": {"get": _read("What one learner has (scope points:read)", [user], _POINTS)},
            "/api/rewards/ledger": {"get": _read("The ledger (scope ledger:read)", _filters(), _PAGE, csv=True)},
            **_shelf_paths(),
        },
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}, "schemas": schemas},
    }


def _shelf_paths() -> dict[str, Any]:
    reads, writes = "(scope rewards:read)", "(scope rewards:write)"
    page = [_parameter("after", _TEXT, "`next` of the page before"), _LIMIT]
    kinds = [_parameter(name, _TEXT, "Only rewards with this") for name in ("type", "category")]
    states = _parameter("state", {"enum": list(STATES)}, "Only rewards that are this")
    redeemed = [_parameter(name, _TEXT, "Only redemptions with this") for name in ("user", "reward")]
    put = _read(f"Keep a reward of the campus's own {writes}; 201 where it is new", [], _SHOWN)
    put["requestBody"] = {"required": True, "content": {"application/json": {"schema": _REWARD}}}
    put["responses"] |= {"201": put["responses"]["200"]}
    gone = _read(f"Take a reward away that nobody redeemed {writes}", [], _SHOWN)
    gone["responses"] = {"204": {"description": "It is gone"}} | {
        status: said for status, said in gone["responses"].items() if status != "200"
    }
    where = [_parameter("reward", _TEXT, "Its id") | {"in": "path", "required": True}]
    names = {f"/api/{path}": {"get": _read(f"Names of this kind {reads}", [], _NAMES)} for path in KINDS}
    approval = {
        "put": _read(f"Let the campus's learners have it {writes}", [], _SHOWN),
        "delete": _read(f"No longer {writes}", [], _SHOWN),
    }
    return names | {
        "/api/rewards": {"get": _read(f"What the campus may offer {reads}", [*page, states, *kinds], _SHELF)},
        "/api/rewards/{reward}": {
            "parameters": where,
            "get": _read(f"One reward {reads}", [], _SHOWN),
            "put": put,
            "delete": gone,
        },
        "/api/rewards/{reward}/approval": {"parameters": where} | approval,
        "/api/users_rewards": {"get": _read(f"What learners redeemed {reads}", [*page, *redeemed], _REDEMPTIONS)},
    }


def _without_id(described: dict[str, Any]) -> dict[str, Any]:
    """A reward as it is sent: its id is in the path."""
    required = [name for name in described["required"] if name != "id"]
    return described | {"required": required}


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties, "additionalProperties": False}


def _cell(name: str) -> dict[str, Any]:
    if name == "expires_at":
        return {"type": ["integer", "null"]}
    return _WHOLE if name in _NUMBERS else {"type": "string"}


def _of_redemption(name: str) -> dict[str, Any]:
    if name == "ended_at":
        return {"type": ["integer", "null"]}
    return _WHOLE if name in {"amount", "reserved_at"} else {"type": "string"}


_WALLET = _object(currency={"type": "string"}, balance=_WHOLE, earned=_WHOLE)
_POINTS = _object(user={"type": "string"}, wallets={"type": "array", "items": _WALLET})
_ROW = _object(**{name: _cell(name) for name in COLUMNS})
_PAGE = _object(rows={"type": "array", "items": _ROW}, next={"type": ["integer", "null"]})
_REWARD = {"$ref": "#/components/schemas/Reward"}
_OF_OFFER = {"id": {"type": "string"}, "owner": {"type": "string"}, "approved": {"type": "boolean"}, "taken": _WHOLE}
_SHOWN: dict[str, Any] = {"type": "object", "required": list(_OF_OFFER), "properties": _OF_OFFER}
_NEXT = {"type": ["string", "null"]}
_SHELF = _object(rewards={"type": "array", "items": _SHOWN}, next=_NEXT)
_NAME = _object(name={"type": "string"}, title={"type": "string"}, description={"type": "string"})
_NAMES = _object(names={"type": "array", "items": _NAME})
_REDEMPTION = _object(**{name: _of_redemption(name) for name in REDEEMED})
_REDEMPTIONS = _object(rows={"type": "array", "items": _REDEMPTION}, next=_NEXT)
_LIMIT = {
    "name": "limit",
    "in": "query",
    "schema": _WHOLE | {"minimum": 1, "maximum": PAGE_ROWS_MAX, "default": PAGE_ROWS},
    "description": "Rows of a page",
}
_REFUSAL = _object(error={"type": "string"}, message={"type": "string"})


def _filters() -> list[dict[str, Any]]:
    return [
        *(_parameter(name, _TEXT, "Only rows with this") for name in ("user", "rule", "source", "currency")),
        _parameter("from", _DAY, "The first day (UTC) on which it happened"),
        _parameter("until", _DAY, "The last day (UTC) on which it happened, included"),
        _parameter("after", _WHOLE | {"minimum": 0, "maximum": 10**18 - 1}, "`next` of the page before"),
        _LIMIT
        | {"schema": {"anyOf": [_LIMIT["schema"], {"const": "all"}]}, "description": "Rows of a page; all as CSV"},
        _parameter("format", {"enum": ["json", "csv"], "default": "json"}, "CSV tells `next` in the header Next-After"),
    ]


def _parameter(name: str, schema: dict[str, Any], about: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema, "description": about}


def _read(about: str, parameters: list[dict[str, Any]], answer: dict[str, Any], *, csv: bool = False) -> dict[str, Any]:
    kinds: dict[str, Any] = {"application/json": {"schema": answer}}
    if csv:
        kinds["text/csv"] = {"schema": {"type": "string"}}
    refusals = {
        status: {"description": why, "content": {"application/json": {"schema": _REFUSAL}}}
        for status, why in _REFUSALS.items()
    }
    good = {"200": {"description": "What was asked for", "content": kinds}}
    return {"summary": about, "parameters": parameters, "responses": good | refusals}
