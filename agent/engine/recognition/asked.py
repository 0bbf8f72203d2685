"""What must be read of learners' standing before decisions about them are booked. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from agent.engine.recognition.model import GIVEN, Recognition
from agent.model import StateRequest


def of(request: StateRequest, recognition: Recognition, learners: Iterable[str]) -> StateRequest:
    """``request`` with the standing of these learners."""
    had = {badge.account for badge in recognition.badges}
    return replace(
        request,
        learners=frozenset(learners),
        standing=recognition.names,
        given=frozenset({*had, *(f"{GIVEN}{badge}" for badge in recognition.revocable)}),
    )
