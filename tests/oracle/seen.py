"""The acts of the reading as the engine sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agent.model import Event, Trust
from tests.oracle.plain import Act
from tests.rule_stories import event


def events(acts: Sequence[Act]) -> list[Event]:
    """One event for each act, in the same order."""
    found = []
    for act in acts:
        level = Trust.server_verified if act.believed else Trust.client_reported
        lesson = None if act.kind == "course.reset" else act.lesson
        one = event(act.kind, act.at, act.who, lesson=lesson, course=act.course, key=act.key, level=level)
        facts = {"course_shortname": act.course} if act.kind == "course.completed" else {}
        found.append(replace(one, seen=replace(one.seen, source=act.source, position=act.place or 1, facts=facts)))
    return found
