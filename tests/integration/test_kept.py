"""What Moodle keeps and for how long tool_trigger tries, told where Moodle's settings may be read, and nowhere else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.cli.app import app
from agent.cli.setup.looks.finding import Finding
from agent.cli.setup.looks.moodle.keeping import keeping_findings
from agent.collectors.logstore.kept import Kept, kept_by, read
from tests import servers
from tests.acceptance.campus import campus, serving, wait_until
from tests.sites import MariaSite, SqliteSite, log, options_for

SHORT = (
    ("logstore_standard", "loglifetime", "7"),
    ("tool_trigger", "version", "2024031401"),
    ("auth_db", "pass", "a secret of somebody else"),
)
RULES = 'schema = 1\ntimezone = "UTC"\n[[rule]]\nid = "login"\non = "user.logged_in"\naward = 1\n'


def plugins(site: MariaSite | SqliteSite) -> None:
    """The table as Moodle has it."""
    site.execute("CREATE TABLE mdl_config_plugins (id INTEGER PRIMARY KEY, plugin TEXT, name TEXT, value TEXT)")
    for number, row in enumerate(SHORT, 1):
        site.execute("INSERT INTO mdl_config_plugins (id, plugin, name, value) VALUES (?, ?, ?, ?)", (number, *row))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, Kept()),
        ({("logstore_standard", "loglifetime"): "0"}, Kept(log_days=0)),
        ({("logstore_standard", "loglifetime"): "two weeks"}, Kept()),
        ({("tool_trigger", "version"): "1"}, Kept(tried_s=5 * 3_600)),
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
        " name IN ('version', 'autorerunmaxtries', 'autorerunduration'))"
    )
    site.execute(f"GRANT SELECT ON mdl_rewards_settings TO '{servers.READER}'@'127.0.0.1'")
    assert await kept_by(options_for(mariadb_database)) == Kept(log_days=7, tried_s=5 * 3_600)


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
