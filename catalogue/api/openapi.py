"""How the API's document is put together: objects, parameters, answers."""

from __future__ import annotations

from typing import Any

from catalogue.api.reading import PAGE_ROWS, PAGE_ROWS_MAX, TEXT_CHARS_MAX

TEXT = {"type": "string", "minLength": 1, "maxLength": TEXT_CHARS_MAX}
DAY = {"type": "string", "format": "date"}
WHOLE = {"type": "integer"}
_REFUSALS = {
    "400": "A parameter cannot be read",
    "401": "The token is missing, unknown, over or revoked",
    "403": "The token lacks the scope, or the campus is suspended or closed",
    "404": "There is nothing of that name",
    "409": "It cannot be done as things are; the message says why",
    "413": "The body is too large",
    "415": "The body is not JSON",
    "429": "Too many requests with this token; Retry-After says how many seconds to wait",
    "503": "Busy, the database does not answer, or the operator must look; Retry-After says how many seconds to wait",
}


def closed(**properties: dict[str, Any]) -> dict[str, Any]:
    """An object that has all of these and nothing else."""
    return {"type": "object", "required": list(properties), "properties": properties, "additionalProperties": False}


LIMIT = {
    "name": "limit",
    "in": "query",
    "schema": WHOLE | {"minimum": 1, "maximum": PAGE_ROWS_MAX, "default": PAGE_ROWS},
    "description": "Rows of a page",
}
REFUSAL = closed(error={"type": "string"}, message={"type": "string"})


def parameter(name: str, schema: dict[str, Any], about: str) -> dict[str, Any]:
    """A parameter behind the question mark."""
    return {"name": name, "in": "query", "schema": schema, "description": about}


def doing(about: str, parameters: list[dict[str, Any]], answer: dict[str, Any], *, csv: bool = False) -> dict[str, Any]:
    """What can be done with a path: its good answer, and every way in which it says no."""
    kinds: dict[str, Any] = {"application/json": {"schema": answer}}
    if csv:
        kinds["text/csv"] = {"schema": {"type": "string"}}
    refusals = {
        status: {"description": why, "content": {"application/json": {"schema": REFUSAL}}}
        for status, why in _REFUSALS.items()
    }
    good = {"200": {"description": "What was asked for", "content": kinds}}
    return {"summary": about, "parameters": parameters, "responses": good | refusals}
