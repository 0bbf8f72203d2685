"""Accounts that change in the LMS: who has another address is compared anew at once, who is deleted earns no more."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.collectors.inbox.collector import is_wanted
from agent.collectors.systems.moodle import USER_DELETED, USER_UPDATED
from agent.config.kinds import KindTable
from agent.ledger.merging import tags
from agent.model import Evidence, Identifier, Observation
from tests.integration.test_linking import campus, did, waiting, wallets
from tests.ledgers import rows
from tests.pipelines import running
from tests.rule_stories import event
from tests.sites import LOGGED_IN, HandClock, SqliteSite, collecting, log, put, read, wanting

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


async def test_a_log_that_links_is_read_for_accounts_that_changed_and_another_is_not(tmp_path: Path) -> None:
    site = SqliteSite(tmp_path / "moodle.db")
    put(site, "user", id=35, username="ann", idnumber="", email="new@x.org")
    about = {"userid": 2, "relateduserid": 35, "objecttable": "user", "objectid": 35, "courseid": 0}
    log(site, 1, eventname=USER_UPDATED, **about)
    log(site, 2, eventname=LOGGED_IN, userid=35, objecttable="user", objectid=35, courseid=0)
    for link_by, wanted in ((("email",), ["user.updated", "user.logged_in"]), ((), ["user.logged_in"])):
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


async def test_a_deleted_account_earns_nothing_more_however_its_acts_are_read_again(tmp_path: Path) -> None:
    async with running(tmp_path, RULES) as here:
        await here.take(did("moodle", "35", 1, {}))
        await here.take(changed("moodle", "35", "user.deleted"))
        late = did("moodle", "35", 2, {})
        await here.take(late, did("moodle", "36", 2, {}))
        assert here.balances() == {"35": 10, "36": 10}, "what was paid stands"
        assert rows(tmp_path, "SELECT lms_user, since, until, said_by FROM opted_out") == [
            ("35", 0, None, "user.deleted")
        ]
    async with running(tmp_path, RULES) as here:
        await here.take(did("moodle", "35", 3, {}))
        assert here.balances() == {"35": 10, "36": 10}


@pytest.mark.parametrize("doubt", [{"marks": frozenset({"unconfirmed"})}, {"evidence": Evidence.address}])
async def test_nobody_is_deleted_by_a_post_that_cannot_be_believed(tmp_path: Path, doubt: dict[str, Any]) -> None:
    async with running(tmp_path, RULES) as here:
        await here.take(changed("moodle", "35", "user.deleted", **doubt))
        assert rows(tmp_path, "SELECT * FROM opted_out") == []
