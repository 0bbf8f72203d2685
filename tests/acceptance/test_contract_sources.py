"""Two campuses in one agent, and one act written twice: the same again at every run."""

from __future__ import annotations

import time
from pathlib import Path

from tests.acceptance.campus import Campus, campus
from tests.sites import LOGGED_IN, NOW, VIEWED, SqliteSite, log, put

RULES = """
schema = 1
timezone = "UTC"

[[rule]]
id = "login"
on = "user.logged_in"
award = 1
once_per = "event"
"""
ROWS = 2_500


def _two_campuses(directory: Path, north: SqliteSite, south: SqliteSite) -> Campus:
    second = f'[[source]]\nname = "south"\nkind = "moodle-logstore"\nurl = "sqlite:///{south.path}"\n'
    extra = f'{second}site = "old-south"\nstart_at = "beginning"'
    return campus(directory, f"sqlite:///{north.path}", RULES, extra=extra)


def test_two_sources_are_read_in_written_order_and_never_mixed_by_chance(tmp_path: Path) -> None:
    sites = SqliteSite(tmp_path / "north.sqlite"), SqliteSite(tmp_path / "south.sqlite")
    for site in sites:
        ids = range(1, ROWS + 1)
        for at in range(0, ROWS, 500):
            log(site, *ids[at : at + 500], eventname=LOGGED_IN, courseid=0, contextlevel=10, contextinstanceid=0)
        site.execute(f"UPDATE mdl_logstore_standard_log SET timecreated = {NOW} - 9000 + id")
    first, second = (_two_campuses(tmp_path / name, *sites) for name in ("a", "b"))
    first.catch_up()
    second.catch_up()
    rows = first.export()
    assert second.export() == rows
    assert [(row["learner"], row["source"]) for row in rows] == [
        *[("moodle:35", "moodle")] * ROWS, *[("old-south:35", "south")] * ROWS
    ]  # fmt: skip


def test_a_renamed_source_goes_on_where_it_stood_under_its_old_name(tmp_path: Path) -> None:
    site = SqliteSite(tmp_path / "moodle.sqlite")
    log(site, 10, eventname=LOGGED_IN, userid=5001, timecreated=int(time.time()) - 100)
    agent = campus(tmp_path / "a", f"sqlite:///{site.path}", RULES, start_at="now")
    agent.catch_up()
    log(site, 11, eventname=LOGGED_IN, userid=5002, timecreated=int(time.time()) + 1)
    time.sleep(2)
    renamed = agent.config.read_text().replace('name = "moodle"', 'name = "new-moodle"\nsite = "moodle"')
    agent.config.write_text(renamed)
    agent.catch_up()
    assert [(row["learner"], row["source"]) for row in agent.export()] == [("moodle:5002", "new-moodle")]
    assert [source["source"] for source in agent.json("status")["sources"]] == ["new-moodle"]


def test_a_log_under_another_name_pays_nobody_again_before_its_site_is_said(tmp_path: Path) -> None:
    """Renamed without `site`, a log that is read from its beginning paid every learner once more as somebody else."""
    site = SqliteSite(tmp_path / "moodle.sqlite")
    log(site, 10, eventname=LOGGED_IN, userid=5001)
    agent = campus(tmp_path / "a", f"sqlite:///{site.path}", RULES)
    agent.catch_up()
    paid, config = agent.export(), agent.config.read_text()
    agent.config.write_text(config.replace('name = "moodle"', 'name = "lms"'))

    done = agent.command("run", "--until-caught-up", check=False)

    assert done.returncode == 2
    assert "[[source]] lms: this log was read as 'moodle' until now" in done.stderr
    assert r"add site = \"moodle\", and it goes on where it stood" in done.stderr
    assert agent.export() == paid
    agent.config.write_text(config.replace('name = "moodle"', 'name = "lms"\nsite = "moodle"'))
    agent.catch_up()
    assert agent.export() == paid
    other = SqliteSite(tmp_path / "other.sqlite")
    log(other, 10, eventname=LOGGED_IN, userid=5002)
    agent.config.write_text(
        config.replace('name = "moodle"', 'name = "south"').replace(str(site.path), str(other.path))
    )
    agent.catch_up()
    assert [row["learner"] for row in agent.export()] == ["moodle:5001", "south:5002"], "another log is another's"


def test_of_two_rows_of_one_fact_the_first_is_recorded_and_judged(tmp_path: Path) -> None:
    site = SqliteSite(tmp_path / "moodle.sqlite")
    log(site, 1, eventname=LOGGED_IN, userid=5001)
    log(site, 2, eventname=LOGGED_IN, userid=5001, realuserid=2)
    log(site, 3, eventname=LOGGED_IN, userid=5002, realuserid=2)
    log(site, 4, eventname=LOGGED_IN, userid=5002)
    agent = campus(tmp_path / "a", f"sqlite:///{site.path}", RULES)
    agent.catch_up()
    assert [row["learner"] for row in agent.export()] == ["moodle:5001"]
    assert "log-in-as" in agent.command("events", "explain", "moodle:3").stdout


def test_a_grant_that_comes_late_decides_what_waited_for_it_and_nothing_else(tmp_path: Path) -> None:
    site = SqliteSite(tmp_path / "moodle.sqlite")
    log(site, 1, eventname=LOGGED_IN, userid=5001)
    log(site, 2, eventname=LOGGED_IN, userid=5002)
    log(site, 3, eventname=VIEWED, userid=5001)
    put(site, "role", id=3, shortname="teacher", archetype="teacher")
    put(site, "context", id=1, contextlevel=10, path="/1")
    put(site, "role_assignments", id=1, roleid=3, contextid=1, userid=5002)
    site.execute("ALTER TABLE mdl_role_assignments RENAME TO away")
    agent = campus(tmp_path / "a", f"sqlite:///{site.path}", RULES)
    agent.catch_up()
    assert [one["reason"] for one in agent.json("review", "list")] == ["roles unknown"] * 2
    agent.catch_up()
    assert agent.export() == []
    site.execute("ALTER TABLE away RENAME TO mdl_role_assignments")
    rules = agent.directory / "rules.toml"
    rules.write_text(RULES + '[[rule]]\nid = "view"\non = "course.viewed"\naward = 1\n')
    agent.catch_up()
    assert [(row["learner"], row["rule_id"]) for row in agent.export()] == [("moodle:5001", "login")]
    assert "never earns: staff" in agent.command("events", "explain", "moodle:2").stdout
    assert agent.json("review", "list") == []
    assert len(agent.json("events", "list")) == 2, "what no rule wanted then is not read now"
