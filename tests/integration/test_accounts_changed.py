"""Accounts that change in the LMS: who has another address is compared anew at once, who is deleted earns no more."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agent.arriving.linked import Linking
from agent.cli.helpdesk.absence import Absences
from agent.collectors.inbox.collector import is_wanted
from agent.collectors.systems.moodle import USER_DELETED, USER_UPDATED
from agent.config.kinds import KindTable
from agent.ledger.merging import tags
from agent.ledger.record import erased
from agent.model import Evidence, Identifier, Observation, SourceState
from tests.integration.test_linking import campus, did, waiting, wallets
from tests.ledgers import rows
from tests.pipelines import Running, running
from tests.rule_stories import event
from tests.sites import LOGGED_IN, HandClock, SqliteSite, collecting, log, pages_of, put, read, wanting

RULES = (
    'schema = 1\ntimezone = "UTC"\n[[rule]]\nid = "lesson"\non = "lesson.completed"\naward = 10\n'
    'min_trust = "client_reported"\n'
)


def changed(site: str, who: str, kind: str, said: dict[str, str] | None = None, **more: Any) -> Observation:
    seen = event("lesson.completed", "2026-09-08T08:00:00", who, lesson="0", key=f"{site}{who}{kind}{said}").seen
    told = tuple(Identifier(by=by, value=value) for by, value in (said or {}).items())
    return replace(
        seen,
        source=site,
        site=site,
        kind=kind,
        lesson=None,
        identifiers={who: told} if said is not None else {},
        **more,
    )


def test_moodle_tells_both_and_posts_of_a_deletion_are_taken_whatever_rules_want() -> None:
    assert [KindTable().kind_of(name) for name in (USER_UPDATED, USER_DELETED)] == ["user.updated", "user.deleted"]
    nothing = wanting()
    assert is_wanted(changed("moodle", "7", "user.deleted"), nothing)
    assert not is_wanted(changed("moodle", "7", "user.updated"), nothing)


async def test_every_log_is_read_for_deletions_and_one_that_links_for_accounts_that_changed(tmp_path: Path) -> None:
    site = SqliteSite(tmp_path / "moodle.db")
    put(site, "user", id=35, username="ann", idnumber="", email="new@x.org")
    about = {"userid": 2, "relateduserid": 35, "objecttable": "user", "objectid": 35, "courseid": 0}
    log(site, 1, eventname=USER_UPDATED, **about)
    log(site, 2, eventname=LOGGED_IN, userid=35, objecttable="user", objectid=35, courseid=0)
    log(site, 3, eventname=USER_DELETED, **about)
    always = ["user.logged_in", "user.deleted"]
    for link_by, wanted in ((("email",), ["user.updated", *always]), ((), always)):
        async with collecting(site.options(), HandClock(), link_by=link_by) as collector:
            seen, _ = await read(collector, None, wanting(LOGGED_IN))
        assert [one.kind for one in seen] == wanted
        if link_by:
            assert (seen[0].people["subject"], seen[0].identifiers["35"][0].value) == ("35", "new@x.org")


async def test_a_corrected_address_links_or_frees_an_account_before_it_does_anything_more(tmp_path: Path) -> None:
    async with campus(tmp_path) as here:
        await here.take(did("moodle", "35", 1, {"email": "ann@x", "idnumber": "1"}))
        await here.take(did("campus2", "9", 1, {"email": "ann@x", "idnumber": "2"}), source="campus2")
        assert waiting(tmp_path) == [("campus2:9", ("moodle:35",), "the e-mail is the same and the idnumber is not")]
        corrected = changed("campus2", "9", "user.updated", {"email": "bob@x", "idnumber": "2"})
        await here.take(corrected, source="campus2")
        assert waiting(tmp_path) == []


async def test_a_deleted_account_is_known_by_nothing_so_that_no_successor_gets_its_wallet(tmp_path: Path) -> None:
    async with campus(tmp_path) as here:
        await here.take(did("moodle", "35", 1, {"email": "ann@x"}))
        gone = changed("moodle", "35", "user.deleted", person_marks={"35": "deleted"})
        await here.take(gone)
        with closing(sqlite3.connect(tmp_path / "ledger.db")) as connection:
            assert connection.execute("SELECT count(*) FROM account_tag").fetchone() == (0,)
            assert tags.held(connection) == []
        await here.take(did("campus2", "9", 1, {"email": "ann@x"}), source="campus2")
        assert wallets(tmp_path) == {"moodle:35": 10, "campus2:9": 10}


DAILY = 'schema = 1\ntimezone = "UTC"\n[[rule]]\nid = "login"\non = "user.logged_in"\naward = 10\nonce_per = "event"\n'
START = 1_795_200_000


def logged_in(site: SqliteSite, number: int, user: int, after_s: int) -> None:
    about = {"objecttable": "user", "objectid": user, "courseid": 0, "timecreated": START + after_s}
    log(site, number, eventname=LOGGED_IN, userid=user, **about)


def deleted(site: SqliteSite, number: int, user: int, after_s: int) -> None:
    about = {"relateduserid": user, "objecttable": "user", "objectid": user, "courseid": 0}
    log(site, number, eventname=USER_DELETED, userid=2, timecreated=START + after_s, **about)


def a_site(path: Path) -> SqliteSite:
    """A log in which ann (35) is deleted while bob (36) goes on: her acts pay up to row 2, row 6 is in a gap."""
    site = SqliteSite(path)
    put(site, "user", id=35, username="ann@x.org.1795200010", idnumber="", email="", deleted=1)
    put(site, "user", id=36, username="bob", idnumber="", email="bob@x.org", deleted=0)
    logged_in(site, 1, 35, 0)
    logged_in(site, 2, 35, 10)
    deleted(site, 3, 35, 10)
    logged_in(site, 4, 36, 10)
    logged_in(site, 5, 35, 10)
    logged_in(site, 7, 35, 30)
    logged_in(site, 8, 36, 40)
    return site


async def caught_up(
    here: Running, site: SqliteSite, rows_max: int, state: SourceState | None = None, **more: Any
) -> SourceState:
    """Where the log stands when everything in it is recorded, in pages of at most ``rows_max`` rows."""
    options = replace(site.options(), limits=replace(site.options().limits, page_rows_max=rows_max), **more)
    async with collecting(options, HandClock()) as collector:
        pages = await pages_of(collector, state, here.pipeline.demand())
    here.pipeline.stands("moodle")
    for page in pages:
        await here.pipeline.take(page)
    return pages[-1].state


LINKS = Linking(key=b"k" * 32, link_by=("email",), sources=("moodle", "campus2"))


@pytest.mark.parametrize(("rows_max", "linking"), [(1, None), (100, None), (100, LINKS)])
async def test_who_is_deleted_earns_for_what_was_done_before_and_nothing_after_wherever_pages_end(
    tmp_path: Path, rows_max: int, linking: Linking | None
) -> None:
    site = a_site(tmp_path / "moodle.db")
    async with running(tmp_path, DAILY, linking=linking) as here:
        state = await caught_up(here, site, rows_max)
        assert here.balances() == {"35": 20, "36": 20}
        told = rows(tmp_path, "SELECT lms_user, since, until, said_by FROM opted_out")
        assert told == [("35", START + 10, None, "user.deleted")]
        logged_in(site, 6, 35, 5)
        logged_in(site, 9, 35, 60)
        await caught_up(here, site, rows_max, state)
        assert here.balances() == {"35": 30, "36": 20}, "the row of before that came late counts, a new one does not"
        await caught_up(here, site, 100)
        assert here.balances() == {"35": 30, "36": 20}, "read again from the beginning"
    async with running(tmp_path, DAILY) as here:
        await caught_up(here, site, 100)
        assert here.balances() == {"35": 30, "36": 20}


async def test_a_deletion_that_was_a_mistake_and_was_lifted_stays_lifted_when_its_row_is_read_again(
    tmp_path: Path,
) -> None:
    site = a_site(tmp_path / "moodle.db")
    async with running(tmp_path, DAILY) as here:
        await caught_up(here, site, 100)
        assert absent(tmp_path).startswith("was deleted in the LMS on 2026-11-20T")
        await here.writer.run(partial(erased.opt_in, accounts=[("moodle", "35")], now=START + 50))
    async with running(tmp_path, DAILY) as here:
        logged_in(site, 9, 35, 60)
        await caught_up(here, site, 100)
        assert (here.balances(), absent(tmp_path)) == ({"35": 30, "36": 20}, "")


async def test_who_was_deleted_before_the_agent_began_to_read_earns_nothing_by_what_moodle_does_with_them_later(
    tmp_path: Path,
) -> None:
    site = a_site(tmp_path / "moodle.db")
    put(site, "user", id=37, username="cy", idnumber="", email="", deleted=1, timemodified=START + 50)
    put(site, "user", id=38, username="di", idnumber="", email="", deleted=1, timemodified=START + 10)
    logged_in(site, 9, 37, 45)
    logged_in(site, 10, 38, 45)
    async with running(tmp_path, DAILY) as here:
        await caught_up(here, site, 100, start_at=START + 20)
        assert here.balances() == {"35": 10, "36": 10, "37": 10}, "nobody knows when 35 was deleted, and 37 was later"
        assert here.reasons() == ["never earns: account deleted"]


async def test_who_takes_no_part_and_is_deleted_then_is_known_to_be_deleted_too(tmp_path: Path) -> None:
    marks = "SELECT since, until, said_by FROM opted_out ORDER BY since, said_by"
    site = a_site(tmp_path / "moodle.db")
    for since, gone in ((START, START + 10), (START + 10, START + 11)):
        room = tmp_path / str(since)
        room.mkdir()
        async with running(room, DAILY) as here:
            out = partial(erased.opt_out, accounts=[("moodle", "35")], by="ann", now=since)
            await here.writer.run(out)
            for _ in range(2):
                await caught_up(here, site, 100)
            assert rows(room, marks) == [(since, None, "ann"), (gone, None, "user.deleted")]


def absent(data_dir: Path) -> str:
    """What the helpdesk reads of ann's absence."""
    with closing(sqlite3.connect(data_dir / "ledger.db")) as connection:
        found = Absences(connection).now("moodle:35")
    return found.told if found is not None else ""


async def test_who_has_another_account_earns_on_there_when_the_one_that_names_the_wallet_is_deleted(
    tmp_path: Path,
) -> None:
    async with campus(tmp_path) as here:
        await here.take(did("moodle", "35", 1, {"email": "ann@x"}))
        await here.take(did("campus2", "9", 2, {"email": "ann@x"}), source="campus2")
        assert wallets(tmp_path) == {"moodle:35": 20}
        await here.take(changed("moodle", "35", "user.deleted"))
        later = replace(
            did("campus2", "9", 3, {"email": "ann@x"}), occurred_at=did("moodle", "1", 1, {}).occurred_at + 86_400
        )
        await here.take(later, source="campus2")
        assert wallets(tmp_path) == {"moodle:35": 30}, "an account was deleted and not the person"


@pytest.mark.parametrize("doubt", [{"marks": frozenset({"unconfirmed"})}, {"evidence": Evidence.address}])
async def test_nobody_is_deleted_by_a_post_that_cannot_be_believed(tmp_path: Path, doubt: dict[str, Any]) -> None:
    async with running(tmp_path, RULES) as here:
        await here.take(changed("moodle", "35", "user.deleted", **doubt))
        assert rows(tmp_path, "SELECT * FROM opted_out") == []
