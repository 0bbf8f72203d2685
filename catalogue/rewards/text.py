"""How times and texts are written for people and spreadsheets."""

from __future__ import annotations

import time
from typing import Any

from catalogue.rewards.times import bounded

_FORMULAS = ("=", "+", "-", "@", "\t", "\r")
_SIGNS = dict.fromkeys((*range(0x20), 0x7F), "\ufffd") | dict.fromkeys(map(ord, "\t\n\r"), " ")


def iso(at: int | None) -> str:
    """A time in UTC, or nothing; of one beyond every calendar, as campuses may tell it, the nearest."""
    if at is None:
        return ""
    moment = time.gmtime(bounded(at))
    return f"{moment.tm_year:04}" + time.strftime("-%m-%dT%H:%M:%SZ", moment)


def quoted(text: str) -> str:
    """A text that a spreadsheet would take for a formula, quoted."""
    return f"'{text}" if text.startswith(_FORMULAS) else text


def plain(text: str) -> str:
    """A text without that quote."""
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULAS) else text


def readable(said: Any) -> Any:
    """What JSON says with a sign in place of each character that cannot be shown, such as NUL."""
    if isinstance(said, str):
        return said.translate(_SIGNS)
    if isinstance(said, dict):
        return {name: readable(one) for name, one in said.items()}
    return [readable(one) for one in said] if isinstance(said, list) else said
