"""One copy of the whole catalogue: a directory with the database in one file, and what it says of itself."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import schema
from catalogue.backup import embedded, moving, postgres
from catalogue.backup.holding import Hold
from catalogue.errors import ConfigError, IntegrityError
from catalogue.store import Store
from catalogue.verify import Report, verify
from machine import copies

FOLDER = "backups"
"""Where copies go inside the data directory when no other place is named."""
PREFIX = "catalogue-"
MANIFEST = "backup.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """When a copy was made (seconds UTC), of what schema and kind of database, what is in it, its files' SHA-256.

    ``key`` is the public key (hex) that signed receipts then.
    """

    made_at: int
    database: str
    schema: str
    key: str
    campuses: int
    agents: int
    batches: int
    entries: int
    wallets: int
    files: dict[str, str]

    def write(self, copy: Path) -> None:
        """Let a copy say what it is; it is on disk when this returns."""
        path = copy / MANIFEST
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
        path.chmod(0o600)
        copies.on_disk(path)

    @classmethod
    def read(cls, copy: Path) -> Manifest:
        """What a copy says of itself.

        Raises:
            IntegrityError: it is no copy, or was damaged.
        """
        try:
            return copies.described(copy / MANIFEST, cls)
        except (OSError, ValueError, TypeError) as exc:
            newest = next(iter(copies.newest_first(copy, PREFIX, MANIFEST)), None)
            raise IntegrityError(
                f"{copy} is no backup of a catalogue: {MANIFEST} cannot be read",
                hint="name the directory of one backup" + (f", such as its newest: {newest}" if newest else ""),
            ) from exc

    def require_whole(self, copy: Path, file: str) -> None:
        """See that a copy's files are those it was made of, its database ``file`` among them.

        Raises:
            IntegrityError: one is missing or was changed.
        """
        if (changed := copies.changed(copy, {file: "", **self.files})) is not None:
            raise IntegrityError(
                f"{changed} is missing or is not the file that was backed up", hint="take another backup, an older one"
            )

    def require_same(self, report: Report) -> None:
        """See that books are those that were copied.

        Raises:
            IntegrityError: they do not agree with themselves, or hold something else.
        """
        if report.faults:
            raise IntegrityError(f"the backup does not hold: {report.faults[0]}", hint="take an older one")
        told = {"agents": report.agents, "batches": report.batches}
        told |= {"entries": report.entries, "wallets": report.wallets}
        other = [f"{count} {name} instead of {getattr(self, name)}" for name, count in told.items()]
        if any(getattr(self, name) != count for name, count in told.items()):
            raise IntegrityError(f"what was put back has {', '.join(other)}", hint="take another backup")


class Loading(Protocol):
    """How a copy of one kind of database is put into one."""

    file: str
    """The name of the database in a copy."""

    async def load(self, copy: Path, url: URL, aside: Path, hold: Hold) -> Path | None:
        """Put it in place if it does ``hold``; where the files went that were there (None: there were none)."""
        ...


class Kind(Loading, Protocol):
    """How one kind of database is copied, and a copy put back."""

    async def dump(self, conn: AsyncConnection, url: URL, to: Path) -> None:
        """Write the moment that ``conn`` sees, or a later one, into ``to``."""
        ...


def kind_of(url: URL) -> Kind:
    """What copies this database."""
    return embedded.Embedded() if url.get_backend_name() == "sqlite" else postgres.Dump()


def loading_of(manifest: Manifest, url: URL) -> Loading:
    """What puts this copy into this database."""
    return kind_of(url) if manifest.database == url.get_backend_name() else moving.Move()


async def proven(url: URL, public: bytes, *, now: int) -> Report:
    """A database's books, worked out again."""
    store = await Store.open(url)
    try:
        async with store.reading() as conn:
            return await verify(conn, public, now=now)
    finally:
        await store.close()


def require_known(manifest: Manifest, copy: Path, url: URL) -> None:
    """See that a copy can be put into this database by this program.

    Raises:
        ConfigError: it is of PostgreSQL and the database is not, or it is of a newer program.
    """
    if manifest.database != url.get_backend_name() and manifest.database != "sqlite":
        raise ConfigError(
            f"{copy} is of {manifest.database}, and [database] url names {url.get_backend_name()}",
            hint="put it back into a database of its kind; only books of SQLite go into PostgreSQL",
        )
    if manifest.schema > schema.REVISION:
        raise ConfigError(
            f"{copy} has schema {manifest.schema}, this program knows {schema.REVISION}",
            hint="it was made by a newer rewards-catalogue: install that version first",
        )
