"""What gates look at and the LMS knows of a learner: cohorts and country, asked at this moment.

The catalogue is told what a reward asks for, and no more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import aiosqlite

from agent import queries
from agent.errors import ConfigError, InvalidInputError, TransientError
from agent.ledger.delivery import Identity
from agent.outbox.redeeming.talk import Said, Talk
from wire.money import spending

ASKED_S_MAX = 10.0
"""Longest that a site is asked, in seconds: somebody stands at the counter."""

_SQL = queries.load("agent.outbox.redeeming", "belonging.sql")

Tells = Callable[[str], Awaitable[frozenset[str] | None]]
"""A user of a site → what is so of them; None where the site does not tell.

Raises TransientError or ConfigError where it cannot be asked now.
"""
Accounts = Sequence[Sequence[Any]]


async def silent(_user: str) -> frozenset[str] | None:
    """A site that does not tell."""
    return None


class Teller(NamedTuple):
    """What one site tells of its users: their cohorts, each by idnumber and by name, and their country."""

    cohorts: Tells = silent
    countries: Tells = silent


class Claim(NamedTuple):
    """What is said of a learner. ``by_hand`` names what of it somebody typed and no site could say."""

    cohorts: tuple[str, ...] = ()
    country: str = ""
    by_hand: tuple[str, ...] = ()

    def told(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """An answer, with what somebody typed."""
        return {**answer, **({"by_hand": list(self.by_hand)} if self.by_hand else {})}


class Belonging:
    """``tellers`` are the sites whose LMS can be asked, by name."""

    def __init__(self, talk: Talk, tellers: Mapping[str, Teller]) -> None:
        self._talk = talk
        self._tellers = tellers

    async def told(
        self, conn: aiosqlite.Connection, who: Identity, learner: str, pseudonym: str, typed: Claim, reward: str
    ) -> Claim:
        """What the catalogue is told for a reward (or, where that is empty, for all that is on offer).

        Where no site of the learner's can tell, it is what somebody typed. Else it is what the LMS says, and of that
        only what is asked for: the catalogue learns no more about anybody than a gate needs.

        Raises:
            InvalidInputError: something was typed that the LMS says otherwise.
            TransientError: something was typed, and the LMS cannot be asked now.
        """
        site, _, user = learner.partition(":")
        accounts = [(site, user), *await conn.execute_fetchall(_SQL["accounts"], (site, user))]
        cohorts = await self._known(accounts, "cohorts", typed.cohorts)
        countries = await self._known(accounts, "countries", (typed.country,) if typed.country else ())
        _agree(learner, typed, cohorts, countries)
        by_hand = tuple(
            name
            for name, said, known in (("cohorts", typed.cohorts, cohorts), ("country", typed.country, countries))
            if said and known is None
        )
        mine = typed._replace(by_hand=by_hand)
        if not cohorts and not countries:
            return mine if cohorts is None else mine._replace(cohorts=())
        message = spending.Gated(campus=who.campus, agent=who.agent, learner=pseudonym, reward=reward)
        said = await self._talk.post(who, "/v1/shelf/cohorts", message)
        if not isinstance(said, Said) or not said.yes:
            return mine
        if cohorts is not None:
            asked = cohorts.intersection(map(str, said.fields["cohorts"]))
            mine = mine._replace(cohorts=tuple(sorted(asked))[: spending.COHORTS_MAX])
        # A catalogue from before it was asked does not say which countries matter: it is told what was typed.
        if countries is not None and "countries" in said.fields:
            wanted = countries.intersection(map(str, said.fields["countries"]))
            mine = mine._replace(country=min(wanted, default=""))
        return mine

    async def _known(self, accounts: Accounts, what: str, typed: Collection[str]) -> frozenset[str] | None:
        """What the sites of all of the learner's accounts say; None where none of them can tell."""
        told: set[str] = set()
        any_told = False
        for where, account in accounts:
            if where not in self._tellers:
                continue
            try:
                async with asyncio.timeout(ASKED_S_MAX):
                    found = await getattr(self._tellers[where], what)(account)
            except (TransientError, ConfigError, TimeoutError):
                if typed:
                    option = "--cohort" if what == "cohorts" else "--country"
                    raise TransientError(
                        f"{where} cannot be asked now for {what}", hint=f"leave {option} out, or try later"
                    ) from None
                any_told = True  # it would tell: nobody is let in by word of mouth meanwhile
                continue
            any_told = any_told or found is not None
            told |= found or frozenset()
        return frozenset(told) if any_told else None


def _agree(learner: str, typed: Claim, cohorts: frozenset[str] | None, countries: frozenset[str] | None) -> None:
    """See that nothing was typed that the LMS says otherwise.

    Raises:
        InvalidInputError: something was.
    """
    strangers = [name for name in typed.cohorts if cohorts is not None and name not in cohorts]
    if strangers:
        raise InvalidInputError(
            f"{learner} is not in cohort {', '.join(strangers)}, says the LMS",
            hint="leave --cohort out: who is in which cohort is asked there, and changed there",
        )
    if typed.country and countries is not None and typed.country not in countries:
        raise InvalidInputError(
            f"{learner} is not in {typed.country}, says the LMS",
            hint="leave --country out: it is asked there, and changed in the person's profile there",
        )
