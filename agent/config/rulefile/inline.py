"""Values as TOML writes them on one line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, time
from decimal import Decimal
from fractions import Fraction
from re import compile as pattern
from typing import Any

_BARE = pattern(r"[A-Za-z0-9_-]+")


def inline(value: Any) -> str:
    """A value as it can stand behind `key =`: texts quoted, tables in braces. Backslashes make a single-quoted text."""
    match value:
        case bool():
            shown = "true" if value else "false"
        case str():
            shown = _text(value)
        case Mapping():
            pairs = ", ".join(f"{key_of(str(key))} = {inline(one)}" for key, one in value.items())
            shown = f"{{ {pairs} }}" if pairs else "{}"
        case list() | tuple():
            shown = f"[{', '.join(inline(one) for one in value)}]"
        case date() | time():
            shown = value.isoformat()
        case Decimal():
            shown = format(value, "f")
        case Fraction():
            shown = format(Decimal(value.numerator) / Decimal(value.denominator), "f")
        case _:
            shown = str(value)
    return shown


def key_of(key: str) -> str:
    """A key, quoted where it must be."""
    return key if _BARE.fullmatch(key) else _text(key)


def _text(text: str) -> str:
    if "\\" in text and "'" not in text and text.isprintable():
        return f"'{text}'"
    # JSON's escapes are TOML's, but for the delete character.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
