"""Files that are made once: whole or not at all, never over one that is there."""

from __future__ import annotations

import errno
import os
from pathlib import Path

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def write_new(path: Path, content: bytes, *, mode: int = 0o600) -> bool:
    """Write ``content`` where nothing is yet; False where something is, which is kept.

    Raises:
        OSError: it cannot be written; nothing of it is left.
    """
    if os.path.lexists(path):
        return False
    draft = path.with_name(f".{path.name}.{os.getpid()}.new")
    draft.unlink(missing_ok=True)
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(draft)
    except FileExistsError:
        return False
    finally:
        draft.unlink(missing_ok=True)
    return True


def is_full(error: BaseException | None) -> bool:
    """Whether there was no room for it."""
    return isinstance(error, OSError) and error.errno in _FULL
