"""How times and texts are written for people and spreadsheets."""

from __future__ import annotations

import time

_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def iso(at: int | None) -> str:
    """A time in UTC, or nothing."""
    return "" if at is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def quoted(text: str) -> str:
    """A text that a spreadsheet would take for a formula, quoted."""
    return f"'{text}" if text.startswith(_FORMULAS) else text


def plain(text: str) -> str:
    """A text without that quote."""
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULAS) else text
