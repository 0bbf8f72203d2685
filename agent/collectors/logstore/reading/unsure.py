"""Rows whose look-ups found a table that could not be read: looked up again later, and shown again with what is known.

A grant that is missing on Friday and given on Monday costs nothing but the days between: what was held for roles, or
lacked a fact, is a second sighting away from being decided (`engine.sighting.again`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from agent.collectors.logstore.dialects.database import Row
from agent.model import SourceState

SURE = (0, 0)
"""Everything could be looked up."""


def widened(state: SourceState, rows: Collection[Row], lost: Collection[str]) -> SourceState:
    """The state after ``rows`` (id first) were looked up and the tables ``lost`` could not be read."""
    if not rows or not lost:
        return state
    ids = [row[0] for row in rows]
    after, upto = state.unsure if state.unsure != SURE else (min(ids) - 1, max(ids))
    return replace(state, unsure=(min(after, *(one - 1 for one in ids)), max(upto, *ids)))


def narrowed(state: SourceState, rows: Collection[Row], most: int) -> SourceState:
    """The state after ``rows``, the first ``most`` at most of what was unsure, could be looked up."""
    last = max((row[0] for row in rows), default=0)
    left = len(rows) >= most and last < state.unsure[1]
    return replace(state, unsure=(last, state.unsure[1]) if left else SURE)
