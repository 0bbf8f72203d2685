"""This machine: the data directory, its disk, the library that keeps the ledger, and the calendar of the rules."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from agent.cli.setup.looks.finding import Finding
from agent.config.document import made_for_us, readable_to_us
from agent.errors import ConfigError, RewardsError
from agent.service.health.lives import unstopped

if TYPE_CHECKING:
    from agent.config.rulefile import RuleFile
    from agent.config.settings import Settings

FREE_BYTES_MIN = 200_000_000
"""Below this the agent may stop at any moment."""
FREE_BYTES_GOOD = 2_000_000_000
SQLITE_WITH_WAL_FIX = (3, 51, 3)
"""The first release in which two programs that checkpoint one file cannot hurt it."""
SQLITE_MIN = (3, 37, 0)
LIVES_S = 86_400
LIVES_MANY = 3
"""So many ends in a day that nobody asked for are told: one may be a power cut."""
_FOR_OTHERS = 0o077
_WRITTEN_BY_ALL = 0o002
_WRITTEN_BY_GROUP = 0o020
_OUR_GROUPS = frozenset({0})
"""root's group is nobody else."""


def data_directory(directory: Path) -> Iterator[Finding]:
    """Whether the ledger has a place of its own, and room in it."""
    if not directory.is_dir():
        if directory.exists():
            error = ConfigError(f"{directory} is not a directory", hint="correct [agent] data_dir")
            yield Finding.of("data directory", error, "data-directory-unusable")
            return
        yield Finding(
            about="data directory",
            level="warn",
            code="data-directory-missing",
            found=f"{directory} is not there yet",
            do="where there was one, mount its disk or correct [agent] data_dir: another ledger is another history;"
            f" else the first run makes it, and if the agent's user may not, root runs: {made_for_us(directory)}",
        )
        return
    yield _access(directory)
    yield _room(directory)


def closed(directory: Path) -> bool:
    """Whether nothing in it can be looked at: it is another user's."""
    return directory.is_dir() and not os.access(directory, os.R_OK | os.X_OK, effective_ids=True)


def _access(directory: Path) -> Finding:
    told = directory.stat()
    mode = told.st_mode & 0o777
    if not os.access(directory, os.W_OK | os.X_OK, effective_ids=True):
        if os.geteuid() in {0, told.st_uid} and mode & stat.S_IWUSR:
            found = f"the file system of {directory} is read-only"
            do = (
                "see why (dmesg), check it (fsck) and mount it again; nothing is lost, the agent goes on where it stood"
            )
            return Finding(about="data directory", level="fail", code="disk-read-only", found=found, do=do)
        found = f"{directory} cannot be written by this user"
        do = readable_to_us(directory, whole=True)
        return Finding(
            about="data directory", level="fail", code="data-directory-unusable", found=found, do=do, exit_code=2
        )
    if mode & _FOR_OTHERS:
        found = f"other users of this machine may read {directory} (mode {mode:04o}): it says who earned what"
        return Finding(
            about="data directory", level="warn", code="data-directory-open", found=found, do=f"chmod 700 {directory}"
        )
    return Finding(about="data directory", level="ok", found=f"{directory} is ours alone")


def _room(directory: Path) -> Finding:
    free = shutil.disk_usage(directory).free
    found = f"{free / 1_000_000_000:.1f} GB free" if free > 10**9 else f"{free // 1_000_000} MB free"
    if free < FREE_BYTES_MIN:
        do = "free some space: on a full disk the agent stops (nothing is lost) and goes on when there is room"
        return Finding(about="disk", level="fail", code="disk-full", found=found, do=do)
    if free < FREE_BYTES_GOOD:
        return Finding(
            about="disk", level="warn", code="disk-filling", found=found, do="free some space before it runs out"
        )
    return Finding(about="disk", level="ok", found=found)


def files(settings: Settings) -> Iterator[Finding]:
    """Whether somebody else may write what says who is paid for what."""
    written = [settings.path] if settings.path.exists() else []
    with contextlib.suppress(RewardsError):  # told where they are read
        written += settings.rule_files() if written else ()
    for path in dict.fromkeys([*written, *(path.absolute().parent for path in written)]):
        try:
            found_there = path.stat()
        except OSError:
            continue  # told where it is read
        mode = found_there.st_mode
        if mode & _WRITTEN_BY_ALL or (mode & _WRITTEN_BY_GROUP and found_there.st_gid not in _OUR_GROUPS):
            found = (
                f"other users of this machine may write {path} (mode {mode & 0o7777:04o}): they could pay themselves"
            )
            yield Finding(about="files", level="warn", code="files-open", found=found, do=f"chmod go-w {path}")


def lives(directory: Path, now: int) -> Iterator[Finding]:
    """Whether the service is ended again and again without being told to stop."""
    found = unstopped(directory, now - LIVES_S)
    if found.times < LIVES_MANY:
        return
    last = f"{datetime.fromtimestamp(found.last_at, UTC):%Y-%m-%dT%H:%M:%SZ}"
    yield Finding(
        about="service",
        level="warn",
        code="killed-often",
        found=f"{found.times} times within a day it was killed or failed and was started again, last at {last}",
        do=(
            "see why: journalctl -u rewards-agent -g 'oom|watchdog|signal'; for oom-kill give it more memory: systemctl"
            " edit rewards-agent, [Service] MemoryMax=1G; nothing is lost"
        ),
    )


def library(version: tuple[int, int, int] = sqlite3.sqlite_version_info) -> Finding:
    """The version of SQLite."""
    told = ".".join(map(str, version))
    if version < SQLITE_MIN:
        do = "install a newer libsqlite3 (Debian 12 has one), or a Python that brings its own"
        found = f"{told} is too old: tables that check their types came with {'.'.join(map(str, SQLITE_MIN))}"
        return Finding(about="SQLite", level="fail", code="sqlite-old", found=found, do=do, exit_code=2)
    fine = version >= SQLITE_WITH_WAL_FIX
    remark = "" if fine else "; safe as long as the agent alone writes its ledger: let no other program open it"
    return Finding(about="SQLite", level="ok", found=f"{told}{remark}")


def calendar(rules: RuleFile, now: int) -> Finding:
    """In which zone days are counted, and what the clocks say there and here."""
    there = datetime.fromtimestamp(now, rules.timezone)
    utc = datetime.fromtimestamp(now, UTC)
    begins = f"{rules.day_starts_at // 3600:02}:{rules.day_starts_at % 3600 // 60:02}"
    return Finding(
        about="calendar",
        level="ok",
        found=f"days are counted in {rules.timezone.key} and begin at {begins}; there it is {there:%Y-%m-%d %H:%M} now"
        f" (this machine: {utc:%Y-%m-%d %H:%M} UTC)",
    )
