"""An agent's delivering half for tests: a real ledger file, a real writer, the real outbox, a clock moved by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from agent.clock import Clock, SystemClock
from agent.ledger import delivery, file
from agent.ledger.delivery import Identity
from agent.ledger.writer import Writer
from agent.outbox.client import Client, Place
from agent.outbox.enrol import Wish, enrol
from agent.outbox.key_file import new_key
from agent.outbox.recovery.box import Lock
from agent.outbox.statement.feed import Feed
from agent.outbox.sync import Outbox, Step
from tests.wire_builders import CAMPUS, append_entries, entries

LIMIT_S = 60.0
"""Nobody on loopback needs longer, not on a machine that stands still for a while either."""
BRIEF_S = 0.5
"""Shorter than what the slow mood takes."""


class Delivering:
    """A ledger and its outbox."""

    def __init__(self, writer: Writer, outbox: Outbox, feed: Feed, client: Client, data_dir: Path) -> None:
        self.writer = writer
        self.outbox = outbox
        self.feed = feed
        self.client = client
        self.data_dir = data_dir
        self.written = 0

    async def write(self, count: int, **changes: Any) -> None:
        """Append the next ``count`` entries."""
        await self.append(entries(self.written + 1, self.written + count, **changes))

    async def append(self, bodies: Sequence[bytes]) -> None:
        """Append these entries."""
        await append_entries(self.writer, bodies)
        self.written += len(bodies)

    async def step(self, limit_s: float = LIMIT_S) -> Step:
        """One attempt."""
        return await self.outbox.step(limit_s=limit_s)

    async def drain(self) -> bool:
        """Everything, now."""
        return await self.outbox.drain(limit_s=LIMIT_S)

    async def hear(self) -> bool:
        """All that the catalogue did, now."""
        return await self.feed.drain(limit_s=LIMIT_S)

    async def identity(self) -> Identity:
        """As whom the catalogue knows it, from the file."""
        async with file.connect_for_reading(self.data_dir) as conn:
            who = await delivery.identity(conn)
        assert who is not None
        return who

    def standing(self) -> dict[str, Any]:
        """Where delivery stands, from the file."""
        with closing(file.open_for_reading(self.data_dir)) as connection:
            return delivery.standing(connection)


def room(tmp_path: Path, name: str = "agent") -> Path:
    """A directory of an agent's own."""
    made = tmp_path / name
    made.mkdir()
    return made


@asynccontextmanager
async def delivering(
    directory: Path,
    url: str,
    token: str = "",
    *,
    clock: Clock | None = None,
    campus: str = CAMPUS,
    sites: Sequence[str] = (),
    lock: Lock | None = None,
    beside: Writer | None = None,
) -> AsyncIterator[Delivering]:
    """An outbox over the ledger in ``directory``; with a ``token`` it gets a key and enrols first.

    ``beside`` is who writes that ledger already.
    """
    clock = clock or SystemClock()
    key_file = directory / "agent.ed25519"
    client = Client(Place(url=url), key_file=key_file, clock=clock)
    writer = beside or await Writer.open(directory)
    outbox = Outbox(
        writer=writer,
        data_dir=directory,
        client=client,
        environment="production",
        clock=clock,
        sites=sites,
        lock=lock,
        jitter=lambda: 0.0,
    )
    back = Client(Place(url=url), key_file=key_file, clock=clock)
    feed = Feed(writer=writer, data_dir=directory, client=back, clock=clock, jitter=lambda: 0.0)
    try:
        if token:
            new_key(key_file)
            wish = Wish(campus=campus, environment="production", url=url)
            await enrol(token, wish, client=client, writer=writer, data_dir=directory, clock=clock)
        yield Delivering(writer, outbox, feed, client, directory)
    finally:
        await feed.close()
        await outbox.close()
        if beside is None:
            await writer.close()
