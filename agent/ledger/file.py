"""The ledger's file: where it lies, its lock, how it is opened, and its schema's upgrades."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Self

import aiosqlite

from agent.config.document import made_for_us, readable_to_us
from agent.errors import BusyError, ConfigError, ConstraintError, IntegrityError, RewardsError, TransientError
from machine import whole

FILE_NAME = "ledger.db"
LOCK_NAME = "agent.lock"
BEGAN_NAME = "ledger.began"
SCHEMA = 31
"""The newest migration this program knows; stored in `PRAGMA user_version`."""

BUSY_TIMEOUT_MS = 5_000
_STEPS_BETWEEN_LOOKS = 20_000
"""Of SQLite's machine, between two looks at the clock while pages are looked through."""
CACHE_KIB = 24_576
WAL_PAGES_MAX = 4_000
"""SQLite checkpoints after this many pages: enough to gather a page's random writes, few enough not to stall."""


class Lock:
    """The one lock of a data directory: whoever holds it is the only writer.

    Raises:
        BusyError: another agent holds it (its process id is named).
        TransientError: the disk is full.
        ConfigError: the directory cannot be written.
    """

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / LOCK_NAME
        self._fd = -1

    def acquire(self) -> Self:
        """Take the lock or say who has it."""
        try:
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            raise directory_error(self._path.parent, exc) from exc
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            holder = os.read(self._fd, 20).decode("ascii", "replace").strip()
            self.release()
            if exc.errno not in {errno.EAGAIN, errno.EACCES}:
                raise directory_error(self._path.parent, exc) from exc
            message = f"another agent is at work on {self._path.parent}" + (f" (process {holder})" if holder else "")
            raise BusyError(
                message, hint="stop it first, or give this one a data_dir of its own: [agent] data_dir"
            ) from None
        try:
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, str(os.getpid()).encode(), 0)
        except OSError as exc:
            self.release()
            raise directory_error(self._path.parent, exc) from exc
        return self

    def release(self) -> None:
        """Let go; may be called twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        """Acquire."""
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        """Release."""
        self.release()


def directory_error(directory: Path, exc: OSError, where: str = "under [agent] data_dir") -> RewardsError:
    """What an operating system's error about a directory of ours means to a person; ``where`` another can be named."""
    if exc.errno in {errno.ENOSPC, errno.EDQUOT}:
        return TransientError(
            f"the disk of {directory} is full",
            hint="free some space: nothing is lost, the agent goes on where it stood",
        )
    if exc.errno == errno.EROFS and ledger_path(directory).exists():
        # It could be written once: the machine is in trouble, not the configuration.
        return TransientError(
            f"the file system of {directory} has become read-only",
            hint="see why (dmesg), check it (fsck), mount it again: nothing is lost, the agent goes on where it stood",
            fault="disk-read-only",
        )
    if exc.errno == errno.ENOENT:
        return ConfigError(f"{directory} does not exist", hint=f"create it: {made_for_us(directory)}")
    if exc.errno in {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST}:
        cure = whole.unwritten(exc, "make it a directory that the agent's user owns")
        return ConfigError(f"{directory} cannot be written: {exc.strerror}", hint=f"{cure}, or name another {where}")
    return TransientError(f"{directory} cannot be used: {exc.strerror}", hint="see the system's log for the disk")


def database_error(path: Path, exc: sqlite3.Error) -> RewardsError:
    """What SQLite's error about the ledger file means to a person."""
    text = str(exc)
    code = getattr(exc, "sqlite_errorname", "") or ""
    if code == "SQLITE_FULL":
        return TransientError(
            f"the disk of {path} is full",
            hint="free some space: nothing is lost, the agent goes on where it stood",
        )
    if code.startswith(("SQLITE_IOERR", "SQLITE_NOMEM")):
        return TransientError(
            f"{path} cannot be used: {text}",
            hint="see the system's log for its disk and memory: nothing is lost, the agent goes on where it stood",
        )
    if code.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")):
        return _refused_by_the_disk(path.parent) or ConfigError(
            f"{path} cannot be written: {text}",
            hint=readable_to_us(path.parent, whole=True),
        )
    if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return TransientError(
            f"{path} is locked by another program",
            hint="only the agent may write it; see who has it open: lsof " + str(path),
            fault="ledger-locked",
        )
    if code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return IntegrityError(
            f"{path} is damaged: {text}",
            hint="stop the agent and put the newest good copy of the data directory in its place",
            fault="ledger-damaged",
        )
    refused = code.startswith(("SQLITE_CONSTRAINT", "SQLITE_TOOBIG", "SQLITE_MISMATCH"))
    error = ConstraintError if refused else IntegrityError
    return error(f"{path}: {text}", hint="run: rewards-agent ledger verify")


def _refused_by_the_disk(directory: Path) -> TransientError | None:
    """The trouble of a file system that is full or read-only, where SQLite only says that it may not write."""
    try:
        tempfile.TemporaryFile(dir=directory).close()
    except OSError as exc:
        error = directory_error(directory, exc)
        return error if isinstance(error, TransientError) else None
    return None


def prepare_directory(data_dir: Path) -> None:
    """Make the data directory (0700) if it is not there and see that it can be written.

    Raises:
        ConfigError: it cannot be made or written.
        TransientError: the disk is full, or has become read-only.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        tempfile.TemporaryFile(dir=data_dir).close()
    except OSError as exc:
        raise directory_error(data_dir, exc) from exc


def require_ledger(data_dir: Path) -> None:
    """See that a directory that had a ledger still has it: a new one would be another history under the same name.

    Raises:
        ConfigError: it is gone, or an empty file.
    """
    path = ledger_path(data_dir)
    gone = not path.exists()
    if (data_dir / BEGAN_NAME).exists() and (gone or not path.stat().st_size):
        raise ConfigError(
            f"there was a ledger in {data_dir}, and it is {'gone' if gone else 'empty'}",
            hint="put a backup back: rewards-agent restore BACKUP; only to begin anew on purpose, remove "
            f"{data_dir / BEGAN_NAME}",
            fault="ledger-gone",
        )


def mark_begun(data_dir: Path) -> None:
    """Remember that this directory has a ledger."""
    (data_dir / BEGAN_NAME).touch(mode=0o600)


def ledger_path(data_dir: Path) -> Path:
    """Where the ledger of a data directory lies."""
    return data_dir / FILE_NAME


WRITER_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA recursive_triggers = ON",  # else INSERT OR REPLACE slips past the triggers that guard entries
    "PRAGMA secure_delete = ON",
    "PRAGMA temp_store = MEMORY",
    f"PRAGMA cache_size = -{CACHE_KIB}",
    f"PRAGMA wal_autocheckpoint = {WAL_PAGES_MAX}",
    f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}",
)


def read_only(path: Path) -> str:
    """The URI under which SQLite opens a database file and never writes it, whatever characters the path has."""
    return f"{path.resolve().as_uri()}?mode=ro"


def connect_for_reading(data_dir: Path) -> aiosqlite.Connection:
    """A connection to look at the ledger while it is written elsewhere: to be awaited, or entered by ``async with``."""
    return aiosqlite.connect(read_only(ledger_path(data_dir)), uri=True, isolation_level=None)


class KeptOpen:
    """A connection to look at the ledger, made when it is first asked for and kept until `close`.

    Whoever asks at the same moment is given the same one.
    """

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._opening = asyncio.Lock()
        self._connection: aiosqlite.Connection | None = None

    async def connection(self) -> aiosqlite.Connection:
        """The connection; it is never to be closed by who asks."""
        async with self._opening:
            if self._connection is None:
                self._connection = await connect_for_reading(self._data_dir)
            return self._connection

    async def close(self) -> None:
        """Let go of it; may be called twice."""
        async with self._opening:
            connection, self._connection = self._connection, None
            if connection is not None:
                await connection.close()


def open_for_reading(data_dir: Path) -> sqlite3.Connection:
    """A read-only connection for one command; sees a consistent picture inside each transaction.

    Raises:
        TransientError: there is no ledger of this program's schema yet: the agent makes it, when it runs.
        ConfigError: it cannot be read.
        IntegrityError: its schema is newer than this program.
    """
    path = ledger_path(data_dir)
    if not path.exists():
        raise TransientError(f"there is no ledger in {data_dir} yet", hint=_START_ONCE)
    try:
        connection = sqlite3.connect(read_only(path), uri=True, timeout=BUSY_TIMEOUT_MS / 1000)
    except sqlite3.Error as exc:
        raise database_error(path, exc) from exc
    try:
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA temp_store = MEMORY")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        check_schema(path, version)
        if version < SCHEMA:
            raise TransientError(
                f"{path} is not up to date (schema {version} of {SCHEMA})", hint=_START_ONCE, fault="ledger-older"
            )
    except sqlite3.Error as exc:
        connection.close()
        raise database_error(path, exc) from exc
    except RewardsError:
        connection.close()
        raise
    return connection


@contextlib.contextmanager
def reading(data_dir: Path) -> Iterator[sqlite3.Connection]:
    """`open_for_reading` for the length of a ``with``; closed after it, and SQLite's errors in it told as ours.

    Raises:
        RewardsError: as `open_for_reading`, or what `database_error` makes of what went wrong while reading.
    """
    with contextlib.closing(open_for_reading(data_dir)) as connection:
        try:
            yield connection
        except sqlite3.Error as exc:
            raise database_error(ledger_path(data_dir), exc) from exc


_START_ONCE = "start the agent once: rewards-agent run"


def check_schema(path: Path, version: int) -> None:
    """Refuse a ledger that a newer program wrote.

    Raises:
        IntegrityError: the file's schema is newer.
    """
    if version > SCHEMA:
        raise IntegrityError(
            f"{path} has schema {version}, this program knows {SCHEMA}",
            hint="it was written by a newer rewards-agent: install that version again",
            fault="ledger-newer",
        )


def migrations() -> dict[int, str]:
    """Every migration by its number: `0001_initial.sql` is 1."""
    folder = resources.files("agent.ledger") / "migrations"
    return {
        int(item.name[:4]): item.read_text(encoding="utf-8") for item in folder.iterdir() if item.name.endswith(".sql")
    }


def migrate(connection: sqlite3.Connection, path: Path) -> int:
    """Bring an open file to the newest schema, all missing steps in one transaction; returns the schema it had.

    Raises:
        IntegrityError: the file is newer than this program, or a step failed (the file is then as it was).
    """
    had = int(connection.execute("PRAGMA user_version").fetchone()[0])
    check_schema(path, had)
    if had == SCHEMA:
        return had
    steps = [sql for number, sql in sorted(migrations().items()) if number > had]
    script = "BEGIN IMMEDIATE;\n" + "\n".join(steps) + f"\nPRAGMA user_version = {SCHEMA};\nCOMMIT;"
    try:
        connection.executescript(script)
    except sqlite3.Error as exc:
        if connection.in_transaction:
            connection.rollback()
        raise database_error(path, exc) from exc
    return had


def looked_through(connection: sqlite3.Connection, *, within_s: float) -> tuple[str, bool]:
    """(the first damage, empty where none was seen; whether all was looked at) after ``within_s`` seconds at most."""
    until = time.monotonic() + within_s
    connection.set_progress_handler(lambda: time.monotonic() >= until, _STEPS_BETWEEN_LOOKS)
    try:
        ((said,),) = connection.execute("PRAGMA quick_check(1)").fetchall()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        return "", False
    finally:
        connection.set_progress_handler(None, 0)
    return ("", True) if said == "ok" else (" ".join(str(said).split()), True)
