"""The agent's signing key on disk, with faults that tell an administrator what to do."""

from __future__ import annotations

from pathlib import Path

from agent.config.document import readable_to_us, unwritten
from agent.errors import ConfigError
from wire import keys
from wire.keys import Key


def load_key(path: Path) -> Key:
    """The agent's signing key.

    Raises:
        ConfigError: it is missing, others may read it, or it is no such key.
    """
    try:
        return keys.load(path)
    except keys.KeyFileError as exc:
        hint = exc.hint if path.exists() else "make one: rewards-agent key new"
        if isinstance(exc.__context__, PermissionError):
            hint = readable_to_us(path)
        raise ConfigError(str(exc), hint=hint, fault="signing-key-unusable") from None


def new_key(path: Path) -> Key:
    """Make the agent's signing key; one that is there is never overwritten.

    Raises:
        ConfigError: it is there already, or cannot be written.
        TransientError: the disk is full or read-only; nothing of it is left.
    """
    try:
        return keys.create(path)
    except keys.KeyFileError as exc:
        if isinstance(exc.__context__, OSError) and not isinstance(exc.__context__, FileExistsError):
            raise unwritten(path, exc.__context__) from None
        raise ConfigError(str(exc), hint=exc.hint) from None
