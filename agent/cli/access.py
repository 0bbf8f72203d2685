"""How commands reach the ledger: read-only themselves; writes through the running agent, or under its lock."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.frame import run_async, settings_of

if TYPE_CHECKING:
    from agent.config.settings import Settings

ByOption = Annotated[str, typer.Option("--by", metavar="NAME", help="Who decides this; it is recorded.")]
ReasonOption = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is recorded and shown.")]


@contextlib.contextmanager
def ledger_of(config: Path | None) -> Iterator[sqlite3.Connection]:
    """The configured ledger, read-only.

    Raises:
        TransientError: there is none yet.
        ConfigError: it cannot be read.
        IntegrityError: it is damaged, or of a newer program.
    """
    from agent.ledger import file

    with file.reading(settings_of(config).agent.data_dir) as connection:
        yield connection


def carry_out(config: Path | None, command: str, **arguments: Any) -> Any:
    """Have a write carried out: by the running agent where there is one, else here under the same lock.

    Raises:
        RewardsError: what the operation raised.
    """
    return run_async(_carry_out(settings_of(config), command, arguments))


async def _carry_out(settings: Settings, command: str, arguments: Mapping[str, Any]) -> Any:
    from agent import log
    from agent.errors import BusyError
    from agent.service import control
    from agent.wiring.agent import opened

    log.start()  # to stderr: stdout is the command's answer
    try:
        async with opened(settings) as agent:
            return await agent.operations.table()[command](**arguments)
    except BusyError:
        return await control.ask(settings.agent.data_dir, command, arguments)


@contextlib.contextmanager
def reached(runner: asyncio.Runner, settings: Settings) -> Iterator[Callable[..., Any]]:
    """Carry out several commands: all by the running agent, or all here under one lock.

    Raises:
        RewardsError: what an operation raised.
    """
    from agent import log
    from agent.errors import BusyError
    from agent.service import control
    from agent.wiring.agent import opened

    log.start()
    stack = contextlib.AsyncExitStack()
    try:
        agent = runner.run(stack.enter_async_context(opened(settings)))
    except BusyError:
        yield lambda command, **arguments: runner.run(control.ask(settings.agent.data_dir, command, arguments))
        return
    table = agent.operations.table()
    try:
        yield lambda command, **arguments: runner.run(_awaited(table[command], arguments))
    finally:
        runner.run(stack.aclose())


async def _awaited(operation: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    return await operation(**arguments)
