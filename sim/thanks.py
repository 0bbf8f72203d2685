"""Learners who thank each other at the campus's counter: kudos, for which the rules pay once the agent has heard."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from random import Random
from typing import Any, NamedTuple

from agent.errors import InvalidInputError, RewardsError
from sim.called import account, learner_of
from sim.model import THANKED, Awards
from sim.moodle import LEARNERS
from sim.thanked import Wished
from sim.world import AGENT, CAMPUS, FORGETS, World

PER_PAIR = 2
"""So many may be given to the same learner in a week, as a catalogue has it that nobody told otherwise."""
AGAIN = 0.5
"""How often somebody asks again of whom no answer came."""
_KEPT = "SELECT no, key, giver, receiver, state FROM recognition WHERE campus = ? AND kind = 'kudos' ORDER BY no"


class Thanks:
    """Draws who thanks whom. What came of it is in ``world.thanked``."""

    def __init__(self, world: World, chance: Random) -> None:
        self._world = world
        self._chance = chance
        self._open: list[str] = []
        """Keys of kudos of which nobody knows."""
        self._jobs: set[asyncio.Task[None]] = set()

    async def begin(self) -> None:
        """Something happens, which may take as long as the network does."""
        task = asyncio.create_task(self._once())
        self._jobs.add(task)
        task.add_done_callback(self._jobs.discard)

    async def _once(self) -> None:
        """Somebody thanks somebody, likes that or says something, or takes it back."""
        kind, given = self._chance.random(), sorted(self._world.thanked.told)
        if kind < 0.6 or not given:
            await self._give()
            return
        key = self._chance.choice(given)
        number, wished = self._world.thanked.told[key][0], self._world.thanked.wished[key]
        if kind < 0.8:
            self._world.trace.fault("kudos taken back", str(number))
            self._world.thanked.back.add(number)
            await self._asked("kudos.does", act="back", learner=account("moodle", wished.giver), id=number)
        else:
            about = {"learner": account("moodle", wished.receiver), "id": number}
            more = {"act": "like"} if kind < 0.9 else {"act": "comment", "text": "Gern geschehen – 不客气"}
            await self._asked("kudos.does", **about, **more)

    async def _give(self) -> None:
        """`rewards-agent kudos give`, also with the key of those of which nobody knows."""
        thanked, books = self._world.thanked, self._world.sold.books
        again = bool(self._open) and self._chance.random() < AGAIN
        key = self._chance.choice(self._open) if again else f"kudos-{len(thanked.wished)}"
        giver, receiver = self._chance.sample(LEARNERS, 2)
        wished = thanked.wished.setdefault(key, Wished(giver, receiver))
        self._world.trace.fault("kudos given again" if again else "kudos given", key)
        names = {"learner": account("moodle", wished.giver), "to": account("moodle", wished.receiver)}
        told = await self._asked("kudos.give", **names, say="#helpful Tack så mycket!", key=key)
        if told is None:
            self._open.append(key)
        elif "id" in told:
            self._heard(key, int(told["id"]), books)

    def _heard(self, key: str, number: int, books: int) -> None:
        thanked = self._world.thanked
        before, of = thanked.told.get(key), thanked.numbers.setdefault(number, key)
        if of != key:
            thanked.faults.append(f"kudos {number} are those of {of}, and of {key}")
        if before is not None and before != (number, books) and before[1] == books:
            thanked.faults.append(f"{key} is {before[0]}, and again {number}")
        if books == self._world.sold.books:
            thanked.told[key] = (number, books)

    async def _asked(self, command: str, **words: Any) -> Any:
        """What the running agent answers; None where nobody does, and nothing where it says no."""
        agent = self._world.agent
        if not (agent.runs and command in agent.commands):
            return None
        try:
            told = await agent.inside(partial(agent.commands[command], **words))
        except RewardsError as exc:
            self._world.trace.say(f"counter: {command}: {exc.message}")
            return {} if isinstance(exc, InvalidInputError) else None
        self._world.trace.say(f"counter: {command}: {told.get('id') if told else 'killed'}")
        return told


class Kept(NamedTuple):
    """Kudos as the catalogue keeps them."""

    no: int
    key: str
    giver: str
    receiver: str
    state: str


def kept(world: World) -> list[Kept]:
    """All that the catalogue has, those that were taken back with them."""
    with closing(sqlite3.connect(world.centre.home / "catalogue.db")) as db:
        return [Kept(no, key.removeprefix(f"{AGENT}:"), *rest) for no, key, *rest in db.execute(_KEPT, (CAMPUS,))]


def owed(world: World) -> tuple[Awards, Awards]:
    """What those have who were thanked, at least and at most: each of the kudos that stand is paid for, once.

    Nobody knows what was heard of kudos that a catalogue which was put back has forgotten, of those in which somebody
    takes part who was erased or took no part, or of persons whom a ledger forgot before they had anything.
    """
    least: Counter[tuple[str, str]] = Counter()
    most: Counter[tuple[str, str]] = Counter()
    gone = {learner_of(who) for who in (*world.erased, *world.parted)}
    gone |= set(LEARNERS) - set(world.moodle.acts.learners)
    here = {one.key: one.state for one in kept(world)}
    forgets = bool(world.trace.faults.keys() & FORGETS)
    for key, (giver, receiver) in world.thanked.wished.items():
        who = (account("moodle", receiver), THANKED)
        state = here.get(key, "")
        sure = not forgets and not {giver, receiver} & gone
        least[who] += sure and state == "shown"
        most[who] += state != "revoked" or not sure
    return dict(least), dict(most)


def judged(world: World) -> Iterator[str]:
    """What does not hold of kudos at the catalogue."""
    yield from world.thanked.faults
    rows = kept(world)
    here = {one.key: one for one in rows}
    for key, (number, books) in world.thanked.told.items():
        wished = world.thanked.wished[key]
        gone = {learner_of(who) for who in world.erased} & {*wished}
        if books == world.sold.books and not gone and (key not in here or here[key].no != number):
            yield f"kudos {number} were given as {key}, and the catalogue keeps {here.get(key)}"
    for (giver, receiver), times in Counter((one.giver, one.receiver) for one in rows).items():
        if giver and giver == receiver:
            yield f"{giver} has thanked themselves"
        if giver and receiver and times > PER_PAIR:
            yield f"{giver} has thanked {receiver} {times} times, {PER_PAIR} are the most"
    for one in rows:
        if one.state == "revoked" and one.no not in world.thanked.back:
            yield f"kudos {one.no} are taken back, and nobody wanted that"
