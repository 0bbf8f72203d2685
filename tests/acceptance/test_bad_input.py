"""What administrators and machines get wrong: told with what to do, ended with the right code, nothing lost."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests import programs, servers
from tests.acceptance.campus import Campus, campus, serving, wait_until
from tests.sites import SqliteSite, log

RULES = """\
schema = 1
timezone = "UTC"
[[rule]]
id = "lesson"
on = "lesson.completed"
award = 10
"""
COMPLETED = r"\core\event\course_module_completion_updated"
ROWS = 2_500


def complete(site: SqliteSite, first: int, last: int) -> None:
    """One learner completes lessons ``first`` to ``last``, a log row each."""
    done = {"objecttable": "course_modules_completion", "contextlevel": 70, "other": '{"completionstate":1}'}
    with closing(sqlite3.connect(site.path)) as db, db:
        log(site, first, eventname=COMPLETED, objectid=first, contextinstanceid=first, relateduserid=35, **done)
        columns = [row[1] for row in db.execute("PRAGMA table_info(mdl_logstore_standard_log)")]
        own = {"id": "n.id", "objectid": "n.id", "contextinstanceid": "n.id"}
        picked = ", ".join(own.get(name, f"l.{name}") for name in columns)
        db.execute(
            "WITH RECURSIVE n(id) AS (SELECT ? UNION ALL SELECT id + 1 FROM n WHERE id < ?)"
            f" INSERT INTO mdl_logstore_standard_log ({', '.join(columns)})"
            f" SELECT {picked} FROM n JOIN mdl_logstore_standard_log l ON l.id = ? WHERE n.id > ?",
            (first, last, first, first),
        )


@pytest.fixture
def site(tmp_path: Path) -> SqliteSite:
    """A Moodle in which one lesson was completed."""
    made = SqliteSite(tmp_path / "moodle.db")
    complete(made, 1, 1)
    return made


@pytest.fixture
def at(tmp_path: Path, site: SqliteSite) -> Campus:
    """A campus that reads it."""
    return campus(tmp_path / "campus", f"sqlite:///{site.path}", RULES, extra="poll_interval_s = 0.1")


@pytest.fixture(scope="module", autouse=True)
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[subprocess.Popen[str], float]]:
    """An agent whose database nobody serves, begun first so that it waits while the other tests run; and since when."""
    away = tmp_path_factory.mktemp("away")
    at = campus(away, f"mysql://companion_ro@127.0.0.1:{servers.free_port()}/moodle", RULES)
    words = [sys.executable, "-m", "agent", "run", "--until-caught-up", "--config", str(at.config)]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        yield process, time.monotonic()
        process.kill()


def refused(at: Campus, code: int, *words: str) -> str:
    """Run to the end, which must be ``code`` without a traceback; what was told."""
    done = at.command(*(words or ("run", "--until-caught-up")), check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def edit(path: Path, old: str, new: str) -> None:
    """Change a file as an administrator would."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def balance(at: Campus) -> int:
    """All points there are."""
    return sum(int(row["amount"]) for row in at.export())


def test_broken_toml_is_told_with_line_and_column(at: Campus) -> None:
    edit(at.config, "[[source]]", "[[source]")
    told = refused(at, 2)
    assert re.search(r"config\.toml:5:\d+: a \[\[table\]\] header that is not closed", told), told


def test_every_fault_of_the_rules_is_told_at_once_with_its_place(at: Campus) -> None:
    (at.directory / "rules.toml").write_text(
        RULES.replace("award = 10", "award = 10\nlimt = 3\nlimit = '0/day'")
        + '[[rule]]\nid = "lesson"\non = "lesson.compleeted"\naward = { gold = -1 }\n'
    )
    for words in (("run", "--until-caught-up"), ("rules", "check"), ("doctor",)):
        done = at.command(*words, check=False)
        assert done.returncode == 2
        places = re.findall(r"rules\.toml:(\d+):\d+: ", done.stderr + done.stdout)
        assert {"7", "8", "10"} <= set(places), done.stderr
    assert not (at.directory / "data").exists(), "nothing is begun with rules that are wrong"


def test_a_rule_whose_example_is_untrue_does_not_load(at: Campus) -> None:
    example = '\n[[rule.example]]\nevent = { kind = "lesson.completed" }\nexpect = { points = 99 }\n'
    (at.directory / "rules.toml").write_text(RULES + example)
    assert re.search(r"rules\.toml:\d+:\d+: .*10", refused(at, 2))


@pytest.mark.parametrize(
    ("pattern", "instead", "told"),
    [
        ("companion_ro@", "nobody@", "refuses user 'nobody' with this password"),
        ("start_at = .*", 'table_prefix = "moo_"', "table_prefix = 'moo_'"),
        ("/shared_capture", "/absent", "knows no database 'absent'"),
    ],
)
def test_what_is_wrong_about_the_database_and_an_edit_cures_ends_with_2(
    shared_capture: servers.MariaDatabase, tmp_path: Path, pattern: str, instead: str, told: str
) -> None:
    wrong = campus(tmp_path, shared_capture, RULES)
    wrong.config.write_text(re.sub(pattern, instead, wrong.config.read_text()))
    found = refused(wrong, 2)
    assert told in found
    assert servers.READER_PASSWORD not in found


def test_settings_that_cannot_be_honoured_are_refused_before_anything_is_begun(at: Campus) -> None:
    edit(at.config, "[[source]]", '[privacy]\nagreed = { cohorts = ["rewards"] }\n[[source]]')
    for words in ((), ("doctor",)):
        done = at.command(*(words or ("run", "--until-caught-up")), check=False)
        assert done.returncode == 2
        assert re.search(
            r"config\.toml:6:10: who has agreed matters where learners are asked", done.stderr + done.stdout
        )
    assert not (at.directory / "data").exists()


def test_a_secret_that_others_can_read_is_refused(at: Campus) -> None:
    edit(at.config, "start_at", 'password_file = "db.password"\nstart_at')
    (at.directory / "db.password").chmod(0o644)
    told = refused(at, 2)
    assert "others may read this secret" in told
    assert f"chmod 600 {at.directory / 'db.password'}" in told
    assert not (at.directory / "data").exists(), "nothing is begun with a secret that cannot be used"


@contextmanager
def mounted(place: Path, options: str) -> Iterator[Path]:
    """A small file system of its own; skips where it cannot be made."""
    place.mkdir(exist_ok=True)
    if (
        os.geteuid() != 0
        or subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], check=False).returncode
    ):
        pytest.skip("only root can mount a small file system, and this machine must let it")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def test_a_disk_that_is_full_at_any_step_of_init_leaves_nothing_half_written(tmp_path: Path, site: SqliteSite) -> None:
    def init(home: Path) -> subprocess.CompletedProcess[str]:
        return programs.run("agent", ["init", "--dir", str(home), "--campus", "c", "--moodle-url", url])

    url = f"sqlite:///{site.path}"
    assert init(tmp_path / "roomy").returncode == 0
    sizes = {path.name: path.stat().st_size for path in (tmp_path / "roomy").iterdir()}
    page = os.sysconf("SC_PAGE_SIZE")
    # Room for the first file, for a part of the rules, for all but one key, for all but the other.
    for pages in (1, 2, 6, 9, 10):
        with mounted(tmp_path / "small", f"size={pages * page}") as small:
            done = init(small / "etc")
            assert done.returncode == 1, done.stderr
            assert re.search(r"small/etc.* cannot be written: No space left on device\n +free some space", done.stderr)
            assert {path.name: path.stat().st_size for path in (small / "etc").iterdir()}.items() <= sizes.items()
            subprocess.run(["mount", "-o", "remount,size=10m", small], check=True)
            assert init(small / "etc").returncode == 0
            assert {path.name for path in (small / "etc").iterdir()} == set(sizes)
            assert (small / "etc/rules.toml").read_bytes() == (tmp_path / "roomy/rules.toml").read_bytes()


@pytest.mark.slow
def test_a_full_disk_loses_nothing_and_the_run_after_it_goes_on(tmp_path: Path, site: SqliteSite, at: Campus) -> None:
    complete(site, 2, ROWS)
    calm = campus(tmp_path / "calm", f"sqlite:///{site.path}", RULES)
    calm.catch_up()
    with mounted(at.directory / "data", "size=2m,mode=700") as small:
        with serving(at) as service:
            wait_until(lambda: any("is full" in line["trouble"] for line in service.logged("source_trouble")))
            assert "free some space: nothing is lost" in service.logged("source_trouble")[-1]["do"]
        assert len(at.export()) < ROWS
        subprocess.run(["mount", "-o", "remount,size=200m", small], check=True)
        at.catch_up()
        assert without_hashes(at.export()) == without_hashes(calm.export())
        assert at.json("ledger", "verify")["findings"] == []
        assert balance(at) == ROWS * 10


def without_hashes(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """What two ledgers of one log have in common."""
    return [{key: value for key, value in row.items() if key != "entry_id"} for row in rows]


def test_a_data_directory_that_cannot_be_written_is_told(at: Campus) -> None:
    data = at.directory / "data"
    if os.geteuid() != 0:
        data.mkdir(mode=0o500)
        told = refused(at, 2)
    else:
        with mounted(data, "size=1m,ro"):
            told = refused(at, 2)
    assert f"{data} cannot be written" in told
    assert "[agent] data_dir" in told


def test_a_ledger_that_another_program_holds_is_told_and_read_when_it_lets_go(at: Campus, site: SqliteSite) -> None:
    at.catch_up()
    complete(site, 2, 3)
    path = at.directory / "data" / "ledger.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as foreign:
        foreign.execute("BEGIN IMMEDIATE")
        told = refused(at, 1)
    assert "is locked by another program" in told
    assert f"lsof {path}" in told
    at.catch_up()
    assert balance(at) == 30


def test_a_ledger_stays_with_its_campus(at: Campus) -> None:
    at.catch_up()
    edit(at.config, "test-campus", "other-campus")
    told = refused(at, 2)
    assert "belongs to campus 'test-campus', not 'other-campus'" in told
    edit(at.config, "other-campus", "test-campus")
    edit(at.config, 'data_dir = "data"', 'data_dir = "data"\nenvironment = "staging"')
    assert "belongs to environment 'production', not 'staging'" in refused(at, 2)


def test_a_ledger_of_a_newer_program_is_not_touched(at: Campus) -> None:
    at.catch_up()
    path = at.directory / "data" / "ledger.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as ledger:
        ledger.execute("PRAGMA user_version = 99")
    told = refused(at, 3)
    assert "has schema 99" in told
    assert "newer rewards-agent" in told
    assert "has schema 99" in refused(at, 3, "status")


def test_a_damaged_ledger_is_not_repaired_in_silence(at: Campus) -> None:
    at.catch_up()
    path = at.directory / "data" / "ledger.db"
    for companion in path.parent.glob("ledger.db-*"):
        companion.unlink()
    path.write_bytes(path.read_bytes()[:100] + os.urandom(8_000))
    for words in (("run", "--until-caught-up"), ("status",), ("ledger", "verify")):
        assert "is damaged" in refused(at, 3, *words)
    shutil.copy(path, path.with_suffix(".kept"))
    assert path.read_bytes() == path.with_suffix(".kept").read_bytes()


def test_a_second_agent_on_the_same_directory_is_sent_away_by_name(at: Campus) -> None:
    with serving(at) as service:
        told = refused(at, 1)
        assert f"another agent is at work on {at.directory / 'data'} (process {service.process.pid})" in told
        assert at.json("status")["ledger"]["entries"] >= 0, "reading goes on beside it"


def test_a_service_ends_with_0_at_sigterm(at: Campus) -> None:
    with serving(at) as service:
        assert not service.said("not_active_yet")
        code, _ = service.end()
    assert code == 0


def test_a_bad_reload_keeps_the_rules_that_run_and_a_good_one_takes_effect(at: Campus, site: SqliteSite) -> None:
    rules = at.directory / "rules.toml"
    with serving(at) as service:
        wait_until(lambda: balance(at) == 10)
        rules.write_text(RULES.replace("award = 10", "award = ten"))
        service.process.send_signal(signal.SIGHUP)
        wait_until(lambda: service.said("rules_refused"))
        assert re.search(r"rules\.toml:6:\d+: ", service.logged("rules_refused")[0]["message"])
        complete(site, 2, 2)
        wait_until(lambda: balance(at) == 20)
        rules.write_text(RULES.replace("award = 10", "award = 7"))
        service.process.send_signal(signal.SIGHUP)
        wait_until(lambda: len(at.json("rules", "history")) == 2)
        complete(site, 3, 3)
        wait_until(lambda: balance(at) == 27)
        assert service.end()[0] == 0


@pytest.mark.slow
def test_a_database_that_cannot_be_reached_is_waited_for_half_a_minute(
    patient: tuple[subprocess.Popen[str], float],
) -> None:
    process, since = patient
    _, told = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "cannot be reached" in told
    assert "it is tried again" in told
    assert time.monotonic() - since > 28
