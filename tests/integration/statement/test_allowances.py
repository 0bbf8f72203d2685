"""Vouchers made beforehand: nothing offline spends more than the centre took, and each is settled once."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import Any

import pytest

from agent.errors import IntegrityError, InvalidInputError
from agent.ledger import delivery, file
from agent.ledger.backup import restoring
from agent.ledger.centre import allowances
from catalogue.allowance import book
from catalogue.errors import RefusedError
from catalogue.redemption.desk import Desk
from catalogue.redemption.states import State
from catalogue.redemption.vault import Vault
from catalogue.rewards import shelf
from tests.contract.catalogues import RealCatalogue
from tests.integration.people.town import sender
from tests.integration.statement.line import Mood
from tests.integration.statement.test_feed import copied
from tests.integration.statement.test_redeeming import ANN, Counter, a_counter
from tests.wire_builders import CAMPUS


async def draw(it: Counter, reward: str = "tea") -> dict[str, Any]:
    return await it.desk.draw(learner=ANN, reward=reward, by="desk")


def states(it: Counter) -> list[tuple[str, str]]:
    with contextlib.closing(file.open_for_reading(it.campus.agent.data_dir)) as connection:
        return sorted((one.state, one.ended) for one in allowances.listed(connection))


def cut(it: Counter) -> None:
    """No request of any kind arrives for a long time."""
    it.line.on, it.line.moods = "/v1/", [Mood.down] * 1000


def mend(it: Counter) -> None:
    it.line.moods = []


async def left_of(it: Counter, reward: str) -> int:
    async with it.catalogue.store.reading() as conn:
        one = await shelf.offered(conn, CAMPUS, reward)
    assert one is not None
    return (one.reward.stock or 0) - one.taken


async def test_what_was_drawn_is_given_out_without_a_line_and_settled_once_when_it_is_back(
    catalogue: RealCatalogue, tmp_path: Path
) -> None:
    async with a_counter(catalogue, tmp_path) as it:
        assert [(await draw(it))["state"] for _ in range(3)] == ["kept", "kept", "refused"], "100 points are two teas"
        assert await it.left() == 0
        cut(it)
        it.clock.at += 400 * 86_400  # no clock of the agent ends it
        told = await it.redeem()
        assert (told["state"], told["stands"]) == ("granted", "kept beforehand")
        assert told["token"].startswith(f"{CAMPUS}.")
        again = await it.desk.show(name=told["key"], by="desk", again=True)
        assert again["token"] == told["token"], "a paper that jammed is printed once more, without a line"
        assert await it.desk.settle() == 0
        assert states(it) == [("kept", ""), ("refused", ""), ("shown", "")]
        it.clock.at -= 400 * 86_400
        mend(it)
        assert await it.desk.settle() == 1
        assert await it.desk.give_back() == {"returning": 1, "settled": 1, "staying": 0}
        assert await it.desk.give_back() == {"returning": 0, "settled": 0, "staying": 0}
        assert states(it) == [("refused", ""), ("settled", "returned"), ("settled", "spent")]
        assert await it.left() == it.campus.held("ann").balance == 50
        assert await catalogue.faults() == []


async def test_a_key_that_no_voucher_has_gives_nothing_back_and_says_so(
    catalogue: RealCatalogue, tmp_path: Path
) -> None:
    async with a_counter(catalogue, tmp_path) as it:
        assert (await draw(it))["state"] == "kept"
        with pytest.raises(InvalidInputError, match="no voucher has the key nope"):
            await it.desk.give_back(key="nope")
        assert [state for state, _ in states(it)] == ["kept"]


async def test_what_an_agent_keeps_is_not_refunded_at_the_centre_before_it_says_what_became_of_it(
    small_catalogue: RealCatalogue, tmp_path: Path
) -> None:
    """Else its learner could be shown the voucher without a line, and have the points."""
    async with a_counter(small_catalogue, tmp_path) as it:
        first, second = [(await draw(it))["redemption"] for _ in range(2)]
        desk, now = Desk(small_catalogue.store, Vault(bytes(32))), it.clock.now()
        with pytest.raises(RefusedError, match="agent-1 keeps its voucher"):
            await desk.refund(CAMPUS, first, now=now, by="a test", why="cold")
        lost = await desk.refund(CAMPUS, second, now=now, by="a test", why="lost", used=True)
        assert (lost.state, await it.left()) == (State.refunded, 50)
        async with small_catalogue.store.writing() as conn:
            assert await book.spent(conn, sender("agent-1"), first, now=now) == ""
        assert (await desk.refund(CAMPUS, first, now=now, by="a test", why="cold")).state is State.refunded
        assert (await it.left(), await small_catalogue.faults()) == (100, [])


@pytest.mark.parametrize("moods", [[Mood.mute], [Mood.down], [Mood.mute, Mood.down]])
async def test_a_draw_that_nobody_answered_is_asked_again_and_made_once(
    small_catalogue: RealCatalogue, tmp_path: Path, moods: list[Mood]
) -> None:
    async with a_counter(small_catalogue, tmp_path) as it:
        it.line.on, it.line.moods = "/v1/allowances", [*moods]
        assert (await draw(it))["state"] == "unknown"
        while states(it) != [("kept", "")]:
            await it.desk.settle()
        assert (await it.made(), await it.left()) == (1, 50)


async def test_a_settlement_whose_answer_is_lost_is_told_again_and_changes_nothing(
    small_catalogue: RealCatalogue, tmp_path: Path
) -> None:
    async with a_counter(small_catalogue, tmp_path) as it:
        assert [(await draw(it))["state"] for _ in range(2)] == ["kept", "kept"]
        await it.redeem()
        it.line.on, it.line.moods = "/v1/allowances", [Mood.mute, Mood.mute]
        assert await it.desk.give_back() == {"returning": 1, "settled": 0, "staying": 0}
        assert await it.desk.settle() == 0
        assert await it.desk.settle() == 2
        assert await it.left() == 50
        assert await small_catalogue.faults() == []


async def test_stock_comes_back_with_what_was_not_given_out(small_catalogue: RealCatalogue, tmp_path: Path) -> None:
    async with a_counter(small_catalogue, tmp_path) as it:
        assert (await draw(it, "rare"))["state"] == "kept"
        assert await left_of(it, "rare") == 0
        await it.desk.give_back()
        assert (await left_of(it, "rare"), await it.left()) == (1, 100)
        assert (await it.redeem("rare"))["stands"] == "fulfilled", "the next one is made anew"


async def test_a_refused_draw_stays_refused_though_an_attempt_of_it_arrives_when_there_is_enough(
    small_catalogue: RealCatalogue, tmp_path: Path
) -> None:
    async with a_counter(small_catalogue, tmp_path) as it:
        it.line.on, it.line.moods = "/v1/allowances", [Mood.late]
        assert (await draw(it, "dear"))["state"] == "unknown"
        await it.desk.settle()
        assert states(it) == [("refused", "")]
        await it.campus.write("ann", 2000)
        await it.campus.deliver()
        assert await it.line.let_through() == [409]
        await it.desk.settle()
        assert (states(it), await it.made()) == ([("refused", "")], 0)


async def test_a_draw_for_another_life_of_the_agent_is_refused_for_good(
    small_catalogue: RealCatalogue, tmp_path: Path
) -> None:
    async with a_counter(small_catalogue, tmp_path) as it:
        it.line.on, it.line.moods = "/v1/allowances", [Mood.late]
        assert (await draw(it))["state"] == "unknown"
        async with small_catalogue.store.writing() as conn:
            await conn.exec_driver_sql("UPDATE agent SET epoch = 2")
        await it.desk.settle()
        assert states(it) == [("refused", "")]
        async with small_catalogue.store.writing() as conn:
            await conn.exec_driver_sql("UPDATE agent SET epoch = 1")
        assert (await it.line.let_through(), await it.made()) == ([409], 0)


async def test_a_backup_that_is_put_back_gives_nothing_out_that_may_have_been_given_out_since(
    small_catalogue: RealCatalogue, tmp_path: Path
) -> None:
    room = tmp_path / "a"
    async with a_counter(small_catalogue, tmp_path) as it:
        assert (await draw(it))["state"] == "kept"
        copied(room / file.FILE_NAME, tmp_path / file.FILE_NAME)
        first = await it.redeem()
    assert restoring.in_doubt(tmp_path) == (
        "1 vouchers that were kept for learners may have been given out since: they count as spent",
    )
    shutil.copy(tmp_path / file.FILE_NAME, room / file.FILE_NAME)
    async with a_counter(small_catalogue, tmp_path, enrol=False) as it:
        assert states(it) == [("shown", "")]
        assert await it.desk.give_back() == {"returning": 0, "settled": 1, "staying": 0}
        second = await it.redeem()
        assert (second["stands"], second["redemption"] != first["redemption"]) == ("fulfilled", True), "paid anew"
        assert (await it.left(), await it.made()) == (0, 2)


async def test_another_life_of_the_agent_can_give_nothing_back(small_catalogue: RealCatalogue, tmp_path: Path) -> None:
    async with a_counter(small_catalogue, tmp_path) as it:
        assert (await draw(it))["state"] == "kept"
        async with small_catalogue.store.writing() as conn:
            await conn.exec_driver_sql("UPDATE agent SET epoch = 2")
        with pytest.raises(IntegrityError, match="the catalogue knows epoch 2"):
            await draw(it)
        assert await it.desk.give_back() == {"returning": 1, "settled": 0, "staying": 0}
        await it.campus.agent.writer.run(delivery.keep_settings({delivery.EPOCH: "2"}))
        assert await it.desk.settle() == 1
        assert ("settled", "spent") in states(it)
        assert await it.left() == 50
