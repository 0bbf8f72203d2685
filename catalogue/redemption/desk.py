"""The desk: takes points and reserves, gives the voucher or gives the points back. Each act is one transaction.

Locks, in this order: a redemption that is there, the partner, the wallets, a new redemption, the campus's offer and its
codes, its budgets, the ledger's number. What one learner alone waits for comes first, what all wait for comes last
(docs/adr/0082).
"""

from __future__ import annotations

import dataclasses
import hmac
import secrets
from contextlib import AbstractAsyncContextManager
from typing import Any

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import acts, schema
from catalogue.acts import Act
from catalogue.errors import RefusedError
from catalogue.funding import budgets
from catalogue.funding.budgets import StoppedError
from catalogue.funding.months import month_of
from catalogue.redemption import at_once, checks, facts, pool, records, states, vault
from catalogue.redemption.checks import Facts, Refusal, Wish
from catalogue.redemption.facts import Learner
from catalogue.redemption.records import Redemption
from catalogue.redemption.states import Event, ImpossibleError, State
from catalogue.redemption.vault import Vault
from catalogue.rewards import shelf
from catalogue.rewards.shelf import Offered
from catalogue.store import Store
from catalogue.wallets import book, purse
from catalogue.wallets.book import InsufficientError, Prepared
from catalogue.wallets.purse import OthersError

DAY_S = 86_400
NAME_BYTES = 12
KEPT_S = 31 * DAY_S
"""How long a no is kept under its key: far longer than a signed request is taken, so that an agent hears it too."""
TRIES = 3
_USED_KEY = (409, "key", "this key was used for something else: choose another")
TOO_LATE = "issued-too-late"
"""The step of a voucher that came when the points were back, or when there was another: somebody must look."""


class _AnsweredError(RefusedError):
    """The key has its answer, which is not this wish's to change."""


class Desk:
    """Redeems, with one vault."""

    def __init__(self, store: Store, safe: Vault) -> None:
        self.store = store
        self.vault = safe

    async def redeem(self, wish: Wish, *, now: int, by: str) -> Redemption:
        """Take the points and reserve; what needs no partner is fulfilled at once. The same key is the same redemption.

        Raises:
            RefusedError: something stands against it, or the key was used for something else.
        """
        tries = 0
        while True:
            try:
                return await self._answered(wish, now=now, by=by)
            except OthersError:
                continue  # wallets were linked or taken apart meanwhile: it is another person who asks
            except DBAPIError as exc:
                tries += 1
                if tries == TRIES or "unique" not in str(exc).lower():
                    raise  # else somebody asked under this key at the same time: now theirs is there to be seen

    async def _answered(self, wish: Wish, *, now: int, by: str) -> Redemption:
        """Redeem; a no is kept under its key, so that the same request is not granted when it comes once more.

        The same wish may have been granted while this one waited for it: then that is the answer.
        """
        try:
            return await self._funded(wish, now=now, by=by)
        except _AnsweredError:
            raise
        except RefusedError as refused:
            known = await self.refuse(wish, refused, now=now)
            if known is None:
                raise
            return known

    async def refuse(self, wish: Wish, refused: RefusedError, *, now: int) -> Redemption | None:
        """Keep a no under its key, which nothing is granted under from now on; what was granted instead, if it was."""
        async with self.store.writing() as conn:
            if await records.refuse(conn, wish, refused, at=now):
                return None
            known = await records.by_key(conn, wish.campus, wish.key)
        return known if known is not None and known.asked == records.asked(wish) else None

    async def forget(self, *, now: int) -> bool:
        """Let go of answers that nobody asks for any more; whether there are more of them."""
        async with self.store.writing() as conn:
            return await records.forget(conn, before=now - KEPT_S)

    async def _funded(self, wish: Wish, *, now: int, by: str) -> Redemption:
        """Redeem; where a budget stops it, that is noted, because what the redemption itself wrote is undone."""
        try:
            return await self._redeem(wish, now=now, by=by)
        except StoppedError as exc:
            async with self.store.writing() as conn:
                await budgets.note_stop(conn, exc.charge, exc.budget, now=now)
            raise RefusedError(409, "budget", str(exc)) from None

    async def _redeem(self, wish: Wish, *, now: int, by: str) -> Redemption:
        async with self.store.glancing() as conn:
            found = await facts.asked(conn, wish)
        if found is not None and found.known is not None:
            if found.known.asked != records.asked(wish):
                raise _AnsweredError(*_USED_KEY)
            return found.known
        if found is not None and found.refused is not None:
            asked, refused = found.refused
            told = _USED_KEY if asked != records.asked(wish) else (refused.status, refused.code, refused.message)
            raise _AnsweredError(*told)
        if found is None or found.offered is None:
            raise RefusedError(404, "unknown-reward", f"there is no reward {wish.reward}")
        who, offered = found.who, found.offered
        _check(wish, offered, who, facts.before(who, offered, now=now))
        reserved = _new(wish, offered, who, now)
        made = self._shown(reserved, now=now) if reserved.handing == "display" else reserved
        plain = at_once.fits(offered.reward, who, by=by)
        if plain and await at_once.grant(self.store, made, newest=found.newest, stock=offered.reward.stock, by=by):
            return made
        return await self._reserved(wish, offered, who, reserved, made, now=now, by=by)

    async def _reserved(
        self, wish: Wish, offered: Offered, who: Learner, reserved: Redemption, made: Redemption, *, now: int, by: str
    ) -> Redemption:
        """The long way: with all that stands against it looked at while everybody else waits."""
        async with self.store.writing() as conn:
            spend = await self._ready(conn, made, who, now=now)
            # Who holds the wallet must not wait for who gives an equal wish back, and so waits for the wallet.
            if await records.by_key(conn, wish.campus, wish.key) is not None:
                raise RefusedError(*_USED_KEY)
            await records.add(conn, reserved, made, by=by)
            # From here on others who want the same wait: all that could be done before is done.
            offered = await shelf.take(conn, wish.campus, offered.owner, offered.reward)
            _check(wish, offered, who, await facts.of(conn, who, offered, now=now, but=made.redemption))
            if made.handing == "codes":
                made = await self._given_a_code(conn, made, now=now, by=by)
            if made.charge is not None:
                await budgets.take(conn, made.charge, now=now)
            await book.post(self.store, conn, made.campus, *spend, now=now)
            if acts.typed(by):
                said = Act(campus=made.campus, by=by, at=now, act="redemption.add", about=made.redemption)
                await acts.note(conn, said, reward=made.reward, learner=made.learner, amount=made.amount)
            return made

    async def happen(
        self,
        conn: AsyncConnection,
        one: Redemption,
        event: Event,
        *,
        now: int,
        by: str,
        why: str = "",
        **changed: Any,
    ) -> Redemption:
        """Let something happen to a redemption that is held: its state, its points and its stock move together.

        Raises:
            ImpossibleError: it cannot happen where it is.
        """
        state = states.after(one.state, event)
        back = states.gives_back(one.state, state)
        if back or state is State.fulfilled:
            changed |= {"ended_at": now, "due_at": None}
        await records.move(conn, one, event, state, at=now, by=by, why=why, **changed)
        if back:
            await self._give_back(conn, one, state, now=now)
        return dataclasses.replace(one, state=state, **changed)

    async def cancel(self, campus: str, name: str, *, now: int, by: str, why: str) -> Redemption:
        """Give a reservation back that nothing was sent for.

        Raises:
            RefusedError: there is none, or it is too late.
        """
        return await self._by_hand(campus, name, Event.cancel, now=now, by=by, why=why)

    async def refund(self, campus: str, name: str, *, now: int, by: str, why: str, used: bool = False) -> Redemption:
        """Give the points back although there was a voucher, which is void from now on; again it is the same.

        ``used`` says that this is meant although the voucher was used, or may have been given out where nobody heard of
        it.

        Raises:
            RefusedError: there is none, it was used, an agent keeps it, or there is nothing to give back.
        """
        return await self._by_hand(campus, name, Event.refund, now=now, by=by, why=why, used=used)

    async def settle(
        self, campus: str, name: str, *, issued: bool, code: str = "", now: int, by: str, why: str
    ) -> Redemption:
        """Say by hand, or by a statement, what became of an order that nobody knows about.

        Raises:
            RefusedError: there is none, or nobody asked.
        """
        async with self.store.writing() as conn:
            one = await _held(conn, campus, name)
            async with _written(conn, one, "settle", now=now, by=by, why=why):
                return await self._settled(conn, one, issued=issued, code=code, now=now, by=by, why=why)

    async def _settled(
        self, conn: AsyncConnection, one: Redemption, *, issued: bool, code: str, now: int, by: str, why: str
    ) -> Redemption:
        if issued:
            return await self.issue(conn, one, code=code, expires_at=None, now=now, by=by, why=why)
        try:
            return await self.happen(conn, one, Event.declined, now=now, by=by, why=why)
        except ImpossibleError as exc:
            raise RefusedError(409, "state", str(exc)) from None

    async def issue(
        self, conn: AsyncConnection, one: Redemption, *, code: str, expires_at: int | None, now: int, by: str, why: str
    ) -> Redemption:
        """There is a voucher: keep it. Said again it changes nothing.

        Where the points are back already, or another voucher is there, that is written down, and nothing else changes.
        """
        if one.state is State.fulfilled and self.voucher(one) == code:
            return one
        if (one.state, Event.issued) not in states.TABLE:
            await records.note(conn, one, TOO_LATE, at=now, by=by, why=why)
            return one
        ends = expires_at if expires_at is not None else one.voucher_expires_at
        kept = self._kept(one, code, ends)
        return await self.happen(conn, one, Event.issued, now=now, by=by, why=why, **kept)

    def voucher(self, one: Redemption) -> str:
        """The code that a redemption has or had, or nothing.

        Raises:
            IntegrityError: it was sealed with another secret.
        """
        return "" if one.voucher is None else self.vault.open(one.voucher, one.redemption)

    def token(self, one: Redemption) -> str:
        """The one-time token that a redemption has or had, or nothing.

        Raises:
            IntegrityError: it was made with another secret.
        """
        if one.token_digest is None:
            return ""
        token = self.vault.token(one.campus, one.redemption)
        if not hmac.compare_digest(bytes(one.token_digest), vault.digest(token)):
            raise vault.locked(one.redemption)
        return token

    def _shown(self, one: Redemption, *, now: int) -> Redemption:
        """Fulfilled by a token of ours."""
        kept = self._kept(one, "", one.voucher_expires_at)
        return dataclasses.replace(one, state=states.after(one.state, Event.issued), ended_at=now, **kept)

    async def _given_a_code(self, conn: AsyncConnection, one: Redemption, *, now: int, by: str) -> Redemption:
        """Fulfilled by a code of the pool."""
        taken = await pool.take(conn, self.vault, one, now=now)
        if taken is None:
            raise RefusedError(409, "stock", "there are none left")
        kept = self._kept(one, taken.code, taken.expires_at or one.voucher_expires_at)
        return await self.happen(conn, one, Event.issued, now=now, by=by, **kept)

    def _kept(self, one: Redemption, code: str, expires_at: int | None) -> dict[str, Any]:
        """What is kept of a voucher: a code, encrypted, or the digest of our token."""
        return {
            "voucher": self.vault.seal(code, one.redemption) if code else None,
            "voucher_expires_at": expires_at,
            "token_digest": None if code else vault.digest(self.vault.token(one.campus, one.redemption)),
        }

    async def _ready(self, conn: AsyncConnection, made: Redemption, who: Learner, *, now: int) -> Prepared:
        """The spend, of wallets that are held from now on."""
        asked = (self.store, conn, made.campus, made.wallet, made.amount)
        try:
            return await purse.spending(*asked, owners=who.pseudonyms, ref=made.spend, now=now)
        except InsufficientError as exc:
            message = checks.too_dear(made.amount, exc.available, made.currency, who.standing)
            raise RefusedError(409, "balance", message) from None

    async def _give_back(self, conn: AsyncConnection, one: Redemption, state: State, *, now: int) -> None:
        """Points and, where no voucher was made, the place in the stock; and the money, where nobody can ask for it."""
        ref = f"{'release' if state is State.released else 'refund'}:{one.redemption}"
        asked = (self.store, conn, one.campus, one.wallet, one.amount)
        refund = await purse.refunding(*asked, ref=ref, about=one.spend, now=now)
        if state is State.released:
            await shelf.put_back(conn, one.campus, one.owner, one.reward)
        if one.charge is not None and (state is State.released or _never_left(one)):
            await budgets.give_back(conn, one.charge)
        await book.post(self.store, conn, one.campus, *refund, now=now)

    async def _by_hand(
        self, campus: str, name: str, event: Event, *, now: int, by: str, why: str, used: bool = True
    ) -> Redemption:
        async with self.store.writing() as conn:
            one = await _held(conn, campus, name)
            if event is Event.refund and one.state is State.refunded:
                return one
            if one.token_used_at is not None and not used:
                raise RefusedError(409, "used", "its voucher was used: say so if it is to be refunded all the same")
            if not used and (agent := await records.kept_by(conn, one)) is not None:
                message = (
                    f"agent {agent} keeps its voucher for when it has no line, and may have given it out: have the"
                    " campus give it back (rewards-agent allowance return), or say that it counts as used"
                )
                raise RefusedError(409, "kept", message)
            try:
                async with _written(conn, one, event.value, now=now, by=by, why=why):
                    return await self.happen(conn, one, event, now=now, by=by, why=why)
            except ImpossibleError as exc:
                raise RefusedError(409, "state", str(exc)) from None


def _check(wish: Wish, offered: Offered, who: Learner, known: Facts) -> None:
    """See that nothing of what is known stands against a wish.

    Raises:
        RefusedError: something does.
        StoppedError: a budget does.
    """
    refused = checks.refusal(wish, offered.reward, known)
    if refused is None:
        return
    stops = checks.stopping(offered.reward, known) if refused.code == "budget" else None
    charge = facts.charge(who, offered.reward, known.now)
    if stops is not None and charge is not None:
        raise StoppedError(charge, stops)
    raise RefusedError(409, refused.code, refused.message)


def _new(wish: Wish, offered: Offered, who: Learner, now: int) -> Redemption:
    reward = offered.reward
    priced = checks.price(wish, reward, who.standing)
    if isinstance(priced, Refusal):
        raise RefusedError(409, priced.code, priced.message)
    currency, amount = priced
    return Redemption(
        campus=wish.campus,
        redemption=f"r{secrets.token_hex(NAME_BYTES)}",
        key=wish.key,
        asked=records.asked(wish),
        learner=wish.learner,
        owner=offered.owner,
        reward=reward.id,
        title=reward.title,
        currency=currency,
        amount=amount,
        cost_minor=reward.cost.minor if reward.cost else 0,
        cost_code=reward.cost.code if reward.cost else "",
        funding=reward.funding,
        handing=reward.handing,
        partner=reward.partner,
        state=State.reserved,
        attempts=0,
        due_at=now if reward.handing == "partner" else None,
        reserved_at=now,
        ended_at=None,
        voucher=None,
        voucher_expires_at=now + reward.voucher_days * DAY_S,
        token_digest=None,
        token_used_at=None,
        category=reward.category,
        month=month_of(now, who.policy.timezone) if reward.cost else "",
    )


def is_charged(one: Redemption) -> bool:
    """Whether what a redemption cost is still taken out of the budgets of its month."""
    return one.state in states.HELD or (one.state is State.refunded and not _never_left(one))


def _never_left(one: Redemption) -> bool:
    """Whether its voucher is ours alone and was not used: nobody will send a bill for it."""
    return one.handing == "display" and one.token_used_at is None


def _written(
    conn: AsyncConnection, one: Redemption, verb: str, *, now: int, by: str, why: str
) -> AbstractAsyncContextManager[None]:
    """What somebody does to a redemption by hand is written down as an act too."""
    said = Act(campus=one.campus, by=by, at=now, act=f"redemption.{verb}", about=one.redemption, why=why)
    return acts.recorded(conn, said, acts.rows(schema.redemption, campus=one.campus, redemption=one.redemption))


async def _held(conn: AsyncConnection, campus: str, name: str) -> Redemption:
    one = await records.find(conn, campus, name, lock=True)
    if one is None:
        raise RefusedError(404, "unknown-redemption", f"campus {campus} has no redemption {name}")
    return one
