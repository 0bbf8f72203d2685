"""A learner redeems on campus: one wish, one voucher, one payment, whatever becomes of requests and answers."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agent.chance import SystemChance
from agent.errors import InvalidInputError, TransientError
from agent.ledger import file
from agent.ledger.centre import wishes
from agent.outbox.client import Client, Place
from agent.outbox.redeeming.desk import Redeeming
from agent.outbox.redeeming.doubt import DOUBT_S
from agent.outbox.redeeming.talk import Talk
from catalogue import acts
from catalogue.app import wall_clock
from catalogue.proof import keys
from catalogue.redemption import records
from catalogue.rewards import shelf
from tests.contract.catalogues import RealCatalogue
from tests.fakes import ManualClock
from tests.integration.statement.campus import Campus, a_campus
from tests.integration.statement.line import Line, Mood, a_line
from tests.wire_builders import CAMPUS

ANN = "moodle:ann"


class DiedError(Exception):
    """The end of a process."""


class Counter:
    """The campus, its counter, and the line to the catalogue."""

    def __init__(
        self, campus: Campus, desk: Redeeming, line: Line, catalogue: RealCatalogue, clock: ManualClock
    ) -> None:
        self.campus = campus
        self.desk = desk
        self.line = line
        self.catalogue = catalogue
        self.clock = clock

    async def redeem(self, reward: str = "tea", **more: Any) -> dict[str, Any]:
        return await self.desk.redeem(learner=ANN, reward=reward, by="desk", **more)

    async def made(self) -> int:
        """How many redemptions the catalogue has."""
        async with self.catalogue.store.reading() as conn:
            return len([one async for one in records.listed(conn, CAMPUS)])

    async def left(self) -> int:
        return (await self.catalogue.wallets(CAMPUS))["ann", "points"]

    def wishes(self) -> list[tuple[str, bool]]:
        """(state, whether its voucher was shown) of each wish, newest first."""
        with contextlib.closing(file.open_for_reading(self.campus.agent.data_dir)) as connection:
            return [(one.state, one.shown_at is not None) for one in wishes.listed(connection)]

    def key(self) -> str:
        with contextlib.closing(file.open_for_reading(self.campus.agent.data_dir)) as connection:
            return wishes.listed(connection)[0].key


def a_desk(campus: Campus, line: Line, clock: ManualClock) -> Redeeming:
    """One process's; a command that somebody types has another than the service."""
    agent = campus.agent
    client = Client(Place(url=line.url), key_file=agent.data_dir / "agent.ed25519", clock=clock)
    return Redeeming(
        talk=Talk(client, agent.writer, clock),
        writer=agent.writer,
        data_dir=agent.data_dir,
        clock=clock,
        deliver=campus.deliver,
        hear=campus.hear,
        secret=SystemChance().secret,
    )


@asynccontextmanager
async def a_counter(catalogue: RealCatalogue, directory: Path, *, enrol: bool = True) -> AsyncIterator[Counter]:
    clock = ManualClock(wall_clock())
    token = await catalogue.add_tenant(CAMPUS) if enrol else ""
    async with (
        a_line(catalogue.url) as line,
        a_campus(directory / "a", catalogue, token, clock=clock) as campus,
    ):
        desk = a_desk(campus, line, clock)
        if enrol:
            await campus.write("ann", 100)
            async with catalogue.store.writing() as conn:
                for name, fields in (("tea", {}), ("rare", {"stock": 1}), ("dear", {"price": {"points": 1000}})):
                    made = shelf.described({"id": name, "title": name.capitalize(), "price": {"points": 50}} | fields)
                    await shelf.put(conn, CAMPUS, made, now=1)
                    await shelf.approve(conn, CAMPUS, CAMPUS, name, approved=True, now=1)
        try:
            yield Counter(campus, desk, line, catalogue, clock)
        finally:
            await desk.close()


async def test_points_of_a_moment_ago_become_a_voucher_and_the_campus_shows_what_is_left(
    catalogue: RealCatalogue, tmp_path: Path
) -> None:
    async with a_counter(catalogue, tmp_path) as it:
        told = await it.redeem()
        assert (told["state"], told["stands"], told["amount"]) == ("granted", "fulfilled", 50)
        assert told["token"].startswith(f"{CAMPUS}.")
        assert it.campus.held("ann").balance == await it.left() == 50
        assert it.wishes() == [("granted", True)]
        offered = await it.desk.offered(learner=ANN)
        assert {one["id"]: (one["left"], one["against"]) for one in offered["rewards"]} == {
            "dear": (None, "it costs 1000 points, and there is less"),
            "rare": (1, ""),
            "tea": (None, ""),
        }
        with contextlib.closing(sqlite3.connect(it.campus.agent.data_dir / file.FILE_NAME)) as connection:
            assert told["token"] not in "\n".join(connection.iterdump()), "no voucher stays on campus"


@pytest.mark.parametrize(
    "moods", [[Mood.mute], [Mood.down], [Mood.mute, Mood.down], [Mood.down, Mood.mute], [Mood.forged, Mood.mute]]
)
async def test_an_answer_that_is_lost_is_asked_for_again_under_the_same_key(
    small_catalogue: RealCatalogue, tmp_path: Path, moods: list[Mood]
) -> None:
    async with a_counter(small_catalogue, tmp_path) as it:
        it.line.moods = [*moods]
        told = await it.redeem()
        assert told["state"] == "granted"
        assert (await it.made(), await it.left()) == (1, 50)
        assert len(it.line.seen) == len(moods) + 1


async def test_a_voucher_that_a_learner_shows_is_used_once_at_the_campuss_till_whatever_is_lost(
    small_catalogue: RealCatalogue, tmp_path: Path
) -> None:
    async with a_counter(small_catalogue, tmp_path) as it:
        made = await it.redeem()
        token, it.line.on = made["token"], "/v1/vouchers"
        seen = await it.desk.use(token=token, by="cafe", look=True)
        assert (seen["title"], seen["used_at"], seen["key"]) == (made["title"], None, "")
        it.line.moods = [Mood.down] * 3
        with pytest.raises(TransientError) as nobody_knows:
            await it.desk.use(token=token, by="cafe", key="mine")
        assert "--key mine" in nobody_knows.value.hint
        it.line.moods = [Mood.forged, Mood.mute]
        used = await it.desk.use(token=token, by="cafe", key="mine")
        assert used["used_at"] is not None
        assert it.line.seen.count("/v1/vouchers/use") == 6, "asked again until an answer came that the catalogue signed"
        assert await it.desk.use(token=token, by="cafe", key="mine") == used
        for more in ({}, {"key": "another"}, {"look": True}):
            with pytest.raises(InvalidInputError, match="was used already"):
                await it.desk.use(token=token, by="cafe", **more)
        for wrong in ("", "x\0", "x" * 201):
            with pytest.raises(InvalidInputError, match="printable"):
                await it.desk.use(token=wrong, by="cafe")
        for nothing in ("x", f"elsewhere.{token.partition('.')[2]}", token[:-1]):
            with pytest.raises(InvalidInputError, match="no voucher of ours"):
                await it.desk.use(token=nothing, by="cafe")
        async with it.catalogue.store.reading() as conn:
            (act,) = [one async for one in acts.listed(conn, {"campus": CAMPUS, "act": "redemption.use"})]
        assert (act["by"], act["why"], act["about"]) == ("agent agent-1", "cafe", made["redemption"])


async def test_what_nobody_answered_is_unknown_and_settled_without_spending_anything(
    small_catalogue: RealCatalogue, tmp_path: Path
) -> None:
    async with a_counter(small_catalogue, tmp_path) as it:
        it.line.moods = [Mood.down] * 3
        assert (await it.redeem())["state"] == "unknown"
        with pytest.raises(InvalidInputError, match="nobody knows yet"):
            await it.redeem()
        assert await it.desk.settle() == 0, "an attempt may still arrive"
        it.clock.at += DOUBT_S + 1
        assert await it.desk.settle() == 1
        assert (it.wishes(), await it.made()) == ([("void", False)], 0)
        assert (await it.redeem())["state"] == "granted"
        with pytest.raises(InvalidInputError, match="this wish is void"):
            await it.redeem(key=void_key(it))


def void_key(it: Counter) -> str:
    with contextlib.closing(file.open_for_reading(it.campus.agent.data_dir)) as connection:
        return next(one.key for one in wishes.listed(connection) if one.state == "void")


async def test_a_wish_that_arrived_unanswered_is_found_and_its_voucher_is_shown_to_who_asks(
    small_catalogue: RealCatalogue, tmp_path: Path
) -> None:
    async with a_counter(small_catalogue, tmp_path) as it:
        it.line.moods = [Mood.mute] * 3
        assert (await it.redeem())["state"] == "unknown"
        assert (await it.made(), await it.left()) == (1, 50)
        it.clock.at += DOUBT_S + 1
        assert await it.desk.settle() == 1
        assert it.wishes() == [("granted", False)]
        told = await it.desk.show(name=it.key(), by="desk")
        assert told["token"].startswith(f"{CAMPUS}.")
        with pytest.raises(InvalidInputError, match="was shown to desk already"):
            await it.desk.show(name=told["redemption"], by="another")
        assert (await it.desk.show(name=told["redemption"], by="another", again=True))["token"] == told["token"]


@pytest.mark.parametrize("wrong", [86_400, -86_400])
async def test_a_clock_that_was_wrong_for_a_moment_neither_ends_a_wish_nor_keeps_it_open(
    small_catalogue: RealCatalogue, tmp_path: Path, wrong: int
) -> None:
    async with a_counter(small_catalogue, tmp_path) as it:
        it.line.moods = [Mood.down] * 3
        it.clock.wrong = wrong
        assert (await it.redeem())["state"] == "unknown"
        it.clock.wrong = 0
        assert await it.desk.settle() == 0, "an attempt may still arrive"
        it.clock.at += DOUBT_S + 1
        assert await it.desk.settle() == 1
        assert it.wishes() == [("void", False)]


async def test_a_no_ends_a_wish_though_an_attempt_of_it_arrives_when_there_is_enough(
    catalogue: RealCatalogue, tmp_path: Path
) -> None:
    async with a_counter(catalogue, tmp_path) as it:
        it.line.moods = [Mood.late, Mood.down, Mood.down]
        assert (await it.redeem("dear"))["state"] == "unknown"
        again = await it.redeem("dear", key=it.key())
        assert (again["state"], again["code"]) == ("refused", "balance")
        await it.campus.write("ann", 2000)
        await it.campus.deliver()
        assert await it.line.let_through() == [409], "now there is enough, and the learner was told no"
        assert (it.wishes(), await it.made(), await it.left()) == ([("refused", False)], 0, 2100)
        assert (await it.redeem("dear"))["state"] == "granted", "asked for anew"


async def test_a_no_that_nobody_heard_is_what_became_of_the_wish(
    small_catalogue: RealCatalogue, tmp_path: Path
) -> None:
    async with a_counter(small_catalogue, tmp_path) as it:
        it.line.moods = [Mood.mute, Mood.down, Mood.down]
        assert (await it.redeem("dear"))["state"] == "unknown"
        await it.campus.write("ann", 2000)
        await it.campus.deliver()
        it.clock.at += DOUBT_S
        assert await it.desk.settle() == 1
        assert (it.wishes(), await it.made()) == ([("refused", False)], 0)


async def test_what_a_command_sent_may_still_arrive_though_the_service_has_run_for_long(
    small_catalogue: RealCatalogue, tmp_path: Path
) -> None:
    async with a_counter(small_catalogue, tmp_path) as it:
        it.clock.at, it.clock.wrong = it.clock.at + 10 * DOUBT_S, -10 * DOUBT_S
        typed = a_desk(it.campus, it.line, it.clock)
        it.line.moods = [Mood.late, Mood.down, Mood.down]
        assert (await typed.redeem(learner=ANN, reward="tea", by="desk"))["state"] == "unknown"
        await typed.close()
        assert await it.desk.settle() == 0, "it is on its way"
        it.clock.at += DOUBT_S - 1
        it.line.moods = [Mood.down] * 3
        again = a_desk(it.campus, it.line, it.clock)
        assert (await again.redeem(learner=ANN, reward="tea", by="desk", key=it.key()))["state"] == "unknown"
        await again.close()
        it.clock.at += 1
        assert await it.desk.settle() == 0, "somebody asked again meanwhile"
        assert await it.line.let_through() == [200]
        it.clock.at += DOUBT_S
        assert await it.desk.settle() == 1
        assert (it.wishes(), await it.made()) == ([("granted", False)], 1)


async def test_a_refusal_is_told_with_its_reason_and_ends_the_wish(
    small_catalogue: RealCatalogue, tmp_path: Path
) -> None:
    async with a_counter(small_catalogue, tmp_path) as it:
        told = await it.redeem("dear")
        assert (told["state"], told["why"]) == ("refused", "it costs 1000 points, and there are 100")
        assert (await it.redeem("nothing"))["why"] == "there is no reward nothing"
        assert it.wishes() == [("refused", False), ("refused", False)]
        assert (await it.redeem("rare"))["state"] == "granted"
        assert (await it.redeem("rare"))["why"] == "there are none left"


async def test_a_forged_no_is_not_believed(small_catalogue: RealCatalogue, tmp_path: Path) -> None:
    async with a_counter(small_catalogue, tmp_path) as it:
        it.line.moods = [Mood.forged] * 3
        assert (await it.redeem())["state"] == "unknown"


async def test_a_key_that_rotated_while_somebody_waited_is_followed_and_the_wish_made_once(
    small_catalogue: RealCatalogue, tmp_path: Path
) -> None:
    async with a_counter(small_catalogue, tmp_path) as it:
        await it.campus.sync()
        old, new = keys.prepare(tmp_path / "catalogue.ed25519")
        async with small_catalogue.store.writing() as conn:
            await keys.announce(conn, old, new, now=wall_clock())
        keys.take_over(tmp_path / "catalogue.ed25519")
        assert (await it.redeem())["state"] == "granted"
        assert await it.made() == 1


async def test_a_process_that_dies_after_sending_finds_out_what_became_of_it(
    small_catalogue: RealCatalogue, tmp_path: Path
) -> None:
    async with a_counter(small_catalogue, tmp_path) as it:
        it.desk._talk.post = partial(_sent_and_died, it.desk._talk.post)  # type: ignore[method-assign]  # noqa: SLF001
        with pytest.raises(DiedError):
            await it.redeem()
        assert it.wishes() == [("asked", False)]
    async with a_counter(small_catalogue, tmp_path, enrol=False) as it:
        assert await it.desk.settle() == 0
        it.clock.at += DOUBT_S + 1
        assert await it.desk.settle() == 1
        assert (it.wishes(), await it.made()) == ([("granted", False)], 1)


async def _sent_and_died(post: Any, *what: Any) -> Any:
    await post(*what)
    raise DiedError


async def test_without_a_catalogue_that_answers_nothing_is_listed_and_it_says_so(
    small_catalogue: RealCatalogue, tmp_path: Path
) -> None:
    async with a_counter(small_catalogue, tmp_path) as it:
        it.line.on, it.line.moods = "/v1/shelf", [Mood.down]
        with pytest.raises(TransientError, match="cannot be reached"):
            await it.desk.offered(learner=ANN)
        with pytest.raises(InvalidInputError, match="earned nothing yet"):
            await it.desk.offered(learner="moodle:zoe")
