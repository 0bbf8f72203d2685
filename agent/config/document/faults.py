"""One fault of a file, with its line and column, and the error that tells them all at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from agent.config.document.positions import KeyPath
from agent.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Fault:
    """What is wrong at one place of a file, and what was meant. Lines and columns count from 1, columns in characters.

    ``hint`` may be empty; it continues the sentence of ``message``.
    """

    file: str
    line: int
    column: int
    message: str
    hint: str = ""

    def __str__(self) -> str:
        """`rules.toml:12:3: what is wrong, what was meant`."""
        told = f"{self.message}, {self.hint}" if self.hint else self.message
        return f"{self.file}:{self.line}:{self.column}: {told}"


class FaultsError(ConfigError):
    """Every fault that was found, each once, sorted by file, line and column."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(sorted(set(faults)))
        super().__init__("\n".join(str(fault) for fault in self.faults))


class MisfitError(ValueError):
    """Raised by a model's validator: ``message`` is what is wrong, ``hint`` what was meant.

    ``at`` leads from the value the validator is on to the key that is meant, where a validator of a whole table knows
    better than "this table".
    """

    def __init__(self, message: str, hint: str = "", *, at: KeyPath = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.at = at
