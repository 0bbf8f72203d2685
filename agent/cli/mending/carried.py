"""Who carries out one page after the other: the running agent, this process under its lock, or a copy thrown away."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent.config.rulefile import RuleFile
    from agent.config.settings import Settings

Ask = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
"""One page: the operation's arguments → what it came to, with the ``cursor`` to go on from (None at the end)."""

OnPage = Callable[[dict[str, Any]], None]


async def every_page(ask: Ask, asked: dict[str, Any], on_page: OnPage) -> None:
    """Page after page to the end."""
    cursor = None
    while True:
        page = await ask({**asked, "cursor": cursor})
        on_page(page)
        cursor = page["cursor"]
        if cursor is None:
            return


@contextlib.asynccontextmanager
async def working(settings: Settings, command: str) -> AsyncIterator[Ask]:
    """The running agent, else this process under its lock."""
    from agent.errors import BusyError
    from agent.service import control
    from agent.wiring.agent import opened

    async with contextlib.AsyncExitStack() as stack:
        try:
            agent = await stack.enter_async_context(opened(settings))
        except BusyError:

            async def ask(arguments: dict[str, Any]) -> dict[str, Any]:
                answer: dict[str, Any] = await control.ask(settings.agent.data_dir, command, arguments)
                return answer

            yield ask
        else:
            operation = agent.operations.table()[command]

            async def carry_out(arguments: dict[str, Any]) -> dict[str, Any]:
                answer: dict[str, Any] = await operation(**arguments)
                return answer

            yield carry_out


@contextlib.asynccontextmanager
async def on_a_copy(settings: Settings, command: str, rules: RuleFile | None = None) -> AsyncIterator[Ask]:
    """The very same, on a copy of the ledger that is thrown away: a preview is exact, and touches nothing.

    With ``rules`` these are in force there.
    """
    from agent.cli.tuning.chosen import compiled
    from agent.ledger import file
    from agent.wiring.agent import opened
    from agent.wiring.rules import adopt

    with tempfile.TemporaryDirectory(prefix="rewards-preview-") as directory:
        with file.reading(settings.agent.data_dir) as connection:
            path = file.ledger_path(Path(directory))
            with contextlib.closing(sqlite3.connect(path)) as copy:
                connection.backup(copy)
        elsewhere = settings.agent.model_copy(update={"data_dir": Path(directory)})
        async with opened(settings.model_copy(update={"agent": elsewhere})) as agent:
            if rules is not None:
                await adopt(agent.pipeline, rules, compiled(rules))
            operation = agent.operations.table()[command]

            async def ask(arguments: dict[str, Any]) -> dict[str, Any]:
                answer: dict[str, Any] = await operation(**arguments)
                return answer

            yield ask
