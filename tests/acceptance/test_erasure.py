"""Somebody with awards, holds, posts, links, backups and delivered batches is forgotten, by the real commands."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from agent.collectors.inbox.store import Inbox
from agent.ledger.backup import taking
from agent.model import Evidence
from tests import ledgers, programs
from tests.acceptance.campus import kill, wait_until
from tests.acceptance.test_recovery import enrolled
from tests.helpdesk import RULES, Desk, at, completed, filled
from tests.integration.test_catalogue_process import Served, command, serving
from tests.traces import standing_in

ANN = (b"S35", b"ann@", b'"ann"', b'"35"', b"moodle:35", b"U-35", b"35010", b"35011")
REFERRAL = """
[[rule]]
id = "friend"
on = "course.completed"
award = [{ to = "referrer", points = 50 }, { to = "subject", points = 20 }]
once_per = "subject"
"""


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path / "catalogue") as served:
        yield served


def told(user: str, referrer: str, course: str, when: str) -> dict[str, Any]:
    """A completed course as the school posts it, with everything that it likes to say of people."""
    mail = {"U-35": "ann@example.org", "U-37": "cid@example.org", "U-36": "ben@example.org"}[user]
    return {
        "event": "course.completed",
        "occurred_at": at(when),
        "user": {"id": user, "email": mail, "name": "Ann X" if user == "U-35" else "Somebody"},
        "people": {"referrer": {"id": referrer}},
        "context": {"course": {"id": course}},
    }


async def post(desk: Desk, *bodies: Any) -> None:
    """Into the inbox, as an import puts them there."""
    inbox = await Inbox.open(desk.directory / "data")
    for body in bodies:
        await inbox.append("school", int(time.time()), Evidence.file, json.dumps(body).encode())
    await inbox.close()


def prepared(directory: Path, catalogue: Served) -> tuple[Desk, str]:
    """A campus whose two sites are linked, everything delivered, and a backup made; and its recovery key."""
    desk = filled(directory)
    (directory / "rules.toml").write_text(RULES + REFERRAL)
    with (directory / "config.toml").open("a") as config:
        config.write('[[source]]\nname = "school"\nkind = "generic"\npath = "/school"\n')
        config.write('[identity]\nlink_by = ["email"]\nsources_trusted_to_link = ["moodle", "school"]\n')
        config.write(f'[catalogue]\nurl = "{catalogue.url}"\n')
    key = enrolled(desk, catalogue)
    many = {"events": [told("U-35", "U-37", "7", "09-12T09:00"), told("U-36", "U-37", "7", "09-12T09:01")]}
    asyncio.run(post(desk, told("U-37", "U-35", "7", "09-12T08:59"), many))
    desk.catch_up()
    desk.command("backup")
    return desk, key


def entries(desk: Desk) -> list[tuple[str, ...]]:
    names = ("seq", "entry_id", "occurred_at", "rule_id", "currency", "amount", "kind")
    return [tuple(row[name] for name in names) for row in desk.export()]


def earned(desk: Desk) -> Counter[str]:
    """Points by learner."""
    found: Counter[str] = Counter()
    for row in desk.export():
        if row["currency"] == "points":
            found[row["learner"]] += int(row["amount"])
    return found


def where(desk: Desk, words: tuple[bytes, ...] = ANN) -> list[tuple[str, bytes]]:
    data = desk.directory / "data"
    files = [path for path in data.rglob("*") if path.is_file()]
    return standing_in(files, words, below=data)


def names_at(catalogue: Served) -> list[str]:
    """Under which names something is kept for the agent."""
    with closing(sqlite3.connect(catalogue.config.parent / "catalogue.db")) as connection, connection:
        return [name for (name,) in connection.execute("SELECT name FROM sealed_person ORDER BY name")]


def test_a_person_who_was_everywhere_is_nowhere_and_others_keep_what_they_earned_by_them(
    catalogue: Served, tmp_path: Path
) -> None:
    desk, key = prepared(tmp_path / "a", catalogue)
    pseudonym = desk.json("learner", "show", "ann")["pseudonym"]
    before, points = entries(desk), earned(desk)
    assert points["moodle:35"] > 50
    assert {table for table, rows in ledgers.content(desk.directory / "data").items() if rows} >= {"alias", "hold"}
    assert pseudonym in names_at(catalogue)
    assert where(desk)

    done = desk.json("learner", "erase", "ann", "--by", "D. P.", "--yes")

    assert (done["left"], sorted(done["accounts"])) == ([], ["moodle:35", "school:U-35"])
    assert done["posts"] >= 2
    assert done["catalogue"] == "has forgotten the sealed copy"
    assert where(desk) == []
    assert where(desk, (b"U-36",)), "others' posts are there"
    assert entries(desk) == before
    others = {learner: amount for learner, amount in points.items() if learner != "moodle:35"}
    assert {learner: amount for learner, amount in earned(desk).items() if ":" in learner} == others
    assert pseudonym not in names_at(catalogue)
    assert len([name for name in names_at(catalogue) if name.startswith("mark-")]) == 3
    desk.command("ledger", "verify")
    command("verify", "--config", catalogue.config)

    read_again(desk)
    assert entries(desk) == before
    assert where(desk) == []
    comes_back_without_the_disk(desk, catalogue, key, points, others)


def read_again(desk: Desk) -> None:
    """The whole log once more, and a late post about Ann."""
    desk.ledger("DELETE FROM source_anchor")
    desk.ledger("DELETE FROM source_gap")
    desk.ledger("UPDATE source_state SET position = 0, high_water = 0 WHERE source = 'moodle'")
    completed(desk.moodle, 17, 35, 13, "09-13T08:00")
    desk.catch_up()


def comes_back_without_the_disk(
    desk: Desk, catalogue: Served, key: str, points: Counter[str], others: dict[str, int]
) -> None:
    """A restored recovery makes no person of the erased: neither from the catalogue nor from a copy elsewhere."""
    shutil.rmtree(desk.directory / "data")
    paper = desk.directory / "paper.txt"
    paper.write_text(key)
    (desk.directory / "agent.ed25519").unlink()
    desk.command("key", "new")
    given = command(
        "tenant", "token", "test-campus", "--agent", "agent-1", "--json", "--config", catalogue.config
    ).stdout
    words = ("--token", json.loads(given)["token"], "--recovery-key", str(paper))
    found = desk.json("restore", "--from-catalogue", "--yes", *words)
    assert found["strangers"] == 1
    desk.catch_up()
    assert {learner: amount for learner, amount in earned(desk).items() if ":" in learner} == others
    assert sum(earned(desk).values()) == sum(points.values())
    assert where(desk) == []
    desk.command("ledger", "verify")
    both = desk.json("learner", "readmit", "school:U-35", "--preview")["accounts"]
    assert both == ["school:U-35", "moodle:35"], (
        "the catalogue kept which accounts are one person's, and cannot read it"
    )


def test_a_copy_from_elsewhere_is_held_against_the_catalogues_marks_when_the_disk_is_lost(
    catalogue: Served, tmp_path: Path
) -> None:
    desk, _ = prepared(tmp_path / "a", catalogue)
    (copy,) = taking.copies(desk.directory / "data" / "backups")
    elsewhere = shutil.copytree(copy, tmp_path / "elsewhere")
    desk.command("learner", "erase", "ann", "--yes")
    shutil.rmtree(desk.directory / "data")

    desk.command("restore", str(elsewhere), "--yes")
    assert where(desk) == []
    desk.catch_up()

    assert where(desk) == []
    assert [learner for learner in earned(desk) if learner == "moodle:35"] == []
    desk.command("ledger", "verify")


@pytest.mark.parametrize("rewritten", [True, False])
def test_a_backup_that_is_put_back_before_the_catalogue_was_told_does_not_keep_it_from_forgetting(
    catalogue: Served, tmp_path: Path, *, rewritten: bool
) -> None:
    desk, _ = prepared(tmp_path / "a", catalogue)
    pseudonym = desk.json("learner", "show", "ann")["pseudonym"]
    (copy,) = taking.copies(desk.directory / "data" / "backups")
    elsewhere = shutil.copytree(copy, tmp_path / "elsewhere")
    catalogue.end(signal.SIGTERM)
    desk.command("learner", "erase", "ann", "--yes")
    catalogue.start()
    assert pseudonym in names_at(catalogue)

    desk.command("restore", str(copy if rewritten else elsewhere), "--yes")
    desk.command("sync", "now")

    assert pseudonym not in names_at(catalogue)
    assert where(desk) == []
    desk.command("ledger", "verify")


def test_while_the_agent_runs_it_is_erased_as_well(catalogue: Served, tmp_path: Path) -> None:
    desk, _ = prepared(tmp_path / "a", catalogue)
    process = desk.start()
    try:
        wait_until((desk.directory / "data" / "agent.sock").exists)
        done = desk.json("learner", "erase", "ann", "--yes")
        assert done["left"] == []
        completed(desk.moodle, 17, 35, 13, "09-13T08:00")
        completed(desk.moodle, 18, 36, 14, "09-13T08:30")
        wait_until(lambda: any(row["occurred_at"] == "2026-09-13T08:30:00Z" for row in desk.export()))
    finally:
        process.terminate()
        process.wait(30)
    assert where(desk) == []
    assert "moodle:35" not in earned(desk)


def test_killed_at_any_moment_the_same_command_finishes_it(catalogue: Served, tmp_path: Path) -> None:
    desk, _ = prepared(tmp_path / "a", catalogue)
    before = entries(desk)
    words = ["learner", "erase", "moodle:35", "--yes", "--config", str(desk.config)]
    for moment in (0.6, 0.8, 1.0):
        with (tmp_path / "said").open("wb") as said:
            process = programs.start("agent", words, new_session=True, stdout=said, stderr=said)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(moment)
        kill(process)

    assert desk.json("learner", "erase", "moodle:35", "--yes")["left"] == []

    assert where(desk) == []
    assert entries(desk) == before
    desk.command("ledger", "verify")
    for copy in taking.copies(desk.directory / "data" / "backups"):
        taking.require_whole(copy, taking.read_manifest(copy))
