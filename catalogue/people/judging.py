"""Whether two agents' persons are one: the tags that both told decide, and nothing is guessed. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from wire.people.known import SAID_BY

WORDS = {"email": "e-mail"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """What is known of one pseudonym.

    ``tags`` are by what it is known, each with whether a system gives it to several accounts; ``purse`` is what it is
    linked into, its own name where it is not. ``account_of`` is the person whose account it is there, or nothing.
    """

    name: str
    agent: str
    purse: str
    account_of: str = ""
    tags: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What is to become of a person: linked ``into`` a purse, or held for ``reason`` beside ``others``; or neither."""

    into: str = ""
    by: str = ""
    others: tuple[str, ...] = ()
    reason: str = ""


def decide(name: str, known: Mapping[str, Person], apart: Collection[frozenset[str]]) -> Word:
    """What the tags in ``known`` say of ``name``; ``known`` has everybody alike, and everybody in their purses.

    ``apart`` are pairs that somebody took apart.
    """
    mine = known[name]
    found: dict[str, str] = {}
    others: set[str] = set()
    doubt = ""
    for by in (one for one in SAID_BY if one in mine.tags):
        same = [one for one in known.values() if one.purse != mine.purse and _alike(mine, one, by)]
        away = [one for one in same if one.agent != mine.agent]
        if not away:
            continue
        others |= {one.name for one in same}
        word = WORDS.get(by, by)
        if len(away) < len(same) or any(_shared(one, mine, by) for one in (*same, mine)):
            doubt = doubt or f"two accounts of one site have this {word}"
        for one in sorted(away, key=lambda each: each.name):
            found.setdefault(one.purse, word)
            differing = [how for how in SAID_BY if how != by and _differ(mine, one, how)]
            if differing:
                doubt = doubt or f"the {word} is the same and the {WORDS.get(differing[0], differing[0])} is not"
    if not found:
        return Word()
    if len(found) > 1:
        doubt = doubt or f"two people have this {' or '.join(sorted(set(found.values())))}"
    purse, by = min(found.items())
    doubt = doubt or against(mine.purse, purse, known, apart)
    told = tuple(sorted(others))
    return Word(others=told, reason=doubt) if doubt else Word(into=purse, by=by, others=told)


def against(one: str, other: str, known: Mapping[str, Person], apart: Collection[frozenset[str]]) -> str:
    """Why two purses cannot be one person's, or nothing."""
    ours, theirs = members(one, known), members(other, known)
    agents = {each.agent for each in ours if not each.account_of} & {
        each.agent for each in theirs if not each.account_of
    }
    if agents:
        return f"they would be two people of {', '.join(sorted(agents))}"
    if any(frozenset((each.name, mate.name)) in apart for each in ours for mate in theirs):
        return "they were taken apart"
    return ""


def lost(alike: Collection[str], agents: Mapping[str, str], moved: Collection[str]) -> set[str]:
    """Which of these, who may be one person, are nobody's: an agent lost them with its ledger and has them anew.

    Nothing ever moved a wallet of theirs, and another of the same agent is known by the same and has one. ``agents``
    has the agent of each that was told of, ``moved`` are those with wallets.
    """
    there = {agents[name] for name in alike if name in agents and name in moved}
    return {name for name in alike if name not in moved and agents.get(name) in there}


def members(purse: str, known: Mapping[str, Person]) -> list[Person]:
    """Whose wallets a purse has."""
    return [one for one in known.values() if one.purse == purse]


def joined(one: str, other: str, known: Mapping[str, Person]) -> list[Person]:
    """Everybody of two purses in one, which is called by its first name."""
    together = [each for each in known.values() if each.purse in {one, other}]
    purse = min(each.name for each in together)
    return [replace(each, purse=purse) for each in together]


def _alike(mine: Person, other: Person, by: str) -> bool:
    return not mine.tags.get(by, {}).keys().isdisjoint(other.tags.get(by, {}))


def _shared(one: Person, mine: Person, by: str) -> bool:
    """Whether a tag that both have is given to several accounts where ``one`` is from."""
    return any(shared for tag, shared in one.tags[by].items() if tag in mine.tags[by])


def _differ(mine: Person, other: Person, how: str) -> bool:
    """Whether both are told of, and are not the same; what only one agent knows contradicts nothing."""
    return how in mine.tags and how in other.tags and not _alike(mine, other, how)
