"""How near somebody came, rule by rule: recorded decisions first, then Moodle's log judged as if, then why nothing."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from agent.cli.helpdesk import asif, unseen
from agent.cli.helpdesk.absence import Absences
from agent.cli.helpdesk.told import Told, as_if_told, recorded_told
from agent.cli.helpdesk.uncounted import uncounted
from agent.cli.terms.who import Who, held_links, history_of
from agent.config.kinds import KindTable
from agent.errors import ConfigError, InvalidInputError, TransientError

if TYPE_CHECKING:
    from agent.collectors.logstore.history import History, Tracking
    from agent.config.rulefile import RuleFile
    from agent.config.settings import LogSource, Settings
    from agent.engine.rulebook import CompiledRule, Rulebook
    from agent.model import Event, Observation

_NEAR_MAX = 3
"""Acts of another sort that are told where a rule's own are missing."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What Moodle showed: acts and courses of that day, or ``trouble`` where it could not be asked."""

    acts: Sequence[Observation] = ()
    tracking: Sequence[Tracking] = ()
    active: bool = False
    trouble: str = ""


async def answered(
    settings: Settings, connection: sqlite3.Connection, file: RuleFile, rulebook: Rulebook, question: Question
) -> Answer:
    """Ask the ledger, then Moodle.

    Raises:
        InvalidInputError: Moodle has no such course.
    """
    since = rulebook.calendar.starts(question.day)
    until = rulebook.calendar.over(question.day)
    source = next((one for one in settings.log_sources if one.name == question.who.source), None)
    seen, course = _Seen(trouble="the configuration has no log source for this person's site"), None
    if source is not None:
        seen, course = await _asked(settings, source, file, rulebook, question, since, until)
    told = _recorded(connection, rulebook, question, course, since, until)
    events = asif.believed(settings, seen.acts)
    for one in await _as_if(settings, connection, rulebook, question, told, events):
        told[one.decision.rule_id].append(one)
    near = _Near(events, question.who.user_id, KindTable().extended(file.kinds))
    rules = [rule for name, rule in rulebook.by_id().items() if question.rule in {None, name}]
    absence = Absences(connection).now(question.who.learner)
    return Answer(
        question=question,
        since=since,
        until=until,
        course=seen.tracking[0].shortname if course is not None and seen.tracking else question.course or "",
        rules=(
            *(_answer(rule.id, told.pop(rule.id, []), rule.spec.title, _why_none(rule, seen, near)) for rule in rules),
            *(_answer(rule_id, each, "", "") for rule_id, each in told.items()),
        ),
        remarks=(
            *((f"{seen.trouble}: only what is recorded is told",) if seen.trouble else ()),
            *((f"{question.who.learner} {absence.told}",) if absence is not None else ()),
            *(one.told for one in held_links(connection, question.who.learner)),
        ),
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
    who, named = question.who.user_id, question.course
    course = named if named is not None and named.isdecimal() else None
    try:
        async with history_of(settings, source, file) as history:
            tracking = [await _course(history, named)] if named is not None else []
            course = tracking[0].course if tracking else None
            acts = await history.acts_of(who, rulebook.demand, since=since, until=until, course=course)
            courses = await history.courses_of(who, since=since, until=until)
            tracking = tracking or await _tracking(history, courses)
    except (ConfigError, TransientError) as error:
        blind = " and courses are not told apart" if named is not None and course is None else ""
        return _Seen(trouble=f"Moodle cannot be asked ({error.message}){blind}"), course
    return _Seen(acts=acts, tracking=tracking, active=bool(courses or acts)), course


async def _course(history: History, named: str) -> Tracking:
    found = await history.completion_tracking(named)
    if found is None:
        hint = "give its id or its short name, as in Moodle's course settings"
        raise InvalidInputError(f"Moodle has no course {named!r}", hint=hint)
    return found


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
    events: Sequence[Event],
) -> list[Told]:
    """What the rules would say of the acts that they did not decide, for this person or for a role that is missing."""
    decided = {(one.decision.event_id, rule) for rule, each in told.items() for one in each}
    absences = Absences(connection)
    absent = {event.event_id: found for event in events if (found := absences.of_event(event)) is not None}
    never = {event_id: found.reason for event_id, found in absent.items()}
    by_event = await asif.judged(settings, rulebook, events, decided, never)
    answers: list[Told] = []
    for event in events:
        for decision in by_event[event.event_id]:
            if decision.learner in {question.who.learner, ""} and question.rule in {None, decision.rule_id}:
                absence = absent.get(event.event_id)
                if absence is not None:
                    undecided = f"the learner {absence.told}"
                else:
                    undecided = unseen.why_undecided(connection, event, rulebook) if decision.learner else ""
                answers.append(as_if_told(event, decision, rulebook, undecided))
    return answers


def _answer(rule_id: str, told: Sequence[Told], title: str, why_none: str) -> RuleAnswer:
    """One rule's answer; recorded decisions come before what the rules would say."""
    from agent.engine.explain import nearest_miss
    from agent.model import Outcome

    if not told:
        return RuleAnswer(rule=rule_id, title=title or rule_id, outcome="nothing", sentence=why_none)
    recorded = [one for one in told if one.recorded]
    # The award that an approval made says what became of it since; the hold says only that it was approved.
    recorded = [one for one in recorded if one.hold_state != "approved"] or recorded
    best = nearest_miss(one.decision for one in recorded if not one.taken_back)
    if best is None or best.outcome in {Outcome.refused, Outcome.reversed}:
        best = nearest_miss(one.decision for one in recorded or told)
    nearest = next(one for one in told if one.decision is best)
    return RuleAnswer(
        rule=rule_id,
        title=title or rule_id,
        outcome=nearest.standing,
        sentence=nearest.sentence,
        nearest=nearest,
        others=tuple(sorted((one for one in told if one is not nearest), key=lambda one: one.at)),
    )


class _Near:
    """Acts of somebody that have the name of what a rule asks for, and are something else."""

    def __init__(self, events: Sequence[Event], user_id: str, kinds: KindTable) -> None:
        self._events = [(event, said) for event in events if (said := uncounted(event))]
        self._user = user_id
        self._kinds = kinds

    def to(self, rule: CompiledRule) -> str:
        """What each of them was, a few of many; empty where there is none."""
        named = {entry.lms_event for pattern in rule.spec.on for entry in self._kinds.entries_for(pattern)}
        roles = [payee.role for payee in rule.payees]
        found = [
            f"{event.seen.source}:{event.seen.position}: {said}"
            for event, said in self._events
            if event.seen.lms_event in named and self._user in map(event.seen.people.get, roles)
        ]
        more = f"; and {len(found) - _NEAR_MAX} more" if len(found) > _NEAR_MAX else ""
        return "; ".join(found[:_NEAR_MAX]) + more


def _why_none(rule: CompiledRule, seen: _Seen, near: _Near) -> str:
    if rule.mode == "off":
        return "This rule is switched off (mode = off)."
    if seen.trouble:
        return "Nothing is recorded."
    if told := near.to(rule):
        return f"No act in Moodle that counts. {told}."
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
