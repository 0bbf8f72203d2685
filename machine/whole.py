"""What is done whole: files, made once and never over one that is there, and work whose end is waited for."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

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


async def to_the_end(done: asyncio.Future[T]) -> T:
    """Wait for ``done``, however often the one who waits is cancelled; being cancelled is told after it.

    What failed for one who was cancelled is not told: whoever comes next will meet it too.
    """
    cancelled: asyncio.CancelledError | None = None
    while not done.done():
        try:
            await asyncio.wait([done])
        except asyncio.CancelledError as exc:
            cancelled = exc
    if cancelled is None:
        return done.result()
    if not done.cancelled():
        done.exception()
    raise cancelled


async def in_a_thread(work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Do ``work`` in a thread, and wait for its end also where one is cancelled: the thread would go on unseen."""
    return await to_the_end(asyncio.ensure_future(asyncio.to_thread(work, *arguments, **named)))
