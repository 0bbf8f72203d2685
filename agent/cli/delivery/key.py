"""`rewards-agent key …`: the key that signs what leaves the campus."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from agent.cli.access import carry_out
from agent.cli.frame import ConfigOption, JsonOption, emit_one, settings_of

if TYPE_CHECKING:
    from pathlib import Path

    from wire.keys import Key

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="The key that signs what leaves the campus: new, show, rotate.",
)


@app.command()
def new(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Make the agent's Ed25519 key, where [catalogue] signing_key_file says; never replaces one.

    The private key stays in that file (mode 0600) and leaves this machine never. `rewards-agent init` makes one too.
    """
    from agent.outbox.key_file import new_key

    path = settings_of(config).key_file
    _show(path, new_key(path), json=json)


@app.command()
def show(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Print the public half: what the catalogue's operator needs for `rewards-catalogue agent add`. It is no secret."""
    from agent.outbox.key_file import load_key

    path = settings_of(config).key_file
    _show(path, load_key(path), json=json)


@app.command()
def rotate(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Replace the key by a new one, which the old one vouches for. Broken off anywhere, run it again."""
    emit_one(carry_out(config, "key.rotate"), json=json)


def _show(path: Path, key: Key, *, json: bool) -> None:
    emit_one({"file": str(path), "public_key": key.public.hex(), "fingerprint": key.fingerprint}, json=json)
