"""One ledger entry as bytes: what is hashed, sent and kept is exactly this.

An entry is one line of canonical JSON (sorted keys, UTF-8, no spaces, no floats). Fields a reader does not know are
kept because nobody re-serialises an entry: the stored bytes are the truth.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter
from typing import Any, Literal

import orjson

EntryKind = Literal["award", "reversal", "adjustment"]
FORMAT = 1
AMOUNT_MAX = 10**15
"""No single movement may be larger, in either direction; keeps every sum well inside 64 bits."""


class MalformedEntryError(ValueError):
    """These bytes are not an entry this version can read; the text says why."""


def encode(fields: Mapping[str, Any]) -> bytes:
    """Canonical bytes of an entry.

    Fields: ``v`` (1), ``entry_id`` (``<epoch>-<seq>``), ``seq``, ``kind``, ``learner`` (pseudonym), ``currency``,
    ``amount`` (signed integer in the smallest unit), ``rule``, ``rules_version``, ``source``, ``trust``,
    ``occurred_at`` and ``recorded_at`` (seconds UTC), ``event_ref`` and ``scope_ref`` (hex MACs under the person's
    own secret, or empty), ``generation``, ``reason`` and ``reverses`` (an entry_id or empty).
    """
    return orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)


class Template:
    """Entries that are alike in ``common`` and differ in the other fields: the alike is encoded once.

    `encode` gives the same bytes as the function of that name, at half the price. The fields that differ must be
    whole numbers, or texts that JSON writes as they are: ids, pseudonyms, hex.
    """

    __slots__ = ("_form",)

    def __init__(self, common: Mapping[str, Any], differing: Mapping[str, type[int | str]]) -> None:
        """``differing`` names them with their types; in the order of the names `encode` takes their values."""
        pieces = {name: orjson.dumps(value).decode().replace("%", "%%") for name, value in common.items()}
        pieces |= {name: "%d" if kind is int else '"%s"' for name, kind in differing.items()}
        self._form = "{" + ",".join(f'"{name}":{pieces[name]}' for name in sorted(pieces)) + "}"

    def encode(self, values: tuple[int | str, ...]) -> bytes:
        """The bytes of the entry with these ``values``, in the order of their names."""
        return (self._form % values).encode()


_TEXT = ("entry_id", "kind", "learner", "currency", "rule", "rules_version", "source", "trust", "reason", "reverses")
_WHOLE = ("v", "seq", "amount", "occurred_at", "recorded_at")
REQUIRED = (*_TEXT, *_WHOLE)
"""The fields that every entry has, as `required` gives them."""
_TYPED = itemgetter(*REQUIRED)
_TYPES = (*[str] * len(_TEXT), *[int] * len(_WHOLE))


def decode(body: bytes) -> dict[str, Any]:
    """The fields of an entry.

    Raises:
        MalformedEntryError: not canonical JSON, a required field missing or of another type, an amount out of bounds.
    """
    return _read(body)[0]


def required(body: bytes) -> tuple[Any, ...]:
    """The values of an entry's `REQUIRED` fields, in that order: for who reads thousands.

    Raises:
        MalformedEntryError: as `decode` does.
    """
    return _read(body)[1]


def _read(body: bytes) -> tuple[dict[str, Any], tuple[Any, ...]]:
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        message = f"not JSON: {exc}"
        raise MalformedEntryError(message) from None
    if not isinstance(fields, dict):
        message = "not a JSON object"
        raise MalformedEntryError(message)
    try:
        values = _TYPED(fields)
    except KeyError:
        raise MalformedEntryError(_mistyped(fields)) from None
    if tuple(map(type, values)) != _TYPES:
        raise MalformedEntryError(_mistyped(fields))
    if abs(fields["amount"]) > AMOUNT_MAX:
        message = f"amount {fields['amount']} is out of bounds"
        raise MalformedEntryError(message)
    if orjson.dumps(fields, option=orjson.OPT_SORT_KEYS) != body:
        message = "not in canonical form (keys sorted and unique, no spaces)"
        raise MalformedEntryError(message)
    return fields, values


def _mistyped(fields: Mapping[str, Any]) -> str:
    """Which field is missing or of another type."""
    for name in _TEXT:
        if not isinstance(fields.get(name), str):
            return f"field {name!r} must be text"
    name = next(one for one in _WHOLE if type(fields.get(one)) is not int)
    return f"field {name!r} must be a whole number"
