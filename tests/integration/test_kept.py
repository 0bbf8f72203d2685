"""What Moodle keeps and for how long tool_trigger tries, told where Moodle's settings may be read, and nowhere else."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.cli.app import app
from agent.cli.setup.looks.finding import Finding
from agent.cli.setup.looks.moodle.keeping import keeping_findings
from agent.collectors.logstore.grants import WORKFLOWS, grant_statements
from agent.collectors.logstore.kept import Kept, kept_by, read
from agent.collectors.logstore.options import LogstoreOptions
from tests import servers
from tests.acceptance.campus import Campus, campus, serving, wait_until
from tests.pages import DOCS
from tests.sites import MariaSite, PostgresSite, SqliteSite, log, options_for, put

SHORT = (
    ("logstore_standard", "loglifetime", "7"),
    ("tool_trigger", "version", "2024031401"),
    ("auth_db", "pass", "a secret of somebody else"),
    ("tool_log", "enabled_stores", "logstore_standard"),
)
RULES = 'schema = 1\ntimezone = "UTC"\n[[rule]]\nid = "login"\non = "user.logged_in"\naward = 1\n'


def plugins(site: MariaSite | PostgresSite | SqliteSite) -> None:
    """The table as Moodle has it."""
    site.execute("CREATE TABLE mdl_config_plugins (id INTEGER PRIMARY KEY, plugin TEXT, name TEXT, value TEXT)")
    for number, row in enumerate(SHORT, 1):
        site.execute("INSERT INTO mdl_config_plugins (id, plugin, name, value) VALUES (?, ?, ?, ?)", (number, *row))
    site.execute("CREATE TABLE mdl_config (id INTEGER PRIMARY KEY, name TEXT, value TEXT)")
    site.execute("INSERT INTO mdl_config (id, name, value) VALUES (1, 'enablecompletion', '1')")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, Kept()),
        ({("logstore_standard", "loglifetime"): "0"}, Kept(log_days=0)),
        ({("logstore_standard", "loglifetime"): "two weeks"}, Kept()),
        ({("tool_trigger", "version"): "1"}, Kept(tried_s=5 * 3_600)),
        ({("tool_log", "enabled_stores"): "logstore_database,logstore_standard"}, Kept(log_is_on=True)),
        ({("tool_log", "enabled_stores"): ""}, Kept(log_is_on=False)),
        ({("core", "enablecompletion"): "0"}, Kept(completion_is_on=False)),
        (
            {("tool_trigger", "version"): "1", ("tool_trigger", "autorerunmaxtries"): "100"},
            Kept(tried_s=100 * 3_600),
        ),
        ({("tool_trigger", "version"): "1", ("tool_trigger", "autorerunduration"): "-3"}, Kept()),
    ],
)
def test_settings_say_how_long_and_what_is_odd_is_not_known(
    settings: dict[tuple[str, str], str], expected: Kept
) -> None:
    assert read(settings) == expected
    assert (expected.log_is_short, Kept(log_days=13).log_is_short) == (False, True)


def test_what_tool_trigger_gives_up_on_is_a_fault_only_where_no_log_tells_it() -> None:
    def found(*, alone: bool) -> list[Finding]:
        return list(keeping_findings("source moodle", Kept(log_days=0, tried_s=18_000), posts_alone=alone))

    assert [one.code for one in found(alone=False)] == ["", ""]
    assert [one.code for one in found(alone=True)] == ["", "retries-short"]
    assert list(keeping_findings("source moodle", Kept(), posts_alone=True)) == []
    assert ["5 h only" in told for told in Kept(tried_s=18_000).told(posts_alone=True)] == [True]
    assert list(Kept(tried_s=18_000).told(posts_alone=False)) == []


async def test_the_settings_are_read_from_a_view_of_their_rows_and_without_a_right_to_it_nothing_is_told(
    mariadb_database: servers.MariaDatabase,
) -> None:
    site = MariaSite(mariadb_database)
    plugins(site)
    assert await kept_by(options_for(mariadb_database)) == Kept()
    site.execute(
        "CREATE SQL SECURITY DEFINER VIEW mdl_rewards_settings AS SELECT plugin, name, value FROM mdl_config_plugins"
        " WHERE (plugin = 'logstore_standard' AND name = 'loglifetime') OR (plugin = 'tool_trigger' AND"
        " name IN ('version', 'autorerunmaxtries', 'autorerunduration')) OR (plugin = 'tool_log' AND"
        " name = 'enabled_stores') UNION ALL SELECT 'core', name, value FROM mdl_config WHERE name = 'enablecompletion'"
    )
    site.execute(f"GRANT SELECT ON mdl_rewards_settings TO '{servers.READER}'@'127.0.0.1'")
    assert await kept_by(options_for(mariadb_database)) == Kept(
        log_days=7, tried_s=5 * 3_600, log_is_on=True, completion_is_on=True
    )


async def test_the_view_of_the_manual_for_postgresql_stands_in_the_way_of_no_upgrade(
    postgres_database: servers.PostgresDatabase,
) -> None:
    """PostgreSQL refuses to change a column that a view names."""
    told = (DOCS / "integrations" / "moodle-log-table.md").read_text(encoding="utf-8").partition("## On PostgreSQL")[2]
    view = told.partition("```sql\n")[2].partition("```")[0].replace("TO companion_ro", f"TO {servers.READER}")
    site = PostgresSite(postgres_database)
    plugins(site)
    postgres_database.execute(view)
    for table in ("mdl_config_plugins", "mdl_config"):
        postgres_database.execute(f"ALTER TABLE {table} ALTER COLUMN value TYPE varchar(9000)")
    assert await kept_by(site.options()) == Kept(log_days=7, tried_s=5 * 3_600, log_is_on=True, completion_is_on=True)
    rights = f"SELECT has_table_privilege('{servers.READER}', 'mdl_config_plugins', 'SELECT')"
    assert postgres_database.rows(rights) == [(False,)]


def test_a_log_that_is_kept_for_a_week_is_told_at_the_start_and_by_doctor(tmp_path: Path) -> None:
    site = SqliteSite(tmp_path / "moodle.sqlite")
    plugins(site)
    log(site, 1)
    at = campus(tmp_path / "a", f"sqlite:///{site.path}", RULES)
    with serving(at) as service:
        wait_until(lambda: service.said("kept_too_short"))
    assert ["7 days only" in one["found"] for one in service.logged("kept_too_short")] == [True]
    told = json.loads(CliRunner().invoke(app, ["doctor", "--config", str(at.config), "--json"]).stdout)
    (short,) = (one for one in told if one["code"] == "retention-short")
    assert "7 days" in short["found"]
    assert not any(one["code"] == "retries-short" for one in told), "the log tells what it gives up on"


COMPLETING = RULES + '[[rule]]\nid = "lesson"\non = "lesson.completed"\naward = 1\n'


def found_by_doctor(at: Campus) -> dict[str, str]:
    """Code → what doctor finds, of what is not as it should be."""
    told = json.loads(CliRunner().invoke(app, ["doctor", "--config", str(at.config), "--json"]).stdout)
    return {one["code"]: f"{one['found']} → {one['do']}" for one in told if one["code"]}


def test_what_is_switched_off_for_the_whole_site_is_told_at_once(tmp_path: Path) -> None:
    """It was told when the log had been silent beside the tables, or two hundred rows had no completion among them."""
    site = SqliteSite(tmp_path / "moodle.sqlite")
    plugins(site)
    log(site, 1)
    site.execute("UPDATE mdl_config_plugins SET value = '0' WHERE name = 'loglifetime'")
    site.execute("INSERT INTO mdl_course (id, category, shortname, enablecompletion) VALUES (3, 1, 'B', 1)")
    at = campus(tmp_path / "a", f"sqlite:///{site.path}", COMPLETING)
    well = found_by_doctor(at).keys()
    assert well.isdisjoint({"log-store-off", "completion-tracking-off"})
    site.execute("UPDATE mdl_config_plugins SET value = 'logstore_xapi' WHERE name = 'enabled_stores'")
    site.execute("UPDATE mdl_config SET value = '0'")
    found = found_by_doctor(at)
    assert found.keys() - well == {"log-store-off", "completion-tracking-off"}
    assert "the standard log is not among the log stores" in found["log-store-off"]
    assert "off for the whole site: never paid are lesson" in found["completion-tracking-off"]
    elsewhere = at.config.read_text().replace("start_at", 'log_table = "mdl_logstore_standard_log"\nstart_at')
    at.config.write_text(elsewhere)
    assert "log-store-off" not in found_by_doctor(at), "another store writes the table that is read"


def test_a_task_that_is_off_or_fails_is_told_where_rules_wait_for_what_comes_from_it(tmp_path: Path) -> None:
    """Moodle completes courses by a task of cron: with it switched off nobody ever completed one, and cron ran."""
    site = SqliteSite(tmp_path / "moodle.sqlite")
    log(site, 1)
    tasks = ("completion_regular_task", "completion_daily_task", "badges_cron_task")
    for number, name in enumerate(tasks, 1):
        site.execute(
            "INSERT INTO mdl_task_scheduled (id, component, classname, lastruntime, faildelay, disabled)"
            " VALUES (?, 'moodle', ?, ?, 60, 0)",
            (number, rf"\core\task\{name}", int(time.time())),
        )
    rules = RULES + '[[rule]]\nid = "course"\non = "course.*"\naward = 1\n'
    at = campus(tmp_path / "a", f"sqlite:///{site.path}", rules)
    well = found_by_doctor(at).keys()
    assert well.isdisjoint({"task-off", "task-failing"}), "a task fails once now and then"
    site.execute("UPDATE mdl_task_scheduled SET disabled = 1 WHERE id <> 2")
    site.execute("UPDATE mdl_task_scheduled SET faildelay = 960 WHERE id = 2")
    found = found_by_doctor(at)
    assert found.keys() - well == {"task-off", "task-failing"}
    assert found["task-off"].startswith(
        r"the scheduled task \core\task\completion_regular_task is switched off: course."
    )
    assert "the rules that wait for this: course" in found["task-failing"]


TRIGGER = """
[[source]]
name = "trigger"
kind = "tool-trigger"
path = "/moodle"
same_site_as = "moodle"
"""


def test_a_workflow_that_is_switched_off_is_told_where_its_posts_are_awaited_and_nowhere_else(tmp_path: Path) -> None:
    site = SqliteSite(tmp_path / "moodle.sqlite")
    log(site, 1)
    columns = "id INTEGER PRIMARY KEY, name TEXT, event TEXT, enabled INTEGER"
    plain = campus(tmp_path / "plain", f"sqlite:///{site.path}", RULES)
    posted = campus(tmp_path / "posted", f"sqlite:///{site.path}", RULES, extra=TRIGGER)
    assert "workflow-off" not in found_by_doctor(posted), "there is no such table"
    site.execute(f"CREATE TABLE mdl_tool_trigger_workflows ({columns})")
    events = (r"\core\event\user_loggedin", r"\core\event\user_loggedin", r"\core\event\course_viewed")
    for number, event in enumerate(events, 1):
        row = (number, event, int(number == 2))
        site.execute("INSERT INTO mdl_tool_trigger_workflows VALUES (?, 'w', ?, ?)", row)
    assert "workflow-off" not in found_by_doctor(posted), "one of two is on, and for the other event no rule waits"
    site.execute("UPDATE mdl_tool_trigger_workflows SET enabled = 0")
    told = found_by_doctor(posted)["workflow-off"]
    assert told.startswith(r"tool_trigger has workflows for \core\event\user_loggedin, and all are switched off")
    assert "the rules that wait for this: login" in told
    assert "workflow-off" not in found_by_doctor(plain)


def test_workflows_of_activities_that_the_site_does_not_have_are_no_loss(tmp_path: Path) -> None:
    site = SqliteSite(tmp_path / "moodle.sqlite")
    log(site, 1)
    site.execute("CREATE TABLE mdl_tool_trigger_workflows (id INTEGER PRIMARY KEY, event TEXT, enabled INTEGER)")
    for event in (r"\mod_forum\event\post_created", r"\mod_hsuforum\event\post_created"):
        site.execute("INSERT INTO mdl_tool_trigger_workflows (event, enabled) VALUES (?, 0)", (event,))
    put(site, "modules", id=1, name="forum")
    at = campus(tmp_path, f"sqlite:///{site.path}", RULES.replace("user.logged_in", "forum.posted"), extra=TRIGGER)
    told = found_by_doctor(at)["workflow-off"]
    assert r"has workflows for \mod_forum\event\post_created, and all" in told
    put(site, "modules", id=2, name="hsuforum")
    assert r"\mod_hsuforum\event\post_created" in found_by_doctor(at)["workflow-off"]


def test_the_statements_for_a_site_that_posts_let_its_workflows_be_read_and_neither_names_nor_tokens() -> None:
    options = LogstoreOptions(name="moodle", place="config.toml", url="mysql://u@127.0.0.1/moodle")
    *_, last = grant_statements(options, ["course", WORKFLOWS], host="h")
    assert last == "GRANT SELECT (id, event, enabled) ON `moodle`.`mdl_tool_trigger_workflows` TO 'u'@'h';"
