"""`events requeue`: posts that were refused or told nothing, put back in line when mapping or rules are mended."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from agent.collectors.inbox.store import REFUSED_BODY_MAX, Inbox
from agent.model import Evidence
from tests.acceptance.campus import Campus, serving, wait_until
from tests.acceptance.test_posts import posting_campus
from tests.acceptance.test_simulate import content

NOW = int(time.time())

WANTED = """
schema = 1
timezone = "UTC"
[[rule]]
id = "essay"
on = "submission.received"
conditions = { word_count = ">=3" }
award = 50
[[rule]]
id = "course"
on = "course.completed"
award = 7
"""
UNWANTED = WANTED.replace("submission.received", "lesson.completed").replace("word_count", "state")


def essay(number: int) -> bytes:
    text = {"id": str(number), "text": "three words here"}
    told = {"event": "submission.received", "occurred_at": NOW - 60, "user": {"id": "ann"}, "submission": text,
            "trace": {"request_id": f"r-{number}"}}  # fmt: skip
    return json.dumps(told).encode()


def course(number: int) -> bytes:
    where = {"course": {"id": str(number)}}
    told = {"event": "course.completed", "occurred_at": NOW - number, "user": {"id": "ann"}, "context": where}
    return json.dumps(told).encode()


def fill(at: Campus, work: Callable[[Inbox], Awaitable[Any]]) -> None:
    async def filled() -> None:
        (at.directory / "data").mkdir(exist_ok=True)
        inbox = await Inbox.open(at.directory / "data")
        try:
            await work(inbox)
        finally:
            await inbox.close()

    asyncio.run(filled())


async def refuse(inbox: Inbox, body: bytes, *, reason: str = "field_missing", at: int = NOW) -> None:
    """As an older mapping would have."""
    await inbox.refuse("forms", at, Evidence.bearer_token, reason, "submission.id is missing", body)


@pytest.fixture
def at(tmp_path: Path) -> Campus:
    """A campus whose forms post, under rules that want nothing of it."""
    made, _ = posting_campus(tmp_path / "a")
    (made.directory / "rules.toml").write_text(UNWANTED)
    return made


def paid(at: Campus) -> list[tuple[str, str, str]]:
    return [(row["learner"], row["rule_id"], row["trust"]) for row in at.export()]


def test_refused_posts_that_are_understood_now_go_back_in_line_once_with_the_trust_they_had_shown(at: Campus) -> None:
    (at.directory / "rules.toml").write_text(WANTED)

    async def refused(inbox: Inbox) -> None:
        await refuse(inbox, essay(1))
        await refuse(inbox, essay(2), reason="field_invalid")
        await refuse(inbox, essay(3), at=NOW - 3_000)
        await refuse(inbox, b"no json at all", reason="not_json")
        await refuse(inbox, essay(4) + b" " * REFUSED_BODY_MAX)

    fill(at, refused)
    at.catch_up()
    words = ("events", "requeue", "--source", "forms")
    before = content(at.directory / "data")["ledger.db"]
    told = at.json(*words)
    assert (told["done"], told["goes"], told["moved"]) == (False, 3, 0)
    assert told["looked"] == {"cut": 1, "new": 3, "refused": 1}
    assert [(one["id"], one["told"].partition(":")[0], one["now"].partition(":")[0]) for one in told["posts"]] == [
        (1, "field_missing", "new"),
        (2, "field_invalid", "new"),
        (3, "field_missing", "new"),
        (4, "not_json", "refused"),
        (5, "field_missing", "cut"),
    ]
    assert [one.get("request_id") for one in told["posts"]] == ["r-1", "r-2", "r-3", None, "r-4"]
    assert (content(at.directory / "data")["ledger.db"], paid(at)) == (before, [])
    early = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW - 2_000))
    assert at.json(*words, "--until", early)["goes"] == 1
    assert at.json(*words, "--reason", "field_missing", "--yes")["moved"] == 2
    at.catch_up()
    assert paid(at) == [("forms:ann", "essay", "trusted_source")] * 2
    assert at.json(*words, "--refused", "--id", "2", "--yes")["moved"] == 1
    at.catch_up()
    assert len(paid(at)) == 3
    again = at.json(*words, "--yes")
    assert (again["goes"], again["looked"]) == (0, {"cut": 1, "recorded": 3, "refused": 1})


def test_posts_that_no_rule_wanted_are_paid_once_by_rules_that_do(at: Campus) -> None:
    async def posted(inbox: Inbox) -> None:
        for number in (1, 2):
            await inbox.append("forms", NOW, Evidence.bearer_token, essay(number))
        await inbox.append("forms", NOW, Evidence.bearer_token, course(3))

    fill(at, posted)
    at.catch_up()
    assert at.json("events", "requeue", "--source", "forms")["looked"] == {"recorded": 1, "unwanted": 2}
    (at.directory / "rules.toml").write_text(WANTED)
    with serving(at):
        told = at.json("events", "requeue", "--source", "forms", "--read", "--yes")
        assert (told["moved"], told["goes"], told["looked"]) == (2, 2, {"new": 2, "recorded": 1})
        wait_until(lambda: len(at.export()) == 3)
        assert at.json("events", "requeue", "--source", "forms", "--yes")["looked"] == {"recorded": 3}
        at.command("events", "requeue", "--source", "forms", "--all", "--yes")
        wait_until(lambda: at.json("events", "requeue", "--source", "forms")["looked"] == {"recorded": 3})
    at.catch_up()
    assert len(paid(at)) == 3
    assert sorted(one["log"] for one in at.json("events", "list")) == ["forms:1", "forms:2", "forms:3"]


def test_a_source_without_posts_or_a_number_without_its_sort_is_told_what_to_do(at: Campus) -> None:
    refused = at.command("events", "requeue", check=False)
    assert (refused.returncode, "config.toml has: trigger, forms" in refused.stderr) == (1, True)
    refused = at.command("events", "requeue", "--source", "moodle", check=False)
    assert (refused.returncode, "keeps no posts, and is no log" in refused.stderr) == (1, True)
    refused = at.command("events", "requeue", "--source", "forms", "--id", "1", check=False)
    assert (refused.returncode, "--refused or --read" in refused.stderr) == (1, True)
