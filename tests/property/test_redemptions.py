"""Redemptions under everything at once: fifty spenders, a partner with moods, couriers killed between any two steps.

Whatever happens in whatever order: nobody over-spends, nobody is charged without a voucher or a refund in the end, and
nothing is given twice.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from catalogue.errors import RefusedError
from catalogue.partners.courier import Courier, Name
from catalogue.partners.orders import Order, Outcome
from catalogue.redemption.records import Redemption
from catalogue.redemption.states import State
from tests.integration.redemption.shop import CAMPUS, Shop, a_shop
from tests.partner import Mood
from tests.servers import PostgresDatabase

T = TypeVar("T")
LEARNERS = ("ann", "ben")
WORKERS = st.integers(0, 1)
Databases = Callable[[], PostgresDatabase]


class Redemptions(RuleBasedStateMachine):
    """One shop through one story: on a copy of ``template``, or with two workers on one of ``databases``.

    Partners are ``slow`` where a story may take its time: a real time-out is a second, and ends as mute does.
    """

    template: ClassVar[Path | None] = None
    databases: ClassVar[Databases | None] = None
    slow: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.directory = Path(tempfile.mkdtemp())
        databases = type(self).databases
        self.database = None if databases is None else databases()
        url = "" if self.database is None else self.database.dsn
        self.opened: AbstractAsyncContextManager[Shop] = a_shop(self.directory, url=url, template=self.template)
        self.shop = self.run(self.opened.__aenter__())
        if self.database is not None:
            self.run(self.shop.hire(self.database.dsn))
        self.known: list[Redemption] = []
        self.claimed: list[tuple[Name, Order]] = []
        self.answered: list[tuple[Name, Order, Outcome]] = []

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    @initialize(repeatable=st.booleans(), points=st.integers(50, 400))
    def open(self, *, repeatable: bool, points: int) -> None:
        async def work() -> None:
            await self.shop.employ(repeatable=repeatable, timeout_s=1 if self.slow else 30)
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

    @rule(mood=st.sampled_from(sorted(Mood)))
    def mood(self, mood: Mood) -> None:
        self.shop.partner.mood = Mood.mute if mood is Mood.slow and not self.slow else mood

    @rule(worker=WORKERS)
    def a_courier_works(self, worker: int) -> None:
        self.run(self._courier(worker).round())

    @rule()
    def all_couriers_work_at_once(self) -> None:
        async def work() -> None:
            await asyncio.gather(*(courier.round() for _, courier in self.shop.workers))

        self.run(work())

    @rule(which=st.integers(0, 20), worker=WORKERS)
    def a_courier_claims_and_stalls(self, which: int, worker: int) -> None:
        if self.known:
            name = Name(CAMPUS, self.known[which % len(self.known)].redemption)
            order = self.run(self._courier(worker).claim(name, now=self.shop.at))
            if order is not None:
                self.claimed.append((name, order))

    @rule()
    def a_stalled_courier_sends_and_stalls_again(self) -> None:
        if self.claimed:
            name, order = self.claimed.pop()
            if self.run(self.shop.now_is(self._known(name))).attempts == order.attempt:
                outcome = self.run(self.shop.adapter.order(order, now=self.shop.at))
                self.answered.append((name, order, outcome))

    @rule(worker=WORKERS)
    def a_stalled_courier_writes_down_what_came(self, worker: int) -> None:
        if self.answered:
            name, order, outcome = self.answered.pop()
            self.run(self._courier(worker).settle(name, order, outcome, now=self.shop.at))

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
            if self.database is not None:
                self.database.drop()

    async def _end(self) -> None:
        self.shop.partner.mood = Mood.normal
        for _ in range(6):
            self.shop.at += 90_000
            await self.shop.carry()
        report = await self.shop.reconcile(complete_until=self.shop.at)
        assert report.differ == []
        for one in await self.shop.all():
            assert one.state in {State.fulfilled, State.released, State.refunded}
            made = self.shop.partner.made.get(one.redemption)
            assert (made is not None) == (one.state is State.fulfilled) or one.handing != "partner"
        await self.shop.audit()

    def _courier(self, worker: int) -> Courier:
        return self.shop.workers[worker % len(self.shop.workers)][1]

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


def stories(*, examples: int, steps: int, **about: object) -> None:
    """Play so many stories of so many steps."""
    machine = type("Story", (Redemptions,), about)
    how = settings(max_examples=examples, stateful_step_count=steps, deadline=None)
    run_state_machine_as_test(machine, settings=how)


def test_in_any_story_nobody_overspends_is_charged_for_nothing_or_gets_two_vouchers(catalogue_file: Path) -> None:
    stories(examples=4, steps=20, template=catalogue_file)
    assert catalogue_file.exists()


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_in_a_hundred_stories_nobody_overspends_or_is_charged_for_nothing(
    catalogue_file: Path,
) -> None:
    stories(examples=100, steps=40, template=catalogue_file, slow=True)
    assert catalogue_file.exists()


def on_postgresql(databases: Databases, *, slow: bool = True) -> type[Redemptions]:
    """A story of two workers on one database."""
    return type("Story", (Redemptions,), {"databases": staticmethod(databases), "slow": slow})


def test_two_workers_on_postgresql_sell_nothing_twice_while_a_partner_is_slow_and_couriers_are_killed(
    catalogue_databases: Databases,
) -> None:
    story = on_postgresql(catalogue_databases)()
    try:
        story.open(repeatable=False, points=150)
        story.fifty_at_once("ann", "card")
        assert len(story.known) == 3, "what she has is three cards"
        story.mood(Mood.slow)
        story.all_couriers_work_at_once()
        assert {state for one in story.known for state in (story.run(story.shop.now_is(one)).state,)} == {State.unknown}
        story.mood(Mood.normal)
        story.fifty_at_once("ben", "card")
        story.a_courier_claims_and_stalls(3, 0)
        story.a_courier_claims_and_stalls(4, 1)
        story.a_stalled_courier_sends_and_stalls_again()
        story.the_couriers_are_killed()
        story.time_goes_by(4_000)
        story.all_couriers_work_at_once()
        story.nothing_is_wrong()
    finally:
        story.teardown()


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_in_fifty_stories_of_two_workers_on_postgresql_nobody_overspends_or_is_charged_for_nothing(
    catalogue_databases: Databases,
) -> None:
    stories(examples=50, steps=40, databases=staticmethod(catalogue_databases), slow=True)
    assert catalogue_databases is not None
