"""A copy of the ledger and of the inbox, taken while the agent works, read again before it counts, and rotated."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from agent.errors import IntegrityError, TransientError
from agent.ledger import file
from agent.ledger.backup.last import Last, remember, remembered
from agent.ledger.privacy import statements
from agent.ledger.verify import verify
from machine import copies as kept

FOLDER = "backups"
"""Where copies go inside the data directory when no other place is named."""
BESIDE = ("inbox.db", "text.key")
"""Files beside the ledger that belong into a copy where they are there."""
MANIFEST = "backup.json"
LOCK_NAME = "backup.lock"
PLACES = "backups.places"
"""Where copies were made, a path in each line: whoever is erased must go from all of them."""
_PREFIX = "rewards-"

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a copy says of itself: when it was made (seconds UTC), whose it is, how far it goes, its files' SHA-256."""

    made_at: int
    schema: int
    campus: str
    environment: str
    entries: int
    head: str
    files: dict[str, str]


def take(
    data_dir: Path, to: Path, *, keep: int, now: int, progress: Progress = lambda _: None
) -> tuple[Path, Manifest]:
    """Copy, read the copy again, and only then let it count; older ones beyond ``keep`` go.

    Raises:
        ConfigError: ``to`` cannot be written.
        TransientError: there is no ledger yet, or the disk is full.
        IntegrityError: the copy does not hold; nothing of it stays, and the older ones do.
    """
    with alone(data_dir), file.reading(data_dir) as connection, _told(to):
        to.mkdir(parents=True, exist_ok=True, mode=0o700)
        with kept.partial(to / kept.name(_PREFIX, now)) as partial:
            _copied(connection, partial / file.FILE_NAME)
            for beside in BESIDE:
                _beside(data_dir / beside, partial / beside)
            manifest = _proven(partial, now, progress)
            write_manifest(partial / MANIFEST, manifest)
            kept.on_disk(partial)
            place = kept.free(to / kept.name(_PREFIX, now))
            _place_kept(data_dir, to)
            partial.rename(place)
            kept.on_disk(to)
        remember(data_dir, Last(made_at=now, place=str(place.absolute()), entries=manifest.entries))
        mine = (manifest.campus, manifest.environment)
        kept.rotate([copy for copy in copies(to) if not is_of_others(copy, mine)], keep, place)
    return place, manifest


def is_of_others(copy: Path, mine: tuple[str, str]) -> bool:
    """Whether a copy says that it is of another (campus, environment): several may put theirs into one directory."""
    with contextlib.suppress(IntegrityError):
        manifest = read_manifest(copy)
        return (manifest.campus, manifest.environment) != mine
    return False


def whose(connection: sqlite3.Connection) -> tuple[str, str]:
    """The (campus, environment) of a ledger; empty where none is named."""
    told = dict(connection.execute("SELECT key, value FROM setting WHERE key IN ('campus', 'environment')"))
    return told.get("campus", ""), told.get("environment", "")


@contextlib.contextmanager
def alone(data_dir: Path) -> Iterator[None]:
    """Take or change copies while nobody else does: a copy that is under way would bring back who is being erased.

    Raises:
        TransientError: somebody else does.
        ConfigError: the directory cannot be written.
    """
    try:
        handle = os.open(data_dir / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise file.directory_error(data_dir, error) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise TransientError("a backup or an erasure is under way", hint="wait until it has ended") from None
    finally:
        os.close(handle)


def places(data_dir: Path) -> list[Path]:
    """Every directory that copies were made in, as far as it was remembered; that of the data directory first."""
    with contextlib.suppress(OSError):
        listed = (data_dir / PLACES).read_text(encoding="utf-8").splitlines()
        return list(dict.fromkeys([data_dir / FOLDER, *(Path(line) for line in listed if line)]))
    return [data_dir / FOLDER]


def newest(data_dir: Path) -> Last | None:
    """The last backup that counted: the remembered one, else the newest that lies where copies were made.

    An older release remembered nothing; None where no backup is known.
    """
    if (last := remembered(data_dir)) is not None:
        return last
    with contextlib.suppress(OSError, IntegrityError):
        lying = [(found[0], read_manifest(found[0])) for place in places(data_dir) if (found := copies(place))]
        known = [Last(made_at=one.made_at, place=str(copy), entries=one.entries) for copy, one in lying]
        return max(known, key=lambda one: one.made_at, default=None)
    return None


def _place_kept(data_dir: Path, to: Path) -> None:
    place = to.absolute()
    if place not in places(data_dir) and place != (data_dir / FOLDER).absolute():
        path = data_dir / PLACES
        with path.open("a", encoding="utf-8") as opened:
            opened.write(f"{place}\n")
        path.chmod(0o600)


def copies(of: Path) -> list[Path]:
    """The copies in a directory, the newest first."""
    return kept.newest_first(of, _PREFIX, MANIFEST)


def read_manifest(copy: Path) -> Manifest:
    """What a copy says of itself.

    Raises:
        IntegrityError: it is no copy, or was damaged.
    """
    try:
        return kept.described(copy / MANIFEST, Manifest)
    except (OSError, ValueError, TypeError) as error:
        newest = next(iter(copies(copy)), None)
        raise IntegrityError(
            f"{copy} is no backup of a ledger: {MANIFEST} cannot be read",
            hint="name the directory of one backup" + (f", such as its newest: {newest}" if newest else ""),
        ) from error


def require_whole(copy: Path, manifest: Manifest) -> None:
    """See that a copy's files are those it was made of.

    Raises:
        IntegrityError: one is missing or was changed.
    """
    if (changed := kept.changed(copy, {file.FILE_NAME: "", **manifest.files})) is not None:
        raise IntegrityError(
            f"{changed} is missing or is not the file that was backed up", hint="take another backup, an older one"
        )


def require_head(fresh: Path, manifest: Manifest) -> None:
    """See that the ledger of a copy is what the copy says; of one of an older schema no more than which it is.

    Raises:
        IntegrityError: it is not.
    """
    with contextlib.closing(sqlite3.connect(file.read_only(fresh / file.FILE_NAME), uri=True)) as connection:
        (schema,) = connection.execute("PRAGMA user_version").fetchone()
    if schema == manifest.schema < file.SCHEMA:
        return  # the first run brings it up to date, and keeps a copy of what it was
    with file.reading(fresh) as connection:
        report = verify(connection)
    told = (manifest.schema, manifest.entries, manifest.head)
    if report.findings or (schema, report.entries, report.head) != told:
        raise IntegrityError("the backup does not hold when it is read again", hint="take an older one")


def before_upgrade(path: Path, had: int) -> Path | None:
    """Copy a ledger of an older schema before it is brought up to date; None where nothing is to be kept.

    Raises:
        RewardsError: the copy cannot be made or does not hold: then nothing is upgraded.
    """
    if not 0 < had < file.SCHEMA:
        return None
    to = path.parent / FOLDER
    copy = to / f"ledger-schema-{had}.db"
    with _told(to):
        to.mkdir(exist_ok=True, mode=0o700)
        partial = copy.with_suffix(".partial")
        partial.unlink(missing_ok=True)
        with contextlib.closing(sqlite3.connect(file.read_only(path), uri=True)) as connection:
            _copied(connection, partial)
        partial.replace(copy)
    return copy


def _copied(connection: sqlite3.Connection, path: Path) -> None:
    """A whole copy in one read transaction, with nothing left in a write-ahead log; it is on disk when this returns."""
    with contextlib.closing(sqlite3.connect(path)) as target:
        path.chmod(0o600)
        connection.backup(target)
        target.execute("PRAGMA journal_mode = DELETE")
        statements.made_anew_if_due(target)
        (found,) = target.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise IntegrityError(f"a copy of {path.name} is damaged: {found}", hint="run: rewards-agent ledger verify")
    kept.on_disk(path)


def _beside(path: Path, to: Path) -> None:
    if not path.exists():
        return
    if path.suffix == ".db":
        with contextlib.closing(sqlite3.connect(file.read_only(path), uri=True)) as connection:
            _copied(connection, to)
    else:
        shutil.copyfile(path, to)
        to.chmod(0o600)
        kept.on_disk(to)


def _proven(copy: Path, now: int, progress: Progress) -> Manifest:
    """The copy, read as `ledger verify` reads the ledger."""
    with file.reading(copy) as connection:
        report = verify(connection, progress)
        campus, environment = whose(connection)
        schema = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if report.findings:
        raise IntegrityError(
            f"the ledger does not hold, so its backup does not count: {report.findings[0].what}",
            hint="run: rewards-agent ledger verify",
        )
    for left in copy.glob("*.db-*"):
        left.unlink()
    return Manifest(
        made_at=now,
        schema=schema,
        campus=campus,
        environment=environment,
        entries=report.entries,
        head=report.head,
        files={path.name: kept.digest(path) for path in sorted(copy.iterdir())},
    )


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Let a copy say what it is."""
    path.write_text(json.dumps(asdict(manifest), indent=2) + "\n", encoding="utf-8")
    path.chmod(0o600)
    kept.on_disk(path)


@contextlib.contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise file.database_error(folder, error) from error
    except OSError as error:
        raise file.directory_error(folder, error, "with --to") from error
