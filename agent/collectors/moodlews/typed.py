"""An answer of Moodle's taken apart value by value: of the documented type, or not understood. Pure."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from typing import Any

from agent.collectors.numbers import whole_number
from agent.errors import InvalidInputError


class NotUnderstoodError(InvalidInputError):
    """An answer is not of the documented structure; its values are not repeated."""


def tables(found: object) -> Iterator[Mapping[str, Any]]:
    """The structures of a list."""
    if not isinstance(found, list):
        raise NotUnderstoodError("an answer has no list where Moodle documents one")
    yield from map(table, found)


def table(found: object) -> Mapping[str, Any]:
    """A structure."""
    if not isinstance(found, dict):
        raise NotUnderstoodError("an answer has no structure where Moodle documents one")
    return found


def integer(fields: Mapping[str, Any], name: str) -> int:
    """A whole number that must be there."""
    number = whole(fields.get(name))
    if number is None:
        raise NotUnderstoodError(f"an answer has no {name} where Moodle documents one")
    return number


def whole(value: object) -> int | None:
    """A whole number, whichever way it is written; PHP hands some out as text."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return whole_number(value, signed=True) if isinstance(value, str) else None


def number(value: object) -> int | float | None:
    """A number, or nothing."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else whole(value)


def name(fields: Mapping[str, Any], key: str) -> str:
    """A name that must be there, as it was typed in; Moodle writes most of them as they stand in a page."""
    return html.unescape(text(fields, key))


def text(fields: Mapping[str, Any], name: str) -> str:
    """A text that must be there."""
    value = fields.get(name)
    if not isinstance(value, str):
        raise NotUnderstoodError(f"an answer has no {name} where Moodle documents one")
    return value
