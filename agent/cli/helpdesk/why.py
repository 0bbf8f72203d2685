"""How near somebody came, rule by rule: recorded decisions first, then Moodle's log judged as if, then why nothing."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from agent.cli.helpdesk import asif, unseen
from agent.cli.helpdesk.told import Told, as_if_told, recorded_told
from agent.cli.terms.who import Who, history_of
from agent.errors import ConfigError, InvalidInputError, TransientError

if TYPE_CHECKING:
    from agent.collectors.logstore.history import History, Tracking
    from agent.config.rulefile import RuleFile
    from agent.config.settings import LogSource, Settings
    from agent.engine.rulebook import CompiledRule, Rulebook
    from agent.model import Event, Observation

_COMPLETIONS = ("lesson.completed", "course.completed")
_COMPLETION_EVENTS = (r"\core\event\course_module_completion_updated", r"\core\event\course_completed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Who, on which day of the rules' calendar, in which course (id or short name), by which rule; None is any."""

    who: Who
    day: date
    course: str | None
    rule: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleAnswer:
    """One rule's outcome: its ``nearest`` decision or miss, ``others`` of that day, or a ``sentence`` why none."""

    rule: str
    title: str
    outcome: str
    sentence: str
    nearest: Told | None = None
    others: tuple[Told, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Every rule's answer; ``since`` and ``until`` (excluded) bound the day in seconds UTC."""

    question: Question
    since: int
    until: int
    course: str
    rules: tuple[RuleAnswer, ...]
    remarks: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class _Seen:
    """What Moodle showed, if it could be asked."""

    acts: list[Observation] = field(default_factory=list)
    tracking: list[Tracking] = field(default_factory=list)
    active: bool = False
    asked: bool = False
    remarks: list[str] = field(default_factory=list)


async def answered(
    settings: Settings, connection: sqlite3.Connection, file: RuleFile, rulebook: Rulebook, question: Question
) -> Answer:
    """Ask the ledger, then Moodle.

    Raises:
        InvalidInputError: Moodle has no such course.
    """
    since = rulebook.calendar.starts(question.day)
    until = rulebook.calendar.starts(question.day + timedelta(days=1))
    source = next((one for one in settings.log_sources if one.name == question.who.source), None)
    seen = _Seen(remarks=["the configuration has no log source for this person's site: only what is recorded is told"])
    course = None
    if source is not None:
        seen, course = await _asked(settings, source, file, rulebook, question, since, until)
    told = _recorded(connection, rulebook, question, course, since, until)
    for one in await _as_if(settings, connection, rulebook, question, told, seen.acts):
        told[one.decision.rule_id].append(one)
    rules = [rule for rule in rulebook.rules if question.rule in {None, rule.id}]
    return Answer(
        question=question,
        since=since,
        until=until,
        course=seen.tracking[0].shortname if course is not None else question.course or "",
        rules=tuple(_answer(rule, told.get(rule.id, []), seen) for rule in rules),
        remarks=tuple(seen.remarks),
    )


async def _asked(
    settings: Settings,
    source: LogSource,
    file: RuleFile,
    rulebook: Rulebook,
    question: Question,
    since: int,
    until: int,
) -> tuple[_Seen, str | None]:
    """What Moodle shows, and the course's id; where it cannot be read only a remark: the ledger still speaks.

    Raises:
        InvalidInputError: there is no such course.
    """
    seen = _Seen()
    course: str | None = None
    try:
        async with history_of(settings, source, file) as history:
            if question.course is not None:
                tracking = await history.completion_tracking(question.course)
                if tracking is None:
                    hint = "give its id or its short name, as in Moodle's course settings"
                    raise InvalidInputError(f"Moodle has no course {question.course!r}", hint=hint)
                course, seen.tracking = tracking.course, [tracking]
            seen.acts = await history.acts_of(
                question.who.user_id, rulebook.demand, since=since, until=until, course=course
            )
            courses = await history.courses_of(question.who.user_id, since=since, until=until)
            seen.active = bool(courses or seen.acts)
            if course is None:
                seen.tracking = await _tracking(history, courses)
            seen.asked = True
    except (ConfigError, TransientError) as error:
        seen.remarks.append(f"Moodle cannot be asked ({error.message}): only what is recorded is told")
    return seen, course


async def _tracking(history: History, courses: Iterable[str]) -> list[Tracking]:
    found = [await history.completion_tracking(course) for course in courses]
    return [one for one in found if one is not None]


def _recorded(
    connection: sqlite3.Connection,
    rulebook: Rulebook,
    question: Question,
    course: str | None,
    since: int,
    until: int,
) -> defaultdict[str, list[Told]]:
    from agent.ledger import reading

    found: defaultdict[str, list[Told]] = defaultdict(list)
    for row in reading.decisions_of(
        connection, question.who.learner, since=since, until=until, rule_id=question.rule or ""
    ):
        event = reading.event_by_no(connection, row.event_no) if course is not None else None
        if course is None or (event is not None and event.seen.course == course):
            found[row.decision.rule_id].append(recorded_told(connection, row, rulebook))
    return found


async def _as_if(
    settings: Settings,
    connection: sqlite3.Connection,
    rulebook: Rulebook,
    question: Question,
    told: defaultdict[str, list[Told]],
    acts: Sequence[Observation],
) -> list[Told]:
    """What the rules would say of the acts that they did not decide, for this person or for a role that is missing."""
    events = asif.believed(settings, acts)
    decided = {(one.decision.event_id, rule) for rule, each in told.items() for one in each}
    found: list[Told] = []
    by_event = await asif.judged(settings, rulebook, events, decided)
    for event in events:
        for decision in by_event[event.event_id]:
            if decision.learner in {question.who.learner, ""} and question.rule in {None, decision.rule_id}:
                undecided = _undecided(connection, event) if decision.learner else ""
                found.append(as_if_told(event, decision, rulebook, undecided))
    return found


def _undecided(connection: sqlite3.Connection, event: Event) -> str:
    return unseen.why_undecided(
        connection,
        event.seen.source,
        position=event.seen.position,
        occurred_at=event.seen.occurred_at,
        event_id=event.event_id,
    )


def _answer(rule: CompiledRule, told: Sequence[Told], seen: _Seen) -> RuleAnswer:
    from agent.engine.explain import nearest_miss

    title = rule.spec.title or rule.id
    if not told:
        return RuleAnswer(rule=rule.id, title=title, outcome="nothing", sentence=_why_none(rule, seen))
    recorded = [one for one in told if one.recorded]
    best = nearest_miss(one.decision for one in recorded or told)
    nearest = next(one for one in told if one.decision is best)
    others = tuple(sorted((one for one in told if one is not nearest), key=lambda one: one.at))
    return RuleAnswer(
        rule=rule.id,
        title=title,
        outcome=nearest.decision.outcome.name if nearest.recorded else "not recorded",
        sentence=nearest.sentence,
        nearest=nearest,
        others=others,
    )


def _why_none(rule: CompiledRule, seen: _Seen) -> str:
    if rule.mode == "off":
        return "This rule is switched off (mode = off)."
    if not seen.asked:
        return "Nothing is recorded."
    untracked = [told for one in seen.tracking if (told := _untracked(one))] if _is_completion(rule) else []
    if untracked:
        return f"No such act in Moodle: {'; '.join(untracked)}."
    if not seen.active:
        return "No such act in Moodle: its log shows nothing at all of this person on that day."
    return "No such act in Moodle."


def _is_completion(rule: CompiledRule) -> bool:
    return any(
        pattern in _COMPLETION_EVENTS or any(fnmatchcase(kind, pattern) for kind in _COMPLETIONS)
        for pattern in rule.spec.on
    )


def _untracked(tracking: Tracking) -> str:
    if not tracking.enabled:
        return f"completion tracking is off in this course ({tracking.shortname})"
    if not tracking.activities:
        return f"no activity of this course ({tracking.shortname}) tracks completion"
    return ""
