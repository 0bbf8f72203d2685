"""What can be wrong at the centre, by whose turn it is to act; and refusals, which are answers and not errors."""

from __future__ import annotations


class CatalogueError(Exception):
    """Base of every error raised on purpose. ``message`` says what is wrong, ``hint`` what to do; neither a secret."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """Both sentences, as they are shown to a person."""
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class ConfigError(CatalogueError):
    """An edit by the operator cures it (exit 2)."""

    exit_code = 2


class UnavailableError(CatalogueError):
    """The machine or the network cures it (exit 1): the database cannot be reached."""


class IntegrityError(CatalogueError):
    """The books do not agree (exit 3): tell, never repair silently."""

    exit_code = 3


class RefusedError(Exception):
    """A request that is answered with no: an HTTP status, a stable code, and a sentence for the other side."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
