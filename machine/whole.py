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


def unwritten(error: BaseException | None, otherwise: str) -> str:
    """What to do about a file that could not be written; ``otherwise`` where it is a matter of who may write it."""
    if is_full(error):
        return "free some space and type the same again: nothing is half written"
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EROFS:
        return (
            "its file system is read-only: see why (dmesg, findmnt), mount it to be written, then type the same again"
        )
    return "make its directory first" if number == errno.ENOENT else otherwise


def is_full(error: BaseException | None) -> bool:
    """Whether there was no room for it."""
    return isinstance(error, OSError) and error.errno in _FULL
