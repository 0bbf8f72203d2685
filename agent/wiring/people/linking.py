"""From the settings to who links accounts, and the campus's link key: a file that its agents share."""

from __future__ import annotations

import hmac
import secrets
from hashlib import sha256
from pathlib import Path

from agent.arriving.linked import Linking
from agent.config.document import unwritten
from agent.config.secrets import read_secret
from agent.config.settings import Settings
from agent.errors import ConfigError
from agent.ledger.merging.untold import Kin
from machine import whole

KEY_FILE = "link.key"
_KEY_BYTES = 32
_NAME_DIGITS = 16


def linking_of(settings: Settings) -> Linking | None:
    """Who links, where two sites at least have a source that is trusted to; the key is made where there is none.

    Raises:
        ConfigError: the key cannot be read or is none, or others may read it.
    """
    if not settings.links:
        return None
    return Linking(key=link_key(settings), link_by=settings.identity.link_by, sources=settings.linking_sources)


def kin_of(settings: Settings) -> Kin:
    """What the campus's other agents may compare: tags only where `[identity] link_agents` says so.

    Raises:
        ConfigError: as `linking_of`.
    """
    if not (settings.identity.link_agents and settings.links):
        return Kin(campus=settings.agent.campus)
    key = link_key(settings)
    return Kin(campus=settings.agent.campus, key=key, key_name=key_name(key))


def key_name(key: bytes) -> str:
    """What a key is called, where it may be read: the same at every agent that has it."""
    return hmac.new(key, b"name", sha256).hexdigest()[:_NAME_DIGITS]


def link_key(settings: Settings) -> bytes:
    """The campus's link key, made where there is none.

    Raises:
        ConfigError: it cannot be read or is none, or others may read it.
    """
    home = settings.agent.data_dir
    if not (home / KEY_FILE).exists():
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_key(home / KEY_FILE, secrets.token_bytes(_KEY_BYTES))
    return read_key(home / KEY_FILE)


def read_key(path: Path) -> bytes:
    """The key in a file.

    Raises:
        ConfigError: as `link_key`.
    """
    try:
        key = bytes.fromhex(read_secret(path.parent, path.name).reveal())
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise ConfigError(
            f"{path}: this is no link key: 64 hexadecimal digits",
            hint="copy that of the campus's other agent, or move it away: a new one is made",
        )
    return key


def write_key(path: Path, key: bytes) -> None:
    """Write a key into a file of its own, for its owner alone; never over one that is there.

    Raises:
        ConfigError: there is such a file, or it cannot be made.
        TransientError: the disk is full or read-only.
    """
    try:
        written = whole.write_new(path, f"{key.hex()}\n".encode("ascii"))
    except OSError as error:
        raise unwritten(path, error) from None
    if not written:
        raise ConfigError(f"{path} is there already", hint="name a file that is not there")


def replace_key(settings: Settings, key: bytes) -> Path | None:
    """Put another key in place; where the one before is kept, or None where there was none."""
    path = settings.agent.data_dir / KEY_FILE
    kept = None
    if path.exists():
        kept = path.with_name(f"{KEY_FILE}.{key_name(read_key(path))[:8]}")
        kept.unlink(missing_ok=True)
        path.rename(kept)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_key(path, key)
    return kept
