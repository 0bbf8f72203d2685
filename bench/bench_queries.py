"""What each query to Moodle's database costs on a site of a million log rows: its time, and how many rows it reads.

Every statement that the code sends (`manual/queries.py`) is filled in as for a page: ids and words are taken from the
column that they are compared with, the newest first. Tables that only other sites have are made empty from the capture.
The figures go into `bench/queries.json`, of which `make reference` makes the page for the database's administrator.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pymysql

from bench.frame import publish
from bench.generate import Made, generate
from bench.mariadb import mariadb
from bench.population import FIRST_COURSE, FIRST_USER, Size
from manual.queries import statements
from tests.servers import MariaDatabase
from tests.servers.capture import CAPTURE, OVERRIDES

FIGURES = Path(__file__).with_name("queries.json")
IDS = 500
"""Ids of a page: a thousand rows of the log name about so many different things."""
FEW = frozenset({"marks", "people", "modules", "attempts", "quizzes", "learners"})
"""Lists of what somebody asked about, or of what was marked just now: they are short."""
REPEATS = 7
PAGE, SLICE = 1_000, 10_000
_COLUMNS = (
    "id, eventname, component, objecttable, objectid, contextlevel, contextinstanceid, userid, courseid, relateduserid,"
    " anonymous, other, timecreated, origin"
)
_ELSEWHERE_MADE = (
    "CREATE TABLE IF NOT EXISTS mdl_hsuforum_posts LIKE mdl_forum_posts",
    "CREATE TABLE IF NOT EXISTS mdl_hsuforum_discussions LIKE mdl_forum_discussions",
    "CREATE TABLE IF NOT EXISTS mdl_tag (id BIGINT PRIMARY KEY, name VARCHAR(255))",
    "CREATE TABLE IF NOT EXISTS mdl_tag_instance (id BIGINT PRIMARY KEY, tagid INT, itemtype CHAR(99), itemid BIGINT)",
    "CREATE TABLE IF NOT EXISTS mdl_assignsubmission_file (id BIGINT PRIMARY KEY, submission INT, numfiles INT)",
    "ALTER TABLE mdl_user ADD COLUMN IF NOT EXISTS password VARCHAR(255), ADD COLUMN IF NOT EXISTS country VARCHAR(2)",
)
"""Tables that the capture lacks too, Open LMS's forums made like Moodle's; and columns that the generator fills not."""
_ELSEWHERE = re.compile(r"\bpg_|unnest|inet_server|current_setting|clock_timestamp|sqlite_master")
_PLACE = re.compile(r"([a-z]\w*\.)?(\w+) IN \(\[(\w+)\]\)")
_NUMBER = re.compile(r"((?:[a-z]\w*\.)?\w+) (=|>=|<=|>|<) \?")


class Filled:
    """Statements as they would be sent to one database."""

    def __init__(self, database: MariaDatabase, made: Made) -> None:
        self._database = database
        self._made = made
        names = self._listed("mdl_logstore_standard_log", "eventname", 20)
        newest, at = made.max_id, made.last_at
        self._words: Mapping[str, str] = {
            "[columns]": _COLUMNS,
            "[wanted]": f"eventname IN ({names})",
            "[names]": names,
            "[stretches]": f"timecreated BETWEEN {at - 900} AND {at}",
            "[blocks]": f"id BETWEEN {newest - PAGE} AND {newest}",
            "[ranges]": " OR ".join(f"id BETWEEN {newest - n * 900} AND {newest - n * 900 + 3}" for n in range(1, 21)),
            "[listing]": "GROUP_CONCAT(id)",
            "[ranged]": f"({_near()})",
            "[table]": "course_modules_completion",
            "[column]": "userid",
            "[course]": "",
            "[match]": f"id = {FIRST_USER}",
            "[most]": str(PAGE),
            "[block]": str(PAGE),
            "[level]": "70",
            "[site]": "1",
            "[place]": "config_plugins",
            "%s": "quiz",
        }

    def of(self, text: str) -> str:
        """One statement with everything filled in."""
        sql = _PLACE.sub(lambda found: self._in(text, found), text)
        for mark, words in self._words.items():
            sql = sql.replace(mark, words)
        table = self._tables(sql)[0][0]
        sql = _NUMBER.sub(lambda found: f"{found[1]} {found[2]} {self._bound(table, found[1], found[2])}", sql)
        sql = re.sub(r"\{(\w+)\}", lambda found: self._table(found[1]), sql)
        return sql.replace("?", "'post'")

    def _tables(self, text: str) -> list[tuple[str, str]]:
        """(table, its alias) of everything that a statement names."""
        found = re.findall(r"\{(\w+)\}(?: (?!JOIN|WHERE|ORDER|GROUP|LEFT|ON)([a-z]\w*))?", text)
        return [(self._table(name), alias or name) for name, alias in found] or [("mdl_logstore_standard_log", "log")]

    @staticmethod
    def _table(name: str) -> str:
        return "mdl_logstore_standard_log" if name == "log" else f"mdl_{name}"

    def _in(self, text: str, found: re.Match[str]) -> str:
        alias, column, most = (found[1] or "").rstrip("."), found[2], 20 if found[3] in FEW else IDS
        tables = [table for table, known in self._tables(text) if not alias or alias == known]
        holding = next((table for table in tables if self._has(table, column)), tables[0])
        return f"{found[1] or ''}{column} IN ({self._listed(holding, column, most)})"

    def _has(self, table: str, column: str) -> bool:
        return bool(self._database.execute(f"SHOW COLUMNS FROM {table} LIKE '{column}'"))

    def _listed(self, table: str, column: str, most: int) -> str:
        rows = self._database.execute(
            f"SELECT DISTINCT {column} FROM (SELECT {column} FROM {table} ORDER BY id DESC LIMIT 20000) newest"
            f" WHERE {column} IS NOT NULL LIMIT {most}"
        )
        return ", ".join(repr(value) if isinstance(value, str) else str(value) for (value,) in rows) or "-1"

    def _bound(self, table: str, column: str, sign: str) -> str:
        name = column.rpartition(".")[2]
        if name == "eventname":
            return r"'\\mod_quiz\\event\\attempt_submitted'"
        if name == "id":
            newest = self._database.execute(f"SELECT COALESCE(MAX(id), 0) FROM {table}")[0][0]
            span = PAGE if "log" in table else SLICE
            return str(newest if sign in {"<", "<=", "="} else max(0, newest - span))
        if name.startswith("time") or name == "dateissued":
            return str(self._made.last_at if sign in {"<", "<="} else self._made.last_at - 900)
        return str(FIRST_COURSE if "course" in name else FIRST_USER)


def _near() -> str:
    """A section of each of a hundred learners."""
    each = (f"userid = {FIRST_USER + n} AND coursemoduleid BETWEEN {20 * n} AND {20 * n + 15}" for n in range(100))
    return " OR ".join(each)


def measured(database: MariaDatabase, made: Made) -> Iterator[tuple[str, dict[str, Any]]]:
    """(statement, its figures), one after another; those that only another database takes are left out."""
    filled = Filled(database, made)
    wanted = [text for texts in statements().values() for text in texts]
    with database.connect() as connection, connection.cursor() as cursor:
        for text in dict.fromkeys(wanted):
            if not text.startswith("SELECT ") or _ELSEWHERE.search(text):
                continue
            try:
                yield text, _figures(cursor, filled.of(text))
            except pymysql.Error as exc:
                print(f"not measured: {exc.args[1]}: {text[:100]}")


def _figures(cursor: Any, sql: str) -> dict[str, Any]:
    took = []
    read = 0
    for _ in range(REPEATS):
        cursor.execute("FLUSH STATUS")
        began = time.perf_counter()
        cursor.execute(sql)
        cursor.fetchall()
        took.append(time.perf_counter() - began)
        cursor.execute("SHOW SESSION STATUS LIKE 'Handler_read%'")
        read = sum(int(count) for _, count in cursor.fetchall())
    return {"ms": round(min(took) * 1000, 2), "read": read}


def absent(database: MariaDatabase) -> None:
    """Tables of other sites, empty, as Moodle's installer makes them; left out where there is no capture to tell."""
    path = CAPTURE / "mariadb" / "ddl.sql"
    there = {table for (table,) in database.execute("SHOW TABLES")}
    for statement in (*path.read_text(encoding="utf-8").split(";\n"), *OVERRIDES.split(";")) if path.exists() else ():
        made = re.search(r"CREATE TABLE `?(mdl_\w+)", statement)
        if made and made[1] not in there:
            database.execute(statement)
    for statement in _ELSEWHERE_MADE:
        database.execute(statement)


def main(*, quick: bool = False) -> None:
    """Measure each statement; nothing is written when quick."""
    with mariadb() as server:
        database = server.create_database()
        made = generate(database, Size(rows=20_000) if quick else Size())
        absent(database)
        figures = dict(measured(database, made))
    slowest = sorted(figures.items(), key=lambda item: -item[1]["ms"])
    if not quick:
        FIGURES.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    lines = [f"| {one['ms']:,.1f} | {one['read']:,} | `{text[:110]}` |" for text, one in slowest[:12]]
    told = f"{len(figures)} statements, the fastest of {REPEATS} runs each, everything in memory; the dearest of them:"
    body = "\n".join([told, "", "| ms | rows read | |", "|---|---|---|", *lines])
    publish("queries", "Queries to Moodle's database, of a million log rows (MariaDB)", body, quick=quick)
