"""The key under which texts are digested: made once for each agent, never shown, never leaving it."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

KEY_BYTES = 32
_NAME = "text.key"


def keep_text_key(data_dir: Path) -> None:
    """Make the key where there is none; called by the agent itself, which has locked the directory.

    Where it cannot be written, digests of this run are compared with each other alone.
    """
    try:
        handle = os.open(data_dir / _NAME, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError:
        return
    with os.fdopen(handle, "wb") as file:
        file.write(secrets.token_bytes(KEY_BYTES))


def text_key(data_dir: Path) -> bytes:
    """The agent's key; where it cannot be read, one for this process alone (a preview compares within itself)."""
    try:
        found = (data_dir / _NAME).read_bytes()
    except OSError:
        found = b""
    return found if len(found) == KEY_BYTES else secrets.token_bytes(KEY_BYTES)
