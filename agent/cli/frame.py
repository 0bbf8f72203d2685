"""What every command is made of: its common options, its configuration, and how it shows rows and figures."""

from __future__ import annotations

import contextlib
import json as json_text
import os
import sys
import textwrap
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from machine.words import on_screen

if TYPE_CHECKING:
    from rich.console import Console

    from agent.config.settings import Settings

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        readable=False,  # who may not read it is told what to do, and no usage
        help="The configuration; without it ./config.toml, then /etc/rewards-agent/config.toml.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table.")]
EncodingOption = Annotated[
    str, typer.Option("--encoding", metavar="NAME", help="How the file is encoded, where it is not found.")
]
LIMIT_MAX = 1_000_000
"""Most rows that --limit can ask for: a number that SQLite and memory can hold."""

Result = TypeVar("Result")


def settings_of(config: Path | None) -> Settings:
    """The configuration a command works with.

    Raises:
        ConfigError: there is none, or it has faults.
    """
    from agent.config.document.places import find_config
    from agent.config.settings import load_settings

    return load_settings(find_config(config))


def run_async(coro: Coroutine[Any, Any, Result]) -> Result:
    """Run a command's asynchronous part to its end; Ctrl-C cancels it, waits for its clean-up, and exits with 130.

    Where memory ran out the process ends at once, with 1: what is committed stands. A loop that broke leaves threads
    that wait for it, and they would keep a dead agent from being started again.
    """
    from machine.reaching import names

    try:
        return names.run(coro)
    except MemoryError:
        with contextlib.suppress(MemoryError):
            typer.echo("memory ran out; nothing is lost, start it again with more (MemoryMax= of the unit)", err=True)
        os._exit(1)


def console(*, err: bool = False) -> Console:
    """A console on stdout, or on stderr for what is not the answer (progress, remarks)."""
    from rich.console import Console

    return Console(stderr=err, highlight=False, soft_wrap=False)


def note(text: str) -> None:
    """A remark beside the answer, on stderr, so that the answer can be piped."""
    typer.echo(text, err=True)


def tell(sentence: str) -> None:
    """A sentence, indented or not: on a terminal broken between words, what follows two steps further in."""
    line = on_screen(sentence)
    if sys.stdout.isatty():
        inner = " " * (len(line) - len(line.lstrip()) + 2)
        line = textwrap.fill(
            line, console().width, subsequent_indent=inner, break_long_words=False, break_on_hyphens=False
        )
    typer.echo(line)


def emit(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], *, json: bool, empty: str = "nothing") -> None:
    """Show rows: a JSON list; on a terminal a table that fits it; else aligned columns, whole, for grep and awk.

    ``columns`` are keys of the rows, in order; JSON has every key of each row. ``empty`` is said (on stderr) where
    there are no rows.
    """
    if json:
        emit_json([dict(row) for row in rows])
        return
    listed = [[on_screen(text_of(row.get(column))) for column in columns] for row in rows]
    heads = [column.replace("_", " ") for column in columns]
    if not listed:
        note(empty)
    elif sys.stdout.isatty():
        _table(heads, listed)
    else:
        _aligned(heads, listed)


def emit_one(facts: Mapping[str, Any], *, json: bool) -> None:
    """Show one thing: a JSON object, or one line for each of its facts."""
    if json:
        emit_json(dict(facts))
        return
    width = max((len(name) for name in facts), default=0)
    for name, value in facts.items():
        typer.echo(f"{name.replace('_', ' '):<{width}}  {on_screen(text_of(value))}".rstrip())


def emit_json(value: Any) -> None:
    """Print JSON on stdout: UTF-8, indented, keys as they come, exact numbers as text where JSON has none."""
    typer.echo(json_text.dumps(value, indent=2, ensure_ascii=False, default=_jsonable))


def utc(seconds: int | None) -> str:
    """`2026-09-01T00:00:00Z` for seconds since 1970; empty for None; the number itself where no calendar knows it."""
    if seconds is None:
        return ""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return f"{seconds} s after 1970"


def text_of(value: Any) -> str:
    """A value as a cell shows it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {text}" for key, one in value.items() if (text := text_of(one)))
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(text_of(one) for one in value)
    return value.hex() if isinstance(value, bytes) else str(value)


def _jsonable(value: Any) -> Any:
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, Fraction):
        return int(value) if value.denominator == 1 else str(value)
    return text_of(value)


def _table(heads: Sequence[str], listed: Sequence[Sequence[str]]) -> None:
    """A table where no word has to be broken for it, else row by row; columns that say nothing are left out."""
    full = [number for number in range(len(heads)) if any(row[number] for row in listed)]
    heads, listed = [heads[number] for number in full], [[row[number] for number in full] for row in listed]
    screen = console()
    words = [max(map(_longest_word, column)) for column in zip(heads, *listed, strict=True)]
    if sum(words) + _BETWEEN * len(words) > screen.width:
        _one_by_one(heads, listed, screen.width)
        return
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for number, head in enumerate(heads):
        figures = all(row[number].lstrip("-").isdecimal() for row in listed if row[number])
        table.add_column(head, justify="right" if figures else "left", min_width=words[number], overflow="fold")
    for row in listed:
        table.add_row(*(Text(cell) for cell in row))
    screen.print(table)


_BETWEEN = 2
"""Columns of the screen that a column of a table takes besides its words."""


def _longest_word(text: str) -> int:
    return max(map(len, text.split(" ")))


def _one_by_one(heads: Sequence[str], listed: Sequence[Sequence[str]], width: int) -> None:
    """Each row as lines of name and value, a line without words between two rows."""
    wide = max(map(len, heads)) + 2
    for row in listed:
        for number, (head, cell) in enumerate(zip(heads, row, strict=True)):
            label = f"{'  ' if number else ''}{head}"
            room = max(width - wide - 2, 10)
            if _longest_word(cell) > room:  # such as a hash: on lines of its own it can be copied whole
                typer.echo(label)
                typer.echo(textwrap.indent(textwrap.fill(cell, max(width - 4, 10)), "    "))
                continue
            for line, part in enumerate(textwrap.wrap(cell, room)):
                typer.echo(f"{'' if line else label:<{wide}}  {part}")
        typer.echo("")


def _aligned(heads: Sequence[str], listed: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(heads, *listed, strict=True)]
    for row in (heads, *listed):
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
