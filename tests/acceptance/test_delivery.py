"""From Moodle's log to wallets through the console commands alone, with a catalogue that has good and bad days."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import shutil
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.campus import Campus, campus
from tests.fakes import FakeCatalogue, Mood
from tests.integration.test_catalogue_process import Served, command, serving
from tests.sites import SqliteSite, log

CAMPUS = "test-campus"
RULES = """
schema = 1
timezone = "UTC"
[currency.reputation]
spendable = false
[[rule]]
id = "lesson"
on = "lesson.completed"
award = { points = 10, reputation = 2 }
"""
COMPLETED = r"\core\event\course_module_completion_updated"
LEARNERS = (35, 36, 37)
IN_TROUBLE = {
    Mood.error: "answered 500",
    Mood.busy: "answered 429",
    Mood.half: "cannot be reached",
    Mood.mute: "cannot be reached",
    Mood.forged: "an answer was refused",
}


def complete(site: SqliteSite, lesson: int) -> None:
    """Every learner completes a lesson."""
    for number, learner in enumerate(LEARNERS):
        log(
            site,
            lesson * 10 + number,
            eventname=COMPLETED,
            objecttable="course_modules_completion",
            objectid=lesson * 10 + number,
            contextlevel=70,
            contextinstanceid=lesson,
            relateduserid=learner,
            other='{"completionstate":1}',
        )


@pytest.fixture
def site(tmp_path: Path) -> SqliteSite:
    """A Moodle in which three learners completed a lesson."""
    made = SqliteSite(tmp_path / "moodle.db")
    complete(made, 1)
    return made


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Served]:
    """The real catalogue, serving."""
    with serving(tmp_path / "catalogue") as served:
        yield served


@pytest.fixture
def at(tmp_path: Path, site: SqliteSite, catalogue: Served) -> Campus:
    """A campus that is enrolled with it."""
    made = campus(tmp_path / "campus", f"sqlite:///{site.path}", RULES, extra=f'[catalogue]\nurl = "{catalogue.url}"')
    added = json.loads(command("tenant", "add", CAMPUS, "--config", catalogue.config, "--json").stdout)
    made.command("key", "new")
    made.command("enrol", added["token"])
    return made


def waiting(at: Campus) -> int:
    """How many entries are not yet acknowledged."""
    return int(at.json("sync", "status")["waiting"])


def told(stderr: str, event: str) -> str:
    """What the log says in all lines of an event."""
    lines = [json.loads(line) for line in stderr.splitlines() if line.startswith("{")]
    return " ".join(str(line) for line in lines if line["event"] == event)


def assert_both_books_agree(at: Campus, catalogue: Served, lessons: int) -> None:
    """Entry by entry, wallet by wallet, and against what was done."""
    where = ("--config", catalogue.config)
    centre = list(csv.DictReader(io.StringIO(command("ledger", "export", CAMPUS, *where).stdout)))
    here = at.export()
    same = ("seq", "entry_id", "occurred_at", "rule_id", "currency", "amount", "kind")
    assert [[row[name] for name in same] for row in centre] == [[row[name] for name in same] for row in here]
    names = {(mine["learner"], theirs["learner"]) for mine, theirs in zip(here, centre, strict=True)}
    assert len(names) == len(LEARNERS), "each learner has one pseudonym"
    assert not any("moodle:" in row["learner"] for row in centre)
    pseudonym = dict(names)
    balances: Counter[tuple[str, str]] = Counter()
    for row in here:
        balances[pseudonym[row["learner"]], row["currency"]] += int(row["amount"])
    shown: list[dict[str, Any]] = json.loads(command("wallet", "show", CAMPUS, "--json", *where).stdout)
    assert {(row["learner"], row["currency"]): row["balance"] for row in shown} == balances
    assert sum(balances.values()) == lessons * len(LEARNERS) * 12
    report = json.loads(command("verify", "--json", *where).stdout)
    assert (report["entries"], report["faults"]) == (len(here), [])
    assert at.json("ledger", "verify")["findings"] == []


def test_while_the_catalogue_is_down_the_agent_works_on_and_delivers_later(
    at: Campus, site: SqliteSite, catalogue: Served
) -> None:
    at.catch_up()
    assert waiting(at) == 0
    catalogue.end(signal.SIGTERM)
    complete(site, 2)
    down = at.command("run", "--until-caught-up")
    assert "cannot be reached" in told(down.stderr, "delivery_trouble")
    assert waiting(at) == 6
    failed = at.command("sync", "now", check=False)
    assert (failed.returncode, waiting(at)) == (1, 6)
    complete(site, 3)
    at.catch_up()
    assert waiting(at) == 12
    clear = at.command("sync", "show").stdout
    told_apart = at.json("sync", "show")
    assert [json.loads(line) for line in clear.splitlines()] == told_apart, "each line is one entry, to the byte"
    assert {entry["rule"] for entry in told_apart} == {"lesson"}
    assert "moodle:35" not in clear, "what leaves the campus names nobody"
    catalogue.start()
    at.command("sync", "now")
    assert waiting(at) == 0
    assert_both_books_agree(at, catalogue, 3)


def test_a_catalogue_restored_to_an_older_backup_gets_what_it_lost_again(
    at: Campus, site: SqliteSite, catalogue: Served, tmp_path: Path
) -> None:
    at.catch_up()
    catalogue.end(signal.SIGTERM)
    books, backup = catalogue.config.parent, tmp_path / "backup"
    shutil.copytree(books, backup)
    catalogue.start()
    complete(site, 2)
    at.catch_up()
    assert waiting(at) == 0
    catalogue.end(signal.SIGTERM)
    shutil.rmtree(books)
    shutil.copytree(backup, books)
    catalogue.start()
    restored = at.command("run", "--until-caught-up")
    assert told(restored.stderr, "catalogue_stands_elsewhere")
    assert_both_books_agree(at, catalogue, 2)


def test_an_agent_from_an_old_backup_that_went_another_way_is_refused_until_the_true_history_is_back(
    at: Campus, site: SqliteSite, catalogue: Served, tmp_path: Path
) -> None:
    at.catch_up()
    data, old, true = at.directory / "data", tmp_path / "old", tmp_path / "true"
    shutil.copytree(data, old)
    complete(site, 2)
    at.catch_up()
    assert waiting(at) == 0
    shutil.move(data, true)
    shutil.move(old, data)
    rules = at.directory / "rules.toml"
    rules.write_text(RULES.replace("points = 10", "points = 11"))
    complete(site, 3)
    astray = at.command("run", "--until-caught-up", check=False)
    assert astray.returncode == 3
    assert "another one than this ledger's" in told(astray.stderr, "delivery_stopped")
    for words in (("sync", "status"), ("status",), ("sync", "now"), ("doctor",)):
        assert at.command(*words, check=False).returncode == 3, words
    report = json.loads(command("verify", "--json", "--config", catalogue.config).stdout)
    assert (report["entries"], report["faults"]) == (12, []), "nothing of it was taken"
    shutil.rmtree(data)
    shutil.move(true, data)
    rules.write_text(RULES)
    at.catch_up()
    assert_both_books_agree(at, catalogue, 3)


@pytest.fixture
async def fake(tmp_path: Path) -> AsyncIterator[FakeCatalogue]:
    """A catalogue with moods."""
    made = FakeCatalogue(tmp_path)
    await made.start()
    yield made
    await made.stop()


async def test_whatever_the_catalogue_does_each_entry_arrives_once(
    tmp_path: Path, site: SqliteSite, fake: FakeCatalogue
) -> None:
    at = campus(tmp_path / "campus", f"sqlite:///{site.path}", RULES, extra=f'[catalogue]\nurl = "{fake.url}"')
    token = await fake.add_tenant(CAMPUS)

    async def agent(*words: str) -> str:
        return (await asyncio.to_thread(at.command, *words)).stderr

    async def status() -> Any:
        return await asyncio.to_thread(at.json, "sync", "status")

    await agent("key", "new")
    await agent("enrol", token)
    await agent("run", "--until-caught-up")
    for lesson, (mood, trouble) in enumerate(IN_TROUBLE.items(), start=2):
        complete(site, lesson)
        fake.mood = mood
        before = int(time.time())
        stderr = await agent("run", "--until-caught-up")
        assert trouble in told(stderr, "delivery_trouble"), mood
        stands = await status()
        assert stands["waiting"] == 6, mood
        assert trouble in stands["last_error"]
        if mood is Mood.busy:
            assert stands["next_try_at"] >= before + 7, "Retry-After: 7"
        fake.mood = Mood.slow
        await agent("sync", "now")
        assert len(fake.books[CAMPUS, "agent-1"].entries) == lesson * 6, mood
    lessons = 1 + len(IN_TROUBLE)
    wallets = await fake.wallets(CAMPUS)
    assert sorted(wallets.values()) == [lessons * 2] * 3 + [lessons * 10] * 3
    assert (await status())["waiting"] == 0
