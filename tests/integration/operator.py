"""Somebody who types commands against one catalogue."""

from __future__ import annotations

import asyncio
import functools
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import typer
from sqlalchemy import text
from typer.testing import CliRunner

from catalogue.cli.app import app
from catalogue.config import load
from catalogue.store import Store
from catalogue.wallets import book
from catalogue.wallets.moves import Move
from tests.wire_builders import an_entry

CAMPUS = "uni-example"


# Made once: making all commands takes longer than most of them do.
commands = functools.cache(lambda: typer.main.get_command(app))


def every_command() -> Iterator[tuple[str, Any]]:
    """Each command by its name (`wallet show`), in the order of the help."""
    yield from _within(commands(), ())


def _within(group: Any, before: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    inside = getattr(group, "commands", None)
    if inside is None:
        yield " ".join(before), group
    else:
        for word, one in inside.items():
            yield from _within(one, (*before, word))


class Answer(NamedTuple):
    """What a command said; ``both`` is as a terminal shows it."""

    code: int
    out: str
    err: str
    both: str


def typed(*words: str, stdin: str | None = None) -> Answer:
    """Run one command of `rewards-catalogue`, in this process."""
    code: Any = 0
    with CliRunner().isolation(input=stdin) as said:
        try:
            commands().main(args=list(words), prog_name="rewards-catalogue")
        except SystemExit as end:
            code = end.code
        sys.stdout.flush()
        sys.stderr.flush()
        return Answer(code, *(stream.getvalue().decode() for stream in said))


class Operator:
    """Types commands against one catalogue."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def types(self, *words: str, code: int = 0, stdin: str | None = None) -> str:
        answer = typed(*words, "--data-dir", str(self.directory), stdin=stdin)
        assert answer.code == code, answer.both
        return answer.both

    def asks(self, *words: str) -> Any:
        return json.loads(self.types(*words, "--json"))

    def given(
        self, amount: int, learner: str = "ann", at: int = 5, currency: str = "points", campus: str = CAMPUS
    ) -> None:
        """Let a learner have earned something."""
        asyncio.run(_give(self.directory, campus, (learner, currency), amount, at))

    def sql(self, *statements: str, **values: Any) -> None:
        """Change the database behind the catalogue's back."""
        asyncio.run(_sql(self.directory, statements, values))

    def set_aside(self, seq: int, why: str, body: bytes = b"") -> None:
        """An entry that came in and moved nothing."""
        place = f"'{CAMPUS}', 'agent-1', 1, {seq}"
        self.sql(
            f"INSERT INTO entry VALUES ({place}, :body, :why, 5)",
            f"INSERT INTO batch VALUES ({place}, {seq}, :none, :header, :none, :none, :none, '{{}}', 5, 5)",
            body=body or an_entry(seq),
            why=why,
            header=b"{}",
            none=b"",
        )


async def _sql(directory: Path, statements: tuple[str, ...], values: dict[str, Any]) -> None:
    store = await Store.open(load(directory / "catalogue.toml").database)
    async with store.writing() as conn:
        for statement in statements:
            await conn.execute(text(statement), values)
    await store.close()


async def _give(directory: Path, campus: str, key: tuple[str, str], amount: int, at: int) -> None:
    store = await Store.open(load(directory / "catalogue.toml").database)
    async with store.writing() as conn:
        held = await book.hold(store, conn, campus, [key])
        ref = f"t/1-{held[key].last_no + 1}"
        await book.post(store, conn, campus, [Move(*key, "award", amount, ref, at)], held, now=at)
    await store.close()
