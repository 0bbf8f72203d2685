"""The embedded campus writes what a Moodle writes, odd things included."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from agent.demo.acts import COMPLETED, Acts
from agent.demo.campus import DAY_S, Campus, connect
from agent.demo.desk import LogDesk
from agent.demo.founding import create
from agent.demo.life import Life
from agent.demo.logrow import LogRow, php_json, php_serialize, shape
from agent.demo.oddities import Oddities
from agent.demo.records import Records
from agent.demo.schema import TABLES, Column
from tests.servers import NOT_CAPTURED

NOW = 1_800_000_000
LOG = "mdl_logstore_standard_log"
CAPTURE = Path(__file__).parents[2] / ".." / "shared" / "moodle" / "mariadb"
needs_capture = pytest.mark.skipif(not CAPTURE.is_dir(), reason="../shared/moodle/mariadb is not there")


@pytest.fixture(scope="module")
def lived_in(tmp_path_factory: pytest.TempPathFactory) -> Campus:
    campus = create(tmp_path_factory.mktemp("campus") / "campus.db", born_at=NOW - 20 * DAY_S)
    life = Life(campus, seed=7)
    life.history(until=NOW)
    life.close()
    return campus


@pytest.fixture
def db(lived_in: Campus) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(lived_in.path)) as connection:
        yield connection


def one(db: sqlite3.Connection, sql: str) -> int:
    return int(db.execute(sql).fetchone()[0])


def one_of(db: sqlite3.Connection, sql: str, *values: object) -> int:
    return int(db.execute(sql, values).fetchone()[0])


def test_forty_learners_a_teacher_a_guest_and_an_admin_live_here(lived_in: Campus, db: sqlite3.Connection) -> None:
    assert len(lived_in.learners) == 40
    assert one(db, "SELECT COUNT(*) FROM mdl_user") == 44
    staff = "SELECT COUNT(DISTINCT userid) FROM mdl_role_assignments WHERE roleid IN (3, 4)"
    assert one(db, staff) == 2


def test_the_same_seed_writes_the_same_log(lived_in: Campus, db: sqlite3.Connection, tmp_path: Path) -> None:
    twin = create(tmp_path / "twin.db", born_at=NOW - 20 * DAY_S)
    life = Life(twin, seed=7)
    life.history(until=NOW)
    life.close()
    sql = f"SELECT * FROM {LOG} ORDER BY id"
    with closing(sqlite3.connect(twin.path)) as other:
        assert other.execute(sql).fetchall() == db.execute(sql).fetchall()


def test_what_a_queue_delivers_late_is_of_a_section_that_its_learner_has_not_touched_since(
    lived_in: Campus, tmp_path: Path
) -> None:
    """Else what the log said meanwhile of that section would be less than what the tables say of it by now."""
    with closing(connect(Path(shutil.copy(lived_in.path, tmp_path / "campus.db")))) as own:
        odd = Oddities(Acts(lived_in, Records(own), Random(3)))
        late = [row for _ in range(60) for row in odd.queued(NOW) if row.event == COMPLETED]
        assert len(late) > 20
        sql = """SELECT coalesce(max(c.timemodified), 0) FROM mdl_course_modules m
                 JOIN mdl_course_modules o ON o.section = m.section AND o.id <> m.id
                 JOIN mdl_course_modules_completion c ON c.coursemoduleid = o.id AND c.userid = ? WHERE m.id = ?"""
        newest = [one_of(own, sql, row.related or row.user, row.context[2]) for row in late]
        assert [at for at, row in zip(newest, late, strict=True) if at > row.at] == []


def test_rolled_back_requests_leave_gaps_in_the_ids(db: sqlite3.Connection) -> None:
    assert one(db, f"SELECT MAX(id) - COUNT(*) FROM {LOG}") > 5


def test_courses_complete_by_web_and_by_cron_and_more_than_once(db: sqlite3.Connection) -> None:
    name = r"\core\event\course_completed"
    origins = {row[0] for row in db.execute(f"SELECT DISTINCT origin FROM {LOG} WHERE eventname = ?", (name,))}
    assert origins == {"web", "cli", None}
    again = f"""SELECT COUNT(*) FROM (SELECT 1 FROM {LOG} WHERE eventname = '{name}' AND origin IS NOT NULL
                GROUP BY relateduserid, courseid HAVING COUNT(*) > 1)"""
    assert one(db, again) > 5


def test_a_quiz_logs_completion_grade_total_and_submission_in_this_order(db: sqlite3.Connection) -> None:
    sql = f"SELECT id, contextinstanceid, relateduserid FROM {LOG} WHERE eventname = ? AND id > 1000 ORDER BY id"
    for log_id, cm, learner in db.execute(sql, (r"\mod_quiz\event\attempt_submitted",)).fetchall()[:20]:
        before = db.execute(
            f"SELECT eventname, userid FROM {LOG} WHERE id IN (?, ?) ORDER BY id", (log_id - 2, log_id - 1)
        )
        assert before.fetchall() == [(r"\core\event\user_graded", learner), (r"\core\event\user_graded", -1)]
        done = db.execute(
            "SELECT completionstate FROM mdl_course_modules_completion WHERE userid = ? AND coursemoduleid = ?",
            (learner, cm),
        ).fetchone()
        assert done[0] in (1, 2, 3)


@pytest.mark.parametrize(
    "where",
    [
        "relateduserid = 1",
        "realuserid IS NOT NULL",
        "anonymous = 1",
        "origin IS NULL AND objectid = -31337",
        "userid = 3 AND relateduserid = 3",
        "other LIKE 'a:%'",
        "other = 'N;'",
        "other = 'null'",
        "timecreated < (SELECT MAX(o.timecreated) FROM mdl_logstore_standard_log o WHERE o.id < l.id) - 86400",
    ],
)
def test_what_must_not_be_paid_happens_too(db: sqlite3.Connection, where: str) -> None:
    assert one(db, f"SELECT COUNT(*) FROM {LOG} l WHERE {where}") > 0


def test_views_complete_with_state_0_and_then_1_in_the_same_second(db: sqlite3.Connection) -> None:
    sql = f"""SELECT COUNT(*) FROM {LOG} a JOIN {LOG} b ON b.id = a.id + 1 AND b.timecreated = a.timecreated
              AND b.eventname = a.eventname AND b.relateduserid = a.relateduserid
              WHERE a.other LIKE '%completionstate":0%' AND b.other LIKE '%completionstate":1%'"""
    assert one(db, sql) > 50


def test_living_on_commits_out_of_order_and_a_reader_sees_it(tmp_path: Path) -> None:
    campus = create(tmp_path / "campus.db", born_at=NOW)
    life = Life(campus, seed=3)
    stop, seen, late = threading.Event(), set[int](), 0
    living = threading.Thread(target=life.live, args=(stop, lambda: NOW), kwargs={"acts_per_s": 60.0})
    living.start()
    with closing(sqlite3.connect(f"file:{campus.path}?mode=ro", uri=True)) as reader:
        until = time.monotonic() + 90
        while time.monotonic() < until and late < 3:
            now = {row[0] for row in reader.execute(f"SELECT id FROM {LOG}")}
            late += len({log_id for log_id in now - seen if seen and log_id < max(seen)})
            seen |= now
            time.sleep(0.02)
    stop.set()
    living.join()
    life.close()
    assert late >= 3


def test_late_rows_are_all_there_once_the_desk_is_closed(tmp_path: Path) -> None:
    campus = create(tmp_path / "campus.db", born_at=NOW)
    with closing(sqlite3.connect(campus.path, isolation_level=None)) as db:
        desk = LogDesk(campus.path, db)
        row = LogRow(event=r"\core\event\course_viewed", at=NOW, user=11, context=(1, 10, 0))
        desk.write_late([row, row], after_s=0.3)
        desk.write([row])
        assert db.execute(f"SELECT id FROM {LOG}").fetchall() == [(3,)]
        desk.close()
        assert db.execute(f"SELECT id FROM {LOG} ORDER BY id").fetchall() == [(1,), (2,), (3,)]


def test_other_is_encoded_as_php_does_it() -> None:
    value = {"username": "zoë", "n": 3, "yes": True, "none": None, "list": ["a/b"]}
    assert php_json(value) == '{"username":"zo\\u00eb","n":3,"yes":true,"none":null,"list":["a\\/b"]}'
    assert php_serialize(value) == (
        'a:5:{s:8:"username";s:4:"zoë";s:1:"n";i:3;s:3:"yes";b:1;s:4:"none";N;s:4:"list";a:1:{i:0;s:3:"a/b";}}'
    )
    with pytest.raises(TypeError, match="float"):
        php_serialize(1.5)


def real_type(column: Column) -> str:
    names = {"whole": r"(big|tiny|small|medium)?int", "text": "longtext", "decimal": r"decimal\(10,5\)"}
    return names.get(column.type, rf"varchar\({column.length}\)")


@needs_capture
def test_every_column_is_one_of_moodles_with_its_type() -> None:
    ddl = (CAPTURE / "ddl.sql").read_text()
    for table in TABLES.values():
        found = re.search(rf"CREATE TABLE `mdl_{table.name}` \((.*?)ENGINE=", ddl, re.DOTALL)
        if found is None:
            assert table.name in NOT_CAPTURED
            continue
        for column in table.columns:
            line = re.search(rf"^ *`{column.name}` (.*)$", found[1], re.MULTILINE)
            assert line, (table.name, column.name)
            assert re.match(real_type(column), line[1]), (table.name, column.name, line[1])
            assert ("NOT NULL" not in line[1]) == column.nullable, (table.name, column.name, line[1])


@needs_capture
def test_the_log_rows_have_the_shape_that_moodle_gives_them(db: sqlite3.Connection) -> None:
    ours = {row[0] for row in db.execute(f"SELECT DISTINCT eventname FROM {LOG}")}
    seen = set()
    for line in (CAPTURE / "rows" / "logstore_standard_log.jsonl").read_text().splitlines():
        row = json.loads(line)
        if row["eventname"] in ours:
            seen.add(row["eventname"])
            assert shape(row["eventname"]) == (row["objecttable"], row["crud"], row["edulevel"]), row["eventname"]
    assert len(seen) > 30
