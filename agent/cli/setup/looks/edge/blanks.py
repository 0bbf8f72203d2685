"""Secrets that begin or end with a blank, which counts as part of them and is seen by nobody."""

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

_KEYS = ("password_file", "token_file", "token_files", "secret_file", "secret_files")


def blank_findings(settings: Settings) -> Iterator[Finding]:
    """Each secret with a blank at an end; one that cannot be read is told where it is used."""
    from agent.config.secrets import read_secret, secret_file

    tables: list[BaseModel | None] = [*settings.sources, *settings.callbacks]
    tables += [getattr(source, "pull", None) for source in settings.sources]
    for name in dict.fromkeys(name for table in tables if table is not None for name in _named(table)):
        with contextlib.suppress(RewardsError, OSError):
            text = read_secret(settings.home, name).reveal()
            if text != text.strip():
                yield _told(secret_file(settings.home, name), text)


def _named(table: BaseModel) -> Iterator[str]:
    for key in type(table).model_fields:
        if key.endswith(_KEYS):
            told = getattr(table, key)
            yield from (told,) if isinstance(told, str) else told or ()


def _told(path: Path, text: str) -> Finding:
    end = "begins" if text == text.rstrip() else "ends"
    what = "an empty line" if text.endswith(("\n", "\r")) else "a blank"
    return Finding(
        about="secrets",
        level="warn",
        code="secret-blank",
        found=f"{path} {end} with {what}, which counts as part of the secret",
        do=f"if that is not meant, write it again without: printf %s 'THE SECRET' > {shlex.quote(str(path))}",
    )
