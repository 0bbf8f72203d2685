"""What the centre does by itself, in a test's hand: spends, refunds, expiries, entries accepted later."""

from __future__ import annotations

from agent.outbox.client import Answer
from catalogue.app import wall_clock
from catalogue.proof import rejected
from catalogue.wallets import book
from tests.contract.catalogues import Hand, RealCatalogue
from tests.wire_builders import CAMPUS
from wire import chain, signing, statement
from wire.statement import Page


async def spend(
    catalogue: RealCatalogue, learner: str, amount: int, ref: str, *, campus: str = CAMPUS, now: int | None = None
) -> None:
    """Points go."""
    async with catalogue.store.writing() as conn:
        at = wall_clock() if now is None else now
        await book.spend(catalogue.store, conn, campus, (learner, "points"), amount, ref=ref, now=at)


async def refund(catalogue: RealCatalogue, learner: str, amount: int, about: str, *, now: int | None = None) -> None:
    """Points of a spend come back."""
    async with catalogue.store.writing() as conn:
        at = wall_clock() if now is None else now
        key = (learner, "points")
        await book.refund(catalogue.store, conn, CAMPUS, key, amount, ref=f"refund:{about}:{at}", about=about, now=at)


async def let_expire(catalogue: RealCatalogue, learner: str, *, now: int) -> int:
    """What is over goes."""
    async with catalogue.store.writing() as conn:
        return await book.let_expire(catalogue.store, conn, CAMPUS, [(learner, "points")], now=now)


async def accept(catalogue: RealCatalogue, agent: str, seq: int) -> None:
    """An entry that was set aside counts after all."""
    async with catalogue.store.writing() as conn:
        await rejected.accept(
            catalogue.store, conn, CAMPUS, agent, seq, by="operator", reason="room again", now=wall_clock()
        )


async def ask(hand: Hand, after: int = 0, head: bytes = chain.GENESIS) -> Answer:
    """What the agent is answered."""
    path = f"/v1/statement/{after}/{head.hex()}"
    return await hand.client.get_signed(path, campus=hand.campus, agent=hand.agent)


async def told(hand: Hand, after: int = 0, head: bytes = chain.GENESIS) -> Page:
    """A page, proven."""
    answer = await ask(hand, after, head)
    assert answer.status == 200, answer.body
    public, now = hand.under_test.key.public, hand.clock.now()
    signing.verify_statement(answer.signed(bound=False), answer.body, public=public, now=now)
    return statement.parse(answer.body)
