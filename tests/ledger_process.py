"""A process that records pages into a ledger until it is killed: `python -m tests.ledger_process DIRECTORY`.

Every page goes on a little before where the last one ended, as a source does that is read again after a crash. A line
on standard output says when the ledger is open; then it writes until its standard input is closed.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import aiosqlite

from agent.ledger import file, sources
from agent.model import SourceState
from tests.builders import NOW, SITE, awards_for, some_events
from tests.ledgers import Ledger, opened, page

PAGE, OVERLAP = 40, 7


async def record(ledger: Ledger, before: SourceState) -> SourceState:
    """One page with its cursor, in one unit."""
    first = max(1, before.position - OVERLAP + 1)
    events = some_events(PAGE, first)
    after = SourceState(position=first + PAGE - 1)

    async def unit(connection: aiosqlite.Connection) -> None:
        await page(ledger.recorder, events, awards_for(events))(connection)
        await sources.save(connection, SITE, after, before, NOW)

    await ledger.run(unit)
    return after


async def main(data_dir: Path) -> None:
    """Record for ever."""
    async with opened(data_dir) as ledger:
        with file.reading(data_dir) as connection:
            state = sources.load(connection, SITE) or SourceState()
        print("open", flush=True)
        ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
        while not ended.done():
            state = await record(ledger, state)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
