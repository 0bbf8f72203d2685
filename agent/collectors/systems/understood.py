"""Asking a mapping what a post says: where the mapping itself fails, that is a refusal like any other."""

from __future__ import annotations

from collections.abc import Sequence

from agent import apart
from agent.collectors.systems.base import Arrival, RefusedPostError, System
from agent.config.kinds import KindTable
from agent.model import Observation


def understood(system: System, arrival: Arrival, kinds: KindTable) -> Sequence[Observation]:
    """What a post says, in its own order.

    Raises:
        RefusedPostError: it is not what this system sends; or, as `not_readable`, this version fails on it.
        TransientError: the machine is to blame.
    """
    try:
        return system.observations(arrival, kinds)
    except RefusedPostError:
        raise
    except Exception as error:
        apart.require_of_data(error)
        raise not_readable(error) from error


def not_readable(error: Exception) -> RefusedPostError:
    """A post on which this program fails: the sender did nothing wrong."""
    told = f"this version of the agent fails on it: {apart.fault_of(error)}"
    return RefusedPostError("not_readable", told, hint="it is kept, to be put back in line by a version that can")
