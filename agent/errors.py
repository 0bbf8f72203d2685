"""The four ways something can be wrong, by whose turn it is to act. Expected refusals are not errors."""

from __future__ import annotations


class RewardsError(Exception):
    """Base of every error this program raises on purpose.

    ``message`` says what is wrong, ``hint`` what to do next; neither may carry a secret. ``fault`` is what programs
    know the fault by, where it has a name of its own (docs/reference/doctor.md lists them).
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "", fault: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.fault = fault

    def __str__(self) -> str:
        """Both sentences, as they are shown to a person."""
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class ConfigError(RewardsError):
    """An edit by the administrator cures it (exit 2). Names file, line, column and key where there is one."""

    exit_code = 2


class TransientError(RewardsError):
    """The machine or the network cures it (exit 1): retry with backoff."""

    exit_code = 1


class BusyError(TransientError):
    """Another agent has the data directory; a command can ask that agent instead."""


class InvalidInputError(RewardsError):
    """One datum is wrong: set it aside with its reason and go on with the good beside it."""

    exit_code = 1


class IntegrityError(RewardsError):
    """History is not what it was (exit 3): stop this part, tell, never repair silently."""

    exit_code = 3


class ConstraintError(IntegrityError):
    """The ledger's own rules refused a row; nothing of what it came with stands."""


class UnexpectedError(RewardsError):
    """What this program does not expect, a fault of its own (exit 1): told to its makers, and tried again."""

    exit_code = 1
