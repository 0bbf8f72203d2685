"""What a post and the web services tell together is what the log's row and its look-ups tell: key, kind and facts."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.clock import SystemClock
from agent.collectors.logstore.collector import LogstoreCollector
from agent.collectors.logstore.options import LogstoreOptions
from agent.collectors.moodlews.answers import Answers
from agent.collectors.moodlews.client import WebService
from agent.collectors.moodlews.facts import look_up
from agent.collectors.systems.base import Arrival
from agent.collectors.systems.moodle import UNENROLLED
from agent.collectors.systems.registry import SYSTEMS
from agent.config.facts import FACTS, MOODLE_WS, TOOL_TRIGGER
from agent.config.kinds import KindTable
from agent.demo.campus import DAY_S
from agent.demo.founding import create
from agent.demo.life import Life
from agent.model import Evidence, Observation
from tests import servers
from tests.fakes import ManualClock
from tests.sites import EVERYTHING, options_for, read
from tests.webservices import ROW, Ask, FakeMoodle, asking, bodies_of, demanding, fake_moodle

NOW = 1_800_000_000
SUPPLIED = frozenset(entry.name for entry in FACTS if {MOODLE_WS, TOOL_TRIGGER}.intersection(entry.suppliers))
DEMAND = demanding(EVERYTHING, *(SUPPLIED - {"cohorts"}))
TABLE = {entry.name: entry for entry in FACTS}
NOT_TOLD = frozenset({"late_by", "on_time"})
"""Facts that web services tell where no override can make them otherwise."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A campus that was lived in for some days."""
    path = tmp_path_factory.mktemp("campus") / "campus.db"
    life = Life(create(path, born_at=NOW - 20 * DAY_S), seed=7)
    life.history(until=NOW, days=4)
    life.close()
    return path


async def by_log(options: LogstoreOptions) -> dict[int, Observation]:
    collector = LogstoreCollector(replace(options, site_admins=frozenset({2})), ManualClock(NOW))
    try:
        seen, _ = await read(collector, demand=DEMAND)
    finally:
        await collector.close()
    return {one.position: one for one in seen}


async def by_posts(site: FakeMoodle, rows: Sequence[Sequence[Any]]) -> dict[int, Observation]:
    service = WebService(asking(site), SystemClock(), sleep=lambda _: _at_once())
    answers = Answers(service, SystemClock())
    seen = [
        one
        for row, body in zip(rows, bodies_of(rows), strict=True)
        for one in SYSTEMS["tool-trigger"].observations(
            Arrival(
                source="trigger", site="moodle", number=row[0], received_at=row[11], evidence=Evidence.bearer_token,
                body=body, site_admins=frozenset({2}),
            ),
            KindTable(),
        )
    ]  # fmt: skip
    try:
        found = await look_up(seen, DEMAND, answers, KindTable(), NOW)
    finally:
        await service.close()
    assert found.reached
    return {one.position: one for one in found.observations}


async def _at_once() -> None:
    """Nobody waits in a test."""


def same(log: Observation, post: Observation) -> list[str]:
    """What differs between the two, of what web services can tell."""
    pairs: dict[str, tuple[object, object]] = {
        "key": (log.natural_key, post.natural_key),
        "kind": (log.kind, post.kind),
        "lesson": (log.lesson, post.lesson),
        "section": (log.section, post.section),
        "course": (log.course, post.course),
        "people": (dict(log.people), dict(post.people)),
        "preview": ("preview" in log.marks, "preview" in post.marks),
    }
    if (log.object_table or "").startswith("forum_"):
        pairs["post"] = (log.post, post.post)
    for person in set(post.people.values()):
        mark = post.person_marks.get(person)
        if mark != "roles_unknown" and log.lms_event != UNENROLLED:  # of those who are not enrolled
            stood = log.person_marks.get(person)
            pairs[f"mark of {person}"] = (None if stood == "deleted" else stood, mark)
    told = {name: value for name, value in post.facts.items() if name != "grade_item"}
    for name in log.facts.keys() | told.keys():
        if (name in NOT_TOLD or (name == "score_pct" and log.kind == "course.graded")) and name not in told:
            continue
        entry = TABLE.get(name)
        if name.startswith("roles:") and name not in told:
            continue  # of those who are not enrolled
        if entry is not None and log.kind is not None and not entry.applies_to(log.kind):
            continue
        pairs[name] = (log.facts.get(name), told.get(name))
    if "section_progress_pct" not in told and log.kind == "lesson.completed":
        pairs.pop("section_progress_pct", None)  # the act was undone or done again since: how it was is not told
        pairs.pop("course_progress_pct", None)
    return [f"{name} {one} {other}" for name, (one, other) in pairs.items() if one != other]


def differences(log: dict[int, Observation], posts: dict[int, Observation]) -> Counter[str]:
    return Counter(
        f"{posts[number].lms_event} {name}"
        for number in log.keys() & posts.keys()
        for name in same(log[number], posts[number])
    )


async def test_posts_and_web_services_of_a_campus_tell_what_its_log_tells(demo: Path) -> None:
    with closing(sqlite3.connect(demo)) as database:
        ask: Ask = lambda sql: database.execute(sql).fetchall()  # noqa: E731 - the shortest way to say it
        rows = ask(f"SELECT {ROW} FROM mdl_logstore_standard_log WHERE anonymous = 0 AND origin IS NOT NULL")
        log = await by_log(LogstoreOptions(name="moodle", url=f"sqlite:///{demo}", start_at="beginning"))
        async with fake_moodle(ask) as site:
            posts = await by_posts(site, [row for row in rows if row[0] in log])
    assert len(posts) > 300
    assert differences(log, posts) == {}


async def test_posts_and_web_services_of_a_real_moodle_tell_what_its_log_tells(
    shared_capture: servers.MariaDatabase,
) -> None:
    log = await by_log(options_for(shared_capture))
    with shared_capture.connect() as connection, connection.cursor() as cursor:

        def ask(sql: str) -> Any:
            cursor.execute(sql)
            return cursor.fetchall()

        rows = ask(f"SELECT {ROW} FROM mdl_logstore_standard_log WHERE anonymous = 0 AND origin IS NOT NULL")
        async with fake_moodle(ask) as site:
            site.moods.tags = False
            posts = await by_posts(site, [row for row in rows if row[0] in log])
        log = {number: _without_tags(one) for number, one in log.items()}
        posts = {number: _without_tags(one) for number, one in posts.items()}
    assert len(posts) > 500
    assert any("staff" in one.person_marks.values() for one in posts.values())
    assert differences(log, posts) == {}


def _without_tags(one: Observation) -> Observation:
    """The capture has no tables of tags."""
    return replace(one, facts={name: value for name, value in one.facts.items() if name != "tags"})
