"""Budgets under everything at once: set, raised, lowered and taken away between redemptions, refunds and new months.

Whatever happens in whatever order: what is spent is what the redemptions that hold cost, no redemption passes a stop
that was in force when it was made, and what comes back comes back into its own month.
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
from catalogue.funding import budgets, months
from catalogue.funding.budgets import Budget
from catalogue.redemption import desk
from catalogue.redemption.records import Redemption
from catalogue.redemption.states import State
from tests.integration.redemption.shop import CAMPUS, NOW, Shop, a_shop

T = TypeVar("T")
SCOPES = (("campus", ""), ("category", "general"), ("reward", "tea"), ("reward", "code"), ("reward", "card"))
REWARDS = ("tea", "code", "card")
Place = tuple[str, str]


class Budgets(RuleBasedStateMachine):
    """One shop through one story; the months are the model's own."""

    template: ClassVar[Path]

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.directory = Path(tempfile.mkdtemp())
        self.opened: AbstractAsyncContextManager[Shop] = a_shop(self.directory, template=self.template)
        self.shop = self.run(self.opened.__aenter__())
        self.known: list[Redemption] = []
        self.stops: dict[Place, int] = {}

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    @property
    def month(self) -> str:
        return months.month_of(self.shop.at, "UTC")

    @initialize()
    def open(self) -> None:
        async def work() -> None:
            await self.shop.employ()
            await self.shop.shelve("tea", cost="1.00 GBP")
            await self.shop.shelve("code", cost="2.00 GBP", handing="codes")
            await self.shop.stock([f"C{number}" for number in range(60)])
            await self.shop.give("ann", 10_000)

        self.run(work())

    @rule(place=st.sampled_from(SCOPES), amount=st.integers(0, 1500), stop=st.booleans())
    def set(self, place: Place, amount: int, *, stop: bool) -> None:
        async def work() -> None:
            wanted = Budget(
                scope=place[0], name=place[1], code="GBP", monthly=amount, stop=stop, alerts=(80, 100), spent=0
            )
            async with self.shop.store.writing() as conn:
                kept = await budgets.put(conn, CAMPUS, wanted, month=self.month, now=self.shop.at)
            assert kept.spent == self.spent(place)

        self.run(work())
        self.stops.pop(place, None)
        if stop:
            self.stops[place] = amount

    @rule(reward=st.sampled_from(REWARDS), count=st.integers(1, 8))
    def redeem(self, reward: str, count: int) -> None:
        """Some at once: as many are given as every stop that covers it reaches for."""
        cost = {"tea": 100, "code": 200, "card": 450}[reward]
        covering = [("campus", ""), ("category", "general"), ("reward", reward)]
        room = [(self.stops[place] - self.spent(place)) // cost for place in covering if place in self.stops]
        wanted = max(min([count, *room]), 0)

        async def one() -> Redemption | str:
            try:
                return await self.shop.redeem(reward=reward)
            except RefusedError as exc:
                return exc.code

        async def work() -> list[Redemption | str]:
            return await asyncio.gather(*(one() for _ in range(count)))

        found = self.run(work())
        made = [each for each in found if isinstance(each, Redemption)]
        assert len(made) == wanted
        assert {each for each in found if isinstance(each, str)} <= {"budget"}
        self.known += made

    @rule(which=st.integers(0, 50))
    def give_back(self, which: int) -> None:
        if not self.known:
            return
        number = which % len(self.known)
        one = self.known[number]
        if self.known[number].state not in {State.reserved, State.fulfilled}:
            return
        act = self.shop.desk.cancel if one.handing == "partner" else self.shop.desk.refund
        self.known[number] = self.run(act(CAMPUS, one.redemption, now=self.shop.at, by="test", why=""))

    @rule()
    def next_month(self) -> None:
        self.shop.at = months.end(self.month, "UTC")

    def spent(self, place: Place, month: str = "") -> int:
        """What the redemptions that the model knows cost."""
        return sum(
            one.cost_minor
            for one in self.known
            if desk.is_charged(one)
            and one.month == (month or self.month)
            and place in {("campus", ""), ("category", one.category), ("reward", one.reward)}
        )

    @invariant()
    def what_is_counted_is_what_holds(self) -> None:
        async def work() -> None:
            for month in {self.month, months.month_of(NOW, "UTC")}:
                async with self.shop.store.reading() as conn:
                    rows = await budgets.spent(conn, CAMPUS, month)
                for row in rows:
                    assert row["spent"] == self.spent((row["scope"], row["name"]), month) >= 0

        self.run(work())

    def teardown(self) -> None:
        self.run(self.shop.audit())
        self.run(self.opened.__aexit__(None, None, None))
        self.loop.close()
        shutil.rmtree(self.directory)


@pytest.mark.parametrize("examples", [6, pytest.param(100, marks=pytest.mark.soak)])
def test_no_order_of_events_passes_a_stop_or_loses_count_of_what_was_spent(examples: int, catalogue_file: Path) -> None:
    Budgets.template = catalogue_file
    assert catalogue_file.exists()
    run_state_machine_as_test(Budgets, settings=settings(max_examples=examples, stateful_step_count=15, deadline=None))
