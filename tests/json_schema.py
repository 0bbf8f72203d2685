"""As much of JSON Schema 2020-12 as the schema of the rules uses; a keyword it does not know is an error of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

_SILENT = frozenset({"description", "examples", "title", "$schema", "$defs"})


def faults(value: Any, schema: Any, root: Any, at: str = "") -> Iterator[str]:
    """Where ``value``, as tomli reads it, does not fit ``schema``; ``root`` holds its `$defs`."""
    if isinstance(schema, bool):
        yield from () if schema else (f"{at}: nothing is allowed here",)
        return
    for keyword, told in schema.items():
        if keyword not in _SILENT:
            yield from _KEYWORDS[keyword](value, told, schema, root, at)


def _type(value: Any, told: Any, _schema: Any, _root: Any, at: str) -> Iterator[str]:
    if not any(_is(value, one) for one in (told if isinstance(told, list) else [told])):
        yield f"{at}: {value!r} is no {told}"


def _is(value: Any, kind: str) -> bool:
    match kind:
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float | Decimal) and not isinstance(value, bool)
        case "string":
            return isinstance(value, str | date | datetime | time)
        case "array":
            return isinstance(value, list)
    assert kind in {"object", "null"}, kind
    return isinstance(value, dict if kind == "object" else type(None))


def _object(value: Any, _told: Any, schema: Any, root: Any, at: str) -> Iterator[str]:
    """`properties`, `patternProperties` and `additionalProperties`, which only make sense together."""
    if not isinstance(value, dict):
        return
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for key, one in value.items():
        fitting = [inner for form, inner in patterns.items() if re.search(form, key)]
        if key in known:
            fitting.append(known[key])
        for inner in fitting or [schema.get("additionalProperties", True)]:
            yield from faults(one, inner, root, f"{at}.{key}")


def _items(value: Any, told: Any, _schema: Any, root: Any, at: str) -> Iterator[str]:
    for number, one in enumerate(value if isinstance(value, list) else ()):
        yield from faults(one, told, root, f"{at}[{number}]")


def _any_of(value: Any, told: Any, _schema: Any, root: Any, at: str) -> Iterator[str]:
    listed = [list(faults(value, one, root, at)) for one in told]
    if all(listed):
        yield f"{at}: fits none of {len(told)}: {'; '.join(one for each in listed for one in each)}"


def _said(test: Any) -> Any:
    def keyword(value: Any, told: Any, _schema: Any, _root: Any, at: str) -> Iterator[str]:
        if not test(value, told):
            yield f"{at}: {value!r} does not fit {told!r}"

    return keyword


def _ref(value: Any, told: str, _schema: Any, root: Any, at: str) -> Iterator[str]:
    yield from faults(value, root["$defs"][told.removeprefix("#/$defs/")], root, at)


def _not(value: Any, told: Any, _schema: Any, root: Any, at: str) -> Iterator[str]:
    if not list(faults(value, told, root, at)):
        yield f"{at}: is not allowed"


def _number(value: Any) -> bool:
    return _is(value, "number")


_KEYWORDS: dict[str, Any] = {
    "type": _type,
    "properties": _object,
    "patternProperties": _object,
    "additionalProperties": _object,
    "propertyNames": lambda value, told, _schema, root, at: (
        fault for key in (value if isinstance(value, dict) else ()) for fault in faults(key, told, root, f"{at} {key}")
    ),
    "items": _items,
    "anyOf": _any_of,
    "not": _not,
    "$ref": _ref,
    "const": _said(lambda value, told: value == told and type(value) is type(told)),
    "enum": _said(lambda value, told: value in told),
    "pattern": _said(lambda value, told: not isinstance(value, str) or re.search(told, value)),
    "format": _said(lambda value, told: told == "date" and isinstance(value, date) and not isinstance(value, datetime)),
    "minimum": _said(lambda value, told: not _number(value) or value >= told),
    "exclusiveMinimum": _said(lambda value, told: not _number(value) or value > told),
    "maximum": _said(lambda value, told: not _number(value) or value <= told),
    "minLength": _said(lambda value, told: not isinstance(value, str) or len(value) >= told),
    "maxLength": _said(lambda value, told: not isinstance(value, str) or len(value) <= told),
    "minItems": _said(lambda value, told: not isinstance(value, list) or len(value) >= told),
    "maxItems": _said(lambda value, told: not isinstance(value, list) or len(value) <= told),
    "maxProperties": _said(lambda value, told: not isinstance(value, dict) or len(value) <= told),
    "minProperties": _said(lambda value, told: not isinstance(value, dict) or len(value) >= told),
    "required": _said(lambda value, told: not isinstance(value, dict) or set(told) <= value.keys()),
}
