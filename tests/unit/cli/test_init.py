"""`rewards-agent init`: what it reads of a config.php, what it writes, and what it keeps."""

from __future__ import annotations

import os
import stat
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
        ("$CFG->dbtype = 'mariadb';", "no database"),
        ("", "no database"),
    ],
)
def test_a_config_php_that_cannot_be_used_is_told_with_what_to_do(php: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told.replace("$", r"\$")) as caught:
        read(HEAD + php)
    assert "mysql://" in caught.value.hint


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
    assert os.sep not in our_host("mysql:///d?unix_socket=/run/s")
