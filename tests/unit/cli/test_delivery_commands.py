"""`enrol`, `key` and `sync` as they are typed, against a catalogue that answers over HTTP."""

from __future__ import annotations

import asyncio
import json
import stat
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agent.cli.app import app
from tests import programs
from tests.acceptance.campus import Campus, campus
from tests.fakes import FakeCatalogue
from tests.sites import SqliteSite

RULES = 'schema = 1\ntimezone = "UTC"\n[[rule]]\nid = "lesson"\non = "lesson.completed"\naward = 10\n'


def a_campus(tmp_path: Path, extra: str = "") -> Campus:
    """A campus whose log is empty."""
    site = SqliteSite(tmp_path / "moodle.db")
    return campus(tmp_path / "campus", f"sqlite:///{site.path}", RULES, extra=extra)


def typed(at: Campus, *words: str, stdin: str = "") -> Result:
    """Run a command."""
    return CliRunner().invoke(app, [*words, "--config", str(at.config)], input=stdin)


def test_a_key_is_made_once_shown_without_its_secret_and_never_replaced(tmp_path: Path) -> None:
    at = a_campus(tmp_path)
    absent = typed(at, "key", "show")
    assert (absent.exit_code, "rewards-agent key new" in absent.stderr) == (2, True)
    made = json.loads(typed(at, "key", "new", "--json").stdout)
    path = Path(made["file"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()
    shown = typed(at, "key", "show", "--json")
    assert json.loads(shown.stdout) == made
    assert len(made["public_key"]) == 64
    again = typed(at, "key", "new")
    assert (again.exit_code, path.read_bytes()) == (2, before)


def test_what_needs_a_catalogue_says_so_where_there_is_none(tmp_path: Path) -> None:
    at = a_campus(tmp_path)
    for words in (("enrol", "token"), ("key", "rotate"), ("sync", "now")):
        done = typed(at, *words)
        assert done.exit_code == 2, words
        assert "[catalogue]" in done.stderr


def test_a_file_that_is_given_for_a_token_is_told_with_the_way_to_give_what_stands_in_it(tmp_path: Path) -> None:
    at = a_campus(tmp_path, '[catalogue]\nurl = "http://127.0.0.1:9"')
    (tmp_path / "a token").write_text("enrol.a.b")
    told = typed(at, "enrol", str(tmp_path / "a token"))
    assert told.exit_code == 1
    assert f"rewards-agent enrol - < '{tmp_path}/a token'" in told.stderr
    assert "is a file" not in typed(at, "enrol", "x" * 5_000).stderr


def test_before_the_first_run_there_is_nothing_to_show_and_it_says_how_to_begin(tmp_path: Path) -> None:
    done = typed(a_campus(tmp_path), "sync", "show")
    assert (done.exit_code, "rewards-agent run" in done.stderr) == (1, True)


@pytest.fixture
async def fake(tmp_path: Path) -> AsyncIterator[FakeCatalogue]:
    """A catalogue that answers."""
    made = FakeCatalogue(tmp_path)
    await made.start()
    yield made
    await made.stop()


async def test_a_token_can_come_from_standard_input_where_nobody_sees_it(tmp_path: Path, fake: FakeCatalogue) -> None:
    at = a_campus(tmp_path, f'[catalogue]\nurl = "{fake.url}"')
    token = await fake.add_tenant("test-campus")
    at.command("key", "new")

    def enrol(stdin: str) -> subprocess.CompletedProcess[str]:
        return programs.run("agent", ["enrol", "-", "--config", str(at.config)], stdin=stdin)

    empty = await asyncio.to_thread(enrol, "")
    assert (empty.returncode, "no token" in empty.stderr) == (1, True)
    wrong = await asyncio.to_thread(enrol, "nonsense\n")
    assert (wrong.returncode, "not an enrolment token" in wrong.stderr) == (1, True)
    done = await asyncio.to_thread(enrol, token + "\n")
    assert done.returncode == 0, done.stderr
    assert "agent-1" in done.stdout
    assert "sync now" in done.stderr
    status = json.loads((await asyncio.to_thread(at.command, "sync", "status", "--json")).stdout)
    assert (status["enrolled"], status["agent"], status["waiting"]) == (True, "agent-1", 0)
    text = (await asyncio.to_thread(at.command, "sync", "status")).stdout
    assert "1970" not in text, "a time that never was is not shown"
