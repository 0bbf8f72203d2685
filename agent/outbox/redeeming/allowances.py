"""Vouchers made beforehand: drawn while there is a line, given out without one, settled when it is back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import aiosqlite

from agent.clock import Clock
from agent.errors import InvalidInputError
from agent.ledger import delivery
from agent.ledger.centre import allowances
from agent.ledger.centre.allowances import Allowance, Drawn
from agent.ledger.delivery import Identity
from agent.outbox.redeeming.talk import Said, Talk, Unknown
from agent.outbox.writes import Runs
from wire.money import spending

ASKED_AT_ONCE = 20

Reading = Callable[[], Awaitable[aiosqlite.Connection]]


class Allowances:
    """What is kept on campus. ``reading`` gives the ledger to look at."""

    def __init__(self, talk: Talk, writer: Runs, clock: Clock, reading: Reading) -> None:
        self._talk = talk
        self._writer = writer
        self._clock = clock
        self._reading = reading

    async def draw(self, who: Identity, one: Allowance) -> dict[str, Any]:
        """Have one made: {state, key, …}. What nobody answered is asked again later, under its key."""
        await self._writer.run(allowances.add(one))
        return await self._asked(who, one)

    async def give_out(self, person_no: int, reward: str, *, by: str) -> dict[str, Any] | None:
        """One that is kept for this person and reward, with its voucher; None where there is none.

        It is marked as the learner's before anybody sees it, so a copy of the process cannot give it out again.
        """
        one = await allowances.kept_for(await self._reading(), person_no, reward)
        if one is None:
            return None
        voucher = await self._writer.run(allowances.show(one.key, by=by, now=self._clock.now()))
        return _granted(one, voucher)

    async def show_again(self, name: str, *, by: str) -> dict[str, Any] | None:
        """One that was given out and that the catalogue does not know of yet; None where there is none."""
        found = await self._writer.run(allowances.show_again(name, by=by, now=self._clock.now()))
        one = None if found is None else await allowances.by_key(await self._reading(), found[0])
        return None if one is None or found is None else _granted(one, found[1])

    async def give_back(self, key: str = "", *, epoch: int) -> int:
        """No longer give out what was drawn in ``epoch``; the catalogue gets it back when there is a line. How many.

        Raises:
            InvalidInputError: no voucher has this key.
        """
        if key and await allowances.by_key(await self._reading(), key) is None:
            raise InvalidInputError(f"no voucher has the key {key}", hint="see: rewards-agent allowance list")
        return await self._writer.run(allowances.give_back(key, epoch=epoch))

    async def settle(self) -> int:
        """Ask again for what nobody answered, and tell what became of the others; how many were settled."""
        conn = await self._reading()
        who = await delivery.identity(conn)
        if who is None:
            return 0
        settled = 0
        for one in await allowances.in_state(conn, "asked", ASKED_AT_ONCE):
            told = await self._asked(who, one)
            if told["state"] == "unknown":
                return settled
            settled += 1
        return settled + await self.tell(who)

    async def tell(self, who: Identity) -> int:
        """Say which were given out and which come back, as many as one message holds; how many were settled."""
        conn = await self._reading()
        shown = await allowances.in_state(conn, "shown", spending.SETTLED_MAX)
        returning = await allowances.in_state(conn, "returning", spending.SETTLED_MAX)
        return await self._told(who, shown, returning)

    async def _asked(self, who: Identity, one: Allowance) -> dict[str, Any]:
        message = spending.Draw(
            campus=who.campus,
            agent=who.agent,
            learner=one.pseudonym,
            cohorts=one.cohorts,
            country=one.country,
            key=one.key,
            reward=one.reward,
            currency=one.currency,
            epoch=who.epoch,
        )
        said = await self._talk.post(who, "/v1/allowances", message)
        told = {"key": one.key, "learner": one.learner, "reward": one.reward}
        if isinstance(said, Unknown):
            return {"state": "unknown", **told, "why": said.why}
        if not said.yes:
            await self._writer.run(allowances.refuse(one.key, said.message))
            return {"state": "refused", **told, "why": said.message}
        fields = said.fields
        drawn = Drawn(
            redemption=str(fields["redemption"]),
            title=str(fields["title"]),
            currency=str(fields["currency"]),
            paid=int(fields["amount"]),
            voucher=str(fields["code"] or fields["token"]),
            expires_at=fields["expires_at"],
        )
        if not drawn.voucher:
            await self._writer.run(allowances.refuse(one.key, f"it is {fields['state']}"))
            return {"state": "refused", **told, "why": f"it is {fields['state']}"}
        await self._writer.run(allowances.keep(one.key, drawn))
        return {"state": "kept", **told, "why": "", "redemption": drawn.redemption}

    async def _told(self, who: Identity, shown: Sequence[Allowance], returning: Sequence[Allowance]) -> int:
        if not (shown or returning):
            return 0
        message = spending.Settle(
            campus=who.campus,
            agent=who.agent,
            learner=spending.NOBODY,
            epoch=who.epoch,
            spent=tuple(one.redemption for one in shown),
            returned=tuple(one.redemption for one in returning),
        )
        said = await self._talk.post(who, "/v1/allowances/settle", message)
        if not isinstance(said, Said) or not said.yes:
            return 0
        against = {str(name): str(why) for name, why in dict(said.fields["against"]).items()}
        for one in shown:
            await self._end(one, spending.SPENT, against.get(one.redemption, ""))
        for one in returning:
            why = against.get(one.redemption, "")
            await self._end(one, spending.SPENT if why else spending.RETURNED, why)
        return len(shown) + len(returning)

    async def _end(self, one: Allowance, ended: str, why: str) -> None:
        await self._writer.run(allowances.settle(one.redemption, one.state, ended, why))


def _granted(one: Allowance, voucher: str) -> dict[str, Any]:
    """What the person at the counter is told."""
    told = {"redemption": one.redemption, "title": one.title, "currency": one.currency, "amount": one.paid}
    whole = {**told, "code": "", "token": voucher, "expires_at": one.expires_at, "used_at": None}
    return {"state": "granted", "key": one.key, "reward": one.reward, "stands": "kept beforehand", **whole}
