"""Who is one person at two agents: one purse for both pseudonyms, nobody else's with it, and each agent knows of it."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, NamedTuple

from agent.errors import RewardsError
from agent.ledger import file
from sim.called import learner_of
from sim.north import PERSONS, SITE
from sim.programs import Sidecar
from sim.world import World

_PEOPLE = "SELECT site, lms_user, pseudonym FROM person"
_EARNED = """
SELECT p.pseudonym FROM person p WHERE NOT EXISTS (
  SELECT 1 FROM alias a WHERE (a.site, a.lms_user) = (p.site, p.lms_user)
) AND EXISTS (
  SELECT 1 FROM entry e WHERE e.person_no = p.person_no AND CAST(e.body AS TEXT) ->> 'rule' <> 'thanked'
)
"""
"""Who did something: whoever was thanked and did nothing is known to the campus by no address yet."""
_ELSEWHERE = "SELECT p.pseudonym, e.wallets FROM elsewhere e JOIN person p USING (person_no)"
_PURSES = "SELECT name, purse FROM link"
_WALLETS = "SELECT learner, balance FROM wallet"


class Purses(NamedTuple):
    """As the catalogue has them: ``of`` is the purse of each pseudonym that is linked, ``balances`` are of wallets."""

    of: Mapping[str, str]
    balances: Mapping[str, int]

    def beside(self, name: str) -> int:
        """What is in the other wallets of somebody's purse."""
        purse = self.of.get(name)
        return sum(self.balances.get(one, 0) for one, its in self.of.items() if its == purse and one != name)


def note(world: World) -> None:
    """Remember whose each pseudonym is, as the ledgers say now: an erasure or a lost disk takes that from them."""
    for sidecar in world.sidecars:
        for site, user, name in _rows(sidecar, _PEOPLE):
            world.owners[name] = PERSONS[int(user)] if site == SITE else learner_of(f"{site}:{user}")


def unsettled(world: World) -> Iterator[str]:
    """What does not hold, or not yet, of persons who learn at both agents."""
    if world.north is None:
        return
    note(world)
    purses = _purses(world)
    yield from _mixed(purses, world.owners)
    for owner, sides in sorted(_known_at_both(world).items()):
        yield from _one_purse(owner, sides, purses)


def untold(world: World) -> Iterator[str]:
    """What agents do not say yet of what their learners have elsewhere: they hear of it once a minute."""
    if world.north is None:
        return
    note(world)
    purses = _purses(world)
    told = [{name: json.loads(said) for name, said in _rows(one, _ELSEWHERE)} for one in world.sidecars]
    for owner, sides in sorted(_known_at_both(world).items()):
        yield from _told(owner, sides, told, purses)


def _purses(world: World) -> Purses:
    with closing(sqlite3.connect(world.centre.home / "catalogue.db")) as db:
        return Purses(dict(db.execute(_PURSES).fetchall()), dict(db.execute(_WALLETS).fetchall()))


def _known_at_both(world: World) -> dict[int, tuple[set[str], set[str]]]:
    """Learner → pseudonyms with entries at each agent, of who has some at both and was not erased."""
    found: defaultdict[int, tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
    for side, sidecar in enumerate(world.sidecars):
        for (name,) in _rows(sidecar, _EARNED):
            found[world.owners[name]][side].add(name)
    gone = set(map(learner_of, world.erased))
    return {owner: sides for owner, sides in found.items() if all(sides) and owner not in gone}


def _mixed(purses: Purses, owners: Mapping[str, int]) -> Iterator[str]:
    """Purses of more than one person."""
    found: defaultdict[str, set[int]] = defaultdict(set)
    for name, purse in purses.of.items():
        if name in owners:
            found[purse].add(owners[name])
    for purse, several in sorted(found.items()):
        if len(several) > 1:
            yield f"purse {purse} is of {sorted(several)}"


def _one_purse(owner: int, sides: Iterable[set[str]], purses: Purses) -> Iterator[str]:
    names = sorted(set().union(*sides))
    if len({purses.of.get(name, name) for name in names}) > 1:
        yield f"learner {owner} is one person at two agents and has several purses: {names}"


def _told(
    owner: int,
    sides: Iterable[set[str]],
    told: Sequence[Mapping[str, Mapping[str, Sequence[int]]]],
    purses: Purses,
) -> Iterator[str]:
    """What each agent says that somebody has elsewhere: what is in the purse's other wallets."""
    for names, known in zip(sides, told, strict=True):
        for name in sorted(names):
            said, others = known.get(name, {}).get("points", (0, 0))[0], purses.beside(name)
            if said != others:
                yield f"learner {owner} has {others} elsewhere, and is told of {said}"


def _rows(sidecar: Sidecar, query: str) -> list[Any]:
    """What an agent's ledger answers; nothing while there is none to be read."""
    try:
        with file.reading(sidecar.program.home / "data") as ledger:
            return ledger.execute(query).fetchall()
    except RewardsError:
        return []
