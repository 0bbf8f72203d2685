"""Whether a post can be read and kept: what is said to be kept stops nothing that comes after it."""

from __future__ import annotations

import structlog

from agent import apart
from agent.collectors.systems.base import Arrival, RefusedPostError, System
from agent.collectors.systems.understood import not_readable, understood
from agent.config.kinds import KindTable
from agent.ledger import codec

log = structlog.get_logger()


def require_readable(system: System, arrival: Arrival, kinds: KindTable) -> None:
    """See that a post can be read, and what it says written down.

    Raises:
        RefusedPostError: it cannot; a fault of this program is logged, too.
    """
    try:
        codec.encode_events(understood(system, arrival, kinds))
    except RefusedPostError as error:
        if error.reason == "not_readable":
            log.error("post_failed", source=arrival.source, fault=error.message, do=error.hint)
        raise
    except (TypeError, ValueError, RecursionError) as error:
        log.error("post_failed", source=arrival.source, fault=apart.fault_of(error), way=apart.way_to(error))
        raise not_readable(error) from error
