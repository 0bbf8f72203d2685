"""What every command shares: which settings, which database, how to print, and what exit code a fault has."""

from __future__ import annotations

import asyncio
import functools
import json
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec, TypeVar

import typer

if TYPE_CHECKING:
    from catalogue.config import Config
    from catalogue.store import Store

P = ParamSpec("P")
T = TypeVar("T")

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="The settings file.", show_default="./catalogue.toml, then /etc/…")
]
DataDirOption = Annotated[Path | None, typer.Option("--data-dir", help="The directory that init made, instead.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Machine-readable.")]


def told(command: Callable[P, None]) -> Callable[P, None]:
    """Errors of ours become a sentence on stderr and their exit code."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        from catalogue.errors import CatalogueError

        try:
            command(*args, **kwargs)
        except CatalogueError as exc:
            typer.echo(f"rewards-catalogue: {exc}", err=True)
            raise typer.Exit(exc.exit_code) from None

    return run


def settings(config: Path | None, data_dir: Path | None) -> Config:
    """The settings this command works with."""
    from catalogue.config import find

    return find(config, data_dir)


def with_store(config: Config, work: Callable[[Store], Coroutine[Any, Any, T]]) -> T:
    """Open the database, do ``work``, close it."""

    async def run() -> T:
        from catalogue.store import Store

        store = await Store.open(config.database)
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(run())


def now() -> int:
    """Seconds since 1970, UTC."""
    return int(time.time())


def iso(at: int | None) -> str:
    """A time as people and spreadsheets read it, or nothing."""
    return "" if at is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def show(value: Any, *, as_json: bool, lines: Callable[[], list[str]]) -> None:
    """Print ``value`` as JSON, or ``lines`` for people."""
    if as_json:
        typer.echo(json.dumps(value, sort_keys=True, ensure_ascii=False))
        return
    for line in lines():
        typer.echo(line)
