"""Options that several commands share are said once, and each command asks for them as if they were its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from machine.commands import Application, Options


@dataclass
class Place(Options):
    """Where something is."""

    city: Annotated[str, typer.Option("--city", help="The city.")] = "York"
    street: Annotated[str, typer.Option("--street", help="The street.")] = ""


def go(who: Annotated[str, typer.Argument(help="Who goes.")], place: Place, *, fast: bool = False) -> None:
    """Go there."""
    typer.echo(f"{who} {place.city} {place.street or '-'} {fast}")


def program() -> Application:
    app = Application(add_completion=False)
    assert app.command()(go) is go
    return app


def test_a_command_is_given_what_is_made_of_the_options_that_were_typed() -> None:
    shown = CliRunner().invoke(program(), ["Ann", "--street", "Coppergate", "--fast"])
    assert (shown.exit_code, shown.stdout) == (0, "Ann York Coppergate True\n")


def test_shared_options_stand_in_the_help_where_the_command_names_them() -> None:
    shown = CliRunner().invoke(program(), ["--help"]).stdout
    places = [shown.index(word) for word in ("--city", "--street", "--fast")]
    assert places == sorted(places)
    assert "The street." in shown


def test_an_option_that_a_command_asks_for_twice_is_a_fault_of_the_program() -> None:
    def twice(city: str, place: Place) -> None:
        typer.echo(f"{city} {place}")

    with pytest.raises(ValueError, match="city"):
        Application().command()(twice)
