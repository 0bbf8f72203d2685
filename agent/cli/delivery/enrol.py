"""`rewards-agent enrol`: become known to the catalogue."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from agent.cli.access import carry_out
from agent.cli.frame import ConfigOption, JsonOption, emit_one, note
from agent.errors import InvalidInputError

app = typer.Typer(rich_markup_mode="markdown")

STANDARD_INPUT = "-"
TOKEN_CHARS_MAX = 1_000


@app.command()
def enrol(
    token: Annotated[
        str,
        typer.Argument(
            help="The line that `rewards-catalogue tenant add` printed. It works once. - reads it from standard input."
        ),
    ],
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Become known to the catalogue: bind this agent's key to its campus, and remember the catalogue's key.

    Needs [catalogue] in config.toml and a key (`rewards-agent init` or `key new` makes it). What was recorded before is
    delivered afterwards: nothing is lost by waiting.

    Others on this machine can see a command line; `rewards-agent enrol - < token` keeps the token out of it.
    """
    if token == STANDARD_INPUT:
        token = sys.stdin.readline(TOKEN_CHARS_MAX).strip()
        if not token:
            raise InvalidInputError("standard input held no token", hint="rewards-agent enrol - < FILE")
    emit_one(carry_out(config, "catalogue.enrol", token=token), json=json)
    if not json:
        note("enrolled: entries are delivered from now on; at once: rewards-agent sync now")
