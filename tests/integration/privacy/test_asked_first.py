"""`participation = "opt-in"`: nobody earns who has not agreed, over the real agent's commands and its pipeline."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import aiosqlite
import pytest

from agent.arriving.agreed import Consents
from agent.errors import InvalidInputError
from agent.ledger import corrections, file
from agent.ledger.record import agreed
from agent.model import Evidence, Observation
from tests import ledgers
from tests.builders import an_event, an_observation
from tests.helpdesk import Desk, filled
from tests.integration.privacy.test_erase import acted, read_again
from tests.pipelines import Running, running
from tests.rule_stories import ZONE
from tests.sites import put

OPT_IN = '[privacy]\nparticipation = "opt-in"\nagreed = { cohorts = ["rewards"], profile_field = "consent" }\n'
RULES = """
schema = 1
timezone = "UTC"
[[rule]]
id = "done"
on = "lesson.completed"
award = 10
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """The filled campus, which asks first from now on: a cohort and a profile field say who has agreed."""
    desk = filled(tmp_path_factory.mktemp("asked") / "campus")
    desk.config.write_text(desk.config.read_text() + OPT_IN)
    put(desk.moodle, "cohort", id=4, name="Rewards", idnumber="rewards")
    put(desk.moodle, "user_info_field", id=1, shortname="consent")
    return desk


@pytest.fixture
def desk(told: Desk, tmp_path: Path) -> Desk:
    """A copy of it to be changed."""
    return told.copy(tmp_path / "campus")


def paid_since(desk: Desk, when: str = "2026-10") -> list[str]:
    """The learners who were paid for acts since then, in order."""
    return [row["learner"] for row in desk.export() if row["occurred_at"] > when]


def agreement(desk: Desk) -> list[dict[str, str]]:
    """What `doctor` says of who has agreed."""
    looked = desk.command("doctor", "--json", check=False)
    return [one for one in json.loads(looked.stdout) if one["about"] == "agreed"]


def test_who_has_agreed_earns_by_cohort_by_profile_or_by_hand_and_nobody_else(desk: Desk) -> None:
    now = int(time.time())
    before = paid_since(desk, "2026-09-12")
    (nobody,) = agreement(desk)
    assert (nobody["code"], nobody["level"]) == ("nobody-agreed", "warn")
    put(desk.moodle, "cohort_members", id=1, cohortid=4, userid=36, timeadded=now - 600)
    put(desk.moodle, "user_info_data", id=1, userid=37, fieldid=1, data="1")
    acted(desk, 18, 36, now - 900)
    acted(desk, 19, 35, now - 120)
    acted(desk, 23, 36, now - 120)
    acted(desk, 24, 37, now - 120)
    desk.catch_up()

    assert sorted(paid_since(desk)) == ["moodle:36", "moodle:37"], "and Ben not for what he did before he joined"
    assert paid_since(desk, "2026-09-12")[: len(before)] == before, "what was earned before stays"
    day = datetime.fromtimestamp(now - 120, ZoneInfo(ZONE)).date()
    assert "never earns: not agreed" in desk.command("learner", "why", "ann", "--on", str(day)).stdout
    assert "not agreed" in desk.command("events", "explain", "19").stdout
    assert desk.json("learner", "show", "ann")["takes_part"] is False
    assert desk.json("learner", "show", "ben")["takes_part"] is True
    assert [one["found"] for one in agreement(desk)] == [
        "of those whose acts were seen or who were named: 2 by what the LMS says"
    ]

    desk.command("learner", "opt-in", "ann", "--by", "D. P.")
    ((since, by),) = ledgers.rows(desk.directory / "data", "SELECT since, said_by FROM agreed WHERE how = 'hand'")
    assert by == "D. P."
    acted(desk, 27, 35, since + 60)
    read_again(desk)
    assert sorted(paid_since(desk)) == ["moodle:35", "moodle:36", "moodle:37"], "what was done before stays unpaid"


def test_who_withdraws_or_leaves_the_cohort_earns_no_more(desk: Desk) -> None:
    now = int(time.time())
    put(desk.moodle, "cohort_members", id=1, cohortid=4, userid=36, timeadded=now - 600)
    put(desk.moodle, "cohort_members", id=2, cohortid=4, userid=37, timeadded=now - 600)
    for number, user in ((18, 36), (19, 37)):
        acted(desk, number, user, now - 300)
    desk.catch_up()
    desk.moodle.execute("DELETE FROM mdl_cohort_members WHERE userid = 36")
    desk.command("learner", "opt-out", "moodle:37")
    for number, user in ((23, 36), (24, 37)):
        acted(desk, number, user, now + 90_000)
    desk.catch_up()
    assert sorted(paid_since(desk)) == ["moodle:36", "moodle:37"]
    assert desk.json("learner", "show", "ben")["takes_part"] is False
    assert desk.json("learner", "show", "moodle:37")["takes_part"] is False


def test_a_file_of_who_agreed_is_looked_at_first_and_bad_rows_are_told(desk: Desk) -> None:
    file = desk.directory / "consents.csv"
    file.write_text(
        "email,consent\nann@example.org,yes\nnobody@example.org,yes\nben@example.org,no\n,yes\nANN@example.org,x\n"
        "ben@example.org,yes,no\n"
    )
    words = ("learner", "opt-in", "--file", str(file))
    looked = desk.command(*words, "--dry-run", "--json", check=False)
    assert looked.returncode == 1
    told = json.loads(looked.stdout)
    assert [(one["row"], one["column"], one["problem"]) for one in told["faults"]] == [
        (3, "email", "nobody is called so"),
        (4, "consent", "the learner has not agreed"),
        (5, "email", "nobody is named"),
        (6, "email", "the same learner as in row 2"),
        (7, "", "the row has 3 cells, the heading 2"),
    ]
    assert (told["good rows"], told["new"]) == (1, 0)
    assert ledgers.rows(desk.directory / "data", "SELECT count(*) FROM agreed") == [(0,)]

    done = desk.command(*words, "--by", "D. P.", check=False)
    assert (done.returncode, "nobody is called so" in done.stdout) == (1, True)
    assert json.loads(desk.command(*words, "--json", check=False).stdout)["new"] == 0, "the same file changes nothing"
    sql = "SELECT lms_user, how, said_by, until FROM agreed"
    assert ledgers.rows(desk.directory / "data", sql) == [("35", "file", "D. P.", None)]
    acted(desk, 18, 35, int(time.time()) + 60)
    desk.catch_up()
    assert paid_since(desk) == ["moodle:35"]


def test_a_file_that_names_nobody_says_which_columns_it_needs(desk: Desk) -> None:
    file = desk.directory / "consents.csv"
    file.write_text("who\nann\n")
    done = desk.command("learner", "opt-in", "--file", str(file), check=False)
    assert (done.returncode, "its heading needs one of: learner" in done.stderr) == (1, True)
    for words in (("ann", "--dry-run"), ("ann", "--file", str(file)), ("ann", "--encoding", "cp1252"), ()):
        assert desk.command("learner", "opt-in", *words, check=False).returncode == 1


def test_a_file_of_who_agreed_is_read_in_the_encoding_that_is_named(desk: Desk) -> None:
    """The refusal named an option that the command did not have."""
    file = desk.directory / "consents.csv"
    file.write_text("email,name\nann@example.org,Zoë\n", encoding="cp1252")
    words = ("learner", "opt-in", "--file", str(file), "--dry-run")
    refused = desk.command(*words, check=False)
    assert (refused.returncode, "--encoding cp1252" in refused.stderr) == (1, True)
    assert "good rows  1" in desk.command(*words, "--encoding", "cp1252").stdout


def an_act(number: int = 1, **changes: Any) -> Observation:
    """A completed lesson of 35."""
    return replace(an_observation(number), people={"subject": "35", "actor": "35"}, **changes)


async def agree(at: Running, user: str, since: int, site: str = "moodle") -> None:
    """By hand, as of a time."""

    async def unit(connection: aiosqlite.Connection) -> int:
        count = await agreed.agree(connection, [(site, user)], how="hand", by="b", now=since)
        await at.pipeline.whose.read(connection)
        return count

    await at.writer.run(unit)


async def test_what_cannot_be_known_waits_and_nobody_agrees_in_a_learners_place(tmp_path: Path) -> None:
    async with running(tmp_path, RULES, consents=Consents({"moodle"})) as at:
        act = an_act()
        await at.take(act)
        assert (at.balances(), at.reasons()) == ({}, ["agreement unknown"])
        with pytest.raises(InvalidInputError, match="nobody can agree for them"):
            await at.approve(1, corrections.Correction(reason="", by="b"))
        await at.take(replace(act, agreed={"35": act.occurred_at - 1}))
        assert at.balances() == {"35": 10}, "the next sighting knows"


async def test_a_second_sighting_that_says_no_refuses_what_waited(tmp_path: Path) -> None:
    async with running(tmp_path, RULES, consents=Consents({"moodle"})) as at:
        await at.take(an_act())
        await at.take(an_act(agreed={"35": None}))
        assert at.balances() == {}
        assert at.reasons()[-1] == "never earns: not agreed"
        await at.take(an_act(agreed={"35": 1}))
        assert at.balances() == {}, "what was refused stays so"


async def test_a_source_that_cannot_tell_goes_by_what_people_said(tmp_path: Path) -> None:
    async with running(tmp_path, RULES, consents=Consents()) as at:
        first, second = (an_act(number, source="shop", site="shop", evidence=Evidence.signature) for number in (1, 2))
        await at.take(first, source="shop")
        assert at.reasons() == ["never earns: not agreed"]
        await agree(at, "35", second.occurred_at, site="shop")
        await at.take(first, second, source="shop")
        assert at.balances() == {"35": 10}


async def test_a_yes_without_a_time_counts_from_the_first_act_that_was_seen_with_it(tmp_path: Path) -> None:
    async with running(tmp_path, RULES, consents=Consents({"moodle"})) as at:
        late, early = an_act(5, agreed={"35": 0}), an_act(1, agreed={"35": 0})
        assert early.occurred_at < late.occurred_at
        await at.take(late)
        await at.take(early)
        assert at.balances() == {"35": 10}


async def test_what_the_lms_tells_is_known_without_reading_everybody_again(tmp_path: Path) -> None:
    ann, ben = ("moodle", "35"), ("moodle", "36")
    told = [
        ({ann: 100, ben: 100}, {}), ({}, {ann: 150}), ({ann: 100}, {}),
        ({}, {ann: 200, ben: 90}), ({ann: 50}, {}), ({ben: 300}, {ann: 250}),
    ]  # fmt: skip

    async def unit(connection: aiosqlite.Connection) -> None:
        await agreed.agree(connection, [ann], how="hand", by="b", now=10)
        known = await agreed.load(connection)
        for yes, no in told:
            await agreed.told(connection, yes, no)
            known = known.and_told(yes, no)
            assert in_order(known) == in_order(await agreed.load(connection))

    async with running(tmp_path, RULES) as at:
        await at.writer.run(unit)


def in_order(known: agreed.Agreed) -> agreed.Agreed:
    """The same with its spans as they follow each other."""
    return replace(known, seen={account: sorted(spans) for account, spans in known.seen.items()})


async def test_where_nobody_is_asked_everything_is_as_it_was(tmp_path: Path) -> None:
    async with running(tmp_path, RULES) as at:
        await at.take(an_act(agreed={"35": None}))
        assert at.balances() == {"35": 10}


async def test_what_was_done_before_stays_unpaid_when_a_log_or_the_record_is_judged_anew(tmp_path: Path) -> None:
    async with running(tmp_path, RULES, consents=Consents({"moodle"})) as at:
        whose = at.pipeline.whose
        await at.take(an_act(3, agreed={"35": 0}))
        before, after = (an_event(number, people={"subject": "35"}, agreed={"35": 0}) for number in (1, 4))
        dated = an_event(1, people={"subject": "36"}, agreed={"36": 1})
        never = an_event(4, people={"subject": "37"})
        marks = [dict(one.seen.person_marks) for one in whose.agreed_then([before, after, dated, never])]
        assert marks == [{"35": "not_agreed"}, {}, {}, {"37": "not_agreed"}]


async def test_who_has_not_agreed_is_in_no_ranking_and_given_nothing_by_hand(tmp_path: Path) -> None:
    async with running(tmp_path, RULES, consents=Consents({"moodle"})) as at:
        await at.take(an_act(agreed={"35": 1}))
        with file.reading(tmp_path) as connection:
            out = agreed.absent(connection, frozenset())
        assert ("moodle:35" in out, "moodle:36" in out) == (False, True)
        told = an_observation(2)
        with pytest.raises(InvalidInputError, match="moodle:36 has not agreed to take part"):
            await at.pipeline.tell(replace(told, people={"subject": "36"}))
    async with running(tmp_path, RULES):
        with file.reading(tmp_path) as connection:
            assert not agreed.absent(connection, frozenset())
