"""The campus's counter: what a learner may have, a wish that comes true once whatever the network does, its voucher."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiosqlite
import structlog

from agent.clock import Clock
from agent.errors import ConfigError, InvalidInputError, RewardsError, TransientError
from agent.ledger import delivery
from agent.ledger.centre import allowances, wishes
from agent.ledger.centre.allowances import Allowance
from agent.ledger.centre.wishes import Granted, Wish
from agent.ledger.delivery import Identity
from agent.ledger.file import KeptOpen
from agent.outbox.redeeming.allowances import Allowances
from agent.outbox.redeeming.belonging import Belonging, Claim, Teller
from agent.outbox.redeeming.doubt import Doubt
from agent.outbox.redeeming.talk import Said, Talk, Unknown
from agent.outbox.redeeming.till import Till
from agent.outbox.writes import Runs
from agent.retry import Trouble
from wire.money import spending

TRIES = 3
SETTLE_S = 30.0
"""How often open wishes are looked at, in seconds."""
SETTLED_AT_ONCE = 20
_UNKNOWN_WISH = "unknown-wish"
_KEY_BYTES = 12

log = structlog.get_logger()

Before = Callable[[], Awaitable[object]]


class Redeeming:
    """Ended by `close`. ``deliver`` and ``hear`` are the road, ``secret`` gives bytes that nobody can guess.

    ``tellers`` say in which cohorts and which country somebody is, by site.
    """

    def __init__(
        self,
        *,
        talk: Talk,
        writer: Runs,
        data_dir: Path,
        clock: Clock,
        deliver: Before,
        hear: Before,
        secret: Callable[[int], bytes],
        tellers: Mapping[str, Teller] | None = None,
    ) -> None:
        self._talk = talk
        self._belonging = Belonging(talk, tellers or {})
        self._writer = writer
        self._ledger = KeptOpen(data_dir)
        self._clock = clock
        self._deliver = deliver
        self._hear = hear
        self._secret = secret
        self._one_at_a_time = asyncio.Lock()
        self._doubt = Doubt(clock.running)
        self._allowances = Allowances(talk, writer, clock, self._ledger.connection)
        self.use = Till(talk, self._enrolled, secret).use

    async def run(self) -> None:
        """Find out what became of open wishes, for ever."""
        trouble = Trouble()
        while True:
            await asyncio.sleep(SETTLE_S)
            try:
                await self.settle()
                trouble.is_over()
            except RewardsError as exc:
                if trouble.is_news(exc.message):
                    log.warning("wishes_trouble", trouble=exc.message)

    async def close(self) -> None:
        """Let go of connections; may be called twice."""
        await self._talk.close()
        await self._ledger.close()

    async def offered(self, *, learner: str, cohorts: Sequence[str] = (), country: str = "") -> dict[str, Any]:
        """What is on offer to a learner (``<site>:<LMS user id>``): {rewards, wallets} as the catalogue has them.

        Raises:
            TransientError: the catalogue does not answer.
            InvalidInputError: nobody, or the catalogue refuses.
        """
        who, _, pseudonym = await self._asker(learner)
        typed = Claim(tuple(cohorts), country.upper())
        known = await self._belonging.told(await self._ledger.connection(), who, learner, pseudonym, typed, "")
        mine = {"learner": pseudonym, "cohorts": known.cohorts, "country": known.country}
        asker = spending.Asker(campus=who.campus, agent=who.agent, **mine)  # type: ignore[arg-type]
        return known.told((await self._must(self._talk.post(who, "/v1/shelf", asker))).fields)

    async def redeem(
        self,
        *,
        learner: str,
        reward: str,
        by: str,
        currency: str = "",
        cohorts: Sequence[str] = (),
        country: str = "",
        key: str = "",
    ) -> dict[str, Any]:
        """Spend a learner's points on a reward. With the ``key`` of an open wish, ask for that one again.

        {state, key, …}: granted with the voucher (`code` or `token`), refused or unknown with ``why``.

        Raises:
            InvalidInputError: nobody, or there is an open wish for this reward, or the key is another wish's.
        """
        async with self._one_at_a_time:
            who, person_no, pseudonym = await self._asker(learner)
            conn, typed = await self._ledger.connection(), Claim(tuple(cohorts), country.upper())
            if not key and (kept := await self._allowances.give_out(person_no, reward, by=by)) is not None:
                return kept
            if key:
                wish, known = await self._again(conn, key, person_no, reward), Claim()
                await self._writer.run(wishes.attempted(wish.key))
                wish = replace(wish, attempts=wish.attempts + 1)
                self._doubt.sent(wish.key, wish.attempts)
            else:
                open_one = await wishes.still_open(conn, person_no, reward)
                if open_one is not None:
                    raise InvalidInputError(
                        f"nobody knows yet what became of the last wish for {reward}",
                        hint=f"ask for that one again: --key {open_one.key}; or wait until it is settled:"
                        " rewards-agent redemption list",
                    )
                known = await self._belonging.told(conn, who, learner, pseudonym, typed, reward)
                wish = self._new(person_no, pseudonym, learner, reward, currency, known, by)
                await self._deliver()  # points of a moment ago are to be spent too
                await self._writer.run(wishes.add(wish))
            return known.told(await self._sent(who, wish, by=by))

    async def draw(
        self,
        *,
        learner: str,
        reward: str,
        by: str,
        currency: str = "",
        cohorts: Sequence[str] = (),
        country: str = "",
    ) -> dict[str, Any]:
        """Have a voucher made beforehand, to be given out when there is no line: {state, key, why, …}.

        Raises:
            InvalidInputError: nobody.
        """
        async with self._one_at_a_time:
            who, person_no, pseudonym = await self._asker(learner)
            typed = Claim(tuple(cohorts), country.upper())
            known = await self._belonging.told(await self._ledger.connection(), who, learner, pseudonym, typed, reward)
            await self._deliver()
            wanted = Allowance(
                key=self._secret(_KEY_BYTES).hex(),
                person_no=person_no,
                learner=learner,
                pseudonym=pseudonym,
                reward=reward,
                currency=currency,
                cohorts=known.cohorts,
                country=known.country,
                epoch=who.epoch,
                asked_at=self._clock.now(),
                asked_by=by,
                redemption="",
                title="",
                paid=0,
                expires_at=None,
                state="asked",
                ended="",
                shown_at=None,
                shown_by="",
                why="",
            )
            return known.told(await self._allowances.draw(who, wanted))

    async def give_back(self, *, key: str = "") -> dict[str, Any]:
        """Give back what is kept and was not given out, all of it or one: {returning, settled, staying}.

        ``staying`` are of an epoch before: the catalogue takes them back from nobody, and `redeem` gives them out.
        """
        async with self._one_at_a_time:
            epoch = (await self._enrolled()).epoch
            returning = await self._allowances.give_back(key, epoch=epoch)
            settled = await self._allowances.settle()
        await self._hear()
        staying = await allowances.kept_before(await self._ledger.connection(), epoch)
        return {"returning": returning, "settled": settled, "staying": staying}

    async def show(self, *, name: str, by: str, again: bool = False) -> dict[str, Any]:
        """A granted wish (its key or the redemption's name) with its voucher, which is shown once unless ``again``.

        Raises:
            InvalidInputError: there is none, or it was shown.
            TransientError: the catalogue does not answer.
        """
        kept = await self._allowances.show_again(name, by=by) if again else None
        if kept is not None:
            return kept
        wish = await self._called(name)
        if wish.state != "granted":
            raise InvalidInputError(f"this wish is {wish.state}", hint="see: rewards-agent redemption list")
        if wish.shown_at is not None and not again:
            raise InvalidInputError(
                f"its voucher was shown to {wish.shown_by} already", hint="if it is to be shown once more: --again"
            )
        who = await self._enrolled()
        said = await self._must(self._talk.get(who, f"/v1/redemptions/{quote(wish.redemption, safe='')}"))
        if said.fields.get("learner") != wish.pseudonym:
            raise InvalidInputError("the catalogue has it as somebody else's", hint="ask its operator")
        if said.fields.get("code") or said.fields.get("token"):
            await self._writer.run(wishes.shown(wish.key, by=by, now=self._clock.now()))
        return _told(wish, said.fields)

    async def cancel(self, *, name: str, by: str, reason: str) -> dict[str, Any]:
        """Give a redemption back that no partner was asked for yet.

        Raises:
            InvalidInputError: there is none, or it is too late.
            TransientError: the catalogue does not answer.
        """
        wish, who = await self._called(name), await self._enrolled()
        message = spending.Cancel(
            campus=who.campus,
            agent=who.agent,
            learner=wish.pseudonym,
            redemption=wish.redemption or "-",
            why=f"{reason} ({by})"[: spending.WHY_CHARS_MAX],
        )
        said = await self._must(self._talk.post(who, "/v1/redemptions/cancel", message))
        await self._hear()
        return _told(wish, said.fields)

    async def settle(self) -> int:
        """Find out what became of wishes of which no attempt can arrive any more, and settle what was made beforehand.

        Says how many were settled.
        """
        async with self._one_at_a_time:
            return await self._allowances.settle() + await self._settle_wishes()

    async def _settle_wishes(self) -> int:
        conn = await self._ledger.connection()
        who = await delivery.identity(conn)
        if who is None:
            return 0
        settled = 0
        ended = [wish for wish in await wishes.all_open(conn) if not self._doubt.may_arrive(wish.key, wish.attempts)]
        for wish in ended[:SETTLED_AT_ONCE]:
            said = await self._talk.get(who, f"/v1/wishes/{wish.key}")
            if isinstance(said, Unknown):
                break
            if said.yes:
                await self._end(wish, "granted", granted=Granted.told(said.fields))
            elif said.code == _UNKNOWN_WISH:
                await self._end(wish, "void", f"it never arrived at the catalogue; {wish.why}".rstrip("; "))
            else:
                await self._end(wish, "refused", said.message)
            settled += 1
        return settled

    async def _sent(self, who: Identity, wish: Wish, *, by: str) -> dict[str, Any]:
        """A no is the end, whatever else is still under way: the catalogue keeps it under the key."""
        message = spending.Wish(
            campus=who.campus,
            agent=who.agent,
            learner=wish.pseudonym,
            cohorts=wish.cohorts,
            country=wish.country,
            key=wish.key,
            reward=wish.reward,
            currency=wish.currency,
        )
        told = {"key": wish.key, "reward": wish.reward}
        said: Said | Unknown = Unknown(why="")
        for attempt in range(1, TRIES + 1):
            said = await self._talk.post(who, "/v1/redemptions", message)
            if isinstance(said, Said):
                break
            await self._writer.run(wishes.doubted(wish.key, said.why))
            self._doubt.sent(wish.key, wish.attempts + attempt)
        if isinstance(said, Unknown):
            return {"state": "unknown", **told, "why": said.why}
        if not said.yes:
            await self._end(wish, "refused", said.message)
            return {"state": "refused", **told, "code": said.code, "why": said.message}
        await self._end(wish, "granted", granted=Granted.told(said.fields))
        if said.fields.get("code") or said.fields.get("token"):
            await self._writer.run(wishes.shown(wish.key, by=by, now=self._clock.now()))
        await self._hear()
        return _told(wish, said.fields)

    async def _end(self, wish: Wish, state: str, why: str = "", granted: Granted | None = None) -> None:
        await self._writer.run(wishes.settle(wish.key, state, now=self._clock.now(), why=why, granted=granted))
        self._doubt.over(wish.key)

    def _new(
        self,
        person_no: int,
        pseudonym: str,
        learner: str,
        reward: str,
        currency: str,
        known: Claim,
        by: str,
    ) -> Wish:
        now = self._clock.now()
        return Wish(
            key=self._secret(_KEY_BYTES).hex(),
            person_no=person_no,
            learner=learner,
            pseudonym=pseudonym,
            reward=reward,
            currency=currency,
            cohorts=known.cohorts,
            country=known.country,
            asked_at=now,
            asked_by=by,
            state="asked",
            settled_at=None,
            why="",
            redemption="",
            title="",
            paid_currency="",
            paid=0,
            shown_at=None,
            shown_by="",
        )

    async def _again(self, conn: aiosqlite.Connection, key: str, person_no: int, reward: str) -> Wish:
        wish = await wishes.by_key(conn, key)
        if wish is None or (wish.person_no, wish.reward) != (person_no, reward):
            raise InvalidInputError(f"{key} is no wish of this learner for {reward}", hint="leave --key out")
        if wish.state == "granted":
            raise InvalidInputError("this wish came true", hint=f"its voucher: rewards-agent redemption show {key}")
        if wish.state != "asked":
            raise InvalidInputError(f"this wish is {wish.state}: {wish.why}", hint="ask anew, without --key")
        return wish

    async def _asker(self, learner: str) -> tuple[Identity, int, str]:
        who = await self._enrolled()
        found = await wishes.person(await self._ledger.connection(), learner)
        if found is None:
            raise InvalidInputError(f"{learner} has earned nothing yet", hint="see: rewards-agent learner why")
        return who, *found

    async def _enrolled(self) -> Identity:
        who = await delivery.identity(await self._ledger.connection())
        if who is None:
            raise ConfigError("this agent is not enrolled: nothing can be redeemed", hint="run: rewards-agent enrol")
        return who

    async def _called(self, name: str) -> Wish:
        wish = await wishes.called(await self._ledger.connection(), name)
        if wish is None:
            raise InvalidInputError(f"there is no wish {name}", hint="see: rewards-agent redemption list")
        return wish

    async def _must(self, asked: Awaitable[Said | Unknown]) -> Said:
        said = await asked
        if isinstance(said, Unknown):
            raise TransientError(said.why, hint="nothing was changed; try again when the catalogue answers")
        if not said.yes:
            raise InvalidInputError(said.message, hint="")
        return said


def _told(wish: Wish, fields: dict[str, Any]) -> dict[str, Any]:
    """What the person at the counter is told of a redemption."""
    names = ("redemption", "title", "currency", "amount", "code", "token", "expires_at", "used_at")
    told = {name: fields.get(name) for name in names}
    return {"state": "granted", "key": wish.key, "reward": wish.reward, "stands": fields.get("state"), **told}
