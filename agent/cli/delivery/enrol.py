"""`rewards-agent enrol`: become known to the catalogue."""

from __future__ import annotations

from typing import Annotated

import typer

from agent.cli.access import carry_out
from agent.cli.frame import ConfigOption, JsonOption, emit_one

app = typer.Typer()


@app.command()
def enrol(
    token: Annotated[str, typer.Argument(help="The line that `rewards-catalogue tenant add` printed. It works once.")],
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Become known to the catalogue: bind this agent's key to its campus, and remember the catalogue's key.

    Needs [catalogue] in config.toml and a key (`rewards-agent key new`). The token can be read from a file with
    `rewards-agent enrol "$(cat token)"`. What was recorded before is delivered afterwards: nothing is lost by waiting.
    """
    emit_one(carry_out(config, "catalogue.enrol", token=token), json=json)
