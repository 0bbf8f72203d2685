"""The catalogue's own key: read again when its file changes, followed by the next in a chain that agents walk."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue.errors import ConfigError
from catalogue.schema import catalogue_key
from machine import whole
from wire import keys
from wire.keys import Key, KeyFileError, Link, fingerprint

NEXT = ".next"
"""What the file of the next key is called until it takes over."""


class KeyFile:
    """The key in a file, as it is now: whoever rotates it need not stop the workers."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._key = self()

    def __call__(self) -> Key:
        """The key that signs.

        Raises:
            ConfigError: at the start, where it is missing or others may read it; later the one that was read stays.
        """
        try:
            found = self._path.stat()
            seen = (found.st_ino, found.st_mtime_ns, found.st_size)
            if seen != self._seen:
                self._key, self._seen = keys.load(self._path), seen
        except (OSError, KeyFileError) as exc:
            if self._seen is None:
                hint = exc.hint if isinstance(exc, KeyFileError) else "run: rewards-catalogue init"
                raise ConfigError(str(exc), hint=hint) from None
        return self._key


async def links(conn: AsyncConnection) -> tuple[Link, ...]:
    """The chain of keys, the oldest link first."""
    rows = await conn.execute(select(catalogue_key).order_by(catalogue_key.c.no))
    return tuple(
        Link(
            old=bytes(row.old),
            new=bytes(row.new),
            by_old=bytes(row.by_old),
            by_new=bytes(row.by_new),
            made_at=row.made_at,
        )
        for row in rows
    )


async def known(conn: AsyncConnection, public: bytes) -> dict[str, bytes]:
    """Every key that ever signed for this catalogue, by fingerprint; ``public`` is the one that signs now."""
    publics = {public} | {key for link in await links(conn) for key in (link.old, link.new)}
    return {fingerprint(key): key for key in publics}


def prepare(path: Path) -> tuple[Key, Key]:
    """(the key that signs now, the one to follow it): made if it is not there from a rotation that broke off.

    Raises:
        ConfigError: a key file cannot be used.
    """
    waiting = path.with_name(path.name + NEXT)
    try:
        return keys.load(path), keys.load(waiting) if waiting.exists() else keys.create(waiting)
    except KeyFileError as exc:
        raise ConfigError(str(exc), hint=whole.unwritten(exc.__context__, exc.hint)) from None


async def announce(conn: AsyncConnection, old: Key, new: Key, *, now: int) -> Link:
    """Write down that ``new`` follows ``old``; the same again changes nothing."""
    for link in await links(conn):
        if (link.old, link.new) == (old.public, new.public):
            return link
    link = Link.make(old, new, now=now)
    number = (await conn.scalar(select(func.coalesce(func.max(catalogue_key.c.no), 0))) or 0) + 1
    row = {"no": number, "old": link.old, "new": link.new, "by_old": link.by_old, "by_new": link.by_new}
    await conn.execute(insert(catalogue_key), row | {"made_at": now})
    return link


def take_over(path: Path) -> None:
    """Let the announced key sign from now on, in one step."""
    path.with_name(path.name + NEXT).replace(path)
    keys.sync_directory(path.parent)
