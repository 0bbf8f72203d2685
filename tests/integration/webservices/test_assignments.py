"""Assignments, cohorts and Open Forum: what web services tell of them, and what nobody tells stays unknown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.arriving.agreed import Consents
from agent.collectors.moodlews.answers import Answers
from tests.integration.webservices.campus import COURSE, LEARNER, Hosted, hosted
from tests.integration.webservices.campus import submitted as posted
from tests.rule_stories import rule
from tests.sites import NOW, put

ESSAY, OPEN_FORUM = 104, 105
"""Course modules; the assignment is instance 8, Open LMS's forum 9."""
DUE = NOW - 1_000
HANDED_IN = r"\mod_assign\event\assessable_submitted"
ON_TIME = rule(on="assignment.submitted", more='conditions = { on_time = true }\nonce_per = "event"')
LATE = rule(on="assignment.submitted", more='conditions = { late_by = ">0" }\nonce_per = "event"')
THIRD = rule(on="assignment.submitted", more='conditions = { attempt = 3 }\nonce_per = "event"')
SUBMITTED = rule(on="assignment.submitted", more='once_per = "event"')
PILOT = rule(on="assignment.submitted", more='audience = { cohorts = ["pilot"] }\nonce_per = "event"')
LONG = rule(on="forum.posted", more='conditions = { word_count = ">=5" }')
TAGGED = rule(on="forum.tagged", more='min_trust = "trusted_source"')


def assignment(at: Hosted) -> None:
    put(at.site, "modules", id=8, name="assign")
    put(
        at.site, "course_modules", id=ESSAY, course=COURSE, module=8, instance=8, section=11, completion=0,
        deletioninprogress=0,
    )  # fmt: skip
    put(at.site, "assign", id=8, course=COURSE, name="E", duedate=DUE)


def hand_in(at: Hosted, number: int, when: int, *, learner: int = LEARNER, nth: int = 0) -> dict[str, Any]:
    """A submission, and the post of it."""
    put(
        at.site, "assign_submission", id=number, assignment=8, userid=learner, attemptnumber=nth, status="submitted",
        latest=1, groupid=0, timecreated=when, timemodified=when,
    )  # fmt: skip
    return posted(
        number, eventname=HANDED_IN, userid=str(learner), relateduserid="", objecttable="assign_submission",
        contextinstanceid=str(ESSAY), timecreated=str(when),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("rules", "paid"), [(ON_TIME, {"35": 10, "36": 10}), (LATE, {"77": 10})], ids=["on time", "late"]
)
async def test_who_is_on_time_or_had_longer_is_known_and_who_looks_late_may_have_had_a_date_of_their_own(
    rules: str, paid: dict[str, int], tmp_path: Path
) -> None:
    async with hosted(tmp_path, rules) as at:
        assignment(at)
        put(at.site, "user_enrolments", id=77, enrolid=1, userid=77)
        for user, until in ((36, DUE + 900), (77, DUE + 100)):
            put(at.site, "assign_user_flags", id=user, assignment=8, userid=user, extensionduedate=until)
        put(at.site, "user_enrolments", id=78, enrolid=1, userid=78)
        await at.post(
            hand_in(at, 1, DUE - 10),
            hand_in(at, 2, DUE + 500, learner=36),
            hand_in(at, 3, DUE + 500, learner=77),
            hand_in(at, 4, DUE + 500, learner=78),
        )
        assert at.at.balances() == paid


async def test_the_attempt_is_that_of_the_submission_and_not_of_the_newest(tmp_path: Path) -> None:
    async with hosted(tmp_path, THIRD) as at:
        assignment(at)
        posts = [hand_in(at, number, DUE - 50 + number, nth=number - 1) for number in (1, 2, 3, 4)]
        await at.post(*posts)
        assert at.at.balances() == {"35": 10}


async def test_cohorts_open_audiences_by_idnumber_before_name_and_are_asked_for_once(tmp_path: Path) -> None:
    async with hosted(tmp_path, PILOT) as at:
        assignment(at)
        put(at.site, "cohort", id=5, name="Pilot group", idnumber="pilot")
        put(at.site, "cohort", id=6, name="pilot", idnumber="")
        put(at.site, "cohort_members", id=1, cohortid=5, userid=LEARNER)
        put(at.site, "cohort_members", id=2, cohortid=6, userid=36)
        await at.post(hand_in(at, 1, DUE), hand_in(at, 2, DUE, learner=36), hand_in(at, 3, DUE + 1, nth=1))
        assert at.at.balances() == {"35": 20}
        asked = at.web.functions_asked()
        assert asked.count("core_cohort_get_cohorts") == asked.count("core_cohort_get_cohort_members") == 1


async def test_in_which_cohorts_somebody_is_is_told_to_whoever_asks(tmp_path: Path) -> None:
    async with hosted(tmp_path, PILOT) as at:
        put(at.site, "cohort", id=5, name="Pilot group", idnumber="pilot")
        put(at.site, "cohort_members", id=1, cohortid=5, userid=LEARNER)
        answers = Answers(at.service, at.clock)
        assert await answers.cohorts_of(str(LEARNER)) == frozenset({"pilot", "Pilot group"})
        assert await answers.cohorts_of("36") == await answers.cohorts_of("ann") == frozenset()
        at.web.moods.codes["core_cohort_get_cohorts"] = "nopermissions"
        assert await Answers(at.service, at.clock).cohorts_of(str(LEARNER)) is None, "what is not told is not known"


async def test_a_cohort_that_web_services_tell_is_an_agreement_and_silence_is_none(tmp_path: Path) -> None:
    asked: dict[str, Any] = {"consents": Consents({"campus"}), "agreed_cohorts": ("pilot",)}
    async with hosted(tmp_path / "told", SUBMITTED, **asked) as at:
        assignment(at)
        put(at.site, "cohort", id=5, name="Pilot group", idnumber="pilot")
        put(at.site, "cohort_members", id=1, cohortid=5, userid=LEARNER)
        await at.post(hand_in(at, 1, DUE), hand_in(at, 2, DUE, learner=36))
        assert at.at.balances() == {"35": 10}
        assert at.at.reasons() == ["never earns: not agreed"]
    async with hosted(tmp_path / "silent", SUBMITTED, **asked) as at:
        assignment(at)
        at.web.moods.codes["core_cohort_get_cohorts"] = "nopermissions"
        await at.post(hand_in(at, 1, DUE))
        assert at.at.balances() == {}


async def test_where_cohorts_are_not_told_nobody_is_taken_to_be_in_none(tmp_path: Path) -> None:
    async with hosted(tmp_path, PILOT) as at:
        assignment(at)
        put(at.site, "cohort", id=5, name="Pilot group", idnumber="pilot")
        at.web.moods.codes["core_cohort_get_cohort_members"] = "nopermissions"
        await at.post(hand_in(at, 1, DUE))
        assert at.at.balances() == {}
        (page,) = [one for one in at.pages if one.observations]
        assert "cohorts:35" not in page.observations[0].facts


OPEN_POSTS = (
    "CREATE TABLE mdl_hsuforum_posts (id INTEGER PRIMARY KEY, discussion INTEGER, parent INTEGER, userid INTEGER,"
    " created INTEGER, modified INTEGER, message TEXT)"
)


def _open(at: Hosted, number: int, message: str, *, parent: int = 0, learner: int = LEARNER) -> dict[str, Any]:
    put(
        at.site, "hsuforum_posts", id=number, discussion=50, parent=parent, userid=learner, created=NOW - 700,
        modified=NOW - 700, message=message,
    )  # fmt: skip
    name = "post_created" if parent else "discussion_created"
    return posted(
        number if parent else 50, eventname=rf"\mod_hsuforum\event\{name}", relateduserid="", userid=str(learner),
        objecttable="hsuforum_posts" if parent else "hsuforum_discussions", contextinstanceid=str(OPEN_FORUM),
        other_discussionid="50",
    )  # fmt: skip


async def test_words_of_open_forum_are_counted_from_its_discussion_and_posts_of_another_forum_are_not_taken(
    tmp_path: Path,
) -> None:
    async with hosted(tmp_path, LONG) as at:
        at.site.execute(OPEN_POSTS)
        put(
            at.site, "forum_posts", id=60, discussion=50, parent=0, userid=36, created=NOW, modified=NOW, subject="S",
            message="one two three four five six",
        )  # fmt: skip
        await at.post(
            _open(at, 60, "<p>one two</p>"),
            _open(at, 61, "<p>one two three four five</p>", parent=60, learner=36),
            _open(at, 62, "<p>one</p>", parent=60, learner=36),
        )
        assert at.at.balances() == {"36": 10}


async def test_a_tagged_post_of_open_forum_pays_no_author_of_another_forum(tmp_path: Path) -> None:
    async with hosted(tmp_path, TAGGED) as at:
        put(
            at.site, "forum_posts", id=60, discussion=50, parent=0, userid=36, created=NOW, modified=NOW, subject="S",
            message="m",
        )  # fmt: skip
        tag = posted(
            7, eventname=r"\core\event\tag_added", objecttable="tag_instance", relateduserid="", contextlevel="50",
            contextinstanceid=str(COURSE), other_itemid="60", other_itemtype="hsuforum_posts", other_tagname="good",
        )  # fmt: skip
        await at.post(tag)
        assert at.at.balances() == {}
        await at.post(tag | {"objectid": "8", "other_itemtype": "forum_posts"})
        assert at.at.balances() == {"36": 10}
