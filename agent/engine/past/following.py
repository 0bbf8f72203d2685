"""The badges that follow from decisions about one event. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from agent.engine.past.state import State
from agent.engine.recognition.model import Recognition
from agent.engine.recognition.record import Act
from agent.engine.rulebook import message
from agent.model import Decision, Event


def after(
    brought: Sequence[Decision], event: Event, role: str, recognition: Recognition | None, state: State, first: int = 1
) -> list[Decision]:
    """What ``brought`` gives or takes away of badges; ``first`` is the number of the first of them in its page."""
    if recognition is None:
        return []
    act = Act(event_id=event.event_id, role=role, at=event.seen.occurred_at, say=partial(message, seen=event.seen))
    return state.record.follow(recognition, brought, act, state.uses, first)
