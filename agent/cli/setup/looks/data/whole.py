"""Whether the ledger is this campus's, whole, and in one chain, as far as that is seen in a few seconds."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import TYPE_CHECKING

from agent.cli.setup.looks.finding import Finding
from agent.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from agent.config.settings import Settings

PAGES_S = 5.0
"""How long the pages of the file are looked through; what is left is for `ledger verify`."""
CHAIN_S = 5.0
"""How long entries are followed from the first."""


def whole_findings(connection: sqlite3.Connection, settings: Settings) -> Iterator[Finding]:
    """Whose ledger it is, and what is damaged in it."""
    from agent.ledger.file import ledger_path

    yield from _of_another(connection, settings)
    damage = list(_pages(connection, ledger_path(settings.agent.data_dir)))
    yield from damage
    if all(found.level != "fail" for found in damage):
        yield from _chain(connection)


def _of_another(connection: sqlite3.Connection, settings: Settings) -> Iterator[Finding]:
    """A ledger belongs to one campus and environment for ever: an agent does not start on another's."""
    from agent.ledger import reading

    for key, mine in (("campus", settings.agent.campus), ("environment", settings.agent.environment)):
        stored = reading.setting(connection, key)
        if stored and stored != mine:
            error = ConfigError(
                f"the ledger in {settings.agent.data_dir} belongs to {key} {stored!r}, not {mine!r}",
                hint=f"set [agent] {key} back, or give this agent a data_dir of its own",
            )
            yield Finding.of("ledger", error, "ledger-of-another")


def _pages(connection: sqlite3.Connection, path: Path) -> Iterator[Finding]:
    from agent.ledger.file import looked_through

    damage, whole = looked_through(connection, within_s=PAGES_S)
    if damage:
        yield Finding(
            about="ledger",
            level="fail",
            code="ledger-damaged",
            found=f"{path} is damaged: {damage}",
            do="stop the agent, see the disk's own log (dmesg), and put the newest good backup back: rewards-agent"
            " restore; docs/ops/backup.md",
            exit_code=3,
        )
    elif not whole:
        found = f"no damage among the pages that were looked at in {PAGES_S:.0f} s"
        yield Finding(about="ledger", level="ok", found=found, do="all of it: rewards-agent ledger verify")


def _chain(connection: sqlite3.Connection) -> Iterator[Finding]:
    from agent.ledger.verify import followed

    broken, seen = followed(connection, within_s=CHAIN_S)
    if broken:
        yield Finding(
            about="ledger",
            level="fail",
            code="chain-broken",
            found=f"entry {seen}: {broken}: somebody or something wrote into the ledger besides the agent",
            do="stop the agent; rewards-agent ledger verify says all that does not hold; put the newest backup from"
            " before back: rewards-agent restore; docs/ops/backup.md",
            exit_code=3,
        )
