"""Every way in to the ledger, each with the same few words: acts happen, are told, told again, spoiled, and read."""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from agent.collectors.base import Collector
from agent.collectors.csvfile import source as csv_source
from agent.collectors.csvfile.checked import chunks
from agent.collectors.csvfile.ids import Ids
from agent.collectors.csvfile.judging import Wanted
from agent.collectors.csvfile.table import layout
from agent.collectors.inbox.collector import InboxCollector, InboxOptions
from agent.collectors.inbox.importing import Imports
from agent.collectors.inbox.store import Inbox
from agent.collectors.logstore.collector import LogstoreCollector
from agent.collectors.logstore.options import Limits
from agent.collectors.moodlews.client import WebService
from agent.collectors.moodlews.reconcile import WebServiceStates
from agent.collectors.states.collector import SPAN_IDS, StateCollector
from agent.collectors.systems.registry import SIGNATURES, SYSTEMS
from agent.config.kinds import KindTable
from agent.model import Evidence, Page
from tests import builders
from tests.fakes import ManualClock
from tests.posts import a_post
from tests.sites import NOW, SqliteSite, log, put
from tests.unit.door import test_canvas, test_generic, test_kajabi, test_learnworlds, test_thinkific, test_xapi
from tests.webservices import asking, fake_moodle

FIRST = 100
"""The learner of the n-th act is this and n."""
PAGE = 2
"""Acts that fit into a page; where a source's own pages go by ids or courses, an act lies in one of its own."""
LATER_S = 5_000
"""What passes with an act that is looked for: half of it is more than its source waits for somebody to tell it."""


class WayIn(Protocol):
    """One source of a test's own. Acts have numbers; ``kind`` is what each of them is.

    One that ``walks`` through what stands there may tell again what it told a while ago. Of what is spoiled ``aside``
    items are set aside; the others are passed, or were never let in.
    """

    kind: str
    evidence: Evidence
    page_max: int
    walks: bool
    aside: int

    async def tell(self, *numbers: int) -> None:
        """These acts happen, in this order, and the source is told, or can see them."""
        ...

    async def again(self, *numbers: int) -> None:
        """They are told a second time; a source that is looked at is looked at again."""
        ...

    async def spoil(self) -> None:
        """What nobody can read stands there, behind what was told."""
        ...

    def collector(self) -> Collector:
        """The collector of an agent that has just started."""
        ...


def learner(seen: Mapping[str, str]) -> int:
    """Which act it is, by the people of its observation."""
    return int(seen["subject"].rpartition("|")[2]) - FIRST


class LogWay:
    """Rows of the log table."""

    kind = "course.viewed"
    evidence = Evidence.database_row
    page_max = PAGE
    walks = False
    aside = 0

    def __init__(self, site: SqliteSite) -> None:
        self.site = site
        self.clock = ManualClock(NOW)
        self.rows = 0

    async def tell(self, *numbers: int) -> None:
        for number in numbers:
            self.rows += 1
            log(self.site, self.rows, userid=FIRST + number)

    again = tell

    async def spoil(self) -> None:
        for changes in ({"timecreated": -1}, {"timecreated": 10**15}, {"anonymous": 1}):
            self.rows += 1
            log(self.site, self.rows, **changes)

    def collector(self) -> Collector:
        options = replace(self.site.options(), limits=Limits(page_rows_max=PAGE))
        return LogstoreCollector(options, self.clock)


class StatesWay:
    """Completed courses of which the log has no row, each further from the last than a page reaches."""

    kind = "course.completed"
    evidence = Evidence.database_row
    page_max = 1
    walks = True
    aside = 0

    def __init__(self, site: SqliteSite) -> None:
        self.site = site
        self.clock = ManualClock(NOW)
        log(site, 1, timecreated=NOW - 100_000)

    async def tell(self, *numbers: int) -> None:
        for number in numbers:
            self.clock.at += LATER_S
            self._completed(number * SPAN_IDS, FIRST + number, self.clock.now() - LATER_S // 2)

    async def again(self, *numbers: int) -> None:
        assert numbers
        self.clock.at += 900

    async def spoil(self) -> None:
        self._completed(90 * SPAN_IDS, 0, None)
        self._completed(91 * SPAN_IDS, 7, 10**15)

    def _completed(self, row: int, user: int, at: int | None) -> None:
        put(self.site, "course_completions", id=row, userid=user, course=3, timecompleted=at)

    def collector(self) -> Collector:
        return StateCollector(self.site.options(), self.clock, KindTable, every_s=900.0, begins=lambda: 0)


@dataclass(slots=True)
class WebWay:
    """Completions that a site's web services tell; each act in a course of its own."""

    site: SqliteSite
    service: WebService
    clock: ManualClock
    kind: str = "lesson.completed"
    evidence: Evidence = Evidence.web_service
    page_max: int = 1
    walks: bool = True
    aside: int = 0

    async def tell(self, *numbers: int) -> None:
        for number in numbers:
            self.clock.at += LATER_S
            self._completed(number, FIRST + number, 1, self.clock.now() - LATER_S // 2)

    async def again(self, *numbers: int) -> None:
        assert numbers
        self.clock.at += 900

    async def spoil(self) -> None:
        self._completed(4, 7, "done", self.clock.now())
        self._completed(5, 8, 1, "yesterday")

    def _completed(self, course: int, user: int, state: object, at: object) -> None:
        put(self.site, "user_enrolments", id=user, enrolid=course, userid=user)
        put(self.site, "course_modules_completion", coursemoduleid=course, userid=user, completionstate=state,
            timemodified=at)  # fmt: skip

    def collector(self) -> Collector:
        return WebServiceStates(self.service, self.clock, KindTable, every_s=900.0)


def _courses(site: SqliteSite) -> None:
    """Five courses with an activity each, which are there before anything happens."""
    put(site, "modules", id=1, name="page")
    for number in range(1, 6):
        course = number + 10
        put(site, "course", id=course, shortname=f"C{number}", idnumber="", startdate=0, category=0, fullname="C")
        put(site, "course_sections", id=number, course=course, section=1, name="One")
        put(site, "course_modules", id=number, course=course, module=1, instance=1, section=number, completion=2,
            deletioninprogress=0)  # fmt: skip
        put(site, "enrol", id=number, enrol="manual", courseid=course)


Body = Callable[[int], Any]
BODIES: Mapping[str, tuple[str, Body]] = {
    "canvas": (
        "course.completed",
        lambda who: test_canvas.told(
            "course_completed", {**test_canvas.PROGRESS, "user": {"id": str(who)}}, user_id=str(who)
        ),
    ),
    "generic": (
        "course.completed",
        lambda who: test_generic.event(user={"id": str(who)}, trace={"lms_event_id": str(who)}),
    ),
    "kajabi": ("tag.added", lambda who: test_kajabi.hook({**test_kajabi.CONTACT, "id": str(who)}, test_kajabi.TAGGED)),
    "learnworlds": (
        "course.completed",
        lambda who: test_learnworlds.hook(
            "courseCompleted", {**test_learnworlds.COMPLETED, "user": {**test_learnworlds.USER, "id": str(who)}}
        ),
    ),
    "thinkific": (
        "lesson.completed",
        lambda who: test_thinkific.hook(
            "lesson.completed", {**test_thinkific.LESSON, "user": {**test_thinkific.USER, "id": who}}
        ),
    ),
    "tool-trigger": (
        "lesson.completed",
        lambda who: a_post(objectid=str(who), userid=str(who), relateduserid=str(who)),
    ),
    "xapi": (
        "lesson.completed",
        lambda who: test_xapi.statement(
            id=f"{test_xapi.NUMBER[:-3]}{who}",
            actor={"account": {"homePage": "https://lms.example.com", "name": str(who)}},
        ),
    ),
}
"""What each system posts when somebody does something, and what that is."""


@dataclass(slots=True)
class PostWay:
    """What one system posts, as the door leaves it in the inbox."""

    inbox: Inbox
    system: str
    kind: str
    evidence: Evidence
    clock: ManualClock = field(default_factory=lambda: ManualClock(builders.NOW))
    page_max: int = PAGE
    walks: bool = False
    aside: int = 5

    async def tell(self, *numbers: int) -> None:
        _, body = BODIES[self.system]
        for number in numbers:
            await self._post(json.dumps(body(FIRST + number)).encode())

    async def again(self, *numbers: int) -> None:
        self.clock.at += 3_600
        await self.tell(*numbers)

    async def spoil(self) -> None:
        for body in (b"", b"{", b"7", b"\xff\xfe", b'{"a": ' + b"[" * 30 + b"]" * 30 + b"}"):
            await self._post(body)

    async def _post(self, body: bytes) -> None:
        await self.inbox.append("trigger", self.clock.now(), self.evidence, body)

    def collector(self) -> Collector:
        options = InboxOptions(
            name="trigger", site="moodle", backdated_after_s=3_650 * 86_400, site_admins=frozenset(), awaits_log=False,
            pay_before_log=False, keep_s=86_400, page_posts_max=PAGE,
        )  # fmt: skip
        return InboxCollector(options, self.inbox, SYSTEMS[self.system], KindTable, self.clock)


class CsvWay(PostWay):
    """Rows of CSV files, checked and imported file by file; an act stands in a file of its own."""

    directory: Path

    async def tell(self, *numbers: int) -> None:
        for number in numbers:
            await self.load([f"e{number}", "lesson.completed", str(FIRST + number), str(builders.NOW - 60), "L1"])

    async def spoil(self) -> None:
        good = ["e89", "lesson.completed", "7", str(builders.NOW), "L1"]
        bad = [["", "x", *good[2:]], [*good[:2], "a\0b", *good[3:]], [*good[:3], "soon", "L1"], [*good, "one", "more"]]
        await self.load(*bad)

    async def load(self, *rows: Sequence[str]) -> None:
        path = self.directory / "events.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([["event_id", "event", "distinct_id", "time", "lesson_id"], *rows])
        opened = csv_source.opened(path)
        found = layout(opened.columns)
        takes = Imports(self.inbox, ["trigger"], SYSTEMS["generic"], KindTable, self.clock)
        for chunk in chunks(opened, found, Wanted(now=self.clock.now()), Ids.of(opened, found, mixed=True)):
            assert len(chunk.good) + len(chunk.bad) == len(rows)
            answer = await takes.take(source="trigger", events=chunk.events)
            assert not answer["refused"], "what the checks let through can be read"


@cache
def _founded() -> bytes:
    """The file of a site with its courses, which is the same for every test."""
    with tempfile.TemporaryDirectory() as directory:
        site = SqliteSite(Path(directory) / "moodle.db")
        _courses(site)
        site.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return site.path.read_bytes()


def _site(directory: Path) -> SqliteSite:
    path = directory / "moodle.db"
    path.write_bytes(_founded())
    return SqliteSite(path)


@asynccontextmanager
async def _at_site(directory: Path, made: type[LogWay | StatesWay]) -> AsyncIterator[WayIn]:
    yield made(_site(directory))


@asynccontextmanager
async def _web(directory: Path) -> AsyncIterator[WayIn]:
    site, clock = _site(directory), ManualClock(NOW)

    async def sleep(seconds: float) -> None:
        clock.at += int(seconds)

    async with fake_moodle(site.execute) as web:
        service = WebService(asking(web, start_at="beginning", gap_patience_s=600), clock, sleep=sleep)
        try:
            yield WebWay(site, service, clock)
        finally:
            await service.close()


@asynccontextmanager
async def _posts(directory: Path, system: str) -> AsyncIterator[WayIn]:
    inbox = await Inbox.open(directory)
    kind, _ = BODIES[system]
    evidence = Evidence.signature if system in SIGNATURES else Evidence.bearer_token
    try:
        yield PostWay(inbox, system, kind, evidence)
    finally:
        await inbox.close()


@asynccontextmanager
async def _csv(directory: Path) -> AsyncIterator[WayIn]:
    inbox = await Inbox.open(directory)
    way = CsvWay(inbox, "generic", "lesson.completed", Evidence.file, aside=0)
    way.directory = directory
    try:
        yield way
    finally:
        await inbox.close()


def _of_posts(system: str) -> Callable[[Path], AbstractAsyncContextManager[WayIn]]:
    return lambda directory: _posts(directory, system)


WAYS: Mapping[str, Callable[[Path], AbstractAsyncContextManager[WayIn]]] = {
    "moodle-logstore": lambda directory: _at_site(directory, LogWay),
    "state tables": lambda directory: _at_site(directory, StatesWay),
    "moodle-ws": _web,
    **{system: _of_posts(system) for system in BODIES},
    "csv": _csv,
}
"""A new way in is a line here (a system that posts: one in `BODIES`)."""


def learners(pages: Iterable[Page]) -> list[list[int]]:
    """Which acts each page tells."""
    return [[learner(seen.people) for seen in page.observations] for page in pages]
