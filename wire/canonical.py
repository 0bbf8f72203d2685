"""Canonical JSON objects: one value has one spelling, so bytes can be compared, hashed and signed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

NAME_CHARS_MAX = 100
"""Longest campus, agent, source or environment name, in characters."""
WHOLE_MAX = 2**63 - 1
"""Largest number that every database at either end can hold."""
HASH_BYTES = 32
NUL = "\0"
"""The one character that not every database can keep in a text."""

CAMPUS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
"""What a campus or an agent may be called: it travels in key ids and in paths."""


class MalformedError(ValueError):
    """These bytes are not what they should be; the text says what is wrong with them."""


def dump(fields: Mapping[str, Any]) -> bytes:
    """Canonical bytes: keys sorted, UTF-8, no spaces, no newline."""
    return orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)


def load(body: bytes, *, what: str) -> dict[str, Any]:
    """The object in ``body``; ``what`` names it in errors.

    Raises:
        MalformedError: not JSON, not an object, or not in its one canonical form (which also refuses repeated keys).
    """
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        raise MalformedError(f"{what} is not JSON: {exc}") from None
    if not isinstance(fields, dict):
        raise MalformedError(f"{what} is not a JSON object")
    try:
        again = dump(fields)
    except (TypeError, ValueError, RecursionError) as exc:
        raise MalformedError(f"{what} cannot be written in canonical form: {exc}") from None
    if again != body:
        raise MalformedError(f"{what} is not in canonical form (keys sorted and unique, no spaces)")
    return fields


def message(body: bytes, kind: str, *, form: int, bytes_max: int) -> dict[str, Any]:
    """The fields of a message of this kind and format, of at most ``bytes_max`` bytes.

    Raises:
        MalformedError: it is longer, not canonical, or another one.
    """
    if len(body) > bytes_max:
        raise MalformedError(f"a message of {len(body)} bytes is more than {bytes_max}")
    fields = load(body, what=f"the message '{kind}'")
    version(fields, form)
    if fields.get("kind") != kind:
        raise MalformedError(f"the message is not of kind '{kind}'")
    return fields


def text(fields: Mapping[str, Any], name: str, *, most: int = NAME_CHARS_MAX, empty: bool = False) -> str:
    """A text field of at most ``most`` characters.

    Raises:
        MalformedError: it is missing, of another type, too long, empty where it may not be, or cannot be kept.
    """
    value = fields.get(name)
    if not isinstance(value, str):
        raise MalformedError(f"field {name!r} must be text")
    if len(value) > most or (not value and not empty):
        raise MalformedError(f"field {name!r} must have {'at most' if empty else '1 to'} {most} characters")
    if NUL in value:
        raise MalformedError(f"field {name!r} must not hold the character NUL")
    return value


def called(fields: Mapping[str, Any], name: str) -> str:
    """A campus or agent name.

    Raises:
        MalformedError: it is missing or holds characters such a name may not have.
    """
    value = text(fields, name)
    if not CAMPUS.fullmatch(value):
        raise MalformedError(f"field {name!r} may only hold letters, digits, '.', '_' and '-'")
    return value


def whole(fields: Mapping[str, Any], name: str, *, least: int = 0) -> int:
    """A whole number of at least ``least``.

    Raises:
        MalformedError: it is missing, of another type, or out of bounds.
    """
    value = fields.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise MalformedError(f"field {name!r} must be a whole number")
    if not least <= value <= WHOLE_MAX:
        raise MalformedError(f"field {name!r} must be from {least} to {WHOLE_MAX}")
    return value


def octets(fields: Mapping[str, Any], name: str, *, length: int = HASH_BYTES) -> bytes:
    """Bytes written as lower-case hex, exactly ``length`` of them.

    Raises:
        MalformedError: it is missing, of another length, or not lower-case hex.
    """
    value = fields.get(name)
    if not isinstance(value, str) or not re.fullmatch(f"[0-9a-f]{{{2 * length}}}", value):
        raise MalformedError(f"field {name!r} must be {2 * length} lower-case hex digits")
    return bytes.fromhex(value)


def version(fields: Mapping[str, Any], wanted: int) -> None:
    """Refuse another format than ``wanted``.

    Raises:
        MalformedError: field ``v`` is not ``wanted``.
    """
    if type(fields.get("v")) is not int or fields["v"] != wanted:
        raise MalformedError(f"field 'v' must be {wanted}: another format version than this program reads")
