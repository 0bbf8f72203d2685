"""What of the sources failed by a fault of this program: set aside, or in the way of all that comes after it."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from agent.cli.frame import utc
from agent.cli.setup.looks.finding import Finding
from agent.errors import RewardsError

if TYPE_CHECKING:
    from agent.config.settings import Settings


async def aside_findings(settings: Settings) -> list[Finding]:
    """What is set aside, by source, and which sources a running agent cannot go on with."""
    found = [
        Finding(about=f"source {name}", level="fail", code="source-failing", found=told, do=do)
        for name, (told, do) in (await failing(settings)).items()
    ]
    with contextlib.suppress(RewardsError, sqlite3.Error):  # told where the ledger itself is looked at
        found += _aside(settings)
    return found


async def failing(settings: Settings) -> Mapping[str, tuple[str, str]]:
    """Source → what the running agent fails on, and what to do; nothing where none runs."""
    from agent.service import control

    try:
        told = await control.ask(settings.agent.data_dir, "sources.failing", {}, within_s=control.ALIVE_WITHIN_S)
    except (RewardsError, OSError):
        return {}
    return {one["source"]: (one["trouble"], one["do"]) for one in told}


def _aside(settings: Settings) -> Iterator[Finding]:
    from agent.ledger import file
    from agent.ledger.feeds import aside

    if not file.ledger_path(settings.agent.data_dir).exists():
        return
    with file.reading(settings.agent.data_dir) as connection:
        sums = aside.sums(connection)
    for one in sums:
        newest = one.newest
        yield Finding(
            about=f"source {one.source}",
            level="warn",
            code="events-set-aside",
            found=f"{one.count} set aside since {utc(one.since)}, the last {newest.what or 'post'} {one.source}:"
            f"{newest.position}: {newest.fault} (version {newest.version})",
            do=f"update the agent, or report this to its makers; then: rewards-agent events requeue"
            f" --source {one.source}",
        )
