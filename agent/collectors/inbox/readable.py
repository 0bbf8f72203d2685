"""Whether a post can be read and kept: what is said to be kept stops nothing that comes after it."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from agent import apart
from agent.collectors.systems.base import Arrival, RefusedPostError, System
from agent.collectors.systems.understood import not_readable, understood
from agent.config.kinds import KindTable
from agent.ledger import codec
from agent.model import Observation

log = structlog.get_logger()


def require_readable(system: System, arrival: Arrival, kinds: KindTable) -> Sequence[Observation]:
    """What a post says, once it is sure that it can be read and written down.

    Raises:
        RefusedPostError: it cannot; a fault of this program is logged, too.
    """
    try:
        found = understood(system, arrival, kinds)
        codec.encode_events(found)
    except RefusedPostError as error:
        if error.reason == "not_readable":
            log.error("post_failed", source=arrival.source, fault=error.message, do=error.hint)
        raise
    except (TypeError, ValueError, RecursionError) as error:
        log.error("post_failed", source=arrival.source, fault=apart.fault_of(error), way=apart.way_to(error))
        raise not_readable(error) from error
    return found
