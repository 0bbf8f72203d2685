"""`rewards-agent key …`: the key that signs what leaves the campus."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.access import carry_out
from agent.cli.frame import ConfigOption, JsonOption, emit_one, note, settings_of
from agent.errors import ConfigError, InvalidInputError
from machine.commands import Application

if TYPE_CHECKING:
    from agent.config.settings import Settings
    from wire.keys import Key

app = Application(
    no_args_is_help=True,
    help="The key that signs what leaves the campus, and the one that brings it back.",
)


@app.command()
def new(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Make the agent's Ed25519 key, where [catalogue] signing_key_file says; never replaces one.

    The private key stays in that file (mode 0600) and leaves this machine never. `rewards-agent init` makes one too.

    Example: rewards-agent key new
    """
    from agent.outbox.key_file import new_key

    path = settings_of(config).key_file
    _show(path, new_key(path), json=json)


@app.command()
def show(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Print the public half: what the catalogue's operator needs for `rewards-catalogue agent add`. It is no secret.

    Example: rewards-agent key show
    """
    from agent.outbox.key_file import load_key

    path = settings_of(config).key_file
    _show(path, load_key(path), json=json)


@app.command()
def rotate(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Replace the key by a new one, which the old one vouches for. Broken off anywhere, run it again.

    Example: rewards-agent key rotate
    """
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

    Example: rewards-agent key recovery
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


@app.command()
def link(
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FILE", help="Copy it into a new file, for the campus's other agent.")
    ] = None,
    from_: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="Take the key of the campus's other agent instead.")
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """The key under which [identity] compares people: say which it is, copy it, or take over another agent's.

    It is made where there is none. Its name is no secret: agents of one campus must have the same. Take one over while
    the agent is stopped; links that were made stay, and the key before is kept beside it.

    Example: rewards-agent key link --to /media/stick/link.key
    """
    from agent.wiring.people import linking

    if to is not None and from_ is not None:
        raise InvalidInputError(
            "--to and --from exclude each other", hint="copy it there first, take it over here then"
        )
    settings = settings_of(config)
    kept = _taken_over(settings, from_.expanduser().resolve()) if from_ is not None else None
    key = linking.link_key(settings)
    if to is not None:
        linking.write_key(to.expanduser().resolve(), key)
        note("whoever has this file can test which address or idnumber is whose: delete the copy when it is in place")
    told = {"file": str(settings.agent.data_dir / linking.KEY_FILE), "name": linking.key_name(key)}
    copied = {"copied_to": str(to)} if to is not None else {}
    emit_one({**told, **copied, **({"kept_before": str(kept)} if kept is not None else {})}, json=json)


def _taken_over(settings: Settings, file: Path) -> Path | None:
    from agent.ledger import file as ledger_file
    from agent.wiring.people import linking

    key = linking.read_key(file)
    settings.agent.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with ledger_file.Lock(settings.agent.data_dir):
        here = settings.agent.data_dir / linking.KEY_FILE
        if here.exists() and linking.read_key(here) == key:
            return None
        return linking.replace_key(settings, key)


def _show(path: Path, key: Key, *, json: bool) -> None:
    emit_one({"file": str(path), "public_key": key.public.hex(), "fingerprint": key.fingerprint}, json=json)
