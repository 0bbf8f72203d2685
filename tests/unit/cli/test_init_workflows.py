"""`init --tool-trigger`: workflows that the plugin imports, and whose posts the agent understands."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path
from urllib.parse import quote_plus

import pytest
from typer.testing import CliRunner, Result

from agent.cli.app import app
from agent.cli.setup.workflows import template, workflow
from agent.collectors.systems.base import Arrival
from agent.collectors.systems.registry import SYSTEMS
from agent.config.kinds import KindTable
from agent.config.settings import load_settings
from agent.model import Evidence
from tests.sites import SqliteSite, log

PAGE = (Path(__file__).parents[3] / "docs" / "integrations" / "tool-trigger.md").read_text(encoding="utf-8")
BASE = "https://rewards.example.org"
PATH = "/api/public/hook/moodle/event"
COMPLETED = r"\core\event\course_module_completion_updated"


def init(*words: object) -> Result:
    return CliRunner().invoke(app, ["init", *map(str, words)])


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A campus that sees nothing of Moodle but posts."""
    done = init("--dir", tmp_path / "home", "--campus", "uni", "--tool-trigger", BASE)
    assert done.exit_code == 0, done.output
    assert f"workflows that post to {BASE}{PATH}" in done.output
    assert "Import a workflow, each file of" in done.output
    return tmp_path / "home"


def test_posts_alone_need_no_database_and_get_a_workflow_for_each_event_that_a_rule_waits_for(home: Path) -> None:
    settings = load_settings(home / "config.toml")
    assert [source.kind for source in settings.sources] == ["tool-trigger"]
    made = {path.name: json.loads(path.read_text()) for path in (home / "tool-trigger").iterdir()}
    assert "core_event_course_module_completion_updated.json" in made
    told = {COMPLETED, r"\core\event\course_completed", r"\core\event\user_deleted"}
    assert {one["event"] for one in made.values()} >= told, "what rules wait for, and who is deleted"
    token = (home / "moodle-posts.token").read_text().strip()
    for one in made.values():
        (step,) = one["steps"].values()
        data = json.loads(step["data"])
        assert data["url"] == BASE + PATH
        assert f"Authorization: Bearer {token}" in data["httpheaders"].splitlines()
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (home / "tool-trigger").iterdir()}
    assert modes == {0o600}, "the token stands in them"
    assert stat.S_IMODE((home / "tool-trigger").stat().st_mode) == 0o700


def test_a_workflow_has_what_the_plugins_importer_reads() -> None:
    made = workflow(COMPLETED, BASE + PATH, "secret")
    assert {"name", "description", "event", "steps", "moodleversion", "pluginversion"} == made.keys()
    assert int(made["pluginversion"]) >= 2018082400, "its importer refuses what calls itself older"
    assert json.loads(made["description"]).keys() == {"text", "format"}
    (step,) = made["steps"].values()
    assert {"id", "name", "description", "type", "stepclass", "data", "steporder"} == step.keys()
    assert step["stepclass"] == r"\tool_trigger\steps\actions\http_post_action_step"
    wanted = {"url", "httpmethod", "httpheaders", "httpparams", "jsonencode", "expectedresponse"}
    assert wanted <= json.loads(step["data"]).keys()
    assert (json.loads(step["data"])["jsonencode"], json.loads(step["data"])["expectedresponse"]) == ("0", "200")


def test_what_the_plugin_makes_of_the_template_is_the_act_that_happened() -> None:
    row = {
        "eventname": COMPLETED, "userid": 2, "relateduserid": 35, "objecttable": "course_modules_completion",
        "objectid": 12, "courseid": 3, "contextlevel": 70, "contextinstanceid": 9, "timecreated": 1_795_220_558,
        "anonymous": 0, "realuserid": "", "origin": "web", "other_completionstate": 1,
    }  # fmt: skip
    known = re.compile("|".join(rf"\{{{name}\}}" for name in row))
    body = known.sub(lambda found: quote_plus(str(row[found[0][1:-1]])), template())
    arrival = Arrival(
        source="t", site="t", number=1, received_at=1_795_220_600, evidence=Evidence.bearer_token, body=body.encode()
    )
    (seen,) = SYSTEMS["tool-trigger"].observations(arrival, KindTable())
    assert (seen.kind, seen.people["subject"], seen.lesson) == ("lesson.completed", "35", "9")


def test_the_manual_shows_the_template_that_is_written() -> None:
    (shown,) = re.findall(r"^```json\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert json.loads(shown) == json.loads(template())


@pytest.mark.parametrize("base", ["rewards.example.org", "ftp://x", "https://x?a=1"])
def test_what_is_no_address_of_a_server_is_told(tmp_path: Path, base: str) -> None:
    done = init("--dir", tmp_path / "home", "--campus", "uni", "--tool-trigger", base)
    assert done.exit_code == 2
    assert "this is no address of a server" in done.output
    assert not (tmp_path / "home").exists(), "nothing was written, and no recovery key was shown and lost"


@pytest.mark.parametrize("day", ["2026-13-99", "soon", "2026-09-01T25:00"])
def test_a_preview_since_no_day_is_told_before_anything_is_written(tmp_path: Path, day: str) -> None:
    done = init("--dir", tmp_path / "home", "--campus", "uni", "--tool-trigger", BASE, "--preview", day)
    assert (done.exit_code, f"--preview: '{day}' is neither a day nor a time" in done.output) == (2, True)
    assert not (tmp_path / "home").exists()


def test_posts_beside_the_log_are_of_the_same_site_and_all_that_is_left_to_do_is_told(tmp_path: Path) -> None:
    php = tmp_path / "config.php"
    php.write_text("<?php $CFG->dbtype = 'mariadb'; $CFG->dbhost = '127.0.0.1'; $CFG->dbname = 'moodle';")
    words = ("--dir", tmp_path / "home", "--campus", "uni", "--tool-trigger", BASE)
    done = init(*words, "--moodle-config", php, "--grant-host", "127.0.0.1")
    assert done.exit_code == 0, done.output
    assert "REWARDS-RECOVERY-1-" in done.output
    assert "GRANT SELECT ON" in done.output
    assert "Import a workflow, each file of" in done.output
    settings = load_settings(tmp_path / "home" / "config.toml")
    assert [(one.name, one.kind) for one in settings.sources] == [
        ("moodle", "moodle-logstore"),
        ("trigger", "tool-trigger"),
    ]
    (trigger,) = settings.post_sources
    assert (trigger.same_site_as, trigger.path) == ("moodle", PATH)
    assert init(*words).exit_code == 0, "it can be run again"


def test_a_campus_without_such_a_source_is_told_what_to_add(tmp_path: Path) -> None:
    site = SqliteSite(tmp_path / "moodle.db")
    words = ["--dir", tmp_path / "home", "--campus", "uni"]
    assert init(*words, "--moodle-url", f"sqlite:///{site.path}").exit_code == 0
    (tmp_path / "home" / "rules.toml").unlink()
    done = init(*words, "--tool-trigger", BASE)
    assert done.exit_code == 2
    assert "has no [[source]] of kind tool-trigger" in done.output
    assert not (tmp_path / "home" / "rules.toml").exists(), "it is told before anything is written"


def test_a_preview_tells_what_the_semester_would_have_paid_and_writes_nothing(tmp_path: Path) -> None:
    site = SqliteSite(tmp_path / "moodle.db")
    completed = {"eventname": COMPLETED, "contextlevel": 70, "other": '{"completionstate":1}', "relateduserid": 35}
    log(site, 1, contextinstanceid=7, timecreated=1_788_300_000, **completed)
    words = ["--dir", tmp_path / "home", "--campus", "uni", "--moodle-url", f"sqlite:///{site.path}"]
    done = init(*words, "--preview", "2026-09-01")
    assert done.exit_code == 0, done.output
    assert "What these rules would have paid since 2026-09-01 (nothing is written):" in done.output
    assert "lesson-completed" in done.output
    assert not (tmp_path / "home" / "data" / "ledger.db").exists()


def test_a_preview_of_a_log_that_cannot_be_read_yet_names_the_command_for_later(tmp_path: Path) -> None:
    words = ["--dir", tmp_path / "home", "--campus", "uni", "--moodle-url", "mysql://u@127.0.0.1:9/moodle"]
    done = init(*words, "--preview", "2026-09-01")
    assert done.exit_code == 0, done.output
    assert "rewards-agent rules simulate --from log --since 2026-09-01" in done.output
