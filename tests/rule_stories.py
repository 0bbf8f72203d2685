"""Short words for tests of rules: a rules file as text, events as calls, decisions as readable lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from agent.config.kinds import KindTable
from agent.config.rulefile import RuleFile, load_rules_text
from agent.engine import booking, evaluate, trust
from agent.engine.rules import Rulebook, compile_rules
from agent.model import Decision, Event, EventMark, Evidence, Fact, Observation, PersonMark, Trust

ZONE = "Africa/Johannesburg"
EVIDENCE = {
    Trust.server_verified: Evidence.database_row,
    Trust.trusted_source: Evidence.bearer_token,
    Trust.client_reported: Evidence.address,
    Trust.unverified: Evidence.nothing,
}


def file(text: str) -> RuleFile:
    """A rules file; schema and timezone are put before it where it has none."""
    head = "" if "schema" in text else f'schema = 1\ntimezone = "{ZONE}"\n'
    return load_rules_text(head + text)


def rulebook(text: str) -> Rulebook:
    """A rules file, compiled."""
    return compile_rules(file(text), KindTable())


def rule(on: str = "lesson.completed", more: str = "", *, name: str = "r", award: str = "10") -> str:
    """One [[rule]]; ``more`` are further lines."""
    return f'[[rule]]\nid = "{name}"\non = "{on}"\naward = {award}\n{more}\n'


def at(text: str, zone: str = ZONE) -> int:
    """Seconds UTC of a local time."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp())


def event(
    kind: str | None = "lesson.completed",
    when: str | int = "2026-09-07T09:00:00",
    who: str = "ann",
    *,
    key: str = "",
    lms_event: str = "",
    lesson: str | None = "1",
    section: str | None = "1",
    course: str | None = "1",
    post: str | None = None,
    obj: tuple[str, str] | None = None,
    people: Mapping[str, str] | None = None,
    marks: Iterable[EventMark] = (),
    mark: PersonMark | None = None,
    level: Trust = Trust.server_verified,
    facts: Mapping[str, Fact] | None = None,
    position: int = 1,
    source: str = "moodle",
) -> Event:
    """An event of Moodle's log; its identity is everything it says, and ``key``."""
    seconds = at(when) if isinstance(when, str) else when
    seen = Observation(
        source=source,
        site="moodle",
        position=position,
        lms_event=lms_event,
        kind=kind,
        people=people if people is not None else {"subject": who, "actor": who},
        natural_key=(str(kind), lms_event, who, str(seconds), str(lesson), str(course), str(post), str(obj), key),
        occurred_at=seconds,
        evidence=EVIDENCE[level],
        object_table=obj[0] if obj else None,
        object_id=obj[1] if obj else None,
        course=course,
        section=section,
        lesson=lesson,
        post=post,
        marks=frozenset(marks),
        person_marks={who: mark} if mark else {},
        facts=dict(facts or {}),
    )
    return trust.tag(seen, Trust.server_verified)


def decide(rules: Rulebook, events: Iterable[Event], *, shadow: bool = False) -> list[Decision]:
    """Every decision of every event, each event seeing what came before it."""
    state = booking.State.load((), {})
    return [decision for one in events for decision in booking.book(evaluate.judge(one, rules), state, shadow=shadow)]


def line(decision: Decision) -> str:
    """`ann +10 points`, `ann refused limit 3/day`, `ann held trust unverified below trusted_source`."""
    who = decision.learner.removeprefix("moodle:") or "nobody"
    paid = " ".join(f"{posting.amount:+d} {posting.currency}" for posting in decision.postings) or "nothing"
    match decision.outcome.name:
        case "awarded":
            return f"{who} {paid}"
        case "shadow":
            return f"{who} would get {paid}"
    return f"{who} {decision.outcome.name} {decision.reason}"


def play(text: str, *events: Event, shadow: bool = False) -> list[str]:
    """The decisions of a rules file over events, as lines."""
    return [line(decision) for decision in decide(rulebook(text), events, shadow=shadow)]
