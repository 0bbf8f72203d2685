"""What a derivation is: acts put members into sets, and a whole set is an event of its own. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from agent.config.factentry import PERSON
from agent.model import FROM_PROFILE, Event, Fact, Observation, Selector, Trust

PREFIX = "derived:"
"""How the LMS event name of every derived event begins; no log has such a name."""


class Member(NamedTuple):
    """What an act puts into a set: ``slot`` (an integer below 2**61) of the set under ``meter``."""

    meter: str
    slot: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Derivation:
    """One thing that acts can bring about, once for each learner.

    ``kind`` and ``name`` identify it (`programme.completed`, the programme), ``facts`` are what its event says.
    ``members`` are what an event adds for its subject. The set is whole when every slot of ``needed`` is under
    ``meter``. ``kinds`` are those of the acts, ``wants`` the facts that `members` looks at, ``selectors`` what it
    names in the LMS.
    """

    kind: str
    name: str
    meter: str
    needed: frozenset[int]
    members: Callable[[Event], tuple[Member, ...]]
    facts: Mapping[str, Fact]
    kinds: frozenset[str]
    wants: frozenset[str]
    selectors: tuple[Selector, ...] = ()

    @property
    def courses(self) -> frozenset[str]:
        """The courses in which the acts lie, as the rules name them."""
        return frozenset(selector.name for selector in self.selectors if selector.by == "courses")

    @property
    def lms_event(self) -> str:
        """What its events are called."""
        return f"{PREFIX}{self.kind}:{self.name}"


def beside(seen: Observation, user: str) -> tuple[dict[str, str], dict[str, Fact]]:
    """The people and the facts of an act that an event about ``user`` has too: what profiles say, cohorts and roles."""
    people = {"subject": user}
    theirs = seen.people.get("subject") == user
    if theirs:
        people |= {role: seen.people[role] for role in FROM_PROFILE if role in seen.people}
    facts = {
        name: fact
        for name, fact in seen.facts.items()
        if name.partition(":")[2] in people.values() or (theirs and name.startswith(PERSON))
    }
    return people, facts


TRUST_SLOTS = len(Trust)
"""A member is kept once for each trust: so that doubtful evidence never lends its place to what rests on it."""
_DOUBTED = Trust.trusted_source
"""What is believed less is no member: so many levels are free for acts that are believed as much, and held."""


class Level(NamedTuple):
    """How sure a member is: beyond doubt or not, then how far it is believed. Higher is better."""

    sure: bool
    trust: Trust


def slot_of(what: int, level: Level) -> int:
    """The slot under which a member of a level is kept: ``what`` is below 2**59, its trust `trusted_source` or more."""
    return what * TRUST_SLOTS + level.trust - (0 if level.sure else _DOUBTED)


def member_of(slot: int) -> tuple[int, Level]:
    """What `slot_of` was given."""
    what, number = divmod(slot, TRUST_SLOTS)
    sure = number >= _DOUBTED
    return what, Level(sure, Trust(number if sure else number + _DOUBTED))
