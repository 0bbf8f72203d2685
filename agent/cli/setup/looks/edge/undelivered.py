"""What was posted and no log holds: how much of it is on this disk alone."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from agent.cli.setup.looks.finding import Finding
from agent.errors import RewardsError
from machine.words import counted

if TYPE_CHECKING:
    from agent.config.settings import Settings

ABOUT = "catalogue"


def undelivered_findings(settings: Settings) -> Iterator[Finding]:
    """What a lost disk would take for good: what only posts told. A log, or a system that is asked, is read again."""
    from agent.ledger import delivery, file
    from agent.ledger.recovery import undelivered

    alone = {
        one.name
        for one in settings.post_sources
        if one.path is not None and one.same_site_as is None and one.pull is None
    }
    if not alone or not file.ledger_path(settings.agent.data_dir).exists():
        return
    try:
        with file.reading(settings.agent.data_dir) as connection:
            found = undelivered.of(connection, alone, delivery.CATALOGUE)
            unread = _unread(settings, dict.fromkeys(alone, 0) | undelivered.positions(connection, alone))
    except RewardsError:
        return  # what is wrong with the ledger is said where it is looked at
    held = f"; {found.held} are held, here alone until they are decided: backups keep them" if found.held else ""
    names = ", ".join(sorted(alone))
    if not found.entries and not unread:
        yield Finding(about=ABOUT, level="ok", found=f"all that {names} posted and earned is delivered{held}")
        return
    entries, posts = counted(found.entries, "entry is", "entries are"), counted(unread, "post")
    yield Finding(
        about=ABOUT,
        level="warn",
        code="posts-undelivered",
        found=f"of {names}, which no log holds, {entries} not delivered and {posts} not read:"
        f" if the disk is lost, so are they{held}",
        do="deliver them: rewards-agent sync now; what hinders it: rewards-agent sync status; meanwhile take backups",
    )


def _unread(settings: Settings, positions: Mapping[str, int]) -> int:
    """How many posts of these sources wait in the inbox behind where each was read to."""
    from agent.collectors.inbox.store import FILE_NAME
    from agent.ledger import file

    path = settings.agent.data_dir / FILE_NAME
    if not path.exists():
        return 0
    sql = "SELECT count(*) FROM post WHERE source = ? AND no > ?"
    try:
        with contextlib.closing(sqlite3.connect(file.read_only(path), uri=True)) as connection:
            return sum(int(connection.execute(sql, place).fetchone()[0]) for place in positions.items())
    except sqlite3.Error:
        return 0  # the ledger's look tells what is wrong with the directory
