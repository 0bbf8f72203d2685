"""Which default rules pay by posts alone and which need web services: played on a ledger, and as the manual says it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from agent.cli.setup.files import example_rules
from agent.config.kinds import KindTable
from agent.config.rulefile import load_rules
from agent.engine.rules import compile_rules
from tests.integration.webservices.campus import (
    COURSE,
    FORUM,
    LEARNER,
    PAGE,
    QUIZ,
    TEACHER,
    Hosted,
    attempt,
    completed,
    done,
    hosted,
)
from tests.integration.webservices.campus import submitted as posted
from tests.ledgers import rows
from tests.pages import DOCS
from tests.sites import NOW, put

DAY_S = 86_400
MONDAY = 1_795_392_000 - 7 * DAY_S
"""Noon of a Monday before the test clock's time, UTC."""


def _course_event(name: str, at: int, **changes: Any) -> dict[str, Any]:
    return posted(
        500, eventname=name, objecttable=changes.pop("objecttable"), contextlevel="50",
        contextinstanceid=str(COURSE), timecreated=str(at), **changes,
    )  # fmt: skip


async def _play(at: Hosted) -> None:
    """A learner finishes a section and two courses with good grades, on five days; a teacher likes a post."""
    days = [MONDAY + n * DAY_S for n in range(5)]
    for lesson, when in ((PAGE, days[0]), (QUIZ, days[1])):
        done(at.site, lesson, at=when)
    for number, when in enumerate(days[2:]):
        done(at.site, 300 + number, at=when)
    put(at.site, "forum_discussions", id=50, course=COURSE, forum=7, name="D", firstpost=60, userid=LEARNER)
    put(
        at.site, "forum_posts", id=60, discussion=50, parent=0, userid=LEARNER, created=days[0], modified=days[0],
        subject="S", message=f"<p>{'Well said. ' * 12}</p>",
    )  # fmt: skip
    tag = _course_event(
        r"\core\event\tag_added", days[0], objecttable="tag_instance", userid=str(TEACHER), relateduserid="",
        other_itemid="60", other_itemtype="forum_posts", other_tagname="constructive",
    )  # fmt: skip
    finished = _course_event(r"\core\event\course_completed", days[1], objecttable="course_completions")
    await at.post(
        *(completed(lesson, at=days[n]) for n, lesson in enumerate((PAGE, QUIZ, 300, 301, 302))), tag, finished
    )
    begun = posted(
        50, eventname=r"\mod_forum\event\discussion_created", objecttable="forum_discussions", relateduserid="",
        contextinstanceid=str(FORUM), timecreated=str(days[0]),
    )  # fmt: skip
    attempt(at.site, 1, marks=3)
    await at.post(begun, posted(1, timecreated=str(days[1])))
    for course, short in ((21, "FIRE01"), (22, "CARE201")):
        put(at.site, "course", id=course, shortname=short, idnumber="", startdate=0, category=2, fullname=short)
        put(at.site, "enrol", id=course, enrol="manual", courseid=course)
        put(at.site, "user_enrolments", id=course, enrolid=course, userid=LEARNER)
        put(at.site, "grade_items", id=course, courseid=course, itemtype="course", grademin=0, grademax=100)
        put(
            at.site, "grade_grades", id=course, itemid=course, userid=LEARNER, finalgrade=90, rawgrademax=100,
            timemodified=days[3],
        )  # fmt: skip
        await at.post(
            posted(
                course, eventname=r"\core\event\user_graded", objecttable="grade_grades", contextlevel="50",
                courseid=str(course), contextinstanceid=str(course), timecreated=str(days[3]),
                other_itemid=str(course), other_finalgrade="90",
            )
        )  # fmt: skip


def _manual() -> dict[str, tuple[str, str]]:
    text = (DOCS / "integrations" / "moodle-web-services.md").read_text(encoding="utf-8")
    found = re.findall(r"^\| `([a-z0-9-]+)` \| (pays|never pays) \| (pays|never pays) \|$", text, flags=re.MULTILINE)
    return {rule: (alone, both) for rule, alone, both in found}


@pytest.mark.parametrize("asked", [False, True])
async def test_the_manual_says_which_default_rules_pay_by_posts_alone(asked: bool, tmp_path: Path) -> None:
    written = tmp_path / "rules.toml"
    written.write_text(example_rules(hosted=True), encoding="utf-8")
    file = load_rules([written])
    async with hosted(tmp_path / "site", compile_rules(file, KindTable()), look_ups=asked) as at:
        at.clock.at = NOW
        await _play(at)
        paid = {
            rule
            for (rule,) in rows(
                at.at.data_dir,
                "SELECT DISTINCT n.text FROM decision d JOIN name n ON n.no = d.rule_no WHERE d.outcome = 1",
            )
        }
    rules = {rule.it.id for rule in file.rules if rule.it.mode == "live"}
    assert {rule: "pays" if rule in paid else "never pays" for rule in rules} == {
        rule: said[asked] for rule, said in _manual().items()
    }
