"""How an error reaches a person: what is wrong and what to do on stderr, and the exit code of the contract."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from agent.errors import RewardsError


@contextmanager
def told() -> Iterator[None]:
    """Inside, errors made on purpose become sentences and exit codes; others pass through.

    Of several at once all are told, and the highest exit code counts: integrity before configuration before the rest.
    """
    try:
        yield
    except RewardsError as error:
        raise _tell([error]) from None
    except BaseExceptionGroup as group:
        expected, other = group.split(RewardsError)
        if expected is None or other is not None:
            raise
        raise _tell(list(_leaves(expected))) from None


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
