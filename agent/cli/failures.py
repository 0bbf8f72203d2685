"""How an error reaches a person: what is wrong and what to do on stderr, and the exit code of the contract."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from agent.errors import RewardsError
from machine.commands import cure


@contextmanager
def told() -> Iterator[None]:
    """Inside, errors made on purpose become sentences and exit codes, those of the system too; others pass through.

    A reader that goes away (`| head`) ends the command with 0.

    Of several at once all are told, and the highest exit code counts: integrity before configuration before the rest.
    """
    try:
        yield
        sys.stdout.flush()
    except RewardsError as error:
        raise _tell([error]) from None
    except BaseExceptionGroup as group:
        expected, other = group.split(RewardsError)
        if expected is None or other is not None:
            raise
        raise _tell(list(_leaves(expected))) from None
    except BrokenPipeError:
        _stop_writing()
        raise typer.Exit(0) from None
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise _tell([RewardsError(f"{where}{error.strerror or error}", hint=cure(error))]) from None


def _stop_writing() -> None:
    """Whoever reads has seen enough, which is no failure: what is left of the answer goes nowhere."""
    if sys.__stdout__ is not None and sys.stdout is sys.__stdout__:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.__stdout__.fileno())
        os.close(nowhere)


def _leaves(group: BaseExceptionGroup[RewardsError]) -> Iterator[RewardsError]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


def _tell(errors: list[RewardsError]) -> typer.Exit:
    for text in dict.fromkeys(str(error) for error in errors):
        typer.echo(text, err=True)
    return typer.Exit(max(error.exit_code for error in errors))
