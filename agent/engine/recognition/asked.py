"""What must be read of learners' standing before decisions about them are booked. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from agent.engine.recognition.model import GIVEN, Recognition
from agent.engine.recognition.record import EVER
from agent.model import StateRequest


def of(request: StateRequest, recognition: Recognition, learners: Iterable[str]) -> StateRequest:
    """``request`` with the standing of these learners."""
    people = frozenset(learners)
    had = {badge.quota.key(EVER, learner, "") for badge in recognition.badges for learner in people}
    return replace(
        request,
        totals=request.totals | had,
        learners=people,
        standing=recognition.names,
        given=frozenset(f"{GIVEN}{badge}" for badge in recognition.revocable),
    )
