"""What every command shares: which settings, which database, how to print, and what exit code a fault has."""

from __future__ import annotations

import datetime as dt
import functools
import getpass
import json
import os
import sys
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec, TypeVar

import typer

from machine import commands
from machine.commands import Options, cure, stop_writing
from machine.reaching import names
from machine.sheets import Table
from machine.words import on_screen

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from catalogue.acts import Act
    from catalogue.config import Config
    from catalogue.redemption.desk import Desk
    from catalogue.store import Store

P = ParamSpec("P")
T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

Campus = Annotated[str, typer.Argument(help="The campus.")]
Hours = Annotated[int, typer.Option("--hours", min=1, max=24 * 365, help="How long the token may be used.")]


DAY_S = 86_400


class Environment(StrEnum):
    """What a campus's wallets are for."""

    production = "production"
    staging = "staging"


def told(command: Callable[P, None]) -> Callable[P, None]:
    """Errors of ours become a sentence on stderr and their exit code; a reader that goes away (`| head`) is none."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        from catalogue.errors import CatalogueError, RefusedError

        try:
            command(*args, **kwargs)
            sys.stdout.flush()
        except BrokenPipeError:
            stop_writing()
            raise typer.Exit(0) from None
        except RefusedError as exc:
            typer.echo(f"rewards-catalogue: refused ({exc.code}): {exc.message}", err=True)
            raise typer.Exit(1) from None
        except CatalogueError as exc:
            typer.echo(f"rewards-catalogue: {exc}", err=True)
            raise typer.Exit(exc.exit_code) from None
        except OSError as exc:
            where = f"{exc.filename}: " if exc.filename else ""
            typer.echo(f"rewards-catalogue: {where}{exc.strerror or exc}\n  {cure(exc)}", err=True)
            raise typer.Exit(1) from None

    return run


class Application(commands.Application):
    """Commands of which each tells its errors as ``told`` does."""

    def command(self, name: str | None = None, **options: Any) -> Callable[[F], F]:
        """A decorator that makes a function a command."""
        made = super().command(name, **options)

        def add(function: F) -> F:
            made(told(function))
            return function

        return add


class Centre(Options):
    """The catalogue that a command is about: its settings, and what is done with its database, which is then closed.

    Who asks for a ``campus`` asks for one that is there; an ``owner`` may be all of them as well (`*`).
    """

    def __init__(
        self,
        config: Annotated[
            Path | None,
            typer.Option(
                "--config",
                readable=False,
                help="The settings; without it ./catalogue.toml, then /etc/rewards-catalogue/catalogue.toml.",
            ),
        ] = None,
        data_dir: Annotated[
            Path | None, typer.Option("--data-dir", help="Instead of --config: the directory that init made.")
        ] = None,
    ) -> None:
        self.config = config
        self.data_dir = data_dir

    @functools.cached_property
    def settings(self) -> Config:
        """The settings, as they were when they were first asked for.

        Raises:
            ConfigError: there are none, or they have faults.
        """
        return self.read_again()

    def read_again(self) -> Config:
        """The settings as they are now."""
        from catalogue.config import find

        return find(self.config, self.data_dir)

    def do(self, work: Callable[[Store], Coroutine[Any, Any, T]], *, campus: str | None = None, owner: str = "*") -> T:
        """What ``work`` comes to.

        Raises:
            CatalogueError: there is no such campus.
            UnavailableError: the database ends it, or takes no writes.
        """

        async def run() -> T:
            from sqlalchemy.exc import DBAPIError

            from catalogue import tenants
            from catalogue.errors import UnavailableError
            from catalogue.store import Store, database_said, remedy

            store = await Store.open(self.settings.database)
            try:
                async with store.glancing() as conn:
                    await (tenants.need_owner(conn, owner) if campus is None else tenants.need_tenant(conn, campus))
                return await work(store)
            except DBAPIError as exc:
                said = database_said(exc)
                raise UnavailableError(f"the database refused: {said}", hint=remedy(said)) from None
            finally:
                await store.close()

        return names.run(run())

    def look(
        self,
        finding: Callable[[AsyncConnection], Coroutine[Any, Any, T]],
        *,
        campus: str | None = None,
        owner: str = "*",
    ) -> T:
        """What ``finding`` finds in one reading of the database; the rest as in `do`."""

        async def work(store: Store) -> T:
            async with store.reading() as conn:
                return await finding(conn)

        return self.do(work, campus=campus, owner=owner)

    def at_desk(self, work: Callable[[Desk], Coroutine[Any, Any, T]], *, campus: str | None = None) -> T:
        """What ``work`` comes to with the vault of vouchers open as well; the rest as in `do`."""
        from catalogue.redemption.desk import Desk
        from catalogue.redemption.vault import Vault

        safe = Vault.load(self.settings.vouchers_file)
        return self.do(lambda store: work(Desk(store, safe)), campus=campus)


class Answer(Options):
    """What a command prints: lines for people, or JSON for programs."""

    def __init__(
        self,
        as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table.")] = False,
    ) -> None:
        self.as_json = as_json

    def show(self, value: Any, *, lines: Callable[[], list[str]]) -> None:
        """Print ``value`` as JSON, or ``lines`` for people."""
        if self.as_json:
            typer.echo(json.dumps(value, sort_keys=True, ensure_ascii=False))
            return
        shown = lines()
        for line in shown:
            typer.echo("\n".join(map(on_screen, line.split("\n"))))
        if not shown:
            typer.echo("none", err=True)


async def nothing_left(store: Store) -> None:
    """Leave nothing in the database's files of names that were taken away; what must wait is told on standard error."""
    from catalogue import log

    log.start("warning")
    await store.scrub()


async def note_archived(conn: AsyncConnection, campus: str) -> None:
    """Say on stderr what of a campus's books is not written, because it is in the archive alone."""
    from catalogue.wallets import carried

    begins = await carried.begins(conn, campus)
    if begins.month:
        typer.echo(f"note: {begins.told(campus)}", err=True)


def text_of(path: Path) -> str:
    """The text of a file; `-` is standard input.

    Raises:
        CatalogueError: it cannot be read as UTF-8.
    """
    from catalogue.errors import CatalogueError

    try:
        return sys.stdin.buffer.read().decode() if str(path) == "-" else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else exc
        hint = cure(exc) if isinstance(exc, OSError) else "save it as UTF-8"
        raise CatalogueError(f"{path} cannot be read: {why}", hint=hint) from None


def operator() -> str:
    """Who types: what is written down beside an act."""
    return f"operator {_account()}"


def _account() -> str:
    """The account's name; in a container it may have none, then its number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


def act(campus: str, name: str, about: str = "", *, why: str = "") -> Act:
    """What is being typed now, to be written down with what it changes."""
    from catalogue.acts import OPERATOR, Act

    return Act(campus=campus, by=f"{OPERATOR}{_account()}", at=now(), act=name, about=about, why=why)


def now() -> int:
    """Seconds since 1970, UTC."""
    return int(time.time())


def day(text: str, option: str) -> int | None:
    """When a day (2026-09-01, UTC) begins; nothing where nothing is said.

    Raises:
        CatalogueError: it is none.
    """
    from catalogue.errors import CatalogueError

    if not text:
        return None
    try:
        return int(dt.datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=dt.UTC).timestamp())
    except ValueError:
        raise CatalogueError(f"{option} {text!r} is no day", hint="such as 2026-09-01") from None


def days(since: str, until: str) -> tuple[int | None, int | None]:
    """When the day of ``--from`` begins and that of ``--until`` ends; nothing where nothing is said.

    Raises:
        CatalogueError: one is no day, or the last is before the first.
    """
    from catalogue.errors import CatalogueError

    begin, last = day(since, "--from"), day(until, "--until")
    if begin is not None and last is not None and last < begin:
        told = f"--until {until} is over before --from {since} begins"
        raise CatalogueError(told, hint="until is the later of the two")
    return begin, None if last is None else last + DAY_S


def iso(at: int | None) -> str:
    """A time as people and spreadsheets read it, or nothing."""
    from catalogue.rewards import text

    return text.iso(at)


class Form(StrEnum):
    """How rows are written that may be many: for spreadsheets, or line by line as JSON."""

    csv = "csv"
    json = "json"


_TIMES = ("occurred_at", "recorded_at", "posted_at", "expires_at")


class Lines:
    """Rows on stdout as they come: CSV with ``names`` on top, or ``plain``, each a line of JSON."""

    def __init__(self, names: Sequence[str], *, plain: bool) -> None:
        from catalogue.rewards.text import quoted

        self._quoted = quoted
        self._out = None if plain else Table(sys.stdout, names)

    def write(self, row: Mapping[str, Any]) -> None:
        """The next one. In CSV times are dates, and a text that a spreadsheet would take for a formula is quoted."""
        if self._out is None:
            print(json.dumps(row, sort_keys=True, ensure_ascii=False))  # noqa: T201 - stdout is the product
            return
        times = {name: iso(row[name]) for name in _TIMES if isinstance(row.get(name), int)}
        cells = ((name, times.get(name, cell)) for name, cell in row.items())
        self._out.row({name: self._quoted(cell) if isinstance(cell, str) else cell for name, cell in cells})
