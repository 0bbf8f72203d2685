"""Small matters of language, for people: `1 entry`, `12 entries`; what a validator says, said plainly."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

_BOUNDS = {"greater than or equal to": "at least ", "less than or equal to": "at most "}
_SAID: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"Value error, "), ""),
    (re.compile(r"Input should be a valid integer\b.*"), "write a whole number"),
    (re.compile(r"Input should be a valid number\b.*"), "write a number"),
    (re.compile(r"Input should be (greater than or equal to|less than or equal to) "), lambda found: _BOUNDS[found[1]]),
    (re.compile(r"Input should be "), "it should be "),
)
_UNSHOWN = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028-\\u202e\\u2066-\\u2069\\ud800-\\udfff]")
"""What moves the cursor, colours, begins a line or turns the direction of what follows, and what no terminal writes."""


def on_screen(text: str) -> str:
    """One line of text that others have written, as a terminal may show it: what would command it is a space."""
    return _UNSHOWN.sub(" ", text)


def counted(number: int, one: str, many: str = "") -> str:
    """``number`` with what it is of; ``many`` where that is more than ``one`` with an s. A verb may follow the noun."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def size(count: int) -> str:
    """So many bytes, as disks are sold: `900 bytes`, `64 MB`, `1.3 GB`."""
    if count >= 10**9:
        return f"{count / 10**9:.1f} GB"
    if count >= 10**6:
        return f"{count // 10**6} MB"
    return f"{count // 10**3} kB" if count >= 10**4 else counted(count, "byte")


def either(words: Sequence[str]) -> str:
    """Some of which one is enough: `a`, `a or b`, `a, b or c`."""
    return " or ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def plain(message: str) -> str:
    """What a validator said of a word that was typed, as a person would: `write a whole number`, `at least 1`."""
    for said, instead in _SAID:
        message = said.sub(instead, message)
    return message
