"""The simulator finds what it is there for: faults that are planted in the program come to light within its seeds."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiosqlite
import pytest

from agent.collectors.inbox import collector as inbox
from agent.collectors.logstore import collector
from agent.collectors.systems.base import Arrival
from agent.engine import trust
from agent.engine.earning import sets
from agent.ledger.centre import allowances, elsewhere
from agent.ledger.merging import merge
from agent.ledger.record import reserving, totals
from agent.ledger.record.erased import Erased
from agent.model import Page
from agent.pipeline import Pipeline
from catalogue.people import judging
from catalogue.recognition import records
from catalogue.redemption import pool
from sim.called import learner_of
from sim.moodle import LEARNERS
from sim.story import SHORT, run
from tests.simulation.test_seeds import SEEDS

HASTY = replace(SHORT, settled_s=60.0)
"""Short stories whose end is not waited for: what is wrong stays wrong."""
BUSY = replace(HASTY, storm_s=(20, 40), acts_s=(0.2,), only=("replay",))
"""A hundred and more acts, so that learners have something to spend."""

Plant = Callable[[pytest.MonkeyPatch], None]


def found(seeds: Iterable[str], directory: Path, *only: str) -> str:
    """The first seed that shows that something is wrong, or nothing; with ``only`` these misfortunes are often."""
    return next((seed for seed in seeds if run(seed, directory, replace(HASTY, only=only)).faults), "")


def every_delivery_is_another_fact(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, numbers = trust.event_id, itertools.count()

    def numbered(site: str, natural_key: Iterable[str]) -> bytes:
        return whole(site, (*natural_key, str(next(numbers))))

    monkeypatch.setattr(trust, "event_id", numbered)


def the_wallet_of_a_linked_account_is_a_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = merge.alias

    async def beside(connection: aiosqlite.Connection, source: str, target: str, **about: Any) -> None:
        site = target.partition(":")[0]
        neighbour = LEARNERS[(LEARNERS.index(learner_of(target)) + 1) % len(LEARNERS)]
        await whole(connection, source, f"{site}:{neighbour}", **about)

    monkeypatch.setattr(merge, "alias", beside)


def a_position_is_kept_before_what_it_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Pipeline.take

    async def hasty(self: Pipeline, page: Page) -> Any:
        if not (page.part or page.again):
            await self.replace_state(page.source, page.state)
        return await whole(self, page)

    monkeypatch.setattr(Pipeline, "take", hasty)


def what_is_rejected_keeps_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: Any) -> dict[int, Any]:
        return {}

    monkeypatch.setattr(reserving, "release", nothing)


def who_was_erased_earns_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Erased, "bars", lambda *_: False)


def who_takes_no_part_earns_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Erased, "is_out", lambda *_: False)


def codes_that_may_have_been_given_out_stay_free(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: Any) -> int:
        return 0

    monkeypatch.setattr(pool, "withdraw_all", nothing)


def numbers_of_kudos_are_given_out_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: Any, **__: Any) -> None:
        return None

    monkeypatch.setattr(records, "pass_over", nothing)


def a_voucher_that_was_given_out_goes_back_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def shown(key: str, **_: Any) -> Any:
        async def unit(connection: aiosqlite.Connection) -> str:
            rows = await connection.execute_fetchall("SELECT voucher FROM allowance WHERE key = ?", (key,))
            return next((str(voucher) for (voucher,) in rows), "")

        return unit

    monkeypatch.setattr(allowances, "show", shown)


def what_was_removed_unread_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: Any, **__: Any) -> None:
        return None

    monkeypatch.setattr(collector, "deleted", nothing)


def only_the_acts_of_one_page_count_for_a_challenge(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = sets.put

    def forgetful(*words: Any, **more: Any) -> Any:
        return (), whole(*words, **more)[1]

    monkeypatch.setattr(sets, "put", forgetful)


def what_a_budget_has_issued_is_not_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: Any) -> None:
        return None

    monkeypatch.setattr(totals, "keep", nothing)


def a_post_waits_for_its_row_whatever_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Arrival
    monkeypatch.setattr(inbox, "Arrival", lambda **words: whole(**words | {"pay_before_log": False}))


def whoever_learns_at_another_agent_is_the_same_person(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "_alike", lambda *_: True)


def nobody_learns_at_two_agents(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "decide", lambda *_: judging.Word())


def what_somebody_has_elsewhere_is_heard_and_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(_: aiosqlite.Connection) -> None:
        return None

    monkeypatch.setattr(elsewhere, "keep", lambda _: nothing)


def test_a_program_as_it_is_shows_nothing_in_such_stories(directory: Path) -> None:
    assert not found(SEEDS[:4], directory)


@pytest.mark.parametrize(
    "plant",
    [
        every_delivery_is_another_fact,
        the_wallet_of_a_linked_account_is_a_neighbours,
        what_is_rejected_keeps_its_place,
    ],
)
def test_a_program_that_pays_twice_or_somebody_else_or_not_at_all_is_found_at_once(
    plant: Plant, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    assert found(SEEDS[:16], directory)


@pytest.mark.parametrize(
    "plant",
    [
        whoever_learns_at_another_agent_is_the_same_person,
        nobody_learns_at_two_agents,
        what_somebody_has_elsewhere_is_heard_and_not_kept,
    ],
)
def test_a_catalogue_that_mistakes_who_learns_at_two_agents_is_found_at_once(
    plant: Plant, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    assert found(SEEDS[2:16], directory)


@pytest.mark.soak
@pytest.mark.parametrize(
    "plant",
    [
        a_position_is_kept_before_what_it_passed,
        who_was_erased_earns_again,
        what_was_removed_unread_is_passed_over,
        what_a_budget_has_issued_is_not_added_up,
        only_the_acts_of_one_page_count_for_a_challenge,
        a_post_waits_for_its_row_whatever_was_said,
    ],
)
def test_a_program_that_forgets_what_it_should_know_is_found_within_the_seeds_of_every_change(
    plant: Plant, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    assert found(SEEDS, directory)


@pytest.mark.soak
@pytest.mark.parametrize(
    ("plant", "only"),
    [
        (who_takes_no_part_earns_all_the_same, ("office",)),
        (codes_that_may_have_been_given_out_stay_free, ("restore",)),
        (numbers_of_kudos_are_given_out_again, ("kudos", "restore")),
    ],
)
def test_a_program_that_forgets_what_it_was_told_is_found_where_that_is_often(
    plant: Plant, only: tuple[str, ...], directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    assert found(SEEDS, directory, *only)


@pytest.mark.soak
def test_a_program_that_takes_back_what_learners_have_is_found_where_they_spend(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_voucher_that_was_given_out_goes_back_all_the_same(monkeypatch)
    assert any(run(seed, directory, BUSY).faults for seed in SEEDS[:100])
