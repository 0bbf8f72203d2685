"""A copy of the whole catalogue, taken while servers work, proven before it counts, and rotated."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import func, select

from catalogue import acts, schema
from catalogue.acts import Act
from catalogue.backup import embedded
from catalogue.backup.copies import MANIFEST, PREFIX, Manifest, kind_of, proven
from catalogue.config import Config
from catalogue.errors import IntegrityError, UnavailableError
from catalogue.store import Store
from catalogue.verify import Report, verify
from machine import copies, whole


async def take(config: Config, to: Path, *, public: bytes, keep: int, said: Act) -> tuple[Path, Manifest]:
    """Copy, prove the copy, and only then let it count; older ones beyond ``keep`` go.

    ``public`` is the catalogue's key; ``said`` is who asked, and is written down among the acts.

    Raises:
        ConfigError: ``to`` cannot be written, or a program that copies is missing.
        UnavailableError: the disk is full, the database does not answer, or another backup is under way.
        IntegrityError: the books do not hold; nothing of the copy stays, and the older ones do.
    """
    name = copies.name(PREFIX, said.at)
    with _alone(to), _told(to):
        store = await Store.open(config.database)
        try:
            with copies.partial(to / name) as partial:
                manifest = await _copied(store, config, partial, public, now=said.at)
                manifest.write(partial)
                copies.on_disk(partial)
                place = copies.free(to / name)
                partial.rename(place)
                copies.on_disk(to)
            async with store.writing() as conn:
                size = sum(path.stat().st_size for path in place.iterdir())
                await acts.note(conn, said, place=str(place.absolute()), entries=manifest.entries, bytes=size)
        finally:
            await store.close()
        copies.rotate(made(to), keep, place)
    return place, manifest


def made(folder: Path) -> list[Path]:
    """The copies in a directory, the newest first."""
    return copies.newest_first(folder, PREFIX, MANIFEST)


async def _copied(store: Store, config: Config, partial: Path, public: bytes, *, now: int) -> Manifest:
    kind = kind_of(config.database)
    file = partial / kind.file
    async with store.reading() as conn:
        await kind.dump(conn, config.database, file)
        campuses = await conn.scalar(select(func.count()).select_from(schema.tenant))
        if config.database.get_backend_name() == "sqlite":
            report = None  # the copy itself is proven, and nobody's reading is held up
        else:
            report = await verify(conn, public, now=now)
    if report is None:
        report = await proven(config.database.set(database=str(file)), public, now=now)
        embedded.finish(file)
    else:
        copies.on_disk(file)
    if report.faults:
        raise IntegrityError(
            f"the books do not agree, so their backup does not count: {report.faults[0]}",
            hint="run: rewards-catalogue verify",
        )
    return _described(config, report, file, public, campuses=campuses or 0, now=now)


def _described(config: Config, report: Report, file: Path, public: bytes, *, campuses: int, now: int) -> Manifest:
    return Manifest(
        made_at=now,
        database=config.database.get_backend_name(),
        schema=schema.REVISION,
        key=public.hex(),
        campuses=campuses,
        agents=report.agents,
        batches=report.batches,
        entries=report.entries,
        wallets=report.wallets,
        files={file.name: copies.digest(file)},
    )


@contextlib.contextmanager
def _alone(to: Path) -> Iterator[None]:
    """Copy into this directory while nobody else does."""
    with _told(to):
        to.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(to, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise UnavailableError(f"a backup into {to} is under way", hint="wait until it has ended") from None
    finally:
        os.close(handle)


@contextlib.contextmanager
def _told(to: Path) -> Iterator[None]:
    try:
        yield
    except BlockingIOError:
        raise
    except OSError as exc:
        raise UnavailableError(
            f"{to} cannot be written: {exc.strerror}", hint=whole.unwritten(exc, "check the directory's owner")
        ) from None
