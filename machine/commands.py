"""What holds of each command, whoever's: what is typed wrongly is told in plain words, and what the system says too."""

from __future__ import annotations

import os
import re
import sys
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


def open_what_is_closed() -> None:
    """Give standard streams that were closed (`>&-`) a place to go, before a file is opened under their number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode, closefd=False))


def cure(error: OSError) -> str:
    """What helps against what the system says."""
    if isinstance(error, PermissionError):
        return "run this as the user that the service runs as"
    if isinstance(error, FileNotFoundError):
        return "check the path"
    return "" if error.strerror is None else "the system says so: free the space, the port or the file, and try again"


def plain(message: str) -> str:
    """What a validator said of a word that was typed, as a person would: `write a whole number`, `at least 1`."""
    for said, instead in _SAID:
        message = said.sub(instead, message)
    return message
