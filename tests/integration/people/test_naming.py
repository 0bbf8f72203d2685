"""An agent tells what its learners are called, over a real ledger and a real catalogue, and takes it back."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import insert

from agent.ledger.centre import said
from agent.outbox.people.naming import preview
from catalogue import schema
from tests.builders import NOW
from tests.contract.catalogues import RealCatalogue, running_catalogue
from tests.fakes import FakeCatalogue
from tests.integration.people.school import LIMIT_S, Lms, School, school
from tests.integration.test_linking import did
from tests.ledgers import rows
from tests.wire_builders import CAMPUS


@pytest.fixture(params=["sqlite", "postgresql"])
async def real(request: pytest.FixtureRequest, tmp_path: Path, catalogue_file: Path) -> AsyncIterator[RealCatalogue]:
    url = f"sqlite:///{shutil.copy(catalogue_file, tmp_path / 'books.db')}"
    if request.param == "postgresql":
        url = request.getfixturevalue("catalogue_database").dsn
    async with running_catalogue(tmp_path, url) as made:
        yield made


@pytest.fixture
async def one(tmp_path: Path, catalogue_file: Path) -> AsyncIterator[RealCatalogue]:
    async with running_catalogue(tmp_path, f"sqlite:///{shutil.copy(catalogue_file, tmp_path / 'books.db')}") as made:
        yield made


def an_lms() -> Lms:
    return Lms(called={"moodle": {"35": "ann", "36": "ben", "37": "cid"}})


def settings(at: School) -> dict[str, str]:
    return dict(rows(at.here.data_dir, "SELECT key, value FROM setting WHERE key LIKE 'names%'"))


async def test_who_has_a_delivered_entry_is_named_and_a_changed_name_is_told_the_next_day(
    real: RealCatalogue, tmp_path: Path
) -> None:
    lms = an_lms()
    async with school(tmp_path / "a", real, lms) as at:
        await at.acts("35", "36", "99")
        assert await at.told() == {"moodle:35": "ann", "moodle:36": "ben"}, "of 99 the LMS knows nothing"
        sent = len(at.line.sent)
        lms.called["moodle"] |= {"35": "ann.smith", "99": "dan"}
        assert await at.told() == {"moodle:35": "ann", "moodle:36": "ben"}
        assert (len(at.line.sent), len(lms.asked)) == (sent, 3), "nobody is asked again and again"
        await at.tomorrow()
        del lms.called["moodle"]["36"]
        assert await at.told() == {"moodle:35": "ann.smith", "moodle:99": "dan"}
        await at.acts("37")
        assert (await at.told())["moodle:37"] == "cid"
    content = (tmp_path / "a" / "ledger.db").read_bytes()
    assert b"moodle" in content
    assert b"ann.smith" not in content, "the agent keeps no name"


async def test_who_takes_no_part_is_an_account_of_somebody_or_was_not_asked_has_no_name(
    one: RealCatalogue, tmp_path: Path
) -> None:
    lms = an_lms()
    async with school(tmp_path / "a", one, lms) as at:
        await at.acts("35", "36", "37")
        await at.told()
        await at.out("35")
        assert await at.told() == {"moodle:36": "ben", "moodle:37": "cid"}, "at once, whenever they were looked up"
        await at.back("35")
        await at.merge("36", "35")
        assert await at.told() == {"moodle:35": "ann", "moodle:37": "cid"}
        await at.writes(lambda conn: conn.execute("DELETE FROM alias"))
        assert len(await at.told()) == 3
    async with school(tmp_path / "a", one, lms, asked=True) as at:
        assert await at.told() == {}, "where learners are asked first, nobody agreed"
        agree = "INSERT INTO agreed (site, lms_user, how, since, said_by) VALUES ('moodle', '37', 'hand', 1, 'desk')"
        await at.writes(lambda conn: conn.execute(agree))
        assert await at.told() == {"moodle:37": "cid"}


async def test_who_opts_out_while_a_name_is_looked_up_or_its_answer_is_lost_has_none_in_the_end(
    one: RealCatalogue, tmp_path: Path
) -> None:
    lms = an_lms()
    async with school(tmp_path / "a", one, lms, fails=["", "after"]) as at:
        await at.acts("35", "36")
        assert not await at.naming.drain(limit_s=60)
        assert await at.called() == {"moodle:35": "ann", "moodle:36": "ben"}, "it arrived, and nobody knows"
        await at.out("35")
        assert await at.told() == {"moodle:36": "ben"}
        await at.tomorrow()
        lms.called["moodle"]["36"] = "benny"
        lms.meanwhile.append(lambda: at.out("36"))
        assert await at.told() == {}


async def test_a_person_of_several_sites_is_called_as_the_first_account_that_has_a_name(
    one: RealCatalogue, tmp_path: Path
) -> None:
    lms = Lms(called={"moodle": {"35": "ann"}, "campus2": {"9": "a.smith"}})
    async with school(tmp_path / "a", one, lms) as at:
        await at.acts("x1", site="shop")
        await at.acts("9", site="campus2")
        assert await at.told() == {"campus2:9": "a.smith"}, "the shop tells nothing"
        into = "INSERT INTO alias VALUES (?, ?, ?, 1, 'desk', 'one', ?)"
        await at.writes(lambda conn: conn.execute(into, ("campus2", "9", "x1", "shop")))
        assert await at.told() == {"shop:x1": "a.smith"}


async def test_who_is_erased_has_no_name_and_the_one_who_begins_anew_has_one_again(
    real: RealCatalogue, tmp_path: Path
) -> None:
    async with school(tmp_path / "a", real, an_lms()) as at:
        await at.acts("35", "36")
        await at.told()
        await at.erase("35")
        assert rows(at.here.data_dir, "SELECT count(*) FROM name_told") == [(1,)]
        assert len(await at.called()) == 2, "the catalogue was not reached yet"
        assert await at.outbox.drain(limit_s=LIMIT_S)
        assert await at.called() == {"moodle:36": "ben"}
        await at.line.replay()
        assert await at.called() == {"moodle:36": "ben"}, "what was sent before gives no name back"
        await at.readmit("35")
        assert await at.told() == {"moodle:36": "ben"}, "who begins anew has nothing yet"
        await at.here.take(replace(did("moodle", "35", 9, {}), occurred_at=at.clock.now()))
        assert await at.outbox.drain(limit_s=LIMIT_S)
        assert await at.told() == {"moodle:35": "ann", "moodle:36": "ben"}


async def test_back_at_pseudonyms_all_is_withdrawn_and_forgotten_and_names_may_come_again(
    real: RealCatalogue, tmp_path: Path
) -> None:
    lms = an_lms()
    async with school(tmp_path / "a", real, lms) as at:
        await at.acts("35", "36")
        await at.told()
    async with school(tmp_path / "a", real, lms, said_by="", fails=["before", "after"]) as at:
        assert not await at.naming.drain(limit_s=60)
        assert not await at.naming.drain(limit_s=60)
        assert await at.told() == {}
        assert rows(at.here.data_dir, "SELECT * FROM name_told") == []
        assert settings(at).keys() == {"names_withdrawn_at"}
        sent = len(at.line.sent)
        assert await at.told() == {}
        assert len(at.line.sent) == sent, "an agent that tells pseudonyms asks nothing"
        assert await at.traces() == 0
        await at.naming.run()  # ends: nothing is left to do
    async with school(tmp_path / "a", real, lms, said_by="email") as at:
        assert await at.told() == {"moodle:35": "ann", "moodle:36": "ben"}


async def test_a_catalogue_that_keeps_no_names_is_sent_none_and_delivery_goes_on(tmp_path: Path) -> None:
    older, lms = FakeCatalogue(tmp_path), an_lms()
    await older.start()
    try:
        async with school(tmp_path / "a", older, lms) as at:
            await at.acts("35")
            assert not await at.naming.drain(limit_s=60)
            assert lms.asked == [], "nobody is looked up for it"
            assert not any(b"ann" in body for body, *_ in at.line.sent)
            await at.acts("36")
            assert await older.wallets(CAMPUS)
        async with school(tmp_path / "a", older, lms, said_by="") as at:
            assert await at.naming.drain(limit_s=LIMIT_S)
            assert "names_told_as" not in settings(at), "what keeps no names has none to take back"
    finally:
        await older.stop()


async def test_another_register_than_before_is_told_everything_anew(real: RealCatalogue, tmp_path: Path) -> None:
    lms = an_lms()
    async with school(tmp_path / "a", real, lms) as at:
        await at.acts("35", "36")
        await at.told()
        await at.lose()
    async with school(tmp_path / "a", real, lms) as at:
        assert await at.told() == {"moodle:35": "ann", "moodle:36": "ben"}
        await at.lose()
        await at.line.replay()
        assert await at.called() == {}, "what was for the one before comes too late"
        await at.acts("37")
        assert not await at.naming.drain(limit_s=60), "it was put back between two messages"
        assert len(await at.told()) == 3


async def test_an_agent_that_was_put_back_takes_back_what_it_does_not_know_of(
    one: RealCatalogue, tmp_path: Path
) -> None:
    lms = an_lms()
    async with school(tmp_path / "a", one, lms) as at:
        await at.acts("35")
        await at.told()
    with closing(sqlite3.connect(tmp_path / "a" / "ledger.db")) as ledger, ledger:
        ledger.execute("DELETE FROM name_told")
        ledger.execute("DELETE FROM setting WHERE key LIKE 'names%'")
        ledger.execute("INSERT INTO setting VALUES ('names_told_as', 'unknown')")
    async with school(tmp_path / "a", one, lms, said_by="") as at:
        assert await at.told() == {}
    with closing(sqlite3.connect(tmp_path / "a" / "ledger.db")) as ledger, ledger:
        ledger.execute("INSERT OR REPLACE INTO setting VALUES ('names_told_as', 'unknown')")
    async with one.store.writing() as conn:
        stranger = {"campus": CAMPUS, "learner": "p-of-nobody", "agent": "agent-1", "name": "zoe", "folded": "zoe"}
        told = {"said_by": "username", "told_at": 1, "gone_at": None}
        await conn.execute(insert(schema.person_name).values(**stranger, **told))
    async with school(tmp_path / "a", one, lms) as at:
        assert await at.told() == {"moodle:35": "ann"}, "nobody is left there whom it does not know"


async def test_a_site_that_is_away_keeps_the_names_it_had_and_nobody_of_another_waits(
    one: RealCatalogue, tmp_path: Path
) -> None:
    lms = Lms(called={"moodle": {"35": "ann"}, "campus2": {"9": "zoe"}})
    async with school(tmp_path / "a", one, lms) as at:
        await at.acts("35")
        await at.told()
        lms.away.add("moodle")
        await at.tomorrow()
        await at.acts("9", site="campus2")
        assert await at.told() == {"moodle:35": "ann", "campus2:9": "zoe"}
        lms.away.clear()
        lms.called["moodle"]["35"] = "anne"
        await at.writes(lambda conn: conn.execute("UPDATE name_told SET looked_at = looked_at - 900"))
        assert (await at.told())["moodle:35"] == "anne"


async def test_what_would_leave_next_is_shown_without_telling_it(one: RealCatalogue, tmp_path: Path) -> None:
    lms = an_lms()
    async with school(tmp_path / "a", one, lms) as at:
        await at.acts("35", "36")
        conn = await at.naming._ledger.connection()  # noqa: SLF001 - the very connection that reads
        calls = at.naming._calls  # noqa: SLF001
        found = await preview(conn, calls, upto=1, now=at.clock.now(), most=20)
        assert [one.name for one in found] == ["ann"]
        found = await preview(conn, calls, upto=2, now=at.clock.now(), most=20)
        assert [one.name for one in found] == ["ann", "ben"]
        assert await at.called() == {}
        await at.told()
        assert await preview(conn, calls, upto=2, now=at.clock.now(), most=20) == ()
        await at.out("35")
        (gone,) = await preview(conn, calls, upto=2, now=at.clock.now(), most=20)
        assert gone.name == ""


async def test_a_name_that_no_screen_shows_is_none(one: RealCatalogue, tmp_path: Path) -> None:
    lms = Lms(called={"moodle": {"35": "a\nb", "36": "x" * 400, "37": "cid"}})
    async with school(tmp_path / "a", one, lms) as at:
        await at.acts("35", "36", "37")
        assert await at.told() == {"moodle:37": "cid"}


async def test_what_a_trusted_system_posted_is_the_name_where_nobody_can_be_asked(
    one: RealCatalogue, tmp_path: Path
) -> None:
    lms = an_lms()
    async with school(tmp_path / "a", one, lms, posting=["shop"]) as at:
        await at.posts("shop", "x1", "ann.x", 1)
        await at.posts("campus2", "9", "zoe", 2)
        await at.posts("moodle", "35", "not.ann", 3)
        assert await at.told() == {"shop:x1": "ann.x", "moodle:35": "ann"}, "campus2 is not trusted, Moodle is asked"
        await at.posts("shop", "x1", "ann.y", 4)
        assert (await at.told())["shop:x1"] == "ann.y", "at once"
        await at.posts("shop", "x1", "ann.of.before", 2)
        assert (await at.told())["shop:x1"] == "ann.y", "what was posted late of before says nothing"
        await at.erase("x1", site="shop")
        assert rows(at.here.data_dir, "SELECT * FROM name_said") == []
        assert await at.outbox.drain(limit_s=LIMIT_S)
        assert await at.told() == {"moodle:35": "ann"}
        await at.posts("shop", "x1", "ann.z", 5)
        await at.posts("shop", "x2", "ben.x", 5)
        assert [name for (name,) in rows(at.here.data_dir, "SELECT name FROM name_said")] == ["ben.x"]
    async with school(tmp_path / "a", one, lms, said_by="") as at:
        assert await at.told() == {}
        assert rows(at.here.data_dir, "SELECT * FROM name_said") == []


async def test_what_somebody_is_called_who_never_earned_is_forgotten_in_time(
    one: RealCatalogue, tmp_path: Path
) -> None:
    async with school(tmp_path / "a", one, an_lms(), posting=["shop"]) as at:
        await at.posts("shop", "x1", "ann.x", 1)
        stranger = "INSERT INTO name_said VALUES ('shop', 'x9', 'username', 'nobody', ?)"
        await at.writes(lambda conn: conn.execute(stranger, (NOW,)))
        await at.writes(partial(said.forget, before=NOW))
        assert len(rows(at.here.data_dir, "SELECT * FROM name_said")) == 2
        await at.writes(partial(said.forget, before=2**40))
        assert [user for (user,) in rows(at.here.data_dir, "SELECT lms_user FROM name_said")] == ["x1"]
