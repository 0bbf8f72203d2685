"""`rewards-agent enrol`: become known to the catalogue."""

from __future__ import annotations

import os
import shlex
import sys
from typing import Annotated

import typer

from agent.cli.access import carry_out
from agent.cli.frame import ConfigOption, JsonOption, emit_one, note
from agent.errors import InvalidInputError
from machine.commands import Application

app = Application()

STANDARD_INPUT = "-"
ENROL = "enrol."
"""How every token begins."""
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

    With a token for the name that this agent has (`rewards-catalogue tenant token CAMPUS --agent NAME`) a new key takes
    the place of one that is lost. The agent goes on in its next epoch: what had arrived is confirmed, what had not is
    sealed anew, and vouchers that are kept stay for their learners and cannot be given back any more.

    Others on this machine can see a command line. A token in a file, or typed after Enter, stays out of it.

    Example: rewards-agent enrol - < token
    """
    if token == STANDARD_INPUT:
        token = sys.stdin.readline(TOKEN_CHARS_MAX).strip()
        if not token:
            raise InvalidInputError("standard input held no token", hint="rewards-agent enrol - < FILE")
    elif not token.startswith(ENROL) and os.path.isfile(token):  # noqa: PTH113 - whatever was typed, this never raises
        hint = f"give what stands in it: rewards-agent enrol - < {shlex.quote(token)}"
        raise InvalidInputError(f"{token} is a file, and no token", hint=hint)
    told = carry_out(config, "catalogue.enrol", token=token)
    if json:
        emit_one(told, json=True)
        return
    emit_one({name: value for name, value in told.items() if value}, json=False)
    if told["epoch"] > 1:
        note(f"this key signs from epoch {told['epoch']} on; the key before it is refused")
    if told["staying"]:
        note(
            f"vouchers kept from before: {told['staying']}; they count as spent, redeem gives them to their learners,"
            " and they cannot be given back (rewards-agent allowance list)"
        )
    note("enrolled: entries are delivered from now on; at once: rewards-agent sync now")
