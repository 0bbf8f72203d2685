"""The fold that derives: a page's events in order, each followed by the events that it brings about. Pure.

A set only grows and is kept in the ledger, so that an act seen again brings about nothing; what an event is called,
when it happened and how far it is believed follow from the members alone, not from pages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from agent.engine import evaluate, trust
from agent.engine.earning.derivation import PREFIX, TRUST_SLOTS, Derivation, Level, beside, member_of, slot_of
from agent.engine.quota import Uses
from agent.engine.rulebook import Rulebook
from agent.model import Event, Observation, StateRequest, Trust, Use, UseKey

EVER = ""
"""The bucket of what is counted for ever."""


class Derived(NamedTuple):
    """``events`` are those given with what they brought about after each; ``notes`` are the members to keep."""

    events: Sequence[Event]
    notes: tuple[Use, ...]


def wants(events: Iterable[Event], rulebook: Rulebook) -> StateRequest | None:
    """Which sets must be read before these events can be folded; None where they touch none."""
    keys = {_key(use) for event in events for _, use in _acts(event, rulebook)}
    if not keys:
        return None
    return StateRequest(rows=frozenset(keys), totals=frozenset(), holds=frozenset())


def fold(events: Sequence[Event], rulebook: Rulebook, uses: Uses, *, again: bool = False) -> Derived:
    """The events with what they bring about; ``uses`` goes along.

    ``again`` also tells what was complete before, as a backfill needs it: once for each derivation and learner.
    """
    found: list[Event] = []
    notes: list[Use] = []
    told: set[bytes] = set()
    for event in events:
        found.append(event)
        acts = _acts(event, rulebook)
        if not acts:
            continue
        # Derivations share sets: each of them looks at what was there before any of this event's members came.
        before = {key: {} if again else dict(uses.members(key)) for key in map(_key, (use for _, use in acts))}
        notes.extend(use for _, use in acts if uses.note(use))
        for derivation, use in acts:
            key = _key(use)
            whole = _whole(derivation, uses.members(key))
            if whole is None or _whole(derivation, before[key]) is not None:
                continue
            made = _made(derivation, event, *whole)
            if made.event_id not in told:
                told.add(made.event_id)
                found.append(made)
    return Derived(found, tuple(notes))


def _key(use: Use) -> UseKey:
    return use.meter, use.bucket, use.learner


def history(rulebook: Rulebook) -> tuple[frozenset[str], Callable[[Event], Iterable[tuple[str, Use]]]]:
    """What of the past the rules look at: the kinds of the acts, and what an event of old puts into sets.

    Each member comes with the name of what it stands for, so that what a new programme adds is filled in once.
    """

    def members(event: Event) -> Iterable[tuple[str, Use]]:
        return [(f"{use.meter}/{use.slot // TRUST_SLOTS}", use) for _, use in _acts(event, rulebook)]

    return frozenset[str]().union(*(one.kinds for one in rulebook.derivations)), members


def marks(rulebook: Rulebook) -> frozenset[str]:
    """The names that `history` gives."""
    return frozenset(f"{one.meter}/{slot}" for one in rulebook.derivations for slot in one.needed)


def is_derived(seen: Observation) -> bool:
    """Whether an event was brought about by others."""
    return seen.lms_event.startswith(PREFIX)


def known(seen: Observation, rulebook: Rulebook) -> bool:
    """Whether these rules derive such an event."""
    return any(one.lms_event == seen.lms_event for one in rulebook.derivations)


def named(event: Event) -> Event:
    """A recorded event of these under the id that it has of whom it is by now: accounts may be one since."""
    seen = event.seen
    return replace(event, event_id=trust.event_id(seen.site, _natural_key(seen.lms_event, seen.people["subject"])))


def _natural_key(name: str, user: str) -> tuple[str, ...]:
    return name, user


def _acts(event: Event, rulebook: Rulebook) -> list[tuple[Derivation, Use]]:
    """What an event adds, for the derivations that rules stand on. Who never earns completes nothing.

    Nobody can agree for somebody else: an act of a learner who may not have agreed is no member until that is known.
    """
    derivations = rulebook.derivations
    seen = event.seen
    if not derivations or event.trust < Trust.trusted_source or "unconfirmed" in seen.marks:
        return []
    subject = seen.people.get("subject")
    if not subject or not any(seen.kind in one.kinds for one in derivations):
        return []
    doubts = evaluate.in_doubt(seen, subject, rulebook)
    if evaluate.never_earns(seen, subject, rulebook) or evaluate.AGREEMENT_UNKNOWN in doubts:
        return []
    found: list[tuple[Derivation, Use]] = []
    for derivation in derivations:
        for member in derivation.members(event):
            use = Use(
                meter=member.meter,
                bucket=EVER,
                learner=seen.learner(subject),
                at=seen.occurred_at,
                amount=1,
                slot=slot_of(member.slot, Level(not doubts, event.trust)),
            )
            found.append((derivation, use))
    return found


def _whole(derivation: Derivation, members: Mapping[int, int]) -> tuple[int, Level] | None:
    """When the set was complete (seconds UTC) and how sure that is: as sure as its weakest member.

    What is beyond doubt needs no help from what is not: then that was never there.
    """
    found: dict[int, tuple[int, Level]] = {}
    for slot, at in members.items():
        what, level = member_of(slot)
        known_at, best = found.get(what, (at, level))
        if best.sure == level.sure:
            found[what] = (min(at, known_at), max(best, level))
        elif level.sure:
            found[what] = (at, level)
    if not derivation.needed <= found.keys():
        return None
    needed = [found[what] for what in derivation.needed]
    return max(at for at, _ in needed), min(level for _, level in needed)


def _made(derivation: Derivation, lifting: Event, at: int, level: Level) -> Event:
    """The event: about the subject of the act that lifted it, whoever referred them beside; of no course."""
    seen = lifting.seen
    people, about = beside(seen, seen.people["subject"])
    told = {*people.values()} - {people["subject"]}  # of the subject `level` has it, of whichever act
    made = Observation(
        source=seen.source,
        site=seen.site,
        position=seen.position,
        lms_event=derivation.lms_event,
        kind=derivation.kind,
        people=people,
        natural_key=_natural_key(derivation.lms_event, people["subject"]),
        occurred_at=at,
        evidence=seen.evidence,
        marks=frozenset() if level.sure else frozenset({"doubted"}),
        person_marks={who: mark for who, mark in seen.person_marks.items() if who in told},
        facts={**about, **derivation.facts},
        accounts=seen.accounts,
    )
    return trust.tag(made, lifting.trust, claim=level.trust)
