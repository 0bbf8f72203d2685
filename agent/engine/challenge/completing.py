"""What the completion of a challenge is told as: `challenge.completed`, an event after the act that completed it. Pure.

Which act completes a challenge is for booking to find, from sets. Where rules listen to it, that is rehearsed over the
sets alone before anything is booked, so that what those rules need of the past is read with everything else.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from agent.engine import booking, evaluate, trust
from agent.engine.booking import State
from agent.engine.challenge.compiled import COMPLETED
from agent.engine.earning.challenge.count import standing
from agent.engine.earning.challenge.form import DONE
from agent.engine.earning.derivation import PREFIX, beside
from agent.engine.evaluate import Verdict
from agent.engine.past.undo import Acts
from agent.engine.quota import Uses
from agent.engine.recognition.record import Record
from agent.engine.rulebook import CompiledChallenge, CompiledRule, Rulebook
from agent.model import Decision, Event, Evidence, Observation, StateRequest, UseKey

_EVER = "ever"
"""The bucket of a challenge's set."""


class Told(NamedTuple):
    """The verdicts to book, those of completions among them, and each completion with the act it follows."""

    verdicts: list[Verdict]
    made: Mapping[bytes, Sequence[Event]]

    def with_acts(self, events: Iterable[Event]) -> list[Event]:
        """The events in order, each followed by what it completed."""
        if not self.made:
            return list(events)
        return [each for event in events for each in (event, *self.after(event))]

    def after(self, event: Event) -> Iterator[Event]:
        """What an event completed, and what that completed in turn."""
        for one in self.made.get(event.event_id, ()):
            yield one
            yield from self.after(one)

    def without(self, known: Iterable[bytes]) -> Told:
        """The same without completions that are recorded already."""
        gone = set(known)
        if not gone:
            return self
        made = {act: [one for one in events if one.event_id not in gone] for act, events in self.made.items()}
        return Told([verdict for verdict in self.verdicts if verdict.event.event_id not in gone], made)

    @property
    def events(self) -> list[Event]:
        """Every completion."""
        return [one for events in self.made.values() for one in events]


def wants(verdicts: Iterable[Verdict], rulebook: Rulebook) -> StateRequest | None:
    """Which sets must be read before completions can be told; None where these acts can complete nothing."""
    listened = rulebook.listened
    rows: set[UseKey] = set()
    learners: set[str] = set()
    for verdict in verdicts:
        rows.update(key for guard in verdict.guards for key in guard.keys)
        if verdict.act is not None and verdict.rule.id in listened:
            learners.add(verdict.learner)
    if not learners:
        return None
    rows.update((made.counting.meter, _EVER, learner) for made in listened.values() for learner in learners)
    return StateRequest(rows=frozenset(rows), totals=frozenset(), holds=frozenset())


def fold(verdicts: Sequence[Verdict], rulebook: Rulebook, uses: Uses, *, shadow: bool) -> Told:
    """The verdicts with those of what they complete after each act; ``uses`` (what `wants` asks for) goes along."""
    alone: dict[int, CompiledRule] = {}
    rehearsal = State(uses, {}, Acts(), Record())
    todo, made = list(verdicts), defaultdict[bytes, list[Event]](list)
    begin = 0
    while begin < len(todo):
        event, end = todo[begin].event, begin + 1
        while end < len(todo) and todo[end].event is event:
            end += 1
        counted = [_alone(one, alone) for one in todo[begin:end] if one.guards or one.rule.id in rulebook.listened]
        found = after(booking.book(counted, rehearsal, shadow=shadow), event, rulebook, uses)
        if found:
            made[event.event_id].extend(found)
            todo[end:end] = [verdict for one in found for verdict in evaluate.judge(one, rulebook)]
        begin = end
    return Told(todo, made)


def _alone(verdict: Verdict, alone: dict[int, CompiledRule]) -> Verdict:
    """A verdict that brings no badges: the sets do not look at them. ``alone`` keeps such rules by their identity."""
    rule = verdict.rule
    if rule.recognition is None:
        return verdict
    if id(rule) not in alone:
        alone[id(rule)] = replace(rule, recognition=None)
    then = None if verdict.then is None else _alone(verdict.then, alone)
    return verdict._replace(rule=alone[id(rule)], then=then)


def after(decisions: Iterable[Decision], event: Event, rulebook: Rulebook, uses: Uses) -> list[Event]:
    """What decisions about one act completed, in their order; a late enrolment can complete several rounds."""
    return [
        told
        for one in decisions
        if DONE in one.completes and one.rule_id in rulebook.listened
        for told in _told(rulebook.listened[one.rule_id], one, event.seen, uses)
    ]


def sets_of(decisions: Iterable[Decision], rulebook: Rulebook) -> StateRequest | None:
    """The sets that say which round these decisions completed; None where they completed nothing that is told."""
    keys = {
        (rulebook.listened[one.rule_id].counting.meter, _EVER, one.learner)
        for one in decisions
        if DONE in one.completes and one.rule_id in rulebook.listened
    }
    return StateRequest(rows=frozenset(keys), totals=frozenset(), holds=frozenset()) if keys else None


def before(events: Iterable[Event], rulebook: Rulebook, uses: Uses) -> list[Event]:
    """The events with what was complete at each of them already: for a rule that came later."""
    found: list[Event] = []
    for event in events:
        found.append(event)
        for name, learner in sorted(_steps(event, rulebook)):
            made = rulebook.listened[name]
            members = uses.members((made.counting.meter, _EVER, learner))
            rounds = standing(made.counting.plan, members).finished
            found.extend(
                _round(made, learner, event.seen, number, at)
                for number, at in enumerate(rounds, 1)
                if at == event.seen.occurred_at
            )
    return list({event.event_id: event for event in found}.values())


def wants_before(events: Iterable[Event], rulebook: Rulebook) -> StateRequest | None:
    """The sets that `before` looks at; None where no event is a step of anything that is told."""
    steps = {step for event in events for step in _steps(event, rulebook)}
    keys = {(rulebook.listened[name].counting.meter, _EVER, learner) for name, learner in steps}
    return StateRequest(rows=frozenset(keys), totals=frozenset(), holds=frozenset()) if keys else None


def _steps(event: Event, rulebook: Rulebook) -> set[tuple[str, str]]:
    """The challenges (by id) that an event can move on, and the learners whose they are."""
    if not rulebook.listened:
        return set()
    judged = evaluate.judge(event, rulebook)
    return {(one.rule.id, one.learner) for one in judged if one.act is not None and one.rule.id in rulebook.listened}


def known(seen: Observation, rulebook: Rulebook) -> bool:
    """Whether these rules tell such a completion."""
    return seen.lms_event.removeprefix(f"{PREFIX}{COMPLETED}:") in rulebook.listened


def named(event: Event) -> Event:
    """A recorded completion under the id that it has as the round of whose it is by now: accounts may be one since."""
    seen = event.seen
    site, _, user = seen.learner(seen.people["subject"]).partition(":")
    return replace(event, event_id=trust.event_id(site, _natural_key(seen.lms_event, user, seen.facts["rounds"])))


def _natural_key(name: str, user: str, number: object) -> tuple[str, ...]:
    return name, user, str(number)


def _told(made: CompiledChallenge, decision: Decision, seen: Observation, uses: Uses) -> Iterator[Event]:
    """The rounds that are complete with what a decision put into the set, and were not without it."""
    plan, meter = made.counting.plan, made.counting.meter
    members = uses.members((meter, _EVER, decision.learner))
    slot = next((use.slot for use in decision.notes if use.meter == meter), None)
    rounds = standing(plan, members).finished
    for number in range(len(standing(plan, members, without=slot).finished), len(rounds)):
        yield _round(made, decision.learner, seen, number + 1, rounds[number])


def _round(made: CompiledChallenge, learner: str, seen: Observation, number: int, at: int) -> Event:
    """Round ``number``, complete at ``at``: about the learner, with what is known of them; of no course.

    It is believed as far as the challenge asks of its acts, whichever of them was the last.
    """
    site, _, user = learner.partition(":")
    name = f"{PREFIX}{COMPLETED}:{made.spec.id}"
    here = next((one for one in seen.people.values() if seen.learner(one) == learner), user)
    people, about = beside(seen, here)
    if site != seen.site:  # of an account of another site, which is who they are here too
        people = {"subject": user}
        about = {name.replace(f":{here}", f":{user}"): fact for name, fact in about.items()}
    told = Observation(
        source=seen.source,
        site=site,
        position=seen.position,
        lms_event=name,
        kind=COMPLETED,
        people=people,
        natural_key=_natural_key(name, user, number),
        occurred_at=at,
        evidence=Evidence.database_row,
        person_marks={
            user if who == here else who: mark
            for who, mark in seen.person_marks.items()
            if who == here or who in people.values()
        },
        facts={**about, "challenge": made.spec.id, "rounds": number},
        accounts=seen.accounts if site == seen.site else {},
    )
    return trust.tag(told, made.spec.min_trust)
