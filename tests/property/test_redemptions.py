"""Redemptions under everything at once: fifty spenders, a partner with moods, couriers killed between any two steps.

Whatever happens in whatever order: nobody over-spends, nobody is charged without a voucher or a refund in the end, and
nothing is given twice.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from catalogue.errors import RefusedError
from catalogue.partners.courier import Name
from catalogue.partners.orders import Order, Outcome
from catalogue.redemption.records import Redemption
from catalogue.redemption.states import State
from tests.integration.redemption.shop import CAMPUS, Shop, a_shop
from tests.partner import Mood

T = TypeVar("T")
LEARNERS = ("ann", "ben")
QUICK = sorted(set(Mood) - {Mood.slow})
"""Slow is left to the tests of the courier: it takes a second of real time, and ends as mute does."""


class Redemptions(RuleBasedStateMachine):
    """One shop through one story."""

    template: ClassVar[Path]

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.directory = Path(tempfile.mkdtemp())
        self.opened: AbstractAsyncContextManager[Shop] = a_shop(self.directory, template=self.template)
        self.shop = self.run(self.opened.__aenter__())
        self.known: list[Redemption] = []
        self.claimed: list[tuple[Name, Order]] = []
        self.answered: list[tuple[Name, Order, Outcome]] = []

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    @initialize(repeatable=st.booleans(), points=st.integers(50, 400))
    def open(self, *, repeatable: bool, points: int) -> None:
        async def work() -> None:
            await self.shop.employ(repeatable=repeatable)
            await self.shop.shelve("tea", stock=4)
            await self.shop.shelve("code", handing="codes")
            await self.shop.stock(["A", "B", "C"])
            for learner in LEARNERS:
                await self.shop.give(learner, points)

        self.run(work())

    @rule(learner=st.sampled_from(LEARNERS), reward=st.sampled_from(["card", "card", "tea", "code"]))
    def redeem(self, learner: str, reward: str) -> None:
        assert self._refusal(self.shop.redeem(learner, reward)) in {"", "balance", "stock"}

    @rule(which=st.integers(0, 20))
    def ask_again(self, which: int) -> None:
        """The answer was lost on its way: the learner asks again under the same key."""
        if self.known:
            one = self.known[which % len(self.known)]
            again = self.run(self.shop.redeem(one.learner, one.reward, key=one.key))
            assert again.redemption == one.redemption

    @rule(learner=st.sampled_from(LEARNERS), reward=st.sampled_from(["card", "tea"]))
    def fifty_at_once(self, learner: str, reward: str) -> None:
        async def work() -> list[Redemption | BaseException]:
            wishes = (self.shop.redeem(learner, reward) for _ in range(50))
            return await asyncio.gather(*wishes, return_exceptions=True)

        for one in self.run(work()):
            assert isinstance(one, Redemption | RefusedError), one
            if isinstance(one, Redemption):
                self.known.append(one)

    @rule(mood=st.sampled_from(QUICK))
    def mood(self, mood: Mood) -> None:
        self.shop.partner.mood = mood

    @rule()
    def a_courier_works(self) -> None:
        self.run(self.shop.courier.round())

    @rule(which=st.integers(0, 20))
    def a_courier_claims_and_stalls(self, which: int) -> None:
        if self.known:
            name = Name(CAMPUS, self.known[which % len(self.known)].redemption)
            order = self.run(self.shop.courier.claim(name, now=self.shop.at))
            if order is not None:
                self.claimed.append((name, order))

    @rule()
    def a_stalled_courier_sends_and_stalls_again(self) -> None:
        if self.claimed:
            name, order = self.claimed.pop()
            if self.run(self.shop.now_is(self._known(name))).attempts == order.attempt:
                outcome = self.run(self.shop.adapter.order(order, now=self.shop.at))
                self.answered.append((name, order, outcome))

    @rule()
    def a_stalled_courier_writes_down_what_came(self) -> None:
        if self.answered:
            name, order, outcome = self.answered.pop()
            self.run(self.shop.courier.settle(name, order, outcome, now=self.shop.at))

    @rule()
    def the_couriers_are_killed(self) -> None:
        self.claimed.clear()
        self.answered.clear()

    @rule(seconds=st.sampled_from([5, 65, 4_000, 90_000]))
    def time_goes_by(self, seconds: int) -> None:
        # An order that somebody still carries is sent within its lease, or never.
        self.claimed.clear()
        self.shop.at += seconds

    @rule(which=st.integers(0, 20))
    def cancel_or_refund(self, which: int) -> None:
        if self.known:
            one = self.run(self.shop.now_is(self.known[which % len(self.known)]))
            act = self.shop.desk.cancel if one.handing == "partner" else self.shop.desk.refund
            work = act(CAMPUS, one.redemption, now=self.shop.at, by="test", why="changed her mind")
            assert self._refusal(work) in {"", "state"}

    @rule()
    def the_partners_statement_comes(self) -> None:
        report = self.run(self.shop.reconcile())
        assert report.differ == []

    @invariant()
    def nothing_is_wrong(self) -> None:
        self.run(self.shop.audit())

    def teardown(self) -> None:
        """Let everything end: the partner is well, its statement is complete, and time goes by."""
        try:
            self.run(self._end())
        finally:
            self.run(self.opened.__aexit__(None, None, None))
            self.loop.close()
            shutil.rmtree(self.directory)

    async def _end(self) -> None:
        self.shop.partner.mood = Mood.normal
        for _ in range(6):
            self.shop.at += 90_000
            await self.shop.courier.look()
        report = await self.shop.reconcile(complete_until=self.shop.at)
        assert report.differ == []
        for one in await self.shop.all():
            assert one.state in {State.fulfilled, State.released, State.refunded}
            made = self.shop.partner.made.get(one.redemption)
            assert (made is not None) == (one.state is State.fulfilled) or one.handing != "partner"
        await self.shop.audit()

    def _refusal(self, work: Coroutine[Any, Any, Redemption]) -> str:
        """Why it was refused, or nothing; what was made is known from now on."""
        try:
            made = self.run(work)
        except RefusedError as exc:
            return exc.code
        if made.redemption not in {one.redemption for one in self.known}:
            self.known.append(made)
        return ""

    def _known(self, name: Name) -> Redemption:
        return next(one for one in self.known if one.redemption == name.redemption)


def stories(template: Path, *, examples: int, steps: int) -> None:
    """Play so many stories of so many steps."""
    machine = type("Story", (Redemptions,), {"template": template})
    how = settings(max_examples=examples, stateful_step_count=steps, deadline=None)
    run_state_machine_as_test(machine, settings=how)


def test_in_any_story_nobody_overspends_is_charged_for_nothing_or_gets_two_vouchers(catalogue_file: Path) -> None:
    stories(catalogue_file, examples=6, steps=20)
    assert catalogue_file.exists()


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_in_a_hundred_stories_nobody_overspends_or_is_charged_for_nothing(
    catalogue_file: Path,
) -> None:
    stories(catalogue_file, examples=100, steps=40)
    assert catalogue_file.exists()
