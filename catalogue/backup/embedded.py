"""SQLite: copied online in one read transaction, put back as a file while nobody has the old one open."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import schema
from catalogue.backup.holding import Hold, held
from catalogue.errors import ConfigError, IntegrityError, UnavailableError
from machine import copies, whole
from machine.whole import in_a_thread

MAKE_ROOM = "make room on its disk, then type the same again: what was there is as it was"
_IN_USE = ("SQLITE_BUSY", "SQLITE_LOCKED")


class Embedded:
    """Copies of the embedded database."""

    file = "catalogue.db"

    async def dump(self, conn: AsyncConnection, url: URL, to: Path) -> None:
        """Copy it while servers write.

        Raises:
            IntegrityError: the copy is damaged.
            UnavailableError: the disk is full.
        """
        del conn
        await in_a_thread(_copied, Path(url.database or ""), to)

    async def load(self, copy: Path, url: URL, aside: Path, hold: Hold) -> Path | None:
        """Let the file of a copy take the place of the one that is there, which is set aside.

        Raises:
            ConfigError: a server has it open.
            UnavailableError: the disk is full, or cannot be written.
        """
        path = Path(url.database or "")
        fresh = path.with_name(f".{path.name}.restoring")
        try:
            await in_a_thread(_require_alone, path)
            await in_a_thread(lay_beside, copy, fresh)
            await held(url.set(database=str(fresh)), hold)
            return await in_a_thread(_in_place, fresh, path, aside)
        finally:
            await in_a_thread(clear, fresh)


def finish(path: Path) -> None:
    """Leave nothing of a database beside its file; it is on disk when this returns."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    for left in path.parent.glob(f"{path.name}-*"):
        left.unlink()
    copies.on_disk(path)


def clear(fresh: Path) -> None:
    """Leave nothing of a database that was laid beside another."""
    for left in fresh.parent.glob(f"{fresh.name}*"):
        left.unlink()


def _copied(path: Path, to: Path) -> None:
    to.touch(mode=0o600)
    try:
        with contextlib.closing(sqlite3.connect(path)) as source, contextlib.closing(sqlite3.connect(to)) as target:
            source.backup(target)
            without_names(target)
            (found,) = target.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as exc:
        raise UnavailableError(f"{to} cannot be written: {exc}", hint="make room on its disk, then try again") from None
    if found != "ok":
        raise IntegrityError(f"a copy of {path} is damaged: {found}", hint="run: rewards-catalogue verify")


def without_names(connection: sqlite3.Connection) -> None:
    """Take the register of names out of a copy, bytes and all: who is erased later must be in none."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    connection.execute("PRAGMA secure_delete = ON")
    for table in schema.UNCOPIED:
        if table.name in tables:
            connection.execute(f"DELETE FROM {table.name}")  # noqa: S608 - our own names
    connection.commit()


def lay_beside(copy: Path, fresh: Path) -> None:
    """Copy the file of a copy, to be read and changed in its place.

    Raises:
        UnavailableError: the disk is full, or cannot be written.
    """
    with _told(fresh):
        fresh.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copyfile(copy, fresh)
        fresh.chmod(0o600)


def _in_place(fresh: Path, path: Path, aside: Path) -> Path | None:
    with _told(path):
        finish(fresh)
        _require_alone(path)
        there = _set_aside(path, aside)
        fresh.rename(path)
        copies.on_disk(path.parent)
    return there


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as exc:
        raise UnavailableError(f"{path} cannot be written: {exc}", hint=MAKE_ROOM) from None
    except OSError as exc:
        raise UnavailableError(
            f"{path} cannot be written: {exc.strerror}", hint=whole.unwritten(exc, "check its directory's owner")
        ) from None


def _set_aside(path: Path, aside: Path) -> Path | None:
    if not path.exists():
        return None
    aside.mkdir(mode=0o700, parents=True)
    for one in (path, *path.parent.glob(f"{path.name}-*")):
        one.rename(aside / one.name)
    try:
        with contextlib.closing(sqlite3.connect(aside / path.name)) as old:
            without_names(old)
    except sqlite3.OperationalError:
        for one in aside.iterdir():
            one.rename(path.parent / one.name)
        aside.rmdir()
        raise
    except sqlite3.DatabaseError:
        return aside  # what is damaged is set aside as it is
    return aside


def _require_alone(path: Path) -> None:
    """Only who is alone with a database that is there may end its write-ahead log."""
    if not path.exists():
        return
    with _told(path), contextlib.closing(sqlite3.connect(path, timeout=0)) as connection:
        try:
            alone = connection.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)
        except sqlite3.OperationalError as exc:
            if not exc.sqlite_errorname.startswith(_IN_USE):
                raise
            alone = False
        except sqlite3.DatabaseError:
            return  # damaged: what is left of it is set aside as it is
    if not alone:
        raise ConfigError(f"{path} is in use", hint="stop the service first: systemctl stop rewards-catalogue")
