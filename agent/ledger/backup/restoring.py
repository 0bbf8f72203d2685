"""Putting a copy back: nothing is overwritten, and what the copy cannot know is told."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.errors import ConfigError, RewardsError
from agent.ledger import delivery, file
from agent.ledger.backup.taking import Manifest, read_manifest, require_head, require_whole
from agent.ledger.centre import allowances, called
from machine import copies

_EPOCH = "SELECT value FROM setting WHERE key = ?"
_ACKED = "SELECT coalesce(max(acked_seq), 0) FROM reader WHERE name = 'catalogue'"
_LOST = (
    "what people did by hand after the backup (adjust, reverse, approve, reject, opt-out) is lost: do it again",
    "posts of systems that arrived after the backup are lost; rows of Moodle's log are read again",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was put back, where the files went that were there (None: there were none), and what to know."""

    manifest: Manifest
    set_aside: Path | None
    remarks: tuple[str, ...]


def restore(
    data_dir: Path,
    copy: Path,
    *,
    campus: str,
    environment: str,
    now: int,
    before: Callable[[Path], object] = lambda _: None,
    warning: str = "",
) -> Restored:
    """Put a copy in place of the ledger; the agent must not run. ``before`` is done to what is about to be put there.

    ``warning`` is what else is to be known (see `outrun`).

    Raises:
        BusyError: an agent runs on the directory.
        ConfigError: the copy is of another campus or environment.
        IntegrityError: the copy is damaged, incomplete, or of a newer program; nothing was changed.
    """
    manifest = read_manifest(copy)
    file.check_schema(copy / file.FILE_NAME, manifest.schema)
    for what, mine, theirs in (("campus", campus, manifest.campus), ("environment", environment, manifest.environment)):
        if mine != theirs:
            raise ConfigError(
                f"{copy} is a backup of {what} {theirs!r}, not of {mine!r}",
                hint="take one of this campus, or correct [agent] in config.toml",
            )
    require_whole(copy, manifest)
    file.prepare_directory(data_dir)
    with file.Lock(data_dir):
        fresh = data_dir / ".restoring"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        try:
            for name in manifest.files:
                shutil.copyfile(copy / name, fresh / name)
                (fresh / name).chmod(0o600)
            require_head(fresh, manifest)
            kept = in_doubt(fresh)
            before(fresh)
            for name in manifest.files:
                copies.on_disk(fresh / name)
            aside = set_aside(data_dir, now)
            # The ledger last: until it is there no agent starts, and this can be typed again.
            for name in sorted(manifest.files, key=lambda name: name == file.FILE_NAME):
                (fresh / name).rename(data_dir / name)
            copies.on_disk(data_dir)
        except sqlite3.Error as error:
            raise file.database_error(data_dir, error) from error
        except OSError as error:
            raise file.directory_error(data_dir, error) from error
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    told = (*_LOST, *([warning] if warning else []), *kept)
    return Restored(manifest=manifest, set_aside=aside, remarks=told)


def in_doubt(fresh: Path) -> tuple[str, ...]:
    """Vouchers that the copy keeps may have been given out since it was made: they count as spent.

    Names that the catalogue was told since are taken back, and told anew.
    """
    with contextlib.closing(sqlite3.connect(fresh / file.FILE_NAME)) as connection:
        called.put_back(connection)
        connection.commit()
        if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'allowance'").fetchone():
            return ()
        count = allowances.doubt(connection)
        connection.commit()
    if not count:
        return ()
    return (f"{count} vouchers that were kept for learners may have been given out since: they count as spent",)


EVERYTHING = ("ledger.db*", "inbox.db*", "text.key")


def set_aside(data_dir: Path, now: int, patterns: Sequence[str] = EVERYTHING) -> Path | None:
    """Move what is there into a directory of its own, which is named; nothing is deleted. The lock is the caller's."""
    there = [path for pattern in patterns for path in sorted(data_dir.glob(pattern))]
    if not there:
        return None
    aside = copies.free(data_dir / copies.name("set-aside-", now))
    aside.mkdir(mode=0o700)
    for path in there:
        path.rename(aside / path.name)
    return aside


def acknowledged(data_dir: Path, copy: Path) -> tuple[int, bool] | None:
    """Up to which entry the catalogue has what the ledger that is there delivered, and whether in a later history.

    None where that ledger cannot be read.
    """
    with contextlib.suppress(RewardsError, sqlite3.Error), file.reading(data_dir) as connection:
        (acked,) = connection.execute(_ACKED).fetchone()
        with contextlib.closing(sqlite3.connect(file.read_only(copy / file.FILE_NAME), uri=True)) as other:
            return int(acked), epoch_of(connection) > epoch_of(other)
    return None


def epoch_of(connection: sqlite3.Connection) -> int:
    """Which history of its agent a ledger is: one that came back from the catalogue is a later one."""
    row = connection.execute(_EPOCH, (delivery.EPOCH,)).fetchone()
    return int(row[0]) if row is not None else 1


def outrun(manifest: Manifest, acked: int, *, later: bool = False) -> str:
    """What to know where the catalogue has more than the copy, or a ``later`` history of this agent; else nothing."""
    if acked <= manifest.entries and not later:
        return ""
    what = f"entry {acked}" + (" of a later history" if later else "")
    return (
        f"the catalogue has acknowledged {what}, and this backup ends at {manifest.entries}: with it delivery stops, "
        "because two histories would differ; instead: rewards-agent restore --from-catalogue"
    )
