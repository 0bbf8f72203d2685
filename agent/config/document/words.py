"""What pydantic says, said again in the words of somebody who edits TOML."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from pydantic_core import ErrorDetails

from agent.config.document.schema import nearest

_ABOUT_SECRETS = re.compile("password|secret|token|key_file")
_HIDDEN = object()
_TEXT_MAX, _LINE_MAX = 80, 40
"""How much of a text is repeated: where it stands by itself, and in the middle of a sentence."""

_DATE = "a date, such as 2026-09-01 without quotes"
_WANTED: Mapping[str, str] = {
    "string_type": 'a text in quotes, such as "abc"',
    "int_type": "a whole number",
    "float_type": "a number",
    "is_instance_of": "a number with a point",
    "decimal_type": "a number with a point",
    "bool_type": "true or false",
    "tuple_type": "a list […]",
    "list_type": "a list […]",
    "frozen_set_type": "a list […]",
    "set_type": "a list […]",
    "dict_type": "a table { … }",
    "mapping_type": "a table { … }",
    "model_type": "a table { … }",
    "model_attributes_type": "a table { … }",
    "date_type": _DATE,
    "date_parsing": _DATE,
    "date_from_datetime_parsing": _DATE,
    "date_from_datetime_inexact": _DATE,
    "datetime_type": "a date and time, such as 2026-09-01T09:00:00 without quotes",
    "time_type": "a time, such as 09:00:00 without quotes",
}

_TABLES = frozenset({"dict_type", "mapping_type", "model_type", "model_attributes_type"})
_SHAPES: Mapping[str, str] = {
    "active": "{ from = 2026-09-01, until = 2026-12-20 }",
    "attendance": '{ of = "user.logged_in", days = 12 }',
    "audience": '{ courses = ["BIO101"] }',
    "conditions": '{ score_pct = ">=80" }',
    "each": "{ days = 2 }",
    "forgive": '{ weeks = 1, per = "month" }',
    "momentum": '{ lessons = 3, within = "2h" }',
    "rank": '{ by = "points earned", at_least = 20 }',
    "requires": '{ badges = ["starter"] }',
    "spaced": '{ days = 3, of = "course", apart = 2 }',
    "streak": '{ days = 5, in = "week" }',
}
"""What the tables of rules look like that are written on one line, by their keys."""
_LISTS = frozenset({"tuple_type", "list_type", "frozen_set_type", "set_type"})

_BOUNDS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "greater_than": lambda ctx: f"must be more than {_plain(ctx['gt'])}",
    "greater_than_equal": lambda ctx: f"must be at least {_plain(ctx['ge'])}",
    "less_than": lambda ctx: f"must be less than {_plain(ctx['lt'])}",
    "less_than_equal": lambda ctx: f"must be at most {_plain(ctx['le'])}",
    "finite_number": lambda _: "must be a number, not inf or nan",
    "string_too_short": lambda ctx: "must not be empty" if ctx["min_length"] == 1 else _length(ctx, "characters"),
    "string_too_long": lambda ctx: f"must have at most {ctx['max_length']} characters",
    "string_pattern_mismatch": lambda ctx: f"must look like {ctx['pattern']}",
    "too_short": lambda ctx: "must not be empty" if ctx["min_length"] == 1 else _length(ctx, "elements"),
    "too_long": lambda ctx: f"must have at most {ctx['max_length']} elements",
}


def _plain(bound: object) -> object:
    """A bound as people write it: 0 for 0.0."""
    return int(bound) if isinstance(bound, float) and bound.is_integer() else bound


def sentence(details: ErrorDetails, key: str) -> tuple[str, str]:
    """What is wrong with the value of ``key``, and what was meant (may be empty).

    Where the key is about a secret the value is not repeated: it may be one that was written in the wrong place.
    """
    kind, context = details["type"], details.get("ctx", {})
    found = _HIDDEN if _ABOUT_SECRETS.search(key) else details["input"]
    if "one_of" in context:
        wanted = " or ".join(dict.fromkeys(_wanted(one) for one in context["one_of"]))
        return f"{kind_of_value(found)} cannot stand here", f"expected {wanted}"
    if kind in {"literal_error", "enum", "union_tag_invalid"}:
        return _not_among(found, context, kind)
    if kind in _BOUNDS:
        return _BOUNDS[kind](context), ""
    if kind in {"value_error", "assertion_error"}:
        return str(context["error"]), ""
    if kind in _WANTED:
        wanted = _as_list(found) if kind in _LISTS and isinstance(found, str) else _wanted(details)
        shape = _SHAPES.get(key.strip("`"), "") if kind in _TABLES else ""
        told = f"expected a table, such as {shape}" if shape else f"expected {wanted}"
        return f"{kind_of_value(found)} cannot stand here", told
    return details["msg"].replace("Input should be", "expected").removeprefix("Value error, "), ""


def _as_list(text: str) -> str:
    """A text with commas as the list that it was meant to be."""
    if len(text) > _LINE_MAX or '"' in text:
        return "a list […]"
    parts = [part.strip() for part in text.split(",")]
    inner = ", ".join(part if part.isdecimal() else f'"{part}"' for part in parts)
    return f"a list: [{inner}]"


def _length(context: Mapping[str, Any], unit: str) -> str:
    return f"must have at least {context['min_length']} {unit}"


def _wanted(details: ErrorDetails) -> str:
    kind = details["type"]
    if kind in {"literal_error", "enum"}:
        return _listed(details.get("ctx", {}), kind)
    return _WANTED.get(kind) or details["msg"].replace("Input should be ", "")


def _choices(context: Mapping[str, Any], kind: str) -> tuple[str, ...]:
    listed = str(context["expected_tags" if kind == "union_tag_invalid" else "expected"])
    return tuple(word.strip(" '") for word in listed.replace(" or ", ", ").split(", "))


def _listed(context: Mapping[str, Any], kind: str) -> str:
    """The choices as they are written: texts in quotes, numbers without."""
    return ", ".join(word if word.isdecimal() else f'"{word}"' for word in _choices(context, kind))


def _not_among(found: Any, context: Mapping[str, Any], kind: str) -> tuple[str, str]:
    choices = _choices(context, kind)
    if kind == "union_tag_invalid":
        found = found[str(context["discriminator"]).strip("'")] if isinstance(found, Mapping) else context["tag"]
    likely = nearest(found, choices) if isinstance(found, str) else ""
    hint = f'did you mean "{likely}"?' if likely else ""
    one_of = "one of " if len(choices) > 1 else ""
    return (
        f"{kind_of_value(found)} is not {one_of}{_listed(context, kind)}",
        f"write {likely} without quotes" if likely.isdecimal() else hint,
    )


def quoted(value: Any) -> str:
    """A value as it was written, a text in single quotes and cut where it is long; `a table` and `a list` in words."""
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return _number(value)
    if not isinstance(value, str):
        return kind_of_value(value)
    text = repr(value if len(value) <= _TEXT_MAX else value[: _TEXT_MAX - 1] + "…")
    return text.replace("\\\\", "\\")  # an LMS event's name has one backslash between two words, not two


def _number(value: float | Decimal) -> str:
    """As TOML writes it: inf and nan too."""
    return str(value).replace("Infinity", "inf").replace("NaN", "nan")


def kind_of_value(value: Any) -> str:
    """A value as a sentence names it: `the text "abc"`, `the number 3`, `a list`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'the text "{value if len(value) <= _LINE_MAX else value[: _LINE_MAX - 1] + "…"}"'
    if isinstance(value, int | float | Decimal):
        return f"the number {_number(value)}"
    if isinstance(value, date | datetime | time):
        return f"the date {value.isoformat()}" if type(value) is date else f"the time {value.isoformat()}"
    if isinstance(value, Mapping):
        return "a table"
    return "a list" if isinstance(value, list | tuple) else "this value"
