"""Backups that prove themselves, and putting one back, by the real commands."""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.acceptance.campus import Campus, campus, serving, wait_until
from tests.sites import SqliteSite, log

RULES = 'schema = 1\ntimezone = "UTC"\n[[rule]]\nid = "v"\non = "course.viewed"\naward = 1\nonce_per = "event"\n'


@pytest.fixture
def site(tmp_path: Path) -> SqliteSite:
    made = SqliteSite(tmp_path / "moodle.sqlite")
    act(made, 1, 6)
    return made


def act(site: SqliteSite, first: int, last: int) -> None:
    now = int(time.time())
    for number in range(first, last):
        log(site, number, timecreated=now - 1_000 + number)


@pytest.fixture
def at(tmp_path: Path, site: SqliteSite) -> Campus:
    made = campus(tmp_path / "a", f"sqlite:///{site.path}", RULES)
    made.catch_up()
    return made


def backup(at: Campus, *words: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(at.command("backup", *words, "--json").stdout)
    return found


def entries(at: Campus) -> int:
    return len(at.export())


def test_a_backup_is_taken_while_the_agent_works_and_put_back_it_goes_on_from_there(
    at: Campus, site: SqliteSite, tmp_path: Path
) -> None:
    with serving(at):
        wait_until((at.directory / "data" / "agent.sock").exists)
        made = backup(at, "--to", str(tmp_path / "copies"))
        act(site, 6, 9)
        wait_until(lambda: entries(at) == 8)
        running = at.command("restore", str(made["backup"]), "--yes", check=False)
        assert (running.returncode, "another agent is at work" in running.stderr) == (1, True)
    kept = at.export()
    (at.directory / "data" / "text.key").write_bytes(b"k" * 32)
    done = json.loads(at.command("restore", str(made["backup"]), "--yes", "--json").stdout)
    assert (done["entries"], entries(at)) == (5, 5)
    assert {path.name for path in Path(done["set_aside"]).iterdir()} >= {"ledger.db", "text.key"}
    assert not any("acknowledged" in remark for remark in done["remarks"])
    at.catch_up()
    assert at.export() == kept
    assert at.json("ledger", "verify")["findings"] == []


def test_a_directory_of_backups_is_answered_with_its_newest_and_a_question_nobody_hears_with_yes(
    at: Campus, tmp_path: Path
) -> None:
    newest = [str(backup(at, "--to", str(tmp_path / "copies"))["backup"]) for _ in range(2)][-1]
    done = at.command("restore", str(tmp_path / "copies"), check=False)
    assert f"name the directory of one backup, such as its newest: {newest}" in done.stderr
    done = at.command("restore", newest, check=False)
    assert (done.returncode, "nobody is here to confirm it; add --yes" in done.stderr) == (2, True)
    assert entries(at) == 5


def test_only_the_newest_copies_are_kept(at: Campus, tmp_path: Path) -> None:
    places = [str(backup(at, "--to", str(tmp_path / "copies"), "--keep", "2")["backup"]) for _ in range(4)]
    assert sorted(str(path) for path in (tmp_path / "copies").iterdir()) == sorted(places[-2:])
    for path in (tmp_path / "copies").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0


def test_a_ledger_that_does_not_hold_makes_no_backup_and_the_older_ones_stay(at: Campus, tmp_path: Path) -> None:
    backup(at, "--to", str(tmp_path / "copies"))
    with closing(sqlite3.connect(at.directory / "data" / "ledger.db")) as connection:
        connection.execute("UPDATE balance SET amount = amount + 1")
        connection.commit()
    done = at.command("backup", "--to", str(tmp_path / "copies"), check=False)
    assert (done.returncode, "does not count" in done.stderr) == (3, True)
    assert len(list((tmp_path / "copies").iterdir())) == 1


@pytest.mark.parametrize(
    ("harm", "code", "told"),
    [
        ("turn", 3, "is not the file that was backed up"),
        ("remove", 3, "is missing"),
        ("newer", 3, "written by a newer rewards-agent"),
        ("campus", 2, "is a backup of campus 'other'"),
        ("nothing", 3, "is no backup of a ledger"),
    ],
)
def test_a_backup_that_must_not_be_put_back_is_refused_and_nothing_is_touched(
    at: Campus, tmp_path: Path, harm: str, code: int, told: str
) -> None:
    copy = Path(str(backup(at, "--to", str(tmp_path / "copies"))["backup"]))
    manifest = json.loads((copy / "backup.json").read_text())
    match harm:
        case "turn":
            data = bytearray((copy / "ledger.db").read_bytes())
            data[5_000] ^= 1
            (copy / "ledger.db").write_bytes(data)
        case "remove":
            (copy / "ledger.db").unlink()
        case "newer":
            manifest["schema"] += 1
        case "campus":
            manifest["campus"] = "other"
        case _:
            shutil.rmtree(copy)
    if copy.exists():
        (copy / "backup.json").write_text(json.dumps(manifest))
    before = (at.directory / "data" / "ledger.db").read_bytes()
    done = at.command("restore", str(copy), "--yes", check=False)
    assert (done.returncode, told in done.stderr) == (code, True), done.stderr
    assert (at.directory / "data" / "ledger.db").read_bytes() == before


def test_a_ledger_that_is_gone_is_told_and_no_new_one_begins(at: Campus, tmp_path: Path) -> None:
    made = backup(at, "--to", str(tmp_path / "copies"))
    for path in (at.directory / "data").glob("ledger.db*"):
        path.unlink()
    done = at.command("run", "--until-caught-up", check=False)
    assert (done.returncode, "there was a ledger" in done.stderr) == (2, True)
    assert not (at.directory / "data" / "ledger.db").exists()
    at.command("restore", str(made["backup"]), "--yes")
    at.catch_up()
    assert entries(at) == 5


def test_an_upgrade_keeps_a_copy_of_what_was(at: Campus) -> None:
    path = at.directory / "data" / "ledger.db"
    with closing(sqlite3.connect(path)) as connection:
        schema = connection.execute("PRAGMA user_version").fetchone()[0]
        connection.execute(f"PRAGMA user_version = {schema - 1}")
    at.command("run", "--until-caught-up", check=False)
    with closing(sqlite3.connect(path.parent / "backups" / f"ledger-schema-{schema - 1}.db")) as kept:
        assert kept.execute("SELECT count(*) FROM entry").fetchone() == (5,)
