"""From the open agent to what puts its posts back in line."""

from __future__ import annotations

from collections.abc import Mapping

from agent.backfill.requeueing import Requeue
from agent.collectors.base import Collector
from agent.collectors.inbox.collector import InboxCollector
from agent.collectors.inbox.store import Inbox
from agent.ledger.writer import Writer
from agent.model import Trust
from agent.pipeline import Pipeline


def requeue_of(
    inbox: Inbox | None,
    collectors: Mapping[str, Collector],
    *,
    pipeline: Pipeline,
    writer: Writer,
    ceilings: Mapping[str, Trust],
) -> Requeue:
    """For those of the collectors that read an inbox."""
    readers = {name: one for name, one in collectors.items() if isinstance(one, InboxCollector)}
    return Requeue(inbox, readers, pipeline=pipeline, writer=writer, ceilings=ceilings)
