"""What is typed wrongly, told in plain words: typer repeats what a validator says, which is for those who program."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperGroup

_BOUNDS = {"greater than or equal to": "at least ", "less than or equal to": "at most "}
_SAID: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"Value error, "), ""),
    (re.compile(r"Input should be a valid integer\b.*"), "write a whole number"),
    (re.compile(r"Input should be a valid number\b.*"), "write a number"),
    (re.compile(r"Input should be (greater than or equal to|less than or equal to) "), lambda found: _BOUNDS[found[1]]),
    (re.compile(r"Input should be "), "it should be "),
)


class PlainGroup(TyperGroup):
    """A program's first word and all below it; what does not fit an option is told in plain words."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = plain(error.message)
            raise


def plain(message: str) -> str:
    """What a validator said of a word that was typed, as a person would: `write a whole number`, `at least 1`."""
    for said, instead in _SAID:
        message = said.sub(instead, message)
    return message
