"""Every copy of the ledger and the inbox that lies on this machine, written again without somebody.

Each is put in place of the old one whole, and every step can be repeated: whatever a kill leaves is tidied up first.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from agent.collectors.inbox.personal import Traits, removed
from agent.collectors.pull import plan
from agent.errors import RewardsError
from agent.ledger import file
from agent.ledger.backup import taking
from agent.ledger.privacy import statements
from agent.ledger.privacy.holdings import marked_in
from agent.ledger.privacy.removing import planned
from agent.ledger.record import erased
from agent.ledger.record.erased import Account, Erased, Row
from machine import copies as kept

_NEW, _OLD = ".erased", ".before"
_LEFT_OVER = ("ledger-schema-*.partial", f".*{_NEW}")
"""What a killed upgrade, or a killed erasure, leaves: parts of copies, with people in them."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Wanted:
    """Who is to go: accounts, marks, and how posts name the person.

    ``rows`` are all marks of the ledger, which every copy keeps as well, like ``untold``: pseudonyms that the catalogue
    is still to forget, also where the copy is put back. ``sources`` give (kind, site) by name. Has no repr that could
    end in a log.
    """

    accounts: tuple[Account, ...]
    erased: Erased
    rows: tuple[Row, ...]
    traits: Traits
    sources: Mapping[str, tuple[str, str]]
    untold: tuple[str, ...] = ()

    @property
    def sites(self) -> list[tuple[str, str]]:
        """(source, its site)."""
        return [(name, site) for name, (_, site) in self.sources.items()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was looked at: copies ``rewritten``, those that were ``clean``, and what is ``left`` to people, with why."""

    rewritten: tuple[Path, ...] = ()
    clean: tuple[Path, ...] = ()
    left: tuple[str, ...] = ()


def all_of(data_dir: Path) -> list[Path]:
    """Every directory or file on this machine that is, or was, a copy of this ledger or its inbox."""
    with file.reading(data_dir) as connection:
        mine = taking.whose(connection)
    found: list[Path] = []
    for place in taking.places(data_dir):
        found += [copy for copy in taking.copies(place) if not taking.is_of_others(copy, mine)]
        found += sorted(place.glob("ledger-schema-*.db"))
    return found + sorted(data_dir.glob("set-aside-*"))


def cleaned(data_dir: Path, wanted: Wanted) -> Iterator[tuple[Path, str]]:
    """Go through all copies; each with what became of it: `rewritten`, `clean`, or why it is left to people.

    The caller holds `taking.alone`.
    """
    for place in taking.places(data_dir):
        if not place.is_dir() and place == data_dir / taking.FOLDER:
            continue  # nobody made a copy yet
        if not place.is_dir():
            yield place, "it is not there: if copies were moved elsewhere, remove them yourself"
            continue
        _tidied(place)
    shutil.rmtree(data_dir / ".restoring", ignore_errors=True)
    for copy in all_of(data_dir):
        try:
            yield copy, "rewritten" if _cleaned(copy, wanted) else "clean"
        except (RewardsError, sqlite3.Error, OSError) as error:
            yield copy, f"it cannot be rewritten, remove it yourself: {error}"
    for place in taking.places(data_dir):
        known = {*all_of(data_dir), *taking.copies(place), place / taking.LOCK_NAME}
        for other in sorted(place.iterdir()) if place.is_dir() else ():
            if other not in known:
                yield other, "it is nothing that this program made: look whether anybody is in it"


def _tidied(place: Path) -> None:
    """Finish or undo what a kill interrupted."""
    for old in place.glob(f".*{_OLD}"):
        name = old.name.removeprefix(".").removesuffix(_OLD)
        if not (place / name).exists():
            new = place / f".{name}{_NEW}"
            (new if (new / taking.MANIFEST).is_file() else old).rename(place / name)
        _gone(old)
    kept.sweep(place)
    for pattern in _LEFT_OVER:
        for left in place.glob(pattern):
            _gone(left)


def _gone(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _cleaned(copy: Path, wanted: Wanted) -> bool:
    if copy.is_file():
        return _replaced(copy, wanted)
    if (copy / taking.MANIFEST).is_file():
        return _backup(copy, wanted)
    changed = [_replaced(path, wanted) for path in sorted(copy.glob("*.db"))]
    return any(changed)


def _backup(copy: Path, wanted: Wanted) -> bool:
    """A backup as a whole: its files, and what it says of them."""
    manifest = taking.read_manifest(copy)
    taking.require_whole(copy, manifest)
    new, old = (copy.with_name(f".{copy.name}{end}") for end in (_NEW, _OLD))
    new.mkdir(mode=0o700)
    try:
        for name in manifest.files:
            shutil.copyfile(copy / name, new / name)
            (new / name).chmod(0o600)
        changed = [_without(new / name, wanted) for name in manifest.files if name.endswith(".db")]
        if not any(changed):
            return False
        taking.require_head(new, manifest)
        files = {name: kept.digest(new / name) for name in manifest.files}
        taking.write_manifest(new / taking.MANIFEST, replace(manifest, files=files))
        copy.rename(old)
        new.rename(copy)
        _gone(old)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return True


def _replaced(path: Path, wanted: Wanted) -> bool:
    """One file, also one with a write-ahead log beside it."""
    new = path.with_name(f".{path.name}{_NEW}")
    _gone(new)
    try:
        with (
            contextlib.closing(sqlite3.connect(path)) as connection,
            contextlib.closing(sqlite3.connect(new)) as target,
        ):
            new.chmod(0o600)
            connection.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")
        if not _without(new, wanted):
            return False
        kept.on_disk(new)
        new.replace(path)
        for beside in ("-wal", "-shm", "-journal"):
            path.with_name(path.name + beside).unlink(missing_ok=True)
    finally:
        _gone(new)
    return True


def _without(path: Path, wanted: Wanted) -> bool:
    """Take the person out of a file that nobody else has open, bytes and all; whether anything was there."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("BEGIN IMMEDIATE")
        changed = _taken_out(connection, wanted)
        connection.execute("COMMIT")
        if changed:
            statements.made_anew(connection)
    kept.on_disk(path)
    return changed


def _taken_out(connection: sqlite3.Connection, wanted: Wanted) -> bool:
    """The same for an open file of any schema, inside a transaction; a ledger gets the marks as well."""
    tables = statements.tables_of(connection)
    if "post" in tables:
        return any(removed(connection, wanted.traits, wanted.sources, anew=plan.anew))
    if "entry" not in tables:
        return False
    removal = planned(connection, wanted.accounts, wanted.erased, wanted.sites)
    statements.written(connection, removal.statements)
    told = erased.carry_untold(connection, {*wanted.untold, *removal.pseudonyms})
    return erased.carry(connection, wanted.erased.key, wanted.rows) or told or removal.changes


def kept_out(data_dir: Path, fresh: Path, sources: Mapping[str, tuple[str, str]], *, told: Sequence[Row] = ()) -> int:
    """Take whoever was erased out of a backup that is about to be put back; how many accounts were still in it.

    Who that is, the ledger in ``data_dir`` knows best; where there is none, the backup's own marks count, and those
    that the catalogue has ``told``.
    """
    path = fresh / file.FILE_NAME
    with contextlib.closing(sqlite3.connect(path)) as connection:
        marks, rows, untold = _marks_in(data_dir) or (erased.of_ledger(connection), erased.rows_of(connection), ())
        rows = tuple({row[0]: row for row in (*rows, *told)}.values())
        marks = Erased.of(marks.key, rows)
        accounts = marked_in(connection, marks)
    if not marks:
        return 0
    wanted = Wanted(
        accounts=accounts, erased=marks, rows=rows, traits=Traits.of(accounts), sources=sources, untold=untold
    )
    for each in sorted(fresh.glob("*.db")):
        _without(each, wanted)
    return len(accounts)


def _marks_in(data_dir: Path) -> tuple[Erased, tuple[Row, ...], tuple[str, ...]] | None:
    """The marks of a ledger of this schema, and whom the catalogue is still to forget.

    None where there is none, or it cannot be read, or has no marks.
    """
    with contextlib.suppress(RewardsError, sqlite3.Error), file.reading(data_dir) as connection:
        rows = erased.rows_of(connection)
        return (erased.of_ledger(connection), rows, erased.untold_of(connection)) if rows else None
    return None
