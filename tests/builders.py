"""The nouns of the house for tests: one call, sane defaults, override one field."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from agent.engine import trust
from agent.model import Decision, Event, Evidence, HoldKind, Observation, Outcome, Posting, Trust, Use

NOW = 1_790_000_000
SITE = "moodle"
RULES_VERSION = "ab" * 32
COMPLETED = r"\core\event\course_module_completion_updated"


def an_observation(number: int = 1, **changes: Any) -> Observation:
    """Row ``number`` of a log: learner 35 completed lesson ``number``."""
    fields: dict[str, Any] = {
        "source": SITE,
        "site": SITE,
        "position": number,
        "lms_event": COMPLETED,
        "kind": "lesson.completed",
        "people": {"subject": "35", "actor": "35"},
        "natural_key": (COMPLETED, "35", str(number), str(NOW + number)),
        "occurred_at": NOW + number,
        "evidence": Evidence.database_row,
        "object_table": "course_modules_completion",
        "object_id": str(number),
        "course": "7",
        "lesson": str(number),
        "facts": {"completion_state": 1},
    }
    return Observation(**(fields | changes))


def an_event(number: int = 1, **changes: Any) -> Event:
    """The observation of row ``number``, with its identity and full trust."""
    return trust.tag(an_observation(number, **changes), Trust.server_verified)


def some_events(n: int, first: int = 1) -> list[Event]:
    """Events of rows ``first``, ``first + 1``, … of different lessons."""
    return [an_event(number) for number in range(first, first + n)]


def a_decision(event: Event, **changes: Any) -> Decision:
    """What rule `lesson-completed` says to the subject of ``event``: refused by a limit."""
    seen = event.seen
    fields: dict[str, Any] = {
        "event_id": event.event_id,
        "rule_id": "lesson-completed",
        "rules_version": RULES_VERSION,
        "role": "subject",
        "learner": f"{seen.site}:{seen.people['subject']}",
        "outcome": Outcome.refused,
        "reason": "limit 3/day",
        "scope": f"{seen.site}:{seen.lesson}",
    }
    return Decision(**(fields | changes))


def an_award(event: Event, **changes: Any) -> Decision:
    """10 points for the subject of ``event``, once per lesson, counted per day and by everybody's budget."""
    awarded = a_decision(event, **({"outcome": Outcome.awarded, "reason": "", "postings": points(10)} | changes))
    return awarded if "uses" in changes else replace(awarded, uses=uses_of(awarded, event))


def a_hold(event: Event, **changes: Any) -> Decision:
    """The same 10 points, waiting because the source is not trusted enough."""
    promised = an_award(event, outcome=Outcome.held, hold=HoldKind.trust, reason="trust below trusted_source")
    return replace(promised, **changes)


def points(amount: int, **more: int) -> tuple[Posting, ...]:
    """Points, and ``more`` currencies after them."""
    return tuple(Posting(currency=name, amount=each) for name, each in {"points": amount, **more}.items())


def uses_of(decision: Decision, event: Event) -> tuple[Use, ...]:
    """What such an award takes: its scope, a place in the day's limit, a share of the budget."""
    at, learner, rule = event.seen.occurred_at, decision.learner, decision.rule_id
    once = Use(meter=f"once:{rule}", bucket=decision.scope, learner=learner, at=at, amount=1, slot=decision.generation)
    day = Use(meter=f"limit:{rule}:awards/day", bucket=f"day:{at // 86_400}", learner=learner, at=at, amount=1)
    paid = sum(posting.amount for posting in decision.postings)
    budget = Use(meter="budget:points/week", bucket=f"week:{at // 604_800}", learner="", at=at, amount=paid)
    return (once, day, budget)


def awards_for(events: Iterable[Event], **changes: Any) -> list[Decision]:
    """One award for each event."""
    return [an_award(event, **changes) for event in events]
