"""`rewards-agent key …`: the key that signs what leaves the campus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.access import carry_out
from agent.cli.frame import ConfigOption, JsonOption, emit_one, note, settings_of
from agent.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from wire.keys import Key

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="The key that signs what leaves the campus, and the one that brings it back.",
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


@app.command()
def recovery(
    replace: Annotated[
        bool, typer.Option("--replace", help="Make another one; every person is sealed to it anew.")
    ] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Make the campus's recovery key and print it, once: with it a lost disk loses no one.

    Who the pseudonyms are leaves this machine only sealed to this key. Print it or write it down, keep it where the
    keys to the building are, and not on this machine. The agent keeps the public half; start it again afterwards.
    """
    from agent.outbox.recovery.box import RecoveryKey, write_lock

    path = settings_of(config).recovery_file
    if path.exists() and not replace:
        raise ConfigError(
            f"there is a recovery key already; {path} is its public half",
            hint="if what was printed is lost: rewards-agent key recovery --replace",
        )
    key = RecoveryKey.new()
    write_lock(path, key.lock)
    emit_one({"file": str(path), "recovery_key": key.text()}, json=json)
    note("keep the recovery key away from this machine; it is not shown again")


def _show(path: Path, key: Key, *, json: bool) -> None:
    emit_one({"file": str(path), "public_key": key.public.hex(), "fingerprint": key.fingerprint}, json=json)
