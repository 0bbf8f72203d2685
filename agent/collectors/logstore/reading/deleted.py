"""What the LMS removed from its log before it was read: a hole right behind a row that was read and is gone too."""

from __future__ import annotations

from datetime import UTC, datetime

import structlog

from agent.collectors.logstore.reading.stretch import Reader, Stretch
from agent.ledger.feeds.lost import Lost
from agent.model import Anchor

_THERE = "SELECT id FROM {log} WHERE id = ?"
_NEXT = "SELECT timecreated FROM {log} WHERE id > ? ORDER BY id LIMIT 1"

log = structlog.get_logger()


async def deleted(
    reader: Reader, last: Anchor | None, stretch: Stretch, *, position: int, step: int, now: int
) -> Lost | None:
    """What is missing right behind ``position`` where the ``last`` row that was read is gone too; else None.

    A hole behind a row that is still there is one that transactions leave. Where ids grow by ``step``, so many times
    fewer had rows. Call it inside a snapshot.
    """
    first, end = next(iter(stretch.missing), (0, 0))
    if last is None or first != position + 1:
        return None
    schema = reader.database.schema
    there, after = await reader.ask_all([schema.query(_THERE, last.position), schema.query(_NEXT, end)])
    if there:
        return None
    until = after[0][0] if after else now
    return Lost(ids=-(-(end - first + 1) // step), since=last.occurred_at, until=until, noticed_at=now)


def tell(source: str, gone: Lost) -> None:
    """Say it in our log."""
    log.warning(
        "log_rows_lost",
        source=source,
        ids=gone.ids,
        since=_utc(gone.since),
        until=_utc(gone.until),
        do="the LMS removed them before they were read: let it keep its log for longer than the agent may stand still",
    )


def _utc(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
