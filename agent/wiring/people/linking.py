"""From the settings to who links accounts, and the campus's link key: a file that its agents share."""

from __future__ import annotations

import os
import secrets

from agent.arriving.linked import Linking
from agent.config.secrets import read_secret
from agent.config.settings import Settings
from agent.errors import ConfigError

KEY_FILE = "link.key"
_KEY_BYTES = 32


def linking_of(settings: Settings) -> Linking | None:
    """Who links, where two sites at least have a source that is trusted to; the key is made where there is none.

    Raises:
        ConfigError: the key cannot be read or is none, or others may read it.
    """
    if not settings.links:
        return None
    return Linking(key=_key(settings), link_by=settings.identity.link_by, sources=settings.linking_sources)


def _key(settings: Settings) -> bytes:
    home = settings.agent.data_dir
    if not (home / KEY_FILE).exists():
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(home / KEY_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(_KEY_BYTES) + "\n")
    try:
        key = bytes.fromhex(read_secret(home, KEY_FILE).reveal())
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise ConfigError(
            f"{home / KEY_FILE}: this is no link key: 64 hexadecimal digits",
            hint="copy that of the campus's other agent, or move it away: a new one is made",
        )
    return key
