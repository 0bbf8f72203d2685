"""Rewards for a cohort or a country: the LMS says who is in it, not whoever stands at the counter."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiosqlite
import pytest

from agent.chance import SystemChance
from agent.collectors.logstore.reading.members import cohorts_of, countries_of
from agent.errors import InvalidInputError, TransientError
from agent.ledger import file
from agent.ledger.centre import wishes
from agent.outbox.client import Client, Place
from agent.outbox.redeeming.belonging import Teller
from agent.outbox.redeeming.desk import Redeeming
from agent.outbox.redeeming.talk import Talk
from catalogue.rewards import shelf
from tests.contract.catalogues import RealCatalogue
from tests.integration.statement.test_redeeming import Counter, a_counter
from tests.sites import SqliteSite, put
from tests.wire_builders import CAMPUS

ANN = "moodle:35"


async def _away(_user: str) -> frozenset[str]:
    raise TransientError("the database cannot be reached", hint="")


@asynccontextmanager
async def asking(it: Counter, tellers: dict[str, Teller]) -> AsyncIterator[Redeeming]:
    """A counter that can ask the LMS; Ann is user 35 there, and somebody in an app too."""
    agent = it.campus.agent

    async def known(conn: aiosqlite.Connection) -> None:
        await conn.execute("UPDATE person SET lms_user = '35' WHERE lms_user = 'ann'")
        await conn.execute(
            "INSERT OR IGNORE INTO alias (site, lms_user, into_user, merged_at, merged_by, reason, into_site)"
            " VALUES ('app', 'ann', '35', 1, 'x', 'x', 'moodle')"
        )

    await agent.writer.run(known)
    client = Client(Place(url=it.line.url), key_file=agent.data_dir / "agent.ed25519", clock=it.clock)
    desk = Redeeming(
        talk=Talk(client, agent.writer, it.clock),
        writer=agent.writer,
        data_dir=agent.data_dir,
        clock=it.clock,
        deliver=it.campus.deliver,
        hear=it.campus.hear,
        secret=SystemChance().secret,
        tellers=tellers,
    )
    try:
        yield desk
    finally:
        await desk.close()


async def shelve(it: Counter) -> None:
    """Something for the pilots, something for everybody in the choir."""
    async with it.catalogue.store.writing() as conn:
        for name, cohort in (("pilot-mug", "pilot"), ("choir-mug", "choir")):
            fields = {"id": name, "title": name, "price": {"points": 10}, "cohorts": [cohort]}
            await shelf.put(conn, CAMPUS, shelf.described(fields), now=1)
            await shelf.approve(conn, CAMPUS, CAMPUS, name, approved=True, now=1)


def site(tmp_path: Path) -> SqliteSite:
    """User 35 is a pilot and in a group that is nobody's business."""
    moodle = SqliteSite(tmp_path / "moodle.db")
    put(moodle, "cohort", id=5, name="Pilot group", idnumber="pilot")
    put(moodle, "cohort", id=6, name="Debt counselling", idnumber="")
    put(moodle, "cohort_members", id=1, cohortid=5, userid=35)
    put(moodle, "cohort_members", id=2, cohortid=6, userid=35)
    return moodle


def telling(moodle: SqliteSite) -> Teller:
    """What its tables say."""
    return Teller(partial(cohorts_of, moodle.options()), partial(countries_of, moodle.options()))


def sent(it: Counter) -> list[tuple[str, ...]]:
    """The cohorts of each wish, newest first."""
    with contextlib.closing(file.open_for_reading(it.campus.agent.data_dir)) as connection:
        return [one.cohorts for one in wishes.listed(connection)]


def countries_sent(it: Counter) -> list[str]:
    """The country of each wish, newest first."""
    with contextlib.closing(file.open_for_reading(it.campus.agent.data_dir)) as connection:
        return [one.country for one in wishes.listed(connection)]


async def redeem(desk: Redeeming, reward: str, *cohorts: str) -> dict[str, Any]:
    return await desk.redeem(learner=ANN, reward=reward, by="desk", cohorts=cohorts)


async def test_where_the_lms_tells_cohorts_it_is_asked_and_nobody_can_claim_another(
    small_catalogue: RealCatalogue, tmp_path: Path
) -> None:
    moodle = site(tmp_path)
    async with a_counter(small_catalogue, tmp_path) as it:
        await shelve(it)
        async with asking(it, {"moodle": telling(moodle)}) as desk:
            await it.campus.deliver()
            offered = await desk.offered(learner=ANN)
            against = {one["id"]: one["against"] for one in offered["rewards"]}
            assert (against["pilot-mug"], against["choir-mug"]) == ("", "it is not offered to this learner")
            with pytest.raises(InvalidInputError, match="not in cohort choir, says the LMS"):
                await redeem(desk, "choir-mug", "choir")
            assert (await redeem(desk, "choir-mug"))["state"] == "refused"
            assert (await redeem(desk, "pilot-mug"))["state"] == "granted"
            assert (await redeem(desk, "pilot-mug", "pilot"))["state"] == "granted"
            drawn = await desk.draw(learner=ANN, reward="pilot-mug", by="desk")
            assert drawn["state"] == "kept"
            with pytest.raises(InvalidInputError, match="not in cohort choir"):
                await desk.draw(learner=ANN, reward="choir-mug", by="desk", cohorts=("choir",))
            assert (await redeem(desk, "tea"))["state"] == "granted"
            assert sent(it) == [(), ("pilot",), ("pilot",), ()], "the centre learns what the reward asks for, no more"
            moodle.execute("DELETE FROM mdl_cohort_members WHERE cohortid = 5")
            assert (await redeem(desk, "pilot-mug"))["stands"] == "kept beforehand", "it was made while she was one"
            assert (await redeem(desk, "pilot-mug"))["state"] == "refused"


async def test_where_no_source_tells_cohorts_they_are_typed_as_before(
    small_catalogue: RealCatalogue, tmp_path: Path
) -> None:
    moodle = site(tmp_path)
    moodle.execute("DROP TABLE mdl_cohort_members")
    async with a_counter(small_catalogue, tmp_path) as it:
        await shelve(it)
        async with asking(it, {"moodle": telling(moodle)}) as desk:
            assert (await redeem(desk, "choir-mug", "choir"))["state"] == "granted"
        assert sent(it) == [("choir",)]


async def test_where_the_lms_knows_the_country_it_is_asked_and_another_is_refused_else_it_is_said_to_be_typed(
    small_catalogue: RealCatalogue, tmp_path: Path
) -> None:
    moodle = site(tmp_path)
    moodle.execute("ALTER TABLE mdl_user ADD COLUMN country TEXT")
    put(moodle, "user", id=35, username="ann", country="GB")

    async def here(desk: Redeeming, reward: str, country: str = "") -> dict[str, Any]:
        return await desk.redeem(learner=ANN, reward=reward, by="desk", country=country)

    async with a_counter(small_catalogue, tmp_path) as it:
        async with it.catalogue.store.writing() as conn:
            for name, countries in (("gb-mug", ["GB", "IE"]), ("fr-mug", ["FR"])):
                fields = {"id": name, "title": name, "price": {"points": 10}, "countries": countries}
                await shelf.put(conn, CAMPUS, shelf.described(fields), now=1)
                await shelf.approve(conn, CAMPUS, CAMPUS, name, approved=True, now=1)
        async with asking(it, {"moodle": telling(moodle)}) as desk:
            with pytest.raises(InvalidInputError, match="is not in FR, says the LMS"):
                await here(desk, "fr-mug", "FR")
            assert (await here(desk, "fr-mug"))["state"] == "refused"
            granted = [await here(desk, "gb-mug"), await here(desk, "gb-mug", "gb"), await here(desk, "tea")]
            assert [(one["state"], one.get("by_hand")) for one in granted] == [("granted", None)] * 3
            offered = await desk.offered(learner=ANN)
            assert [one["id"] for one in offered["rewards"] if not one["against"]] == ["gb-mug"]
            told = ["", "GB", "GB", ""]
            assert countries_sent(it) == told, "the centre learns it where the reward asks for it, and where it fits"
            moodle.execute("UPDATE mdl_user SET country = ''")
            typed = await here(desk, "fr-mug", "FR")
            assert (typed["state"], typed["by_hand"]) == ("granted", ["country"])
        async with asking(it, {"moodle": Teller(_away, _away)}) as desk:
            with pytest.raises(TransientError, match="cannot be asked now for countries"):
                await here(desk, "gb-mug", "GB")


async def test_while_the_lms_cannot_be_asked_nobody_is_let_in_by_word_of_mouth(
    small_catalogue: RealCatalogue, tmp_path: Path
) -> None:
    async with a_counter(small_catalogue, tmp_path) as it:
        await shelve(it)
        async with asking(it, {"moodle": Teller(_away, _away)}) as desk:
            with pytest.raises(TransientError, match="moodle cannot be asked now"):
                await redeem(desk, "pilot-mug", "pilot")
            assert (await redeem(desk, "pilot-mug"))["state"] == "refused"
            assert (await redeem(desk, "tea"))["state"] == "granted"


async def test_another_account_of_the_same_person_tells_cohorts_too(
    small_catalogue: RealCatalogue, tmp_path: Path
) -> None:
    async def app(user: str) -> frozenset[str]:
        return frozenset({"choir"} if user == "ann" else ())

    async with a_counter(small_catalogue, tmp_path) as it:
        await shelve(it)
        tellers: dict[str, Teller] = {"moodle": telling(site(tmp_path)), "app": Teller(cohorts=app)}
        async with asking(it, tellers) as desk:
            assert (await redeem(desk, "choir-mug"))["state"] == "granted"
        assert sent(it) == [("choir",)]
