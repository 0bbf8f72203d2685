"""What holds of each command, whoever's: what is typed wrongly is told in plain words, and what the system says too."""

from __future__ import annotations

import os
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from machine.words import plain


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
