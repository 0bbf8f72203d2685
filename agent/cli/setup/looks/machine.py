"""This machine: the data directory, its disk, the library that keeps the ledger, and the calendar of the rules."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from agent.cli.setup.looks.finding import Finding
from agent.errors import ConfigError

if TYPE_CHECKING:
    from agent.config.rulefile import RuleFile

FREE_BYTES_MIN = 200_000_000
"""Below this the agent may stop at any moment."""
FREE_BYTES_GOOD = 2_000_000_000
SQLITE_WITH_WAL_FIX = (3, 51, 3)
"""The first release in which two programs that checkpoint one file cannot hurt it."""
_FOR_OTHERS = 0o077


def data_directory(directory: Path) -> Iterator[Finding]:
    """Whether the ledger has a place of its own, and room in it."""
    if not directory.is_dir():
        if directory.exists():
            error = ConfigError(f"{directory} is not a directory", hint="correct [agent] data_dir")
            yield Finding.of("data directory", error)
            return
        yield Finding(
            about="data directory",
            level="warn",
            found=f"{directory} is not there yet",
            do=f"the first run makes it; if the agent's user may not: install -d -m 0700 {directory}",
        )
        return
    yield _access(directory)
    yield _room(directory)


def _access(directory: Path) -> Finding:
    mode = directory.stat().st_mode & 0o777
    if not os.access(directory, os.W_OK | os.X_OK):
        found = f"{directory} cannot be written by this user"
        do = "run doctor as the user that the agent runs as, or make that user the owner: chown -R USER " + str(
            directory
        )
        return Finding(about="data directory", level="fail", found=found, do=do, exit_code=2)
    if mode & _FOR_OTHERS:
        found = f"other users of this machine may read {directory} (mode {mode:04o}): it says who earned what"
        return Finding(about="data directory", level="warn", found=found, do=f"chmod 700 {directory}")
    return Finding(about="data directory", level="ok", found=f"{directory} is ours alone")


def _room(directory: Path) -> Finding:
    free = shutil.disk_usage(directory).free
    found = f"{free / 1_000_000_000:.1f} GB free" if free > 10**9 else f"{free // 1_000_000} MB free"
    if free < FREE_BYTES_MIN:
        do = "free some space: on a full disk the agent stops (nothing is lost) and goes on when there is room"
        return Finding(about="disk", level="fail", found=found, do=do)
    if free < FREE_BYTES_GOOD:
        return Finding(about="disk", level="warn", found=found, do="free some space before it runs out")
    return Finding(about="disk", level="ok", found=found)


def library() -> Finding:
    """The version of SQLite."""
    fine = sqlite3.sqlite_version_info >= SQLITE_WITH_WAL_FIX
    remark = "" if fine else "; safe as long as the agent alone writes its ledger: let no other program open it"
    return Finding(about="SQLite", level="ok", found=f"{sqlite3.sqlite_version}{remark}")


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
