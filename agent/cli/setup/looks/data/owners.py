"""Whose the files are that the agent must write, and whether what was posted can be kept."""

from __future__ import annotations

import os
import pwd
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

from agent.cli.setup.looks.data.whole import PAGES_S
from agent.cli.setup.looks.finding import Finding
from agent.errors import ConfigError, RewardsError


def owner_findings(directory: Path) -> Iterator[Finding]:
    """The files that the directory's own user, who is the agent, may not write: mostly root has made them."""
    if not directory.is_dir():
        return
    owner = directory.stat().st_uid
    for path in _written(directory):
        told = path.stat()
        if _may_write(told, owner):
            continue
        whose, agent = _name(told.st_uid), _name(owner)
        error = ConfigError(
            f"{path} belongs to {whose} (mode {stat.S_IMODE(told.st_mode):04o}), the directory to {agent}: the agent"
            " cannot write it",
            hint=f"root runs: chown -R {agent}: {shlex.quote(str(directory))} && chmod 600 {shlex.quote(str(path))}",
        )
        yield Finding.of("data directory", error, "data-directory-unusable")


def inbox_findings(directory: Path) -> Iterator[Finding]:
    """Whether the file can be read that keeps what is posted: the agent does not start with one that it cannot."""
    from agent.collectors.inbox.file import look_at
    from agent.collectors.inbox.store import FILE_NAME

    try:
        look_at(directory / FILE_NAME, within_s=PAGES_S)
    except RewardsError as exc:
        yield Finding.of("inbox", exc, "inbox-damaged")


def _written(directory: Path) -> Iterator[Path]:
    from agent.collectors.inbox.store import FILE_NAME as INBOX
    from agent.ledger.file import FILE_NAME, LOCK_NAME

    for name in (FILE_NAME, INBOX, LOCK_NAME):
        yield from sorted(path for path in directory.glob(f"{name}*") if path.is_file())


def _may_write(told: os.stat_result, user: int) -> bool:
    if user == 0:
        return True
    return bool(told.st_mode & (stat.S_IWUSR if told.st_uid == user else stat.S_IWOTH))


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:  # a container's user need not have a name
        return str(user)
