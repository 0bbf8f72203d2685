"""`rewards-agent key …`: the key that signs what leaves the campus."""

from __future__ import annotations

import typer

from agent.cli.access import carry_out
from agent.cli.frame import ConfigOption, JsonOption, emit_one, settings_of
from agent.errors import ConfigError

app = typer.Typer(no_args_is_help=True)


@app.command()
def new(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Make the agent's Ed25519 key, where [catalogue] signing_key_file says; never replaces one.

    The private key stays in that file (mode 0600) and leaves this machine never.
    """
    from agent.config.secrets import secret_file
    from agent.outbox.key_file import new_key

    settings = settings_of(config)
    if settings.catalogue is None:
        raise ConfigError(f"{settings.path} has no [catalogue]", hint='add it first: [catalogue] and url = "https://…"')
    path = secret_file(settings.home, settings.catalogue.signing_key_file)
    key = new_key(path)
    emit_one({"file": str(path), "public_key": key.public.hex(), "fingerprint": key.fingerprint}, json=json)


@app.command()
def rotate(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Replace the key by a new one, which the old one vouches for. Broken off anywhere, run it again."""
    emit_one(carry_out(config, "key.rotate"), json=json)
