"""Acts in which somebody takes part who was erased: without that person, or not at all. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from agent.ledger.privacy.clearing import NAMES_A_PERSON, facts_without
from agent.ledger.record.erased import Erased
from agent.ledger.record.people import split_learner
from agent.model import Event, Observation

T = TypeVar("T")


def spared(events: Sequence[Event], erased: Erased) -> list[Event]:
    """The events of a page without whoever is marked at their time; what nobody else takes part in is left out.

    What is left of the others has another id: the plain one could be tried for every user there is.
    """
    if not erased:
        return list(events)
    found = (_spared(event, erased) for event in events)
    return [event for event in found if event is not None]


def left_by_its_person(event: Event, erased: Erased) -> bool:
    """Whether it is an act of any account of somebody who wants no part; accounts are known as one by now."""
    seen = event.seen
    user = seen.people.get("subject") or seen.people.get("actor")
    if not user or not erased.out:
        return False
    return erased.is_out(split_learner(seen.learner(user)), seen.occurred_at)


def _spared(event: Event, erased: Erased) -> Event | None:
    seen = event.seen
    named = {*seen.people.values(), *(str(seen.facts[name]) for name in NAMES_A_PERSON if name in seen.facts)}
    gone = frozenset(user for user in named if erased.bars((seen.site, user), seen.occurred_at))
    if not gone:
        return event
    if not is_of_others(seen.people, gone):
        return None
    return replace(event, seen=without(seen, gone), event_id=erased.of_event(event.event_id))


def is_of_others(people: Mapping[str, str], gone: Collection[str]) -> bool:
    """Whether an act is anybody's without those who are ``gone``; ``people`` are its LMS user ids by role.

    An act is its subject's: what others did to somebody who is gone is about nobody who stays.
    """
    return people.get("subject") not in gone and any(user not in gone for user in people.values())


def without(seen: Observation, gone: frozenset[str]) -> Observation:
    """An observation without some of its people; ``gone`` are LMS user ids of its site."""
    return replace(
        seen,
        people={role: user for role, user in seen.people.items() if user not in gone},
        natural_key=(),
        person_marks=_left(seen.person_marks, gone),
        facts=facts_without(seen.facts, gone),
        accounts=_left(seen.accounts, gone),
        identifiers=_left(seen.identifiers, gone),
        agreed=_left(seen.agreed, gone),
    )


def _left(about: Mapping[str, T], gone: Iterable[str]) -> dict[str, T]:
    return {user: value for user, value in about.items() if user not in gone}
