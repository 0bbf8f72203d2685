"""What can be read, told in OpenAPI 3.1."""

from __future__ import annotations

from typing import Any

from catalogue.api.reading import COLUMNS, PAGE_ROWS, PAGE_ROWS_MAX, TEXT_CHARS_MAX

_TEXT = {"type": "string", "minLength": 1, "maxLength": TEXT_CHARS_MAX}
_DAY = {"type": "string", "format": "date"}
_WHOLE = {"type": "integer"}
_NUMBERS = ("no", "occurred_at", "posted_at", "amount", "waived")
_REFUSALS = {
    "400": "A parameter cannot be read",
    "401": "The token is missing, unknown, over or revoked",
    "403": "The token lacks the scope, or the campus is suspended",
    "429": "Too many requests with this token; Retry-After says how many seconds to wait",
    "503": "Busy, or the database does not answer; Retry-After says how many seconds to wait",
}


def document() -> dict[str, Any]:
    """The document."""
    user = _parameter("user", _TEXT, "The learner's pseudonym") | {"required": True}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Rewards catalogue: reading", "version": "1"},
        "security": [{"token": []}],
        "paths": {
            "/api/user/points": {"get": _read("What one learner has (scope points:read)", [user], _POINTS)},
            "/api/rewards/ledger": {"get": _read("The ledger (scope ledger:read)", _filters(), _PAGE, csv=True)},
        },
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties, "additionalProperties": False}


def _cell(name: str) -> dict[str, Any]:
    if name == "expires_at":
        return {"type": ["integer", "null"]}
    return _WHOLE if name in _NUMBERS else {"type": "string"}


_WALLET = _object(currency={"type": "string"}, balance=_WHOLE, earned=_WHOLE)
_POINTS = _object(user={"type": "string"}, wallets={"type": "array", "items": _WALLET})
_ROW = _object(**{name: _cell(name) for name in COLUMNS})
_PAGE = _object(rows={"type": "array", "items": _ROW}, next={"type": ["integer", "null"]})
_REFUSAL = _object(error={"type": "string"}, message={"type": "string"})


def _filters() -> list[dict[str, Any]]:
    return [
        *(_parameter(name, _TEXT, "Only rows with this") for name in ("user", "rule", "source", "currency")),
        _parameter("from", _DAY, "The first day (UTC) on which it happened"),
        _parameter("until", _DAY, "The last day (UTC) on which it happened, included"),
        _parameter("after", _WHOLE | {"minimum": 0, "maximum": 10**18 - 1}, "`next` of the page before"),
        _parameter("limit", _WHOLE | {"minimum": 1, "maximum": PAGE_ROWS_MAX, "default": PAGE_ROWS}, "Rows of a page"),
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
