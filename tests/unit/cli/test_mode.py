"""`rewards-agent mode`: going live is one line of config.toml, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from agent.cli.app import app
from agent.cli.setup.files import Plan, config_text
from agent.cli.setup.mode import Mode, changed
from agent.config.settings import load_settings
from tests.acceptance.campus import campus
from tests.sites import SqliteSite, log

RULES = 'schema = 1\ntimezone = "UTC"\n[[rule]]\nid = "v"\non = "course.viewed"\naward = 1\nonce_per = "event"\n'


def mode(at: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["mode", *words, "--config", str(at)])


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """As `init` writes it."""
    plan = Plan(
        home=tmp_path, campus="uni", url="sqlite:///moodle.db", table_prefix="mdl_", start_at="now",
        site_admins=(2,), catalogue_url="",
    )  # fmt: skip
    (tmp_path / "config.toml").write_text(config_text(plan))
    (tmp_path / "config.toml").chmod(0o640)
    return tmp_path / "config.toml"


def test_going_live_changes_one_word_of_the_file_and_its_rights_stay(config: Path) -> None:
    before = config.read_text()
    done = mode(config, "live", "--yes")
    assert done.exit_code == 0, done.output
    assert config.read_text() == before.replace('mode     = "shadow"', 'mode     = "live"')
    assert load_settings(config).agent.mode == "live"
    assert config.stat().st_mode & 0o777 == 0o640
    assert mode(config, "shadow", "--yes").exit_code == 0
    assert config.read_text() == before
    assert sorted(path.name for path in config.parent.iterdir()) == ["config.toml"]


def test_without_a_word_it_tells_and_changes_nothing(config: Path) -> None:
    before = config.read_text()
    told = json.loads(mode(config, "--json").stdout)
    assert told == {"mode": "shadow", "campus": "uni", "decided": {}}
    assert mode(config, "shadow").exit_code == 0
    assert config.read_text() == before


def test_nobody_goes_live_by_accident(config: Path) -> None:
    done = mode(config, "live")
    assert done.exit_code == 2
    assert "--yes" in done.output
    assert load_settings(config).agent.mode == "shadow"


def test_going_live_says_what_of_the_past_will_be_paid(config: Path) -> None:
    """Whoever went live before the term was read in shadow was not told that all of it would be paid."""
    assert "will be paid" not in mode(config, "live", "--yes").output, "from now on, and nothing of before"
    config.write_text(config.read_text().replace('"now"', '"2026-09-01T00:00:00Z"').replace('"live"', '"shadow"'))
    unread = "moodle was not read yet: all that its log tells since 2026-09-01T00:00:00Z will be paid"
    assert unread in mode(config, "live", "--yes").output


def test_whoever_is_asked_hears_what_will_be_paid_before_the_answer(config: Path) -> None:
    config.write_text(config.read_text().replace('"now"', '"beginning"'))
    ours, theirs = os.openpty()
    os.write(ours, b"n\n")
    words = [sys.executable, "-m", "agent", "mode", "live", "--config", str(config)]
    done = subprocess.run(
        words, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False
    )
    os.close(ours)
    os.close(theirs)
    assert done.returncode == 1
    assert 0 <= done.stdout.index("all that its log tells since it began will be paid") < done.stdout.index("Shall it?")
    assert load_settings(config).agent.mode == "shadow"


def test_going_live_says_how_far_a_log_was_read(tmp_path: Path) -> None:
    site = SqliteSite(tmp_path / "moodle.sqlite")
    log(site, 1, timecreated=1_788_854_400)
    at = campus(tmp_path / "a", f"sqlite:///{site.path}", RULES)
    at.catch_up()
    assert mode(at.config, "shadow", "--yes").exit_code == 0
    told = mode(at.config, "live", "--yes").output
    assert "moodle was read up to 2026-09-08T08:00:00Z: what happened there later will be paid" in told
    assert "will be paid" not in mode(at.config, "shadow", "--yes").output


@given(st.sampled_from(['campus = "x"\n', 'campus = "x"\nmode = "shadow" # now\n', "mode='shadow'\ncampus = 'x'\n"]))
def test_a_mode_that_is_written_in_any_way_or_not_at_all_is_found(body: str) -> None:
    rest = '\n[[source]]\nname = "a"\nmode = "shadow"\n'
    text = changed(f"# mode = here\n[agent]\n{body}{rest}", Mode.live)
    assert text.endswith(rest), "another table's mode is its own"
    assert text.count('"live"') == 1
