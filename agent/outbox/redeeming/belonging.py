"""In which cohorts a learner is, as the LMS says at this moment; the catalogue is told those that a reward asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

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
"""A user of a site → their cohorts, each by idnumber and by name; None where the site does not tell.

Raises TransientError or ConfigError where it cannot be asked now.
"""


class Belonging:
    """``tellers`` are the sites whose LMS can be asked, by name."""

    def __init__(self, talk: Talk, tellers: Mapping[str, Tells]) -> None:
        self._talk = talk
        self._tellers = tellers

    async def told(
        self, conn: aiosqlite.Connection, who: Identity, learner: str, pseudonym: str, typed: Sequence[str], reward: str
    ) -> tuple[str, ...]:
        """The cohorts that the catalogue is told for a reward (or, where that is empty, for all that is on offer).

        Where no site of the learner's can tell, they are those that somebody typed. Else they are what the LMS says,
        and of that only what is asked for: the catalogue learns no more about anybody than a gate needs.

        Raises:
            InvalidInputError: a cohort was typed that the learner is not in.
            TransientError: one was typed, and the LMS cannot be asked now.
        """
        known = await self._known(conn, learner, typed)
        if known is None:
            return tuple(typed)
        strangers = [name for name in typed if name not in known]
        if strangers:
            raise InvalidInputError(
                f"{learner} is not in cohort {', '.join(strangers)}, says the LMS",
                hint="leave --cohort out: who is in which cohort is asked there, and changed there",
            )
        if not known:
            return ()
        message = spending.Gated(campus=who.campus, agent=who.agent, learner=pseudonym, reward=reward)
        said = await self._talk.post(who, "/v1/shelf/cohorts", message)
        if not isinstance(said, Said) or not said.yes:
            return tuple(typed)
        return tuple(sorted(known.intersection(map(str, said.fields["cohorts"]))))[: spending.COHORTS_MAX]

    async def _known(self, conn: aiosqlite.Connection, learner: str, typed: Sequence[str]) -> frozenset[str] | None:
        """What the sites of all of the learner's accounts say; None where none of them can tell."""
        site, _, user = learner.partition(":")
        accounts = [(site, user), *await conn.execute_fetchall(_SQL["accounts"], (site, user))]
        told: set[str] = set()
        any_told = False
        for where, account in accounts:
            if where not in self._tellers:
                continue
            try:
                async with asyncio.timeout(ASKED_S_MAX):
                    found = await self._tellers[where](account)
            except (TransientError, ConfigError, TimeoutError):
                if typed:
                    raise TransientError(
                        f"{where} cannot be asked now who is in which cohort", hint="leave --cohort out, or try later"
                    ) from None
                any_told = True  # it would tell: nobody is let in by word of mouth meanwhile
                continue
            any_told = any_told or found is not None
            told |= found or frozenset()
        return frozenset(told) if any_told else None
