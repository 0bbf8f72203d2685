"""Noticing that the files of rules changed, so that an edit takes effect without anybody sending a signal."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from agent.errors import ConfigError

LOOK_S = 1.0
"""How often the files are looked at."""

Stamp = tuple[tuple[str, int, int, int], ...]
"""Path, inode, size and time of change of each file."""


class RulesWatch:
    """Remembers what the files of rules held; ``files`` names them as they are now (globs find new ones).

    A change counts once it has stood still from one look to the next: a file that is being written is not read in the
    middle. What was tried is not tried again until it changes.
    """

    def __init__(self, files: Callable[[], Sequence[Path]]) -> None:
        self._files = files
        self._stamp = self._stamped()
        self._held = self._hashed()
        self._seen = self._stamp

    def changed(self) -> bool:
        """Whether the files hold something else than when this was last true (or at the start), and stand still."""
        stamp = self._stamped()
        if stamp != self._seen:
            self._seen = stamp
            return False
        if stamp == self._stamp:
            return False
        held = self._hashed()
        if self._stamped() != stamp:
            return False
        self._stamp = stamp
        before, self._held = self._held, held
        return held != before

    async def run(self, reload: Callable[[], Awaitable[object]], *, every_s: float = LOOK_S) -> None:
        """Look for ever; ``reload`` after each change, which tells by itself what is wrong with it."""
        while True:
            await asyncio.sleep(every_s)
            if self.changed():
                await reload()

    def _listed(self) -> Sequence[Path]:
        try:
            return self._files()
        except ConfigError:  # a glob that names nothing now: to read it is a fault, told by the reload
            return ()

    def _stamped(self) -> Stamp:
        found = []
        for path in self._listed():
            try:
                seen = path.stat()
            except OSError:
                found.append((str(path), 0, 0, 0))
            else:
                found.append((str(path), seen.st_ino, seen.st_size, seen.st_mtime_ns))
        return tuple(found)

    def _hashed(self) -> str:
        digest = hashlib.sha256()
        for path in self._listed():
            try:
                raw = path.read_bytes()
            except OSError:
                raw = b"\0"
            digest.update(f"{path}\n{len(raw)}\n".encode() + raw)
        return digest.hexdigest()
