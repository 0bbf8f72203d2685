"""A small site with one course and its web services, and posts about it through a real inbox into a real ledger."""

from __future__ import annotations

import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from agent.arriving.agreed import Consents
from agent.collectors.inbox.collector import InboxCollector, InboxOptions
from agent.collectors.inbox.store import Inbox
from agent.collectors.moodlews.client import WebService
from agent.collectors.moodlews.look_ups import WebLookUps
from agent.collectors.moodlews.reconcile import WebServiceStates
from agent.collectors.systems.registry import SYSTEMS
from agent.config.kinds import KindTable
from agent.engine.rules import Rulebook
from agent.model import Evidence, Page
from tests.fakes import ManualClock
from tests.pipelines import Running, running
from tests.sites import NOW, SqliteSite, put
from tests.webservices import FakeMoodle, asking, fake_moodle

COURSE, SECTION, LEARNER, TEACHER, STRANGER = 3, 11, 35, 40, 77
QUIZ, PAGE, FORUM = 101, 102, 103
"""Course modules; the quiz is instance 5, the page 6, the forum 7."""


def found(site: SqliteSite) -> None:
    """A course with a quiz, a page and a rated forum, a learner and a teacher."""
    put(site, "course", id=1, shortname="site", idnumber="", startdate=0, category=0, fullname="Site")
    put(
        site, "course", id=COURSE, shortname="BIO101", idnumber="HS-1", startdate=NOW - 90_000, category=2, fullname="B"
    )
    put(site, "course_categories", id=2, name="Safety", path="/2", parent=0, depth=1)
    put(site, "course_sections", id=SECTION, course=COURSE, section=1, name="One")
    for number, name in enumerate(("quiz", "page", "forum"), 1):
        put(site, "modules", id=number, name=name)
    for cm, sort, instance in ((QUIZ, 1, 5), (PAGE, 2, 6), (FORUM, 3, 7)):
        put(
            site, "course_modules", id=cm, course=COURSE, module=sort, instance=instance, section=SECTION,
            completion=2 if cm != FORUM else 0, deletioninprogress=0,
        )  # fmt: skip
    put(site, "quiz", id=5, course=COURSE, name="Q", sumgrades=3, grade=100, timeclose=0)
    put(site, "forum", id=7, course=COURSE, name="F", type="general", assessed=1, scale=10)
    put(site, "context", id=84, contextlevel=50, instanceid=COURSE, path="/1/84", depth=2)
    put(site, "role", id=5, shortname="student", archetype="student", name="", sortorder=5)
    put(site, "role", id=3, shortname="editingteacher", archetype="editingteacher", name="", sortorder=3)
    put(site, "enrol", id=1, enrol="manual", courseid=COURSE)
    for user, role in ((LEARNER, 5), (36, 5), (TEACHER, 3)):
        put(site, "user_enrolments", id=user, enrolid=1, userid=user)
        put(site, "role_assignments", id=user, roleid=role, contextid=84, userid=user)


def attempt(site: SqliteSite, number: int, *, marks: object, state: str = "finished", preview: int = 0) -> None:
    """An attempt of the learner at the quiz; the second of them is worth 3 marks at most."""
    put(
        site, "quiz_attempts", id=number, quiz=5, userid=LEARNER, attempt=number, uniqueid=number, preview=preview,
        state=state, timestart=NOW - 700, timefinish=NOW - 600, sumgrades=marks,
    )  # fmt: skip


def submitted(number: int, **changes: Any) -> dict[str, Any]:
    """The post of a submitted attempt."""
    return {
        "eventname": r"\mod_quiz\event\attempt_submitted", "userid": str(LEARNER), "relateduserid": str(LEARNER),
        "objecttable": "quiz_attempts", "objectid": str(number), "courseid": str(COURSE), "contextlevel": "70",
        "contextinstanceid": str(QUIZ), "timecreated": str(NOW - 600), "anonymous": "0", "realuserid": "",
        "origin": "web", **changes,
    }  # fmt: skip


def completed(lesson: int = PAGE, *, learner: int = LEARNER, at: int = NOW - 600, **changes: Any) -> dict[str, Any]:
    """The post of a completed activity."""
    return submitted(
        900 + lesson, eventname=r"\core\event\course_module_completion_updated", userid=str(learner),
        relateduserid=str(learner), objecttable="course_modules_completion", contextinstanceid=str(lesson),
        timecreated=str(at), other_completionstate="1", **changes,
    )  # fmt: skip


def done(site: SqliteSite, lesson: int = PAGE, *, learner: int = LEARNER, at: int = NOW - 600, state: int = 1) -> None:
    """What Moodle keeps of a completed activity."""
    put(
        site, "course_modules_completion", coursemoduleid=lesson, userid=learner, completionstate=state,
        timemodified=at,
    )  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Hosted:
    """A hosted site seen through posts and web services."""

    site: SqliteSite
    web: FakeMoodle
    service: WebService
    inbox: Inbox
    clock: ManualClock
    at: Running
    pages: list[Page] = field(default_factory=list)
    look_ups: bool = True

    async def post(self, *bodies: dict[str, Any]) -> None:
        """Let these be posted, and read."""
        for body in bodies:
            await self.inbox.append("trigger", self.clock.now(), Evidence.bearer_token, json.dumps(body).encode())
        await self.read()

    async def read(self) -> None:
        """Read what was posted, and what is to be looked at again."""
        options = InboxOptions(
            name="trigger", site="moodle", backdated_after_s=30 * 86_400, site_admins=frozenset({2}), awaits_log=False,
            pay_before_log=False, keep_s=86_400,
        )  # fmt: skip
        looking = WebLookUps(self.service, self.clock, KindTable) if self.look_ups else None
        reader = InboxCollector(options, self.inbox, SYSTEMS["tool-trigger"], KindTable, self.clock, looking)
        await self.take(reader)

    async def walk(self) -> None:
        """Walk through the site for what no post told."""
        await self.take(WebServiceStates(self.service, self.clock, KindTable, every_s=900.0))

    async def take(self, reader: InboxCollector | WebServiceStates) -> None:
        """Let a reader read all there is."""
        stands = self.at.pipeline.stands(reader.name)
        async for page in reader.pages(stands, self.at.pipeline.demand, follow=False):
            self.pages.append(page)
            await self.at.pipeline.take(page)


@cache
def _founded() -> bytes:
    """The file of a founded site, which is the same for every test."""
    with tempfile.TemporaryDirectory() as directory:
        site = SqliteSite(Path(directory) / "moodle.db")
        found(site)
        site.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return site.path.read_bytes()


@asynccontextmanager
async def hosted(
    directory: Path, rules: Rulebook | str, *, look_ups: bool = True, consents: Consents | None = None, **changes: Any
) -> AsyncIterator[Hosted]:
    """A hosted site, founded, under these rules; without ``look_ups`` its posts are all that is known."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "moodle.db").write_bytes(_founded())
    site = SqliteSite(directory / "moodle.db")
    clock = ManualClock(NOW)

    async def sleep(seconds: float) -> None:
        clock.at += seconds

    async with fake_moodle(site.execute) as web, running(directory / "data", rules, consents=consents) as at:
        inbox = await Inbox.open(directory)
        service = WebService(asking(web, **changes), clock, sleep=sleep)
        try:
            yield Hosted(site=site, web=web, service=service, inbox=inbox, clock=clock, at=at, look_ups=look_ups)
        finally:
            await service.close()
            await inbox.close()
