"""`rewards-agent init`: what it reads of a config.php, what it writes, and what it keeps."""

from __future__ import annotations

import os
import pty
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agent.cli.app import app
from agent.cli.setup.hosts import our_host
from agent.cli.setup.moodle_config import read
from agent.config.settings import load_settings
from agent.errors import ConfigError
from tests.sites import SqliteSite

HEAD = "<?php\nunset($CFG);\n$CFG = new stdClass();\n"
USUAL = (
    HEAD
    + """
$CFG->dbtype    = 'mariadb';   // or 'pgsql'
$CFG->dbhost    = 'localhost';
$CFG->dbname    = 'moodle';
$CFG->dbuser    = 'moodleuser';
$CFG->dbpass    = 'geheim\\'; $CFG->dbname = \\'x';
$CFG->prefix    = 'mdl_';
$CFG->dboptions = array (
  'dbpersist' => 0,
  'dbport' => '3307',
  'dbsocket' => '',
);
require_once(__DIR__ . '/lib/setup.php');
"""
)


def init(*words: object) -> Result:
    """Run the command as a program does, without a terminal."""
    return CliRunner().invoke(app, ["init", *map(str, words)])


def test_the_usual_config_php_says_where_the_database_is() -> None:
    found = read(USUAL)
    assert (found.url, found.table_prefix) == ("mysql://companion_ro@127.0.0.1:3307/moodle", "mdl_")
    assert "geheim" not in repr(found)


@pytest.mark.parametrize(
    ("php", "url", "prefix"),
    [
        (
            (
                '$CFG->dbtype = "mysqli"; $CFG->dbhost="db.example.org"; $CFG->dbname="moo dle";'
                ' $CFG->dboptions = ["dbport" => 3308]; $CFG->prefix = "m_";'
            ),
            "mysql://companion_ro@db.example.org:3308/moo%20dle",
            "m_",
        ),
        (
            (
                "/* $CFG->dbtype = 'pgsql';\n */ # $CFG->dbname = 'old';\n// $CFG->prefix = 'x_';\n"
                "$CFG->dbtype='mariadb';$CFG->dbname='moodle';$CFG->dboptions['dbport'] = '3309';"
            ),
            "mysql://companion_ro@127.0.0.1:3309/moodle",
            "mdl_",
        ),
        (
            (
                "$CFG->dbtype='auroramysql'; $CFG->dbname='m'; $CFG->dbhost='fd00::5'; $CFG->prefix='';"
                " $CFG->dboptions = array('dbport' => '');"
            ),
            "mysql://companion_ro@[fd00::5]/m",
            "",
        ),
        (
            "$CFG->dbtype='pgsql'; $CFG->dbname='m'; $CFG->dbhost='db.uni'; $CFG->dboptions = array('dbport' => 5433);",
            "postgresql://companion_ro@db.uni:5433/m",
            "mdl_",
        ),
        (
            "$CFG->dbtype='mariadb'; $CFG->dbname='m'; $CFG->dboptions = array('dbsocket' => '/run/mysqld/s.sock');",
            "mysql://companion_ro@127.0.0.1/m?unix_socket=/run/mysqld/s.sock",
            "mdl_",
        ),
        (
            "$CFG->dbtype='mariadb'; $CFG->dbname='m'; $CFG->dboptions = ['dbsocket' => true];",
            "mysql://companion_ro@127.0.0.1/m?unix_socket=/run/mysqld/mysqld.sock",
            "mdl_",
        ),
        (
            "$CFG->dbtype='mariadb'; $CFG->dbname='m'; $CFG->dbhost='db.uni'; $CFG->dboptions = ['dbsocket' => '/s'];",
            "mysql://companion_ro@db.uni/m",
            "mdl_",
        ),
        (
            "$CFG->dbtype='pgsql'; $CFG->dbname='m'; $CFG->dbhost=''; $CFG->dboptions = ['dbschema' => 'campus'];",
            "postgresql://companion_ro@127.0.0.1/m?unix_socket=/var/run/postgresql&schema=campus",
            "mdl_",
        ),
        (
            "$CFG->dbtype='mariadb'; $CFG->dbname='m'; $CFG->dbhost='p:db.uni:3310';",
            "mysql://companion_ro@db.uni:3310/m",
            "mdl_",
        ),
        (
            "$CFG->dbtype='mariadb'; $CFG->dbname='m'; $CFG->dbhost='[fd00::5]';",
            "mysql://companion_ro@[fd00::5]/m",
            "mdl_",
        ),
        (
            (
                "$CFG->dbtype='mariadb'; $CFG->dbname='m'; $CFG->dbhost='db.uni'; $CFG->dboptions = ['dbport' => 3306,"
                " 'readonly' => ['instance' => [['dbhost' => 'replica', 'dbport' => 3310]]]];"
            ),
            "mysql://companion_ro@db.uni:3306/m",
            "mdl_",
        ),
    ],
)
def test_every_way_of_writing_a_config_php_is_understood(php: str, url: str, prefix: str) -> None:
    found = read(HEAD + php)
    assert (found.url, found.table_prefix) == (url, prefix)


@pytest.mark.parametrize(
    ("php", "told"),
    [
        ("$CFG->dbtype = 'sqlsrv'; $CFG->dbname = 'm';", "dbtype is 'sqlsrv'"),
        ("$CFG->dbtype = 'mariadb'; $CFG->dbname = getenv('DB');", "dbname out when it runs"),
        ('$CFG->dbtype = "mariadb"; $CFG->dbhost = "$host"; $CFG->dbname = "m";', "dbhost out when it runs"),
        ("$CFG->dbtype = 'mariadb'; $CFG->dbname = 'm' . '_x';", "dbname out when it runs"),
        (
            "$CFG->dbtype = 'mariadb'; if ($a) { $CFG->dbname = 'one'; } else { $CFG->dbname = 'two'; }",
            "several $CFG->dbname: one, two",
        ),
        ("$CFG->dbtype = 'mariadb';", "no database"),
        ("", "no database"),
    ],
)
def test_a_config_php_that_cannot_be_used_is_told_with_what_to_do(php: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told.replace("$", r"\$")) as caught:
        read(HEAD + php)
    assert "mysql://" in caught.value.hint


def test_a_config_php_that_leaves_it_to_another_file_names_that_file() -> None:
    with pytest.raises(ConfigError) as caught:
        read("<?php\nrequire_once('/etc/moodle/db.php');\nrequire_once(__DIR__ . '/lib/setup.php');\n")
    assert "it may stand in /etc/moodle/db.php: name that file" in caught.value.hint


def test_moodles_directory_stands_for_the_config_php_in_it(tmp_path: Path) -> None:
    (tmp_path / "moodle").mkdir()
    (tmp_path / "moodle" / "config.php").write_text(USUAL.replace("3307", "9"))
    done = init("--dir", tmp_path / "home", "--campus", "uni", "--moodle-config", tmp_path / "moodle")
    assert done.exit_code == 0, done.output


def test_what_is_printed_for_an_administrator_makes_no_account_with_a_password_that_anybody_can_read(
    tmp_path: Path,
) -> None:
    done = init("--dir", tmp_path, "--campus", "uni", "--moodle-url", "mysql://companion_ro@127.0.0.1:9/moodle")
    assert "IDENTIFIED BY <the password in password_file> WITH" in done.output
    (tmp_path / "moodle-db.password").write_text("it's \\ long\n")
    assert init("--dir", tmp_path).exit_code == 0
    assert r"IDENTIFIED BY 'it''s \\ long' WITH" in (tmp_path / "moodle-grants.sql").read_text()


def test_a_second_init_says_each_option_that_it_passes_over(tmp_path: Path) -> None:
    url = f"sqlite:///{SqliteSite(tmp_path / 'moodle.db').path}"
    assert init("--dir", tmp_path, "--campus", "uni", "--moodle-url", url).exit_code == 0
    again = init("--dir", tmp_path, "--table-prefix", "x_", "--start-at", "now", "--site-admin", 5)
    assert "--table-prefix, --start-at, --site-admin changed nothing: edit that file" in again.output
    assert "changed nothing" not in init("--dir", tmp_path).output


@contextmanager
def typing(*words: object, at: Path) -> Iterator[tuple[int, Callable[[str], str]]]:
    """Somebody at a terminal who runs init: the process, and what types a line and tells what is answered to it."""
    process, screen = pty.fork()
    if process == 0:
        os.chdir(at)
        os.environ["TERM"] = "dumb"
        os.execv(sys.executable, [sys.executable, "-m", "agent", "init", *map(str, words)])  # noqa: S606 - into this child

    def answered(until: str) -> str:
        said = ""
        while until not in said:
            try:
                said += os.read(screen, 4_096).decode()
            except OSError:
                break
        return said

    def typed(line: str) -> str:
        until = "?" if not line else line.partition("=>")[2] or "?"
        if line:
            os.write(screen, (line.partition("=>")[0] + "\n").encode())
        return answered(until)

    try:
        yield process, typed
    finally:
        os.close(screen)


def test_an_answer_that_makes_no_sense_is_asked_for_again(tmp_path: Path) -> None:
    (tmp_path / "config.php").write_text(USUAL.replace("3307", "9"))
    with typing(at=tmp_path) as (process, typed):
        assert "institution" in typed("")
        assert "is not a name" in typed("a b=>institution")
        typed("uni=>config.php (or")
        told = typed("/nonsense=>config.php (or")
        assert "/nonsense cannot be read: No such file or directory" in told
        assert "written" in typed(f"{tmp_path}=>\n  5. ")
        _, status = os.waitpid(process, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert load_settings(tmp_path / "config.toml").agent.campus == "uni"


def test_a_new_campus_gets_every_file_once_and_its_secrets_are_its_own(tmp_path: Path) -> None:
    moodle = tmp_path / "config.php"
    moodle.write_text(USUAL.replace("3307", "9"))
    home = tmp_path / "home"
    first = init("--dir", home, "--campus", "uni", "--moodle-config", moodle)
    assert first.exit_code == 0, first.output
    kept = {path: path.read_bytes() for path in home.iterdir() if path.name != "moodle-grants.sql"}
    for name in ("moodle-db.password", "agent.ed25519", "moodle-grants.sql"):
        assert stat.S_IMODE((home / name).stat().st_mode) == 0o600
    password = (home / "moodle-db.password").read_text().strip()
    assert password not in first.output, "a secret is never printed"
    assert password in (home / "moodle-grants.sql").read_text()
    assert "GRANT SELECT ON `moodle`.`mdl_quiz_attempts` TO 'companion_ro'@'127.0.0.1';" in first.output
    assert "GRANT SELECT (id, username," in first.output
    assert load_settings(home / "config.toml").agent.mode == "shadow"
    again = init("--dir", home, "--campus", "other")
    assert again.exit_code == 0, again.output
    assert "--campus changed nothing" in again.output
    assert {path: path.read_bytes() for path in kept} == kept


def test_an_sqlite_moodle_is_tested_at_once_and_needs_no_statements(tmp_path: Path) -> None:
    site = SqliteSite(tmp_path / "moodle.db")
    done = init("--dir", tmp_path / "home", "--campus", "uni", "--moodle-url", f"sqlite:///{site.path}")
    assert done.exit_code == 0, done.output
    assert "ok    source moodle" in done.output
    assert "the log is empty" in done.output
    assert "GRANT" not in done.output
    assert not (tmp_path / "home" / "moodle-db.password").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--campus", "my uni"], "--campus: "),
        (["--start-at", "yesterday"], "--start-at: "),
        (["--table-prefix", "mdl-"], "--table-prefix: "),
        (["--catalogue", "ftp://x"], "--catalogue: "),
        (["--moodle-url", "mysql://u:geheim@h/d"], "--moodle-url: "),
        (["--moodle-url", "oracle://u@h/d"], "--moodle-url: "),
    ],
)
def test_a_wrong_answer_is_told_by_its_option_and_nothing_is_written(
    tmp_path: Path, words: list[str], told: str
) -> None:
    home = tmp_path / "home"
    options = {"--campus": "uni", "--moodle-url": "mysql://companion_ro@h/d"} | dict([words])
    done = init("--dir", home, *(word for pair in options.items() for word in pair))
    assert done.exit_code == 2
    assert told in done.output
    assert "geheim" not in done.output
    assert not home.exists()


@pytest.mark.parametrize(
    ("words", "prefix"), [([], "mdl_"), (["--table-prefix", ""], ""), (["--table-prefix=m4_"], "m4_")]
)
def test_tables_without_a_prefix_are_a_prefix_too(tmp_path: Path, words: list[str], prefix: str) -> None:
    moodle = tmp_path / "config.php"
    moodle.write_text(USUAL.replace("3307", "9"))
    done = init("--dir", tmp_path / "home", "--campus", "uni", "--moodle-config", moodle, *words)
    assert done.exit_code == 0, done.output
    assert f'table_prefix = "{prefix}"' in (tmp_path / "home" / "config.toml").read_text()
    assert f"GRANT SELECT ON `moodle`.`{prefix}quiz_attempts`" in done.output


def test_without_a_terminal_everything_that_is_missing_is_told_at_once(tmp_path: Path) -> None:
    done = init("--dir", tmp_path)
    assert done.exit_code == 2
    assert "--campus and --moodle-config (or --moodle-url) missing" in done.output


def test_a_config_php_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    done = init("--dir", tmp_path / "home", "--campus", "uni", "--moodle-config", tmp_path / "absent.php")
    assert done.exit_code == 2
    assert "absent.php cannot be read" in done.output
    assert not (tmp_path / "home").exists()


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = init("--dir", tmp_path / "file" / "home", "--campus", "uni", "--moodle-url", "mysql://companion_ro@h/d")
    assert done.exit_code == 2
    assert "cannot be written" in done.output
    assert "--dir" in done.output


def test_the_address_in_the_grants_is_the_one_we_come_from() -> None:
    assert our_host("mysql://u@127.0.0.1:3306/d") == "127.0.0.1"
    assert our_host("mysql://u@localhost/d") in {"127.0.0.1", "::1"}
    assert our_host("mysql://u@host.invalid/d") == "127.0.0.1"
    assert our_host("mysql://u@192.0.2.7/d") != "192.0.2.7"
    assert our_host("mysql://u@127.0.0.1/d?unix_socket=/run/s") == "localhost", "so servers call who comes by it"
