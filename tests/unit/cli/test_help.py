"""`--help` of every command teaches: what it is for, an example that would be taken, and what each option wants."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import typer

from machine.commands import Application
from machine.help import COLUMNS_MAX, Example, paragraphs
from tests.pages import SHELL, command_of, programs


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command as it is typed, and what typer made of it."""

    words: tuple[str, ...]
    it: Any
    context: Any

    @property
    def examples(self) -> list[Example]:
        """What its help shows to type."""
        return [part for part in paragraphs(self.it.help or "") if isinstance(part, Example)]

    def __str__(self) -> str:
        return shlex.join(self.words)


def below(words: tuple[str, ...], it: Any, context: Any) -> Iterator[Command]:
    yield Command(words=words, it=it, context=context)
    for name in it.list_commands(context) if hasattr(it, "list_commands") else ():
        inner = it.get_command(context, name)
        yield from below((*words, name), inner, typer.Context(inner, info_name=name, parent=context))


@functools.cache
def commands() -> tuple[Command, ...]:
    """Every command and group of commands of both programs."""
    roots = ((name, it, typer.Context(it, info_name=name)) for name, it in programs().items())
    return tuple(one for name, it, context in roots for one in below((name,), it, context))


def leaves() -> list[Command]:
    return [one for one in commands() if not hasattr(one.it, "list_commands")]


def test_there_is_much_to_teach() -> None:
    assert len(leaves()) > 190


@pytest.mark.parametrize("one", leaves(), ids=str)
def test_every_command_shows_an_example_of_itself_that_would_be_taken(one: Command) -> None:
    assert one.examples
    for example in one.examples:
        program, *words = shlex.split(SHELL.split(example.command)[0])
        command, rest = command_of(program, tuple(words))
        command.make_context(program, rest)
    shown = [tuple(shlex.split(example.command)[: len(one.words)]) for example in one.examples]
    assert one.words in shown


@pytest.mark.parametrize("one", commands(), ids=str)
def test_help_fits_eighty_columns_and_says_what_each_option_wants(one: Command) -> None:
    lines = one.context.get_help().splitlines()
    typed = {f"  {example.command}" for example in one.examples}
    assert [line for line in lines if len(line) > COLUMNS_MAX and line not in typed] == []
    assert [line for line in lines if "<" in line and ">" in line and line not in typed] == [], "no name of a type"
    assert lines[0].startswith(f"Usage: {one} ")
    assert [parameter.name for parameter in one.it.params if not parameter.help] == []


def test_an_option_tells_its_choices_its_bounds_and_what_holds_without_it(capsys: pytest.CaptureFixture[str]) -> None:
    app = Application(add_completion=False)

    @app.command()
    def grow(
        plants: list[str],
        days: int = typer.Option(7, min=1, max=90, help="How long."),
        verbose: bool = typer.Option(False, "--verbose", "-v", help="Say more."),
        to: str = typer.Option("", "--data-dir", help="Where to."),
    ) -> None:
        """Grow plants. They need light.

        At noon: rewards-agent grow beans

        Nothing else.
        """

    with pytest.raises(SystemExit):
        app(["--help"], prog_name="rewards-agent grow")
    assert capsys.readouterr().out == (
        "Usage: rewards-agent grow [OPTIONS] PLANTS…\n\n"
        "Grow plants. They need light.\n\n"
        "At noon:\n  rewards-agent grow beans\n\n"
        "Nothing else.\n\n"
        "Arguments:\n  PLANTS…\n\n"
        "Options:\n"
        "  --days DAYS     How long. (1 to 90; else 7)\n"
        "  -v, --verbose   Say more.\n"
        "  --data-dir DIR  Where to.\n"
        "  --help          Show this message and exit.\n"
    )
