"""Secrets that begin or end with what was hardly meant, which counts as part of them and is seen by nobody."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from agent.cli.setup.looks.finding import Finding
from agent.errors import RewardsError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from agent.config.settings import Settings

_MARK = "\ufeff"
_LINES = ("\n", "\r")
_PEM = "-----BEGIN "
"""A key has many lines by nature."""
_QUOTES = "\"'"
_KEYS = ("password_file", "token_file", "token_files", "secret_file", "secret_files")


def blank_findings(settings: Settings) -> Iterator[Finding]:
    """Each secret with a blank or the like at an end; one that cannot be read is told where it is used."""
    from agent.config.secrets import read_secret, secret_file

    tables: list[BaseModel | None] = [*settings.sources, *settings.callbacks]
    tables += [getattr(source, "pull", None) for source in settings.sources]
    for name in dict.fromkeys(name for table in tables if table is not None for name in _named(table)):
        with contextlib.suppress(RewardsError, OSError):
            text = read_secret(settings.home, name).reveal()
            what = _odd(text)
            if what:
                yield _told(secret_file(settings.home, name), what)


def _named(table: BaseModel) -> Iterator[str]:
    for key in type(table).model_fields:
        if key.endswith(_KEYS):
            told = getattr(table, key)
            yield from (told,) if isinstance(told, str) else told or ()


def _odd(text: str) -> str:
    """What a secret begins or ends with that was hardly meant; empty where nothing."""
    if text.startswith(_MARK):
        return "begins with a byte-order mark, as some editors write it,"
    if text != text.strip():
        end = "begins" if text == text.rstrip() else "ends"
        return f"{end} with {'an empty line' if text.endswith(_LINES) else 'a blank'},"
    if any(line in text for line in _LINES) and not text.startswith(_PEM):
        return "has more than one line, each of"
    return "stands in quotation marks," if len(text) > 1 and text[0] == text[-1] and text[0] in _QUOTES else ""


def _told(path: Path, what: str) -> Finding:
    return Finding(
        about="secrets",
        level="warn",
        code="secret-blank",
        found=f"{path} {what} which counts as part of the secret",
        do=f"if that is not meant, write it again without: printf %s 'THE SECRET' > {shlex.quote(str(path))}",
    )
