"""`init` and `doctor` before real databases, files and catalogues that are not as they should be."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sqlite3
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.cli.app import app
from agent.cli.frame import utc
from agent.cli.setup.looks import machine
from agent.cli.setup.looks.catalogue import catalogue_findings
from agent.cli.setup.looks.finding import Finding
from agent.cli.setup.looks.ledger import ledger_findings
from agent.cli.setup.looks.source import log_findings
from agent.cli.status import standing
from agent.config.settings import Settings, load_settings
from agent.ledger.backup import taking
from agent.wiring.rules import read_rules
from tests import servers
from tests.acceptance.campus import Campus, campus
from tests.fakes import FakeCatalogue, Mood
from tests.sites import SqliteSite, log

RULES = r"""
schema = 1
timezone = "Africa/Johannesburg"
day_starts_at = "04:00"
[[rule]]
id = "lesson"
on = "lesson.completed"
award = 10
[[rule]]
id = "quiz"
on = "quiz.submitted"
conditions = { score_pct = ">=80" }
award = 10
[[rule]]
id = "parked"
on = "quiz.submitted"
conditions = { score_pct = ">=90" }
award = 10
mode = "off"
[[rule]]
id = "never"
on = '\mod_dance\event\danced'
award = 1
"""
COMPLETED = r"\core\event\course_module_completion_updated"
COMPLETIONS = r"DELETE FROM mdl_logstore_standard_log WHERE eventname LIKE '%%course_module_completion_updated'"


@pytest.fixture
def captured_moodle(captured_moodle: servers.MariaDatabase) -> servers.MariaDatabase:
    """The capture as if it were taken just now: its newest row grows older than what a busy site shows."""
    ((newest,),) = captured_moodle.execute("SELECT MAX(timecreated) FROM mdl_logstore_standard_log")
    later = int(time.time()) - 60 - newest
    captured_moodle.execute("UPDATE mdl_logstore_standard_log SET timecreated = timecreated + %s", (later,))
    return captured_moodle


def doctor(config: Path) -> tuple[int, list[dict[str, str]]]:
    """Exit code and findings of the command."""
    done = CliRunner().invoke(app, ["doctor", "--config", str(config), "--json"])
    return done.exit_code, json.loads(done.stdout)


async def looked_at(at: Campus) -> list[Finding]:
    """What doctor finds of the log source."""
    settings = load_settings(at.config)
    return await log_findings(settings, read_rules(settings)[1].needs)


def amiss(findings: list[Finding]) -> list[str]:
    """What is not as it should be, with what to do."""
    return [f"{finding.found} → {finding.do}" for finding in findings if finding.level != "ok"]


def back_up(settings: Settings) -> None:
    """A backup of now, as `rewards-agent backup` takes it."""
    data_dir = settings.agent.data_dir
    taking.take(data_dir, data_dir / taking.FOLDER, keep=1, now=int(time.time()))


def settings_of(tmp_path: Path, extra: str = "") -> tuple[Campus, SqliteSite, Settings]:
    """A campus on SQLite with one row in its log."""
    site = SqliteSite(tmp_path / "moodle.db")
    log(site, 1, timecreated=int(time.time()))
    made = campus(tmp_path / "campus", f"sqlite:///{site.path}", RULES, extra=extra)
    return made, site, load_settings(made.config)


def test_init_prints_statements_that_are_enough_and_then_finds_all_in_order(
    captured_moodle: servers.MariaDatabase, tmp_path: Path
) -> None:
    server = captured_moodle.server
    url = f"mysql://new_ro@127.0.0.1:{server.port}/{captured_moodle.name}"
    words = ["init", "--dir", str(tmp_path), "--campus", "uni", "--moodle-url", url, "--start-at", "beginning"]
    before = CliRunner().invoke(app, words)
    assert (before.exit_code, "does not work yet" in before.output) == (0, True), before.output
    code, findings = doctor(tmp_path / "config.toml")
    assert code == 2
    assert any("refuses user 'new_ro' with this password" in found["found"] for found in findings)
    grants = tmp_path / "moodle-grants.sql"
    *statements, remark = grants.read_text().splitlines()
    assert remark.startswith("-- ")
    assert "ALTER USER 'new_ro'@'127.0.0.1'" in remark
    for statement in statements:
        server.execute(statement.replace("%", "%%"))
    try:
        after = CliRunner().invoke(app, words)
        assert after.exit_code == 0
        assert "GRANT" not in after.output
        assert " tables, and may not write" in after.output
        assert f"rm {grants}" in after.output, "it holds the password"
        code, findings = doctor(tmp_path / "config.toml")
        assert code == 0
        assert [
            found["found"] for found in findings if found["about"] == "source moodle" and found["level"] != "ok"
        ] == []
    finally:
        server.execute("DROP USER 'new_ro'@'127.0.0.1'")


def test_statements_for_a_socket_let_in_who_comes_by_it_and_doctors_grant_names_the_account_as_the_server_does(
    captured_moodle: servers.MariaDatabase, tmp_path: Path
) -> None:
    """The account was made for 127.0.0.1, and a server calls those who come by its socket localhost."""
    server = captured_moodle.server
    url = f"mysql://by_socket@127.0.0.1/{captured_moodle.name}?unix_socket={server.directory / 's'}"
    words = ["init", "--dir", str(tmp_path), "--campus", "uni", "--moodle-url", url, "--start-at", "beginning"]
    before = CliRunner().invoke(app, words)
    assert f"the database at {server.directory / 's'} refuses user 'by_socket'" in before.output
    try:
        for statement in (tmp_path / "moodle-grants.sql").read_text().splitlines()[:-1]:
            server.execute(statement.replace("%", "%%"))
        assert doctor(tmp_path / "config.toml")[0] == 0
        server.execute(f"REVOKE SELECT ON `{captured_moodle.name}`.mdl_quiz FROM 'by_socket'@'localhost'")
        (lost,) = [one for one in doctor(tmp_path / "config.toml")[1] if one["code"] == "grant-missing"]
        server.execute(lost["do"].partition("runs: ")[2])
        assert doctor(tmp_path / "config.toml")[0] == 0
    finally:
        server.execute("DROP USER 'by_socket'@'localhost'")


async def test_a_missing_grant_names_the_facts_the_rules_and_the_statement(
    captured_moodle: servers.MariaDatabase, tmp_path: Path
) -> None:
    at = campus(tmp_path, captured_moodle, RULES)
    for table in ("mdl_config", "mdl_config_plugins"):
        captured_moodle.revoke_reader(table)
    assert amiss(await looked_at(at)) == []
    captured_moodle.revoke_reader("mdl_quiz")
    captured_moodle.revoke_reader("mdl_role")
    quiz, role = amiss(await looked_at(at))
    assert "mdl_quiz cannot be read" in quiz
    assert "it feeds score_pct; the rules that look at this: quiz →" in quiz
    assert f"GRANT SELECT ON `{captured_moodle.name}`.`mdl_quiz` TO 'companion_ro'@'127.0.0.1';" in quiz
    assert "who is staff cannot be told, so every award is held" in role


async def test_a_table_that_a_file_lacks_is_nothing_that_a_grant_could_give(tmp_path: Path) -> None:
    at, site, _ = settings_of(tmp_path)
    site.execute("DROP TABLE mdl_role")
    (role,) = amiss([finding for finding in await looked_at(at) if finding.code == "grant-missing"])
    assert "mdl_role cannot be read" in role
    assert role.endswith("→ a file has no accounts: copy the table into it, or correct table_prefix")


async def test_rights_beyond_reading_what_is_needed_are_told_without_a_hash_of_the_password(
    captured_moodle: servers.MariaDatabase, tmp_path: Path
) -> None:
    server, name = captured_moodle.server, captured_moodle.name
    at = campus(tmp_path, captured_moodle, RULES)
    at.config.write_text(at.config.read_text().replace("companion_ro@", "too_much@"))
    server.execute(
        f"GRANT SELECT, UPDATE ON `{name}`.* TO 'too_much'@'127.0.0.1' IDENTIFIED BY '{servers.READER_PASSWORD}'"
    )
    server.execute("GRANT PROCESS ON *.* TO 'too_much'@'127.0.0.1'")
    try:
        told = amiss(await looked_at(at))
    finally:
        server.execute("DROP USER 'too_much'@'127.0.0.1'")
    assert [one.split(" → ")[0].split(": ")[0] for one in told] == [
        "the account may do more than read",
        "the account may do more than read",
        "the account may read the config table, with the mail server's password in it",
        "the account may read the settings of plugins, with their passwords in them",
        "the account may read the password column of the user table",
    ]
    assert "PROCESS" in told[0]
    assert "IDENTIFIED" not in "".join(told)


@pytest.mark.parametrize(
    ("pattern", "instead", "told", "code"),
    [
        ("companion_ro@", "nobody@", "refuses user 'nobody' with this password", 2),
        (r":\d+/", ":{closed}/", "cannot be reached", 1),
        ("start_at = .*", 'table_prefix = "moo_"', "moo_logstore_standard_log", 2),
        ("/shared_capture", "/absent", "knows no database", 2),
        (r"mysql:(.*):\d+/", r"postgresql:\1:{closed}/", "cannot be reached", 1),
        ("db.password", "no.password", "the secret no.password is not there", 2),
    ],
)
async def test_a_source_that_cannot_be_read_is_a_failure_that_says_whose_turn_it_is(
    shared_capture: servers.MariaDatabase, tmp_path: Path, pattern: str, instead: str, told: str, code: int
) -> None:
    at = campus(tmp_path, shared_capture, RULES)
    replacement = instead.format(closed=servers.free_port())
    at.config.write_text(re.sub(pattern, replacement, at.config.read_text()))
    (found,) = await looked_at(at)
    assert (found.level, found.exit_code) == ("fail", code)
    assert told in found.found
    assert found.do


async def test_what_happens_on_the_site_is_held_against_the_rules(
    captured_moodle: servers.MariaDatabase, tmp_path: Path
) -> None:
    at = campus(tmp_path, captured_moodle, RULES)
    for table in ("mdl_config", "mdl_config_plugins"):
        captured_moodle.revoke_reader(table)
    calm = await looked_at(at)
    assert any("nothing happened that these rules wait for: never" in finding.found for finding in calm)
    captured_moodle.execute(COMPLETIONS)
    (absent,) = amiss(await looked_at(at))
    assert "completes an activity: unpaid so far are lesson → set completion conditions" in absent
    captured_moodle.execute("UPDATE mdl_course SET enablecompletion = 0")
    (off,) = amiss(await looked_at(at))
    assert "completion tracking is off in all" in off
    captured_moodle.execute("DELETE FROM mdl_logstore_standard_log WHERE id < 3000")
    captured_moodle.execute("UPDATE mdl_logstore_standard_log SET timecreated = UNIX_TIMESTAMP() - 172800")
    captured_moodle.execute("UPDATE mdl_course_modules_completion SET timemodified = UNIX_TIMESTAMP()")
    short, old, _, unlogged = amiss(await looked_at(at))
    assert "the log reaches back 2 days" in short
    assert "Keep logs for" in short
    assert "its newest row is 2 days old" in old
    assert "activities were completed until" in unlogged
    captured_moodle.execute("DELETE FROM mdl_logstore_standard_log")
    empty, _ = amiss(await looked_at(at))
    assert "the log is empty → is the standard log enabled?" in empty


async def test_clocks_that_disagree_are_told(captured_moodle: servers.MariaDatabase, tmp_path: Path) -> None:
    at = campus(tmp_path, captured_moodle, RULES)
    for table in ("mdl_config", "mdl_config_plugins"):
        captured_moodle.revoke_reader(table)
    captured_moodle.execute("UPDATE mdl_logstore_standard_log SET timecreated = UNIX_TIMESTAMP() + 600 WHERE id = 3533")
    (ahead,) = amiss(await looked_at(at))
    assert "its newest row is 9 min in the future" in ahead or "its newest row is 10 min in the future" in ahead
    server = captured_moodle.server
    server.execute("SET GLOBAL init_connect = 'SET timestamp = UNIX_TIMESTAMP() + 7300'")
    try:
        (skew,) = amiss(await looked_at(at))
    finally:
        server.execute("SET GLOBAL init_connect = ''")
    assert "the database server's clock is 2 h ahead of this machine's → set both by a time server" in skew


def test_the_data_directory_must_be_ours_alone_and_have_room(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    assert [one.level for one in machine.data_directory(directory)] == ["warn"]
    directory.mkdir(mode=0o700)
    assert next(machine.data_directory(directory)).level == "ok"
    directory.chmod(0o755)
    found = next(machine.data_directory(directory))
    assert (found.level, found.do) == ("warn", f"chmod 700 {directory}")
    (tmp_path / "file").touch()
    assert [one.exit_code for one in machine.data_directory(tmp_path / "file")] == [2]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of four megabytes."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    place = tmp_path / "small"
    place.mkdir(mode=0o700)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs", place], check=False)
    if done.returncode:
        pytest.skip("this machine mounts no tmpfs")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_disk_that_is_nearly_full_is_a_failure_of_the_machine(small_disk: Path) -> None:
    _, room = machine.data_directory(small_disk)
    assert (room.level, room.found, room.exit_code) == ("fail", "4 MB free", 1)


def test_the_calendar_says_where_days_are_counted(tmp_path: Path) -> None:
    _, _, settings = settings_of(tmp_path)
    found = machine.calendar(read_rules(settings)[0], 1_790_000_000)
    assert found.found.startswith("days are counted in Africa/Johannesburg and begin at 04:00; there it is")
    assert "2026-09-21 16:13 now (this machine: 2026-09-21 14:13 UTC)" in found.found


def test_what_the_ledger_knows_is_wrong_is_told(tmp_path: Path) -> None:
    at, _, settings = settings_of(tmp_path)
    assert [one.found for one in ledger_findings(settings)] == ["none yet: the first run makes it"]
    at.catch_up()
    assert [one.split(" →")[0] for one in amiss(list(ledger_findings(settings)))] == [
        "none was ever made: a lost disk would take the ledger with it"
    ]
    back_up(settings)
    assert amiss(list(ledger_findings(settings))) == []
    with closing(sqlite3.connect(at.directory / "data" / "ledger.db")) as ledger, ledger:
        ledger.execute("UPDATE source_state SET updated_at = updated_at - 7300")
    (silent,) = amiss(list(ledger_findings(settings)))
    assert silent == "read to 1, 2 h ago → is the agent running? systemctl status rewards-agent"
    with closing(sqlite3.connect(at.directory / "data" / "ledger.db")) as ledger, ledger:
        ledger.execute("UPDATE source_state SET fault = 'the log went back'")
    faulted = [one for one in ledger_findings(settings) if one.level == "fail"]
    assert [(one.found, one.exit_code) for one in faulted] == [("stopped: the log went back", 3)]
    assert "source accept-rewind moodle" in faulted[0].do
    code, _ = doctor(at.config)
    assert code == 3
    (at.directory / "data" / "ledger.db").write_bytes(b"no ledger at all" * 1000)
    (damaged,) = [one for one in ledger_findings(settings) if one.level == "fail"]
    assert (damaged.exit_code, "is damaged" in damaged.found) == (3, True)


def test_a_feed_gone_quiet_is_told_with_how_much_is_missed(tmp_path: Path) -> None:
    at, _, settings = settings_of(tmp_path)
    at.catch_up()
    back_up(settings)
    this = int(time.time()) // 3600
    with closing(sqlite3.connect(at.directory / "data" / "ledger.db")) as ledger, ledger:
        ledger.execute("DELETE FROM feed_hour")
        busy = [("moodle", hour, 10) for hour in range(this - 1300, this - 5)]
        ledger.executemany("INSERT INTO feed_hour VALUES (?, ?, ?)", busy)
        ledger.commit()
        (quiet,) = amiss(list(ledger_findings(settings)))
        (source,) = standing(ledger, settings)["sources"]
    turned = int(time.time()) // 3600 - this  # hours do, also within a test
    missed = [40 + 10 * hours for hours in range(turned + 1)]
    assert any(f"where its own weeks let expect {events} events" in quiet for events in missed)
    assert source["events_missed"] in missed
    assert source["quiet_since"] == utc((this - 5) * 3600)


def test_rows_that_were_removed_before_they_were_read_are_told_for_a_month(tmp_path: Path) -> None:
    at, site, settings = settings_of(tmp_path)
    now = int(time.time())
    log(site, *range(2, 6), timecreated=now - 20 * 86_400)
    at.catch_up()
    back_up(settings)
    log(site, *range(6, 26), timecreated=now - 10 * 86_400)
    site.execute("DELETE FROM mdl_logstore_standard_log")
    log(site, 26, timecreated=now)
    at.catch_up()
    (lost,) = amiss(list(ledger_findings(settings)))
    assert lost.startswith(
        f"20 ids of its log were removed before they were read, the last of them of {utc(now - 20 * 86_400)}"
    )
    (source,) = at.json("status")["sources"]
    assert (source["lost_ids"], source["lost_until"]) == (20, utc(now))
    with closing(sqlite3.connect(at.directory / "data" / "ledger.db")) as ledger, ledger:
        counts = json.loads(ledger.execute("SELECT counts FROM source_state").fetchone()[0])
        counts["lost_noticed_at"] -= 31 * 86_400
        ledger.execute("UPDATE source_state SET counts = ?", (json.dumps(counts).encode(),))
    assert amiss(list(ledger_findings(settings))) == []


def test_decisions_that_wait_too_long_for_a_person_are_told(tmp_path: Path) -> None:
    at, site, settings = settings_of(tmp_path, 'trust = "client_reported"')
    completed = {"eventname": COMPLETED, "contextlevel": 70, "other": '{"completionstate":1}'}
    log(site, 2, timecreated=int(time.time()), relateduserid=35, contextinstanceid=7, **completed)
    at.catch_up()
    (held,) = [one for one in ledger_findings(settings) if one.about == "review"]
    assert (held.level, held.found.partition(",")[0]) == ("ok", "1 held for a person to decide")
    with closing(sqlite3.connect(at.directory / "data" / "ledger.db")) as ledger, ledger:
        ledger.execute("UPDATE hold SET held_at = held_at - 8 * 86400")
    (held,) = [one for one in ledger_findings(settings) if one.about == "review"]
    assert (held.level, held.do) == ("warn", "learners wait for them: rewards-agent review list")


@pytest.fixture
async def fake(tmp_path: Path) -> AsyncIterator[FakeCatalogue]:
    """A catalogue with moods."""
    made = FakeCatalogue(tmp_path)
    await made.start()
    yield made
    await made.stop()


async def test_the_way_to_the_catalogue_is_looked_at_from_end_to_end(tmp_path: Path, fake: FakeCatalogue) -> None:
    at, _, settings = settings_of(tmp_path, f'[catalogue]\nurl = "{fake.url}"')
    (no_key,) = await catalogue_findings(settings)
    assert (no_key.exit_code, no_key.do) == (2, "make one: rewards-agent key new")
    at.command("key", "new")
    (at.directory / "agent.ed25519").chmod(0o644)
    (open_key,) = await catalogue_findings(settings)
    assert (open_key.exit_code, "chmod 600" in open_key.do) == (2, True)
    (at.directory / "agent.ed25519").chmod(0o600)
    _, paper, leaving, unknown = await catalogue_findings(settings)
    assert leaving.found == "of learners only pseudonyms leave the campus"
    assert (paper.level, paper.do) == ("warn", "make one and print it: rewards-agent key recovery")
    at.command("key", "recovery")
    assert (unknown.level, "not enrolled" in unknown.found) == ("warn", True)
    token = await fake.add_tenant("test-campus")
    await _in_thread(at, "enrol", token)
    *_, fine = await catalogue_findings(settings)
    assert fine.found == "it answers, knows this agent as agent-1, and agrees up to entry 0 of 0"
    for mood, code, told in (
        (Mood.error, 1, "answered 500"),
        (Mood.forged, 3, "not the catalogue's"),
        (Mood.foreign, 3, "history of this agent is another one"),
        (Mood.down, 1, "cannot be reached"),
    ):
        fake.mood = mood
        *_, found = await catalogue_findings(settings)
        assert (found.level, found.exit_code) == ("fail", code), found
        assert told in found.found
    fake.mood = Mood.normal
    await fake.set_state("test-campus", "suspended")
    *_, stopped = await catalogue_findings(settings)
    assert (stopped.exit_code, "403" in stopped.found) == (2, True)
    await fake.stop()
    *_, gone = await catalogue_findings(settings)
    assert (gone.exit_code, "cannot be reached" in gone.found) == (1, True)


async def _in_thread(at: Campus, *words: str) -> None:
    """Run a command while this loop goes on serving."""
    await asyncio.to_thread(at.command, *words)
