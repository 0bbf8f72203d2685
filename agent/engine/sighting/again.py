"""A fact that is seen a second time: what that adds, and which decisions it opens again. Pure.

A sighting that is believed more outranks the first (a log row outranks a post about the same act); one that is believed
as much adds what the first could not know (an essay is marked a week later); a weaker one adds nothing. What was paid
stands. What waited for trust or for a fact, or was refused for lack of one, is decided again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from agent.engine.evaluate import (
    AGREEMENT_UNKNOWN,
    HELD_MARKS,
    ROLES_UNKNOWN,
    UNCONFIRMED,
    WOULD_BE_HELD,
    Verdict,
)
from agent.engine.sighting.untold import is_of_a_state
from agent.model import Decision, Event, EventMark, Fact, HoldKind, Observation, Outcome, PersonMark, Said

REQUEST_ID = "request_id"
"""The fact that says by which request an act was told first: of a delivery, so that no later one adds or changes it."""

WAITING = frozenset({HoldKind.trust, HoldKind.fact, HoldKind.roles, HoldKind.backdated})
"""What a second sighting can end; a review or a budget it cannot."""

_UNSURE: frozenset[PersonMark] = frozenset({"roles_unknown", "agreement_unknown"})
"""Marks of who could not be told about; a sighting that can tell outdoes them."""

_LACKED = ("no ", "trust ", UNCONFIRMED)
"""How refusals begin that name a part which the event lacked, a trust that it had not, or the row of an undo."""

_WAITED = frozenset({ROLES_UNKNOWN, AGREEMENT_UNKNOWN, *(reason for _, reason in HELD_MARKS.values())})
"""Reasons to wait that are no part which lacked; in shadow they refuse, and end as a hold would."""

_HELD_MARKS = frozenset(HELD_MARKS)
_FIRST_ONLY = _HELD_MARKS | {"partial"}
"""Marks of a sighting that is outranked, which say nothing about the one that does."""


def _lacked(word: Said) -> bool:
    """Whether missing trust or a missing fact is why."""
    if word.outcome is Outcome.held:
        return word.open and word.hold in WAITING
    reason = word.reason.removeprefix(WOULD_BE_HELD)
    waited = reason != word.reason and reason in _WAITED
    return word.outcome is Outcome.refused and (word.unknown or waited or reason.startswith(_LACKED))


def merged(before: Event, again: Event) -> Event | None:
    """The fact as both sightings tell it, under the first one's source and number; None where the second adds nothing.

    Facts of first sight stay, unless the second sighting outranks the first.
    """
    if again.trust < before.trust:
        return None
    stronger = again.trust > before.trust
    seen = _outranked(before.seen, again.seen) if stronger else _completed(before.seen, again.seen)
    return (
        None if seen == before.seen and not stronger else Event(seen=seen, event_id=before.event_id, trust=again.trust)
    )


def _outranked(first: Observation, second: Observation) -> Observation:
    """The second sighting says what it knows, the first what only it knows."""
    return replace(
        first,
        kind=second.kind or first.kind,
        people={**first.people, **second.people},
        evidence=second.evidence,
        order=first.order if "unconfirmed" in second.marks else second.order or second.position,
        object_table=second.object_table or first.object_table,
        object_id=second.object_id or first.object_id,
        course=second.course or first.course,
        section=second.section or first.section,
        lesson=second.lesson or first.lesson,
        post=second.post or first.post,
        marks=(first.marks - _FIRST_ONLY) | second.marks,
        person_marks={**_agreement_told(first.person_marks), **second.person_marks},
        facts={**first.facts, **_of_the_act(second)},
    )


def _agreement_told(marks: Mapping[str, PersonMark]) -> dict[str, PersonMark]:
    """The marks without the doubt whether somebody agreed, which every sighting that has it raises by itself."""
    return {person: mark for person, mark in marks.items() if mark != "agreement_unknown"}


def _completed(first: Observation, second: Observation) -> Observation:
    """The first sighting says what it knows, the second what was missing.

    Marks are about a row: where the same row is looked at again they may have changed, another row has its own.
    """
    told = {person: mark for person, mark in first.person_marks.items() if mark not in _UNSURE}
    unsure = first.person_marks.keys() - told.keys()
    again = {person: mark for person, mark in second.person_marks.items() if person in unsure or mark not in _UNSURE}
    return replace(
        first,
        kind=first.kind or second.kind,
        people={**second.people, **first.people},
        course=first.course or second.course,
        section=first.section or second.section,
        lesson=first.lesson or second.lesson,
        post=first.post or second.post,
        marks=_marks(first, second),
        person_marks={**again, **told},
        facts={**_of_the_act(second), **first.facts},
    )


def _marks(first: Observation, second: Observation) -> frozenset[EventMark]:
    """What is doubtful about the fact as both tell it.

    A state that a restore may have brought waits; a log row about it says by itself whether it is a copy, or late.
    """
    if (first.source, first.position) == (second.source, second.position):
        return (first.marks & second.marks & _HELD_MARKS) | ((first.marks | second.marks) - _HELD_MARKS)
    if is_of_a_state(first) and not is_of_a_state(second):
        return (first.marks - _HELD_MARKS) | second.marks
    return first.marks


def _of_the_act(seen: Observation) -> Mapping[str, Fact]:
    """The facts without what only its delivery has."""
    if REQUEST_ID not in seen.facts:
        return seen.facts
    return {name: value for name, value in seen.facts.items() if name != REQUEST_ID}


def each_once(events: Iterable[Event]) -> list[Event]:
    """The events of a page, each fact once, with what its later sightings in the page add."""
    found: dict[bytes, Event] = {}
    for event in events:
        before = found.get(event.event_id)
        whole = event if before is None else merged(before, event)
        if whole is not None:
            found[event.event_id] = whole
    return list(found.values())


def opened(verdicts: Iterable[Verdict], words: Iterable[Said], *, kind_is_new: bool) -> tuple[Verdict, ...]:
    """Those verdicts of a completed event that are to be booked: where the rule's last word lacked something.

    A rule that said nothing then says nothing now, unless only now it is known what kind of act it was.
    """
    last = {(word.rule_id, word.role): word for word in words}
    found = []
    for verdict in verdicts:
        word = last.get((verdict.rule.id, verdict.payee.role))
        if kind_is_new if word is None else _lacked(word) or _waiting(word):
            found.append(verdict)
    return tuple(found)


def superseding(decisions: Sequence[Decision], words: Mapping[bytes, Iterable[Said]]) -> Sequence[Decision]:
    """The decisions, each closing the hold of the same rule and recipient that it answers; ``words`` by event_id."""
    if not words:
        return decisions
    waiting = {
        (event_id, word.rule_id, word.role): _waiting(word) | ({word.number} if _lacked_to_hold(word) else set())
        for event_id, said in words.items()
        for word in said
    }
    found = []
    for decision in decisions:
        numbers = waiting.pop((decision.event_id, decision.rule_id, decision.role), set()) - {*decision.supersedes}
        closing = (*decision.supersedes, *sorted(numbers))
        found.append(replace(decision, supersedes=closing) if numbers else decision)
    return found


def _lacked_to_hold(word: Said) -> bool:
    return word.outcome is Outcome.held and _lacked(word)


def _waiting(word: Said) -> set[int]:
    """The decisions of the rule that another sighting can end."""
    return {number for number, hold in word.waiting if hold in WAITING}
