"""Every fault that may befall a campus, planted one by one: `doctor` names it, says what to do, and ends as agreed."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pymysql
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from typer.testing import CliRunner, Result

from agent.cli.app import app
from agent.cli.setup.looks import machine
from agent.cli.setup.looks.data import whole
from agent.cli.setup.looks.edge.aside import aside_findings
from agent.cli.setup.looks.faults import FAULTS
from agent.clock import SystemClock
from agent.config.settings import load_settings
from agent.ledger import file
from agent.ledger.record import erased
from agent.service import control
from catalogue.cli.app import app as catalogue_app
from tests import disks, servers
from tests.acceptance.campus import Campus, campus, serving, wait_until
from tests.integration.test_catalogue_process import Served
from tests.integration.test_catalogue_process import serving as serving_catalogue
from tests.posts import HOOK, a_post
from tests.sites import MariaSite, SqliteSite, log

NOBODY = 65_534

RULES = """
schema = 1
timezone = "Africa/Johannesburg"
[[rule]]
id = "lesson"
on = "lesson.completed"
award = 10
[[rule]]
id = "quiz"
on = "quiz.submitted"
conditions = { score_pct = ">=80" }
award = 10
"""
COMPLETED = r"\core\event\course_module_completion_updated"
HOUR = 3_600
DAY = 24 * HOUR


def told(config: Path) -> tuple[int, list[dict[str, str]]]:
    """What `doctor --json` says: its exit code, and everything that is not as it should be.

    That no agent runs is true of nearly all that is planted here, and left out; it has a test of its own.
    """
    done = CliRunner().invoke(app, ["doctor", "--config", str(config), "--json"])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.output
    return done.exit_code, [one for one in json.loads(done.stdout) if one["code"] not in {"", "agent-not-running"}]


def assert_found(found: list[dict[str, str]], code: str, words: str, also: tuple[str, ...]) -> None:
    """It is there, with its words and a remedy, and nothing else is but what must come with it."""
    mine = [one for one in found if one["code"] == code]
    assert mine, found
    assert any(words in f"{one['found']} {one['do']}" for one in mine), mine
    assert all(one["do"] and one["level"] != "ok" for one in mine), mine
    assert {one["code"] for one in found} <= {code, *also}


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """A fault, how it is planted, and what must be said: its code, words, exit code, and codes that come with it."""

    code: str
    plant: Callable[[Any], object]
    words: str
    exit_code: int = 0
    also: tuple[str, ...] = field(default=())

    def __repr__(self) -> str:
        return f"{self.code}: {self.words}"


# Moodle and its database.


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """A campus beside a Moodle on MariaDB in which all is well."""

    at: Campus
    site: MariaSite
    now: int

    def config(self, pattern: str, instead: str) -> None:
        """Change config.toml."""
        text, count = re.subn(pattern, instead, self.at.config.read_text())
        assert count
        self.at.config.write_text(text)

    def rule(self, more: str) -> None:
        """Say more of the last rule."""
        with (self.at.directory / "rules.toml").open("a") as rules:
            rules.write(f"{more}\n")

    def sql(self, *statements: str) -> None:
        """Change Moodle's database."""
        for statement in statements:
            self.site.execute(statement)

    def grant(self, what: str, table: str) -> None:
        """Give the account a right that it should not have."""
        self.site.database.execute(f"GRANT {what} ON {table} TO '{servers.READER}'@'127.0.0.1'")


def well_run(site: MariaSite, now: int) -> None:
    """A Moodle in use: three weeks of log, completions, a cron that runs, courses that track."""
    lesson = {"eventname": COMPLETED, "contextlevel": 70, "relateduserid": 35, "other": '{"completionstate":1}'}
    log(site, *range(1, 601, 2), **lesson)
    log(site, *range(2, 601, 2))
    site.execute(
        "UPDATE mdl_logstore_standard_log SET contextinstanceid = id,"
        f" timecreated = {now - 21 * DAY} + id * {21 * DAY // 601}"
    )
    site.execute(
        "INSERT INTO mdl_course (id, category, fullname, shortname, enablecompletion) VALUES (3, 1, 'B', 'B', 1)"
    )
    site.execute(
        "INSERT INTO mdl_course_modules_completion (id, coursemoduleid, userid, completionstate, timemodified)"
        f" VALUES (1, 7, 35, 1, {now - HOUR})"
    )
    site.execute(
        "INSERT INTO mdl_task_scheduled (id, component, classname, lastruntime, nextruntime, disabled)"
        rf" VALUES (1, 'moodle', '\core\task\completion_regular_task', {now - 30}, {now + 30}, 0)"
    )
    accounts = ", ".join(f"({number}, 'u{number}', 1, 'Africa/Maputo')" for number in range(40, 46))
    site.execute(f"INSERT INTO mdl_user (id, username, mnethostid, timezone) VALUES {accounts}")


@pytest.fixture(scope="module")
def moodle(mariadb: servers.MariaDB) -> Iterator[MariaSite]:
    """A Moodle that nobody has used yet."""
    database = mariadb.create_database()
    yield MariaSite(database)
    database.drop()


@pytest.fixture
def beside(moodle: MariaSite, tmp_path: Path) -> Iterator[Beside]:
    moodle.reset()
    now = int(time.time())
    well_run(moodle, now)
    yield Beside(at=campus(tmp_path, moodle.database, RULES), site=moodle, now=now)
    with moodle.database.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SET GLOBAL init_connect = ''")
        if cursor.execute("SHOW TABLES LIKE 'mdl_task_kept'"):
            cursor.execute("DROP VIEW mdl_task_scheduled")
            cursor.execute("RENAME TABLE mdl_task_kept TO mdl_task_scheduled")
        if cursor.execute("SHOW COLUMNS FROM mdl_quiz LIKE 'sum_of'"):
            cursor.execute("ALTER TABLE mdl_quiz CHANGE sum_of sumgrades DECIMAL(10, 5)")
        if cursor.execute("SHOW COLUMNS FROM mdl_logstore_standard_log LIKE 'come_from'"):
            cursor.execute("ALTER TABLE mdl_logstore_standard_log CHANGE come_from origin VARCHAR(10)")


@pytest.fixture
def rights(moodle: MariaSite) -> Iterator[None]:
    """What a test gives and takes of the account's rights is put right after it."""
    moodle.database.execute("CREATE TABLE mdl_config (id BIGINT)")
    yield
    moodle.database.grant_reader()
    for table in ("mdl_config", "mdl_grade_grades"):
        moodle.database.revoke_reader(table)
    moodle.database.execute("DROP TABLE mdl_config")
    moodle.database.grant_reader()


OF_MOODLE = (
    Planted(
        code="database-unreachable",
        plant=lambda at: at.config(r":\d+/", f":{servers.free_port()}/"),
        words="cannot be reached",
        exit_code=1,
    ),
    Planted(
        code="account-refused",
        plant=lambda at: (at.at.directory / "db.password").write_text("wrong"),
        words="refuses user 'companion_ro' with this password",
        exit_code=2,
    ),
    Planted(
        code="secret-blank",
        plant=lambda at: (at.at.directory / "db.password").write_text(f"{servers.READER_PASSWORD} \n"),
        words="ends with a blank, which counts as part of the secret",
        exit_code=2,
        also=("account-refused",),
    ),
    Planted(
        code="database-unknown",
        plant=lambda at: at.config(r"/moodle_\w+", "/absent"),
        words="knows no database 'absent'",
        exit_code=2,
    ),
    Planted(
        code="log-table-unreadable",
        plant=lambda at: at.config("start_at = .*", 'table_prefix = "moo_"'),
        words="there is mdl_logstore_standard_log: write table_prefix = 'mdl_'",
        exit_code=2,
    ),
    Planted(
        code="log-format-unknown",
        plant=lambda at: at.sql("ALTER TABLE mdl_logstore_standard_log CHANGE origin come_from VARCHAR(10)"),
        words="lacks columns that every standard log has: origin",
        exit_code=2,
    ),
    Planted(
        code="log-format-unknown",
        plant=lambda at: at.sql("UPDATE mdl_logstore_standard_log SET other = 'eJyrVkrOzy' WHERE id > 500"),
        words="of the newest rows are neither JSON nor PHP's serialize",
    ),
    Planted(
        code="log-empty",
        plant=lambda at: at.sql("DELETE FROM mdl_logstore_standard_log"),
        words="is the standard log enabled?",
    ),
    Planted(
        code="log-store-off",
        plant=lambda at: at.sql(f"DELETE FROM mdl_logstore_standard_log WHERE timecreated > {at.now - 10 * HOUR}"),
        words="the log says nothing since",
    ),
    Planted(
        code="log-silent",
        plant=lambda at: at.sql(
            "UPDATE mdl_logstore_standard_log SET timecreated = timecreated - 2 * 86400",
            "UPDATE mdl_course_modules_completion SET timemodified = timemodified - 2 * 86400",
        ),
        words="its newest row is 2 days old",
    ),
    Planted(
        code="log-in-the-future",
        plant=lambda at: at.sql(f"UPDATE mdl_logstore_standard_log SET timecreated = {at.now + 900} WHERE id = 600"),
        words="in the future of the database server's clock",
    ),
    Planted(
        code="retention-short",
        plant=lambda at: at.sql(f"DELETE FROM mdl_logstore_standard_log WHERE timecreated < {at.now - 5 * DAY}"),
        words="Keep logs for",
    ),
    Planted(
        code="clock-skew",
        plant=lambda at: at.sql("SET GLOBAL init_connect = 'SET timestamp = UNIX_TIMESTAMP() + 1000'"),
        words="16 min ahead of this machine's",
    ),
    Planted(
        code="time-zone-mismatch",
        plant=lambda at: at.sql("UPDATE mdl_user SET timezone = 'Australia/Sydney'"),
        words="most accounts with a time zone of their own are in Australia/Sydney",
    ),
    Planted(
        code="time-zone-mismatch",
        plant=lambda at: at.sql(
            "UPDATE mdl_user SET timezone = '99'",
            "UPDATE mdl_logstore_standard_log SET timecreated = timecreated - timecreated % 86400 + id % 7200 - 3600"
            " WHERE id < 590",
        ),
        words="falls between 0 and 6 o'clock of Africa/Johannesburg",
    ),
    Planted(
        code="cron-silent",
        plant=lambda at: at.sql("UPDATE mdl_task_scheduled SET lastruntime = lastruntime - 3 * 3600"),
        words="Moodle's cron last ran 3 h ago",
    ),
    Planted(
        code="cron-silent",
        plant=lambda at: at.sql("UPDATE mdl_task_scheduled SET lastruntime = NULL"),
        words="Moodle's cron has never run",
    ),
    Planted(
        code="completion-tracking-off",
        plant=lambda at: at.sql("UPDATE mdl_course SET enablecompletion = 0"),
        words="never paid are lesson",
    ),
    Planted(
        code="columns-missing",
        plant=lambda at: at.sql("ALTER TABLE mdl_quiz CHANGE sumgrades sum_of DECIMAL(10, 5)"),
        words="is its upgrade finished",
    ),
    Planted(
        code="name-ambiguous",
        plant=lambda at: (
            at.sql("INSERT INTO mdl_course_categories (id, name, parent, path) VALUES (8, 'Safety', 0, '/8')"),
            at.sql("INSERT INTO mdl_course_categories (id, name, parent, path) VALUES (9, 'Safety', 1, '/1/9')"),
            at.rule('audience = { categories = ["Safety"] }'),
        ),
        words="'Safety' is ambiguous",
        exit_code=2,
    ),
    Planted(
        code="database-failing",
        plant=lambda at: at.sql(
            "RENAME TABLE mdl_task_scheduled TO mdl_task_kept",
            "CREATE VIEW mdl_task_scheduled AS SELECT id, component, classname, (SELECT id FROM mdl_user) AS"
            " lastruntime, nextruntime, disabled FROM mdl_task_kept",
        ),
        words="Subquery returns more than 1 row",
        exit_code=1,
    ),
    Planted(
        code="completion-never-logged",
        plant=lambda at: at.sql(
            r"UPDATE mdl_logstore_standard_log SET eventname = '\\core\\event\\x' WHERE id % 2 = 1"
        ),
        words="unpaid so far are lesson",
    ),
)

OF_RIGHTS = (
    Planted(
        code="grant-missing",
        plant=lambda at: at.site.database.revoke_reader("mdl_quiz"),
        words="it feeds score_pct; the rules that look at this: quiz",
    ),
    Planted(
        code="grant-missing",
        plant=lambda at: at.site.database.revoke_reader("mdl_role"),
        words="every award is held",
    ),
    Planted(
        code="write-access",
        plant=lambda at: at.grant("UPDATE", f"`{at.site.database.name}`.`mdl_grade_grades`"),
        words="a database administrator runs: REVOKE UPDATE ON ",
    ),
    Planted(
        code="reads-too-much",
        plant=lambda at: at.grant("SELECT", f"`{at.site.database.name}`.`mdl_config`"),
        words="the mail server's password",
    ),
)


def test_a_campus_beside_a_well_run_moodle_has_nothing_amiss(beside: Beside) -> None:
    code, found = told(beside.at.config)
    assert (code, [one["code"] for one in found]) == (0, ["data-directory-missing"])


@pytest.mark.parametrize("planted", OF_MOODLE, ids=repr)
def test_what_is_wrong_with_moodle_is_found_and_named(beside: Beside, planted: Planted) -> None:
    planted.plant(beside)
    code, found = told(beside.at.config)
    assert code == planted.exit_code
    assert_found(found, planted.code, planted.words, ("data-directory-missing", *planted.also))


@pytest.mark.parametrize("planted", OF_RIGHTS, ids=repr)
def test_rights_that_are_missing_or_too_many_are_found_and_named(
    beside: Beside, rights: None, planted: Planted
) -> None:
    planted.plant(beside)
    code, found = told(beside.at.config)
    assert code == planted.exit_code == 0
    assert_found(found, planted.code, planted.words, ("data-directory-missing", *planted.also))


@pytest.fixture
def role(moodle: MariaSite) -> Iterator[str]:
    """A role that the account has."""
    moodle.execute("CREATE ROLE reports")
    moodle.execute(f"GRANT SELECT ON `{moodle.database.name}`.mdl_role TO reports")
    moodle.execute(f"GRANT reports TO '{servers.READER}'@'127.0.0.1'")
    yield "reports"
    moodle.execute("DROP ROLE reports")


def test_a_role_is_judged_by_what_it_may_do(beside: Beside, role: str) -> None:
    assert {one["code"] for one in told(beside.at.config)[1]} == {"data-directory-missing"}
    beside.site.execute(f"GRANT DELETE ON `{beside.site.database.name}`.mdl_role TO {role}")
    _, found = told(beside.at.config)
    assert_found(found, "write-access", "runs: REVOKE DELETE ON ", ("data-directory-missing",))
    assert any(one["do"].endswith(f" FROM `{role}`") for one in found)


OF_THE_ACCOUNT = (
    ("ACCOUNT LOCK", "ACCOUNT UNLOCK", "account-refused", "is locked"),
    ("PASSWORD EXPIRE", f"IDENTIFIED BY '{servers.READER_PASSWORD}'", "account-refused", "a password that expired"),
    ("WITH MAX_USER_CONNECTIONS 1", "WITH MAX_USER_CONNECTIONS 0", "database-full", "takes no more connections"),
)


@pytest.mark.parametrize(("wrong", "right", "code", "words"), OF_THE_ACCOUNT, ids=[one[0] for one in OF_THE_ACCOUNT])
def test_an_account_that_may_not_come_in_is_told_why(
    beside: Beside, wrong: str, right: str, code: str, words: str
) -> None:
    account = f"'{servers.READER}'@'127.0.0.1'"
    beside.site.execute(f"ALTER USER {account} {wrong}")
    with contextlib.ExitStack() as open_meanwhile:
        open_meanwhile.callback(beside.site.execute, f"ALTER USER {account} {right}")
        with contextlib.suppress(pymysql.MySQLError):
            open_meanwhile.enter_context(beside.site.database.connect(reader=True))
        _, found = told(beside.at.config)
    assert_found(found, code, words, ("data-directory-missing",))


# This machine, and the catalogue.


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """A campus that has delivered, and its catalogue."""

    at: Campus
    catalogue: Served

    def path(self, name: str) -> Path:
        """A file of the campus."""
        return self.at.directory / name

    def ledger(self, *statements: str) -> None:
        """Change the ledger behind the agent's back."""
        with closing(sqlite3.connect(self.path("data/ledger.db"))) as connection, connection:
            for statement in statements:
                connection.execute(statement)

    def config(self, pattern: str, instead: str) -> None:
        """Change config.toml."""
        text, count = re.subn(pattern, instead, self.at.config.read_text())
        assert count
        self.at.config.write_text(text)

    def more(self, text: str) -> None:
        """Write more into config.toml."""
        with self.at.config.open("a") as config:
            config.write(text)

    def certificate(self, days: int) -> None:
        """Let the door speak TLS, with a certificate that ends in so many days."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "door")])
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(days=400))
            .not_valid_after(now + timedelta(days=days, hours=1))
            .sign(key, hashes.SHA256())
        )
        self.path("door.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
        self.path("door.key").touch(0o600)
        self.path("door.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        self.config(r"(listen = .*\n)", r'\1certificate_file = "door.pem"\nprivate_key_file = "door.key"\n')


LATER = (("event", "occurred_at"), ("schedule", "since"))
CALLBACK = (
    '[[callback]]\nname = "chat"\non = ["award"]\nurl = "https://chat.example.org/hook"\n'
    'secret_file = "trigger.token"\n'
)


def ran(at: Enrolled, state: str, error: str) -> None:
    """A scheduled reward has been decided two hours ago, and is not closed."""
    at.ledger(
        "INSERT INTO scheduled_run (scheduled, nominal, begins, ends, state, rules_version, counts, as_of_seq,"
        " as_of_event, error, decided_at) VALUES ('champion', unixepoch() - 9000, 0, unixepoch() - 9000,"
        f" '{state}', '', 1, 1, 1, '{error}', unixepoch() - 7200)"
    )


def operator(served: Served, *words: str) -> str:
    """What the operator types at the catalogue."""
    done = CliRunner().invoke(catalogue_app, [*words, "--config", str(served.config)])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Enrolled]:
    """A campus that is enrolled, has delivered and was backed up, with a log, posts and a recovery key."""
    place = tmp_path_factory.mktemp("planted")
    site = SqliteSite(place / "moodle.db")
    for number in (1, 2):
        completed = {"eventname": COMPLETED, "contextlevel": 70, "other": '{"completionstate":1}'}
        log(site, number, timecreated=int(time.time()), relateduserid=35, contextinstanceid=number, **completed)
    with serving_catalogue(place / "catalogue") as served:
        extra = (
            f'[[source]]\nname = "trigger"\nkind = "tool-trigger"\npath = "{HOOK}"\nsame_site_as = "moodle"\n'
            f'bearer_token_files = ["trigger.token"]\n[http]\nlisten = "127.0.0.1:{servers.free_port()}"\n'
            f'[catalogue]\nurl = "{served.url}"\n'
        )
        at = campus(place / "campus", f"sqlite:///{site.path}", RULES, extra=extra)
        (at.directory / "trigger.token").write_text("a-token-of-a-throw-away-door")
        (at.directory / "trigger.token").chmod(0o600)
        added = json.loads(operator(served, "tenant", "add", "test-campus", "--json"))
        at.command("key", "new")
        at.command("key", "recovery")
        at.command("enrol", added["token"])
        at.catch_up()
        at.command("backup")
        yield Enrolled(at=at, catalogue=served)


@pytest.fixture
def enrolled(template: Enrolled, tmp_path: Path) -> Enrolled:
    shutil.copytree(template.at.directory, tmp_path / "campus")
    (tmp_path / "campus").chmod(0o700)
    return Enrolled(at=Campus(directory=tmp_path / "campus"), catalogue=template.catalogue)


def other_key(at: Enrolled) -> Path:
    """Another key in the place of the one that was enrolled."""
    at.path("agent.ed25519").unlink()
    at.at.command("key", "new")
    return at.path("agent.ed25519")


def older(path: Path, seconds: int) -> None:
    """As if a file had been written so long ago."""
    os.utime(path, (time.time() - seconds, time.time() - seconds))


def begun_to_erase(at: Enrolled) -> None:
    """Somebody is marked, and that is how far it came."""
    with closing(sqlite3.connect(at.path("data") / "ledger.db")) as ledger, ledger:
        ((key,),) = ledger.execute("SELECT value FROM setting WHERE key = ?", (erased.KEY,))
        account = ledger.execute("SELECT site, lms_user FROM person LIMIT 1").fetchone()
        mark = erased.mark_of(bytes.fromhex(key), account)
        ledger.execute("INSERT INTO suppressed VALUES (?, 'erased', 0, NULL, 1, 'b', '')", (mark,))


def last_backup(at: Enrolled, days: int) -> Path:
    """As if the last backup had been made so many days ago."""
    path = at.path("data/backup.last")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"made_at": int(time.time()) - days * DAY}))
    return path


def comparing(at: Enrolled) -> int:
    """Let a rule's posts be compared with others' texts."""
    rule = '[[rule]]\nid = "post"\non = "forum.posted"\naward = 1\n'
    return at.path("rules.toml").write_text(
        RULES + rule + '[[check]]\nid = "copied"\nduplicate_text = { in = "course" }\n'
    )


def overwritten(path: Path) -> None:
    """A page of the events' table is no page any more, as after a bad disk or a careless copy."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        (root,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'event'").fetchone()
    with path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xa5" * size)


def emptied(at: Enrolled) -> None:
    """Nothing is left of the ledger but its name."""
    for path in at.path("data").glob("ledger.db-*"):
        path.unlink()
    at.path("data/ledger.db").write_bytes(b"")


OF_THE_CAMPUS = (
    Planted(
        code="configuration-invalid",
        plant=lambda at: at.config("campus = ", "kampus = "),
        words="kampus",
        exit_code=2,
    ),
    Planted(
        code="rules-invalid",
        plant=lambda at: at.path("rules.toml").write_text(RULES + '[[rule]]\nid = "x"\non = "lesson.completed"\n'),
        words="award",
        exit_code=2,
    ),
    Planted(
        code="rules-doubtful",
        plant=lambda at: at.path("rules.toml").write_text(RULES + 'limit = "100/day"\nonce_per = "ever"\n'),
        words="can never act",
    ),
    Planted(
        code="rules-doubtful",
        plant=lambda at: at.path("rules.toml").write_text(RULES.replace("award = 10", 'award = 10\nmode = "off"')),
        words="no rule is on: nobody earns anything",
    ),
    Planted(
        code="rules-doubtful",
        plant=lambda at: at.path("rules.toml").write_text(
            RULES.replace("award = 10", "award = 10\nactive = { from = 2020-01-01, until = 2020-12-31 }")
        ),
        words="every rule that is on ended on 2020-12-31",
    ),
    Planted(
        code="clock-skew",
        plant=lambda at: at.ledger("UPDATE source_state SET updated_at = updated_at + 7300 WHERE source = 'moodle'"),
        words="this machine's clock was ahead then, or is behind now",
    ),
    Planted(code="files-open", plant=lambda at: at.path("rules.toml").chmod(0o666), words="they could pay themselves"),
    Planted(
        code="secret-missing", plant=lambda at: at.path("trigger.token").unlink(), words="is not there", exit_code=2
    ),
    Planted(code="secret-open", plant=lambda at: at.path("trigger.token").chmod(0o644), words="chmod 600", exit_code=2),
    Planted(
        code="secret-unusable", plant=lambda at: at.path("trigger.token").write_text(" \n"), words="empty", exit_code=2
    ),
    Planted(
        code="secret-blank",
        plant=lambda at: at.path("trigger.token").write_text("a-token-of-a-throw-away-door\n\n"),
        words="ends with an empty line",
    ),
    Planted(
        code="secret-blank",
        plant=lambda at: at.path("trigger.token").write_text(" a-token-of-a-throw-away-door\n"),
        words="begins with a blank",
    ),
    Planted(
        code="secret-blank",
        plant=lambda at: at.path("trigger.token").write_text("\ufeffa-token-of-a-throw-away-door"),
        words="begins with a byte-order mark",
    ),
    Planted(
        code="secret-blank",
        plant=lambda at: at.path("trigger.token").write_text('"a-token-of-a-throw-away-door"\n'),
        words="stands in quotation marks",
    ),
    Planted(
        code="secret-blank",
        plant=lambda at: at.path("trigger.token").write_text("a-token-of-a-throw-away-door\nthe one before\n"),
        words="has more than one line",
    ),
    Planted(
        code="text-key-lost",
        plant=lambda at: (comparing(at), at.path("data/text.key").unlink()),
        words="is gone, and the next start makes another",
    ),
    Planted(
        code="text-key-lost",
        plant=lambda at: (comparing(at), at.path("data/text.key").unlink(), at.at.catch_up()),
        words="is another since",
    ),
    Planted(
        code="ledger-damaged",
        plant=lambda at: overwritten(at.path("data/ledger.db")),
        words="put the newest good backup back",
        exit_code=3,
        also=("ledger-unusable",),
    ),
    Planted(code="data-directory-open", plant=lambda at: at.path("data").chmod(0o755), words="chmod 700"),
    Planted(
        code="data-directory-unusable",
        plant=lambda at: at.config('data_dir = "data"', 'data_dir = "rules.toml"'),
        words="is not a directory",
        exit_code=2,
        also=("not-enrolled",),
    ),
    Planted(
        code="ledger-gone",
        plant=lambda at: [path.unlink() for path in at.path("data").glob("ledger.db*")],
        words="put a backup back",
        exit_code=2,
        also=("not-enrolled",),
    ),
    Planted(
        code="rules-invalid",
        plant=lambda at: at.path("rules.toml").unlink(),
        words="there is no such file",
        exit_code=2,
    ),
    Planted(
        code="rules-invalid",
        plant=lambda at: at.config(r'rules = ".*"', 'rules = "rules.d/*.toml"'),
        words="rules names no file",
        exit_code=2,
    ),
    Planted(
        code="ledger-of-another",
        plant=lambda at: at.config('campus = ".*"', 'campus = "another"'),
        words="belongs to campus 'test-campus', not 'another'",
        exit_code=2,
    ),
    Planted(
        code="ledger-of-another",
        plant=lambda at: at.config("(campus = .*\n)", r'\1environment = "staging"' + "\n"),
        words="set [agent] environment back",
        exit_code=2,
    ),
    Planted(
        code="chain-broken",
        plant=lambda at: at.ledger(
            "DROP TRIGGER entry_is_never_changed", "UPDATE entry SET hash = zeroblob(32) WHERE seq = 1"
        ),
        words="entry 1: its hash does not follow",
        exit_code=3,
    ),
    Planted(
        code="ledger-gone",
        plant=emptied,
        words="it is empty",
        exit_code=2,
        also=("not-enrolled", "ledger-older"),
    ),
    Planted(
        code="inbox-damaged",
        plant=lambda at: at.path("data/inbox.db").write_bytes(b"no inbox at all" * 1_000),
        words="let the systems post again",
        exit_code=3,
    ),
    Planted(
        code="port-taken",
        plant=lambda at: at.config('listen = ".*"', f'listen = "127.0.0.1:{urlsplit(at.catalogue.url).port}"'),
        words="another program has the port",
        exit_code=1,
    ),
    Planted(
        code="port-taken",
        plant=lambda at: at.config('listen = ".*"', 'listen = "192.0.2.1:8733"'),
        words="name an address of this machine",
        exit_code=2,
    ),
    Planted(
        code="certificate-unusable",
        plant=lambda at: at.config(r'(url = "http://.*\n)', r'\1ca_file = "absent.pem"' + "\n"),
        words="ca_file names a PEM file",
        exit_code=2,
    ),
    Planted(
        code="catalogue-refuses",
        plant=lambda at: at.config(r'(url = "http://.*)"', r'\1/campus"'),
        words="has no path behind it",
        exit_code=1,
    ),
    Planted(
        code="ledger-damaged",
        plant=lambda at: at.path("data/ledger.db").write_bytes(b"no ledger at all" * 1_000),
        words="is damaged",
        exit_code=3,
        also=("ledger-unusable",),
    ),
    Planted(
        code="ledger-newer",
        plant=lambda at: at.ledger("PRAGMA user_version = 9999"),
        words="install that version again",
        exit_code=3,
    ),
    Planted(
        code="ledger-older",
        plant=lambda at: at.ledger("PRAGMA user_version = 1"),
        words="start the agent once",
        exit_code=1,
    ),
    Planted(
        code="backup-old",
        plant=lambda at: [shutil.move(path, at.at.directory) for path in at.path("data").glob("backup*s*")],
        words="none was ever made",
    ),
    Planted(code="backup-old", plant=lambda at: last_backup(at, 3), words="3 days ago"),
    Planted(
        code="erasure-unfinished",
        plant=begun_to_erase,
        words="rewards-agent learner erase moodle:",
        exit_code=1,
    ),
    Planted(
        code="source-stopped",
        plant=lambda at: at.ledger("UPDATE source_state SET fault = 'the log went back' WHERE source = 'moodle'"),
        words="rewards-agent source accept-rewind moodle",
        exit_code=3,
    ),
    Planted(
        code="source-unread",
        plant=lambda at: at.ledger("UPDATE source_state SET updated_at = updated_at - 7300"),
        words="is the agent running?",
    ),
    Planted(
        code="gaps-many",
        plant=lambda at: at.ledger(
            "INSERT INTO source_gap (source, lo, hi, step, present, opened_running_s, high_water, state)"
            " VALUES ('moodle', 10, 3009, 1, 0, 0, 0, 'open')"
        ),
        words="3000 ids are missing",
    ),
    Planted(
        code="feed-quiet",
        plant=lambda at: at.ledger(
            "DELETE FROM feed_hour",
            "INSERT INTO feed_hour WITH RECURSIVE h(n) AS (VALUES (5) UNION ALL SELECT n + 1 FROM h WHERE n < 1300)"
            " SELECT 'moodle', unixepoch() / 3600 - n, 10 FROM h",
        ),
        words="its own weeks let expect",
    ),
    Planted(
        code="delivery-stopped",
        plant=lambda at: at.ledger("UPDATE reader SET fault = 'histories differ' WHERE name = 'catalogue'"),
        words="rewards-agent sync status",
        exit_code=3,
    ),
    Planted(
        code="delivery-failing",
        plant=lambda at: at.ledger("UPDATE reader SET last_error = 'answered 500' WHERE name = 'catalogue'"),
        words="answered 500",
    ),
    Planted(
        code="entries-set-aside",
        plant=lambda at: at.ledger(
            "INSERT INTO rejected_entry (reader, seq, reason, received_at)"
            " VALUES ('catalogue', 1, 'unknown currency', 1)"
        ),
        words="set 1 entry aside",
    ),
    Planted(
        code="signing-key-unusable",
        plant=lambda at: at.path("agent.ed25519").unlink(),
        words="rewards-agent key new",
        exit_code=2,
    ),
    Planted(code="recovery-key-missing", plant=lambda at: at.path("recovery.public").unlink(), words="key recovery"),
    Planted(code="key-mismatch", plant=other_key, words="put back the key that was enrolled", exit_code=2),
    Planted(
        code="agent-unknown",
        plant=lambda at: (other_key(at), at.ledger("DELETE FROM setting WHERE key = 'agent_key'")),
        words="enrol with a token",
        exit_code=2,
    ),
    Planted(
        code="key-old",
        plant=lambda at: older(at.path("agent.ed25519"), 3 * 365 * DAY),
        words="rewards-agent key rotate",
    ),
    Planted(
        code="not-enrolled",
        plant=lambda at: at.ledger("DELETE FROM setting WHERE key = 'agent_id'"),
        words="rewards-agent enrol TOKEN",
    ),
    Planted(
        code="catalogue-unreachable",
        plant=lambda at: at.config(r'url = "http://.*"', f'url = "http://127.0.0.1:{servers.free_port()}"'),
        words="cannot be reached",
        exit_code=1,
    ),
    Planted(
        code="catalogue-behind",
        plant=lambda at: at.ledger("UPDATE reader SET acked_seq = 9 WHERE name = 'catalogue'"),
        words="put back from an older copy",
    ),
    Planted(
        code="ledger-behind",
        plant=lambda at: at.ledger("DROP TRIGGER entry_is_never_deleted", "DELETE FROM entry WHERE seq = 2"),
        words="it is an older copy of what was delivered",
        exit_code=3,
    ),
    Planted(
        code="histories-differ",
        plant=lambda at: at.ledger("DROP TRIGGER entry_is_never_changed", "UPDATE entry SET hash = zeroblob(32)"),
        words="is another one than this ledger's",
        exit_code=3,
        also=("chain-broken",),
    ),
    Planted(
        code="start-kept",
        plant=lambda at: at.config('start_at = "beginning"', 'start_at = "2026-02-01T00:00:00Z"'),
        words="start_at says 2026-02-01T00:00:00Z, and the first run took beginning",
    ),
    Planted(
        code="log-rows-lost",
        plant=lambda at: at.ledger(
            "UPDATE source_state SET counts = CAST(json_set(CAST(counts AS TEXT), '$.lost_ids', 20,"
            " '$.lost_since', unixepoch() - 900, '$.lost_until', unixepoch() - 90,"
            " '$.lost_noticed_at', unixepoch()) AS BLOB) WHERE source = 'moodle'"
        ),
        words="20 ids of its log were removed before they were read",
    ),
    Planted(
        code="holds-wait",
        plant=lambda at: at.ledger(
            "INSERT INTO hold (decision_no, rule_id, learner, scope, kind, promise, held_at)"
            " VALUES (99, 'lesson', 'moodle:35', '', 'review', x'5b5d', unixepoch() - 40 * 86400)"
        ),
        words="rewards-agent review list",
    ),
    Planted(
        code="scheduled-failed",
        plant=lambda at: ran(at, "failed", "no such fact"),
        words="rewards-agent scheduled show",
    ),
    Planted(code="draw-waits", plant=lambda at: ran(at, "announced", ""), words="waits for the catalogue's receipt"),
    Planted(
        code="system-unreachable",
        plant=lambda at: at.more(
            '[[source]]\nname = "lrs"\nkind = "xapi"\n[source.pull]\nuser = "k"\npassword_file = "trigger.token"\n'
            f'url = "http://127.0.0.1:{servers.free_port()}/xapi"\n'
        ),
        words="lrs: cannot be reached",
        exit_code=1,
    ),
    Planted(
        code="callback-unusable",
        plant=lambda at: (
            at.more(CALLBACK.replace('url = "https://chat.example.org/hook"', 'url_file = "chat.url"')),
            at.path("chat.url").touch(0o600),
            at.path("chat.url").write_text("chat, as always"),
        ),
        words="chat",
        exit_code=2,
    ),
    Planted(
        code="callback-failing",
        plant=lambda at: (
            at.more(CALLBACK),
            at.ledger(
                "INSERT INTO reader (name, acked_seq, last_error) VALUES ('callback:chat', 0, 'it answered (500)')"
            ),
        ),
        words="rewards-agent callback test chat",
    ),
    Planted(
        code="catalogue-forged",
        plant=lambda at: at.ledger("UPDATE setting SET value = " + f"'{'ab' * 32}' WHERE key = 'catalogue_key'"),
        words="past every proxy",
        exit_code=3,
    ),
    Planted(code="certificate-expires", plant=lambda at: at.certificate(9), words="ends in 9 days"),
    Planted(code="certificate-expired", plant=lambda at: at.certificate(-9), words="renew it", exit_code=1),
    Planted(
        code="certificate-unusable",
        plant=lambda at: (at.certificate(9), at.path("door.pem").write_text("nonsense")),
        words="cannot be read",
        exit_code=2,
    ),
    Planted(
        code="certificate-unusable",
        plant=lambda at: (at.certificate(90), at.path("door.key").write_text("nonsense")),
        words="belong together",
        exit_code=2,
    ),
    Planted(
        code="secret-open",
        plant=lambda at: (at.certificate(90), at.path("door.key").chmod(0o644)),
        words="door.key: others may read this secret",
        exit_code=2,
    ),
)


def test_a_campus_that_has_delivered_has_nothing_amiss(enrolled: Enrolled) -> None:
    assert told(enrolled.at.config) == (0, [])


@pytest.mark.parametrize("planted", OF_THE_CAMPUS, ids=repr)
def test_what_is_wrong_on_the_campus_is_found_and_named(enrolled: Enrolled, planted: Planted) -> None:
    planted.plant(enrolled)
    code, found = told(enrolled.at.config)
    assert_found(found, planted.code, planted.words, planted.also)
    assert code == planted.exit_code


def test_a_signature_that_the_catalogue_does_not_take_is_told(
    enrolled: Enrolled, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = SystemClock.now
    monkeypatch.setattr(SystemClock, "now", lambda clock: now(clock) - 2 * HOUR)
    code, found = told(enrolled.at.config)
    assert_found(found, "key-refused", "compare both machines' clocks", ("clock-skew",))
    assert code == 2


def test_a_disk_without_room_is_told_before_it_is_full_and_then(
    enrolled: Enrolled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "FREE_BYTES_GOOD", 1 << 60)
    code, found = told(enrolled.at.config)
    assert_found(found, "disk-filling", "free some space before it runs out", ())
    monkeypatch.setattr(machine, "FREE_BYTES_MIN", 1 << 60)
    full, found = told(enrolled.at.config)
    assert_found(found, "disk-full", "nothing is lost", ())
    assert (code, full) == (0, 1)


def test_a_file_system_that_turned_read_only_is_told(enrolled: Enrolled) -> None:
    data = str(enrolled.path("data"))
    disks.mount("--bind", data, data)
    try:
        disks.mount("-o", "remount,bind,ro", data)
        code, found = told(enrolled.at.config)
    finally:
        subprocess.run(["umount", "--lazy", data], check=True)
    assert_found(found, "disk-read-only", "mount it again", ())
    assert code == 1


def test_a_program_that_has_the_ledger_for_itself_is_told(enrolled: Enrolled) -> None:
    with closing(sqlite3.connect(enrolled.path("data/ledger.db"))) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        code, found = told(enrolled.at.config)
    assert_found(found, "ledger-locked", "see who has it open: lsof", ())
    assert code == 1


def test_a_scheduled_reward_that_nobody_decides_is_told(enrolled: Enrolled) -> None:
    lessons = '{ of = "lesson.completed", days = 1 }'
    with enrolled.path("rules.toml").open("a") as rules:
        rules.write(f'[[scheduled]]\nid = "daily"\nevery = "day"\nattendance = {lessons}\naward = 1\n')
    enrolled.at.catch_up()
    assert "scheduled-late" not in {one["code"] for one in told(enrolled.at.config)[1]}
    enrolled.ledger(*(f"UPDATE {table} SET {time} = {time} - 10 * 86400" for table, time in LATER))
    code, found = told(enrolled.at.config)
    assert_found(found, "scheduled-late", "is not decided yet", ())
    assert code == 0


def test_a_key_of_texts_that_is_put_back_is_the_old_one_again(enrolled: Enrolled, tmp_path: Path) -> None:
    comparing(enrolled)
    key = enrolled.path("data/text.key")
    shutil.copy(key, tmp_path / "kept.key")
    key.unlink()
    enrolled.at.catch_up()
    shutil.copy(tmp_path / "kept.key", key)
    _, found = told(enrolled.at.config)
    assert_found(found, "text-key-lost", "is another than the agent began with", ())
    enrolled.at.catch_up()
    assert told(enrolled.at.config) == (0, [])


def test_a_ledger_too_large_to_be_looked_through_is_looked_at_for_a_while(
    enrolled: Enrolled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whole, "PAGES_S", 0.0)
    monkeypatch.setattr(file, "_STEPS_BETWEEN_LOOKS", 1)
    done = CliRunner().invoke(app, ["doctor", "--config", str(enrolled.at.config), "--json"])
    (said,) = [one for one in json.loads(done.stdout) if "no damage among the pages" in one["found"]]
    assert (done.exit_code, said["level"], said["do"]) == (0, "ok", "all of it: rewards-agent ledger verify")


def test_a_backup_is_asked_for_only_where_nothing_else_copies_the_ledger(enrolled: Enrolled) -> None:
    def status() -> dict[str, Any]:
        done = CliRunner().invoke(app, ["status", "--json", "--config", str(enrolled.at.config)])
        found: dict[str, Any] = json.loads(done.stdout)["backup"]
        return found

    last_backup(enrolled, 3)
    assert status()["old"]
    enrolled.config(r"(campus = .*\n)", r'\1backup_within = "off"' + "\n")
    assert told(enrolled.at.config) == (0, [])
    assert not status()["old"]


def test_backups_that_an_older_release_made_are_known_by_what_lies_there(enrolled: Enrolled) -> None:
    enrolled.path("data/backup.last").unlink()
    assert told(enrolled.at.config) == (0, [])
    enrolled.path("data/backup.last").write_text("no JSON")
    assert told(enrolled.at.config) == (0, [])


def test_entries_that_wait_too_long_for_the_catalogue_are_told(enrolled: Enrolled) -> None:
    enrolled.ledger("UPDATE reader SET acked_seq = 0 WHERE name = 'catalogue'")
    assert "outbox-old" not in {one["code"] for one in told(enrolled.at.config)[1]}


LINE_CUT = ("catalogue-unreachable", "delivery-failing")


def _takes_connections(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_posts_that_were_turned_away_are_told_by_status_and_a_door_that_is_not_there(enrolled: Enrolled) -> None:
    port = re.search(r'listen = "127.0.0.1:(\d+)"', enrolled.at.config.read_text())
    assert port is not None

    def post(body: bytes, token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        request = Request(f"http://127.0.0.1:{port[1]}{HOOK}", data=body, headers=headers)
        try:
            with urlopen(request, timeout=60) as answer:  # noqa: S310 - our own door
                return int(answer.status)
        except HTTPError as error:
            error.close()
            return error.code

    with serving(enrolled.at):
        wait_until(lambda: _takes_connections(int(port[1])))
        assert post(b"{}", "guessed") == 404
        assert post(b"{", "a-token-of-a-throw-away-door") == 400
        code, found = told(enrolled.at.config)
        assert code == 0
        (stranger,) = [one["found"] for one in found if one["code"] == "posts-credential"]
        assert stranger == "1 post showed no credential that fits (answered 404)"
        answered, refused = [one["found"] for one in found if one["code"] == "posts-refused"]
        assert answered == "its posts were answered since the start: 400 1 time, 404 1 time"
        assert refused == "1 post was refused within a day: not_json"
        enrolled.config(r'listen = "[^"]*"', f'listen = "127.0.0.1:{servers.free_port()}"')
        code, found = told(enrolled.at.config)
        assert code == 1
        assert "nothing answers at" in next(one["found"] for one in found if one["code"] == "door-silent")


def test_an_agent_that_runs_on_an_older_configuration_is_to_be_restarted(enrolled: Enrolled) -> None:
    """What was edited and not taken up was looked at as if it worked."""
    with serving(enrolled.at):
        assert "restart-needed" not in {one["code"] for one in told(enrolled.at.config)[1]}
        later = time.time() + 5
        os.utime(enrolled.at.config, (later, later))
        (found,) = [one for one in told(enrolled.at.config)[1] if one["code"] == "restart-needed"]
    assert "systemctl restart rewards-agent" in found["do"]
    assert "restart-needed" not in {one["code"] for one in told(enrolled.at.config)[1]}, "nobody runs on it"


def test_a_source_that_asks_for_no_proof_is_told_with_how_far_its_posts_are_believed(enrolled: Enrolled) -> None:
    assert "posts-unproven" not in {one["code"] for one in told(enrolled.at.config)[1]}
    enrolled.config(r"bearer_token_files = .*\n", "")
    found = [one["found"] for one in told(enrolled.at.config)[1] if one["code"] == "posts-unproven"]
    assert "whoever is here can post for any learner" in found[0]
    assert "what comes is unverified, and is held wherever min_trust is left out" in found[0]
    enrolled.config(rf'(path = "{HOOK}"\n)', r'\1allow_ips = ["10.0.0.0/8"]' + "\n")
    found = [one["found"] for one in told(enrolled.at.config)[1] if one["code"] == "posts-unproven"]
    assert "at an address of allow_ips" in found[0]
    assert "client_reported" in found[0]


def test_a_source_that_posts_to_nobody_is_told(enrolled: Enrolled) -> None:
    assert "setting-idle" not in {one["code"] for one in told(enrolled.at.config)[1]}
    enrolled.config(r"\[http\]\nlisten = .*\n", "")
    code, findings = told(enrolled.at.config)
    (found,) = [one["found"] for one in findings if one["code"] == "setting-idle"]
    assert (code, found) == (0, "accepted and without effect: [[source]] trigger, without [http] to post to")


def test_a_sender_whose_address_is_not_let_in_is_named_with_what_to_edit(enrolled: Enrolled) -> None:
    enrolled.config(r"(bearer_token_files = .*\n)", r'\1allow_ips = ["10.0.0.0/8"]' + "\n")
    port = re.search(r'listen = "127.0.0.1:(\d+)"', enrolled.at.config.read_text())
    assert port is not None
    with serving(enrolled.at):
        wait_until(lambda: _takes_connections(int(port[1])))
        headers = {"Authorization": "Bearer a-token-of-a-throw-away-door"}
        with pytest.raises(HTTPError, match="404"):
            urlopen(Request(f"http://127.0.0.1:{port[1]}{HOOK}", data=b"{}", headers=headers), timeout=60)
        assert live(enrolled.at.config).exit_code == 0
        _, found = told(enrolled.at.config)
    words = "the last from 127.0.0.1 (answered 404) if it is the sender, add it to allow_ips"
    assert_found(found, "posts-address", words, ())


def live(config: Path) -> Result:
    """What a container's health check asks."""
    return CliRunner().invoke(app, ["status", "--live", "--json", "--config", str(config)])


@pytest.mark.parametrize(("beside", "code"), [("same_site_as", 0), ("# same_site_as", 1)], ids=["with a log", "alone"])
def test_an_agent_that_takes_posts_and_does_not_run_is_told(enrolled: Enrolled, beside: str, code: int) -> None:
    enrolled.config(r"same_site_as", beside)
    done = CliRunner().invoke(app, ["doctor", "--config", str(enrolled.at.config), "--json"])
    assert done.exit_code == code, f"only a log tells later what nobody took: {done.stdout}"
    found = [one for one in json.loads(done.stdout) if one["code"]]
    assert_found(found, "agent-not-running", "no agent answers", ())


def test_a_health_check_fails_where_no_agent_is_there_or_it_does_not_answer(
    enrolled: Enrolled, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = live(enrolled.at.config)
    assert (dead.exit_code, "does not answer" in dead.stderr) == (1, True)
    assert CliRunner().invoke(app, ["status", "--config", str(enrolled.at.config)]).exit_code == 0
    with serving(enrolled.at) as service:
        assert live(enrolled.at.config).exit_code == 0
        monkeypatch.setattr(control, "ALIVE_WITHIN_S", 0.2)
        service.process.send_signal(signal.SIGSTOP)
        assert live(enrolled.at.config).exit_code == 1
        service.process.send_signal(signal.SIGCONT)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user for a moment")
def test_root_is_told_of_files_that_the_agents_user_cannot_write(enrolled: Enrolled) -> None:
    """A command that root typed made them, and the service ended at each start; doctor, typed by root, was content."""
    os.chown(enrolled.path("data"), NOBODY, NOBODY)
    code, found = told(enrolled.at.config)
    assert_found(found, "data-directory-unusable", "root runs: chown -R nobody: ", ("text-key-lost",))
    assert code == 2
    for path in enrolled.path("data").rglob("*"):
        os.chown(path, NOBODY, NOBODY)
    assert told(enrolled.at.config) == (0, [])
    enrolled.path("data/ledger.db").chmod(0o400)
    assert_found(told(enrolled.at.config)[1], "data-directory-unusable", "(mode 0400)", ())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user for a moment")
@pytest.mark.parametrize(
    ("name", "code"), [("agent.ed25519", "signing-key-unusable"), ("recovery.public", "recovery-key-unusable")]
)
def test_a_key_of_root_is_told_with_the_chown_that_cures_it(template: Enrolled, name: str, code: str) -> None:
    """A recovery key that this user may not read was told to be none, and to be made anew."""
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        at = Enrolled(at=Campus(directory=Path(place) / "campus"), catalogue=template.catalogue)
        shutil.copytree(template.at.directory, at.at.directory)
        at.config(r'url = "sqlite:.*"', f'url = "sqlite:///{place}/moodle.db"')
        shutil.copy(template.at.directory.parent / "moodle.db", place)
        for path in (at.at.directory, *at.at.directory.rglob("*"), Path(place) / "moodle.db"):
            os.chown(path, NOBODY, NOBODY)
        os.chown(at.path(name), 0, 0)
        at.path(name).chmod(0o600)
        os.seteuid(NOBODY)
        try:
            _, found = told(at.at.config)
        finally:
            os.seteuid(0)
    (mine,) = [one for one in found if one["code"] == code]
    assert mine["do"].endswith(f"chown nobody: {at.path(name)}")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user for a moment")
def test_a_configuration_behind_a_closed_door_is_told_as_one_that_an_edit_cures() -> None:
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "config.toml").write_text("")
        os.seteuid(NOBODY)
        try:
            code, found = told(Path(place) / "config.toml")
        finally:
            os.seteuid(0)
    assert code == 2
    assert_found(found, "configuration-invalid", "may not look into its directory", ())


def test_an_agent_begins_no_new_history_over_an_empty_ledger(enrolled: Enrolled) -> None:
    """It paid everything once more, under a name that the catalogue did not know."""
    emptied(enrolled)
    done = enrolled.at.command("run", "--until-caught-up", check=False)
    assert done.returncode == 2
    assert "put a backup back: rewards-agent restore" in done.stderr


def test_one_fault_of_the_ledger_is_told_once(enrolled: Enrolled) -> None:
    enrolled.ledger("PRAGMA user_version = 1")
    assert [one["code"] for one in told(enrolled.at.config)[1]] == ["ledger-older"]


def test_beside_an_agent_that_hangs_doctor_ends_and_tells_of_no_other_program_at_its_port(
    enrolled: Enrolled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waited ten minutes for what the agent fails on."""
    monkeypatch.setattr(control, "ALIVE_WITHIN_S", 0.2)
    with serving(enrolled.at) as service:
        service.process.send_signal(signal.SIGSTOP)
        try:
            done = CliRunner().invoke(app, ["doctor", "--config", str(enrolled.at.config), "--json"])
        finally:
            service.process.send_signal(signal.SIGCONT)
    assert [one["code"] for one in json.loads(done.stdout) if one["code"]] == ["agent-not-running"]


# It delivers to the catalogue that all of them share: after those that deliver nothing.
def test_posts_that_no_log_holds_are_told_until_the_catalogue_has_what_they_earned(enrolled: Enrolled) -> None:
    enrolled.config('same_site_as = "moodle"\n', "")
    enrolled.config(r'url = "http://.*"', f'url = "http://127.0.0.1:{servers.free_port()}"')
    port = re.search(r'listen = "127.0.0.1:(\d+)"', enrolled.at.config.read_text())
    assert port is not None
    body = json.dumps(a_post(objectid="7", contextinstanceid="7", timecreated=str(int(time.time()) - 5))).encode()
    headers = {"Authorization": "Bearer a-token-of-a-throw-away-door"}
    with serving(enrolled.at):
        wait_until(lambda: _takes_connections(int(port[1])))
        with urlopen(Request(f"http://127.0.0.1:{port[1]}{HOOK}", data=body, headers=headers), timeout=60) as answer:
            assert answer.status == 200
        wait_until(lambda: len(enrolled.at.export()) == 3)
    _, found = told(enrolled.at.config)
    assert_found(found, "posts-undelivered", "1 entry is not delivered and 0 posts not read", LINE_CUT)
    enrolled.ledger("UPDATE source_state SET position = 0 WHERE source = 'trigger'")
    assert_found(told(enrolled.at.config)[1], "posts-undelivered", "and 1 post not read", LINE_CUT)
    enrolled.ledger("UPDATE source_state SET position = 1 WHERE source = 'trigger'")
    enrolled.config(r'url = "http://.*"', f'url = "{enrolled.catalogue.url}"')
    enrolled.at.catch_up()
    assert told(enrolled.at.config)[1] == []


async def test_a_source_on_which_the_program_fails_is_told_while_it_runs(tmp_path: Path) -> None:
    settings = load_settings(campus(tmp_path, "sqlite:////nowhere/moodle.db", RULES).config)
    trouble = {"source": "moodle", "trouble": "KeyError at agent/collectors/x.py:1", "do": "report it to its makers"}

    async def failing() -> list[dict[str, str]]:
        return [trouble]

    settings.agent.data_dir.mkdir(mode=0o700)
    async with control.listening(settings.agent.data_dir, {"sources.failing": failing}):
        (found,) = await aside_findings(settings)
    assert (found.about, found.code, found.level, found.found) == (
        "source moodle", "source-failing", "fail", trouble["trouble"]
    )  # fmt: skip


def test_what_the_operator_did_is_told_to_the_campus(enrolled: Enrolled) -> None:
    operator(enrolled.catalogue, "tenant", "suspend", "test-campus")
    code, found = told(enrolled.at.config)
    assert_found(found, "campus-suspended", "suspended", ())
    assert code == 2
    operator(enrolled.catalogue, "tenant", "close", "test-campus")
    code, found = told(enrolled.at.config)
    assert_found(found, "campus-closed", "closed", ())
    assert code == 2
    (one,) = json.loads(operator(enrolled.catalogue, "agent", "list", "test-campus", "--json"))
    operator(enrolled.catalogue, "agent", "revoke", "test-campus", one["agent"])
    code, found = told(enrolled.at.config)
    assert_found(found, "agent-revoked", "make a new key and enrol it", ())
    assert code == 2


def test_a_library_that_is_too_old_for_the_ledger_is_told() -> None:
    found = machine.library((3, 34, 1))
    assert (found.code, found.exit_code, bool(found.do)) == ("sqlite-old", 2, True)
    assert machine.library((3, 40, 1)).level == "ok"


def test_every_code_is_planted_or_met_by_a_test() -> None:
    tests = "".join(path.read_text("utf-8") for path in Path(__file__).parents[1].rglob("test_*.py"))
    assert [code for code in FAULTS if f'"{code}"' not in tests] == []


def test_every_code_that_the_program_uses_has_its_meaning_and_its_remedy() -> None:
    root = Path(__file__).parents[2] / "agent"
    used: set[str] = set()
    for path in root.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        used |= set(re.findall(r'\b(?:code|fault)="([a-z]+(?:-[a-z]+)+)"', text))
        used |= set(re.findall(r'Finding\.of\([^)]*"([a-z]+(?:-[a-z]+)+)"\)', text))
        used |= set(re.findall(r'(?:code|fault)="([a-z-]+)" if', text))
    assert used - FAULTS.keys() == set()
    assert all(fault.means and fault.do for fault in FAULTS.values())
    planted = {one.code for one in (*OF_MOODLE, *OF_RIGHTS, *OF_THE_CAMPUS)}
    assert planted <= FAULTS.keys()
    assert len(planted) >= 45


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user for a moment")
def test_a_ledger_that_root_made_is_told_with_the_chown_that_cures_it() -> None:
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o755)
        SqliteSite(place / "moodle.db")
        at = campus(place / "campus", f"sqlite:///{place / 'moodle.db'}", RULES)
        (at.directory / "data").mkdir(mode=0o700)
        for path in (at.directory, *at.directory.iterdir(), place, place / "moodle.db"):
            if path.name != "data":
                os.chown(path, NOBODY, NOBODY)
        os.seteuid(NOBODY)
        try:
            code, found = told(at.config)
        finally:
            os.seteuid(0)
        assert code == 2
        (mine,) = [one for one in found if one["code"] == "data-directory-unusable"]
        assert mine["do"].endswith(f": chown -R nobody: {at.directory / 'data'}")
