"""`rewards-agent mode`: whether this campus pays; a change is one word in config.toml, which stays as it was."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.frame import ConfigOption, JsonOption, emit_one, note, settings_of, utc
from agent.errors import ConfigError, RewardsError
from machine import whole
from machine.commands import Application

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agent.config.settings import Settings

app = Application()
_TABLE = re.compile(r"^\[agent\][^\n]*\n", re.MULTILINE)
_NEXT_TABLE = re.compile(r"^\[", re.MULTILINE)
_MODE = re.compile(r"^(\s*mode\s*=\s*)(\"[^\"]*\"|'[^']*')", re.MULTILINE)


class Mode(StrEnum):
    """What an agent does with its decisions."""

    live = "live"
    shadow = "shadow"


@app.command()
def mode(
    to: Annotated[Mode | None, typer.Argument(metavar="live|shadow", help="What it shall do from now on.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Say whether this campus pays, or change it: live pays; shadow decides and reports everything and pays nothing.

    What was decided in shadow mode stays unpaid: `rules backfill` pays for it, rule by rule, where that is meant. What
    a log tells that is not read yet will be paid; how far each was read is told. The change is written into
    config.toml; a running agent takes it up when it is restarted.

    Example: rewards-agent mode live
    """
    settings = settings_of(config)
    if to is None or to == settings.agent.mode:
        emit_one(
            {"mode": settings.agent.mode, "campus": settings.agent.campus, "decided": _decided(settings)}, json=json
        )
        return
    paid = list(_to_be_paid(settings)) if to is Mode.live else []
    if not yes:
        _asked(settings, to, paid)
    _write(settings.path, to)
    emit_one({"mode": str(to), "campus": settings.agent.campus, "decided": _decided(settings)}, json=json)
    for line in paid if yes else ():
        note(line)
    note("it holds from the next start on: systemctl restart rewards-agent")


def _to_be_paid(settings: Settings) -> Iterator[str]:
    """Of each log, from when on its acts will be paid: somebody may go live before the past was read in shadow."""
    from agent.ledger import file, sources

    read: dict[str, int] = {}
    with contextlib.suppress(RewardsError), file.reading(settings.agent.data_dir) as connection:
        found = {one.name: sources.load(connection, one.name) for one in settings.log_sources}
        read = {name: state.high_water for name, state in found.items() if state is not None}
    for one in settings.log_sources:
        if read.get(one.name):
            yield f"{one.name} was read up to {utc(read[one.name])}: what happened there later will be paid"
        elif one.start_at != "now":
            since = "it began" if one.start_at == "beginning" else utc(one.start_at)
            yield f"{one.name} was not read yet: all that its log tells since {since} will be paid"


def _decided(settings: Settings) -> dict[str, int]:
    """How many decisions of each outcome there are, so that somebody sees what goes live; empty without any."""
    from agent.ledger import file
    from agent.model import Outcome

    with contextlib.suppress(RewardsError), file.reading(settings.agent.data_dir) as connection:
        rows = connection.execute("SELECT outcome, count(*) FROM decision GROUP BY outcome ORDER BY outcome")
        return {Outcome(outcome).name: count for outcome, count in rows}
    return {}


def _asked(settings: Settings, to: Mode, paid: Sequence[str]) -> None:
    what = "pays from its next start on" if to is Mode.live else "pays nothing from its next start on"
    if not sys.stdin.isatty():
        raise ConfigError(f"{settings.agent.campus} {what}: nobody is here to confirm it", hint="add --yes")
    for line in paid:  # told before the answer: it may be a whole term
        note(line)
    if not typer.confirm(f"{settings.agent.campus} {what}. Shall it?"):
        raise typer.Exit(1)


def changed(text: str, to: Mode) -> str:
    """config.toml with another mode and nothing else changed."""
    table = _TABLE.search(text)
    if table is None:
        raise ConfigError("config.toml has no line [agent]", hint=f'write mode = "{to}" by hand')
    found = _NEXT_TABLE.search(text, table.end())
    end = found.start() if found else len(text)
    body, count = _MODE.subn(rf'\g<1>"{to}"', text[table.end() : end], count=1)
    return text[: table.end()] + (body if count else f'mode = "{to}"\n{body}') + text[end:]


def _write(path: Path, to: Mode) -> None:
    """Write the file whole or not at all, for the same owner with the same rights, and only one that means it."""
    from agent.config.document import parse, unwritten
    from agent.config.settings import settings_in

    text = changed(path.read_text(encoding="utf-8"), to)
    if settings_in(parse(text.encode(), path)).agent.mode != to:
        raise ConfigError(f"{path} says its mode in another way than this command knows", hint=f'write mode = "{to}"')
    draft = path.with_name(f".{path.name}.{os.getpid()}.{to}")
    try:
        whole.write_new(draft, text.encode())
        shutil.copymode(path, draft)
        if os.geteuid() == 0:
            at = path.stat()
            os.chown(draft, at.st_uid, at.st_gid)
        draft.replace(path)
    except OSError as exc:
        raise unwritten(path, exc, "run this as the user who owns it and its directory, or as root") from None
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
