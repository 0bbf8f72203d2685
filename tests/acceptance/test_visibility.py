"""Rows that become visible late, in another order, or never: every committed one that a rule wants is paid, once."""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests import servers
from tests.acceptance.campus import campus, kill, wait_until
from tests.acceptance.test_capture import RULES

ONE_RULE = """
schema = 1
timezone = "UTC"
[[rule]]
id = "lesson"
on = "lesson.completed"
award = 10
"""
INTO = (
    "INSERT INTO mdl_logstore_standard_log"
    " (eventname, component, action, target, objecttable, objectid, crud, edulevel, contextid, contextlevel,"
    " contextinstanceid, userid, courseid, relateduserid, anonymous, other, timecreated, origin)"
)
ROW = (
    "%s, 'core', 'updated', 'course_module_completion', 'course_modules_completion', %s, 'u', 2,"
    " 85, 70, %s, %s, 3, %s, 0, %s, %s + SLEEP(%s), 'web'"
)
SLOW_ROWS = 5
AT_ONCE = f"{INTO} VALUES ({ROW})"
RESERVED = f"{INTO} VALUES {', '.join([f'({ROW})'] * SLOW_ROWS)}"
"""One statement whose ids are given out when it begins, and whose rows take their time: others overtake it."""
SELECTED = f"{INTO} {' UNION ALL '.join([f'SELECT {ROW}'] * SLOW_ROWS)}"
"""One statement whose ids are given out row by row while it goes on."""
COMPLETED = r"\core\event\course_module_completion_updated"
VIEWED = r"\mod_page\event\course_module_viewed"
STUDENTS = range(35, 60)
ENOUGH = 25
"""Rows that each commits, however slow the machine is."""
LONGER_S = 60.0
"""So long they go on, with slow statements alone, where none was overtaken yet: a busy machine may see to that."""


class _Writer(threading.Thread):
    """Writes like a busy Moodle: single rows, slow multi-row transactions, and some that are rolled back."""

    def __init__(self, database: servers.MariaDatabase, number: int, until: float, overtaken: threading.Event) -> None:
        super().__init__()
        self.committed: set[tuple[int, int]] = set()
        self._overtaken = overtaken
        self._database = database
        self._number = number
        self._lesson = number * 1_000_000
        self._until = until

    def run(self) -> None:
        chance = random.Random(self._number)
        # Each kind of slow statement comes in any case, committed and rolled back.
        first = [(RESERVED, True), (SELECTED, True), (RESERVED, False), (SELECTED, False)]
        with self._database.connect(autocommit=False) as connection, connection.cursor() as cursor:
            while (late_s := time.monotonic() - self._until) < 0 or not self._has_done(late_s):
                slow, stays = first.pop() if first else ("", chance.random() >= 0.15)
                if not first and chance.random() < (0.03 if late_s < 0 else 1):
                    slow = chance.choice((RESERVED, SELECTED))
                batch = self._slowly(cursor, slow, chance) if slow else self._one_by_one(cursor, chance)
                if stays:
                    connection.commit()
                    self.committed.update(batch)
                else:
                    connection.rollback()
                time.sleep(chance.uniform(0, 0.03))

    def _has_done(self, late_s: float) -> bool:
        return len(self.committed) > ENOUGH and (self._overtaken.is_set() or late_s > LONGER_S)

    def _one_by_one(self, cursor: Any, chance: random.Random) -> list[tuple[int, int]]:
        """Rows each by a statement of its own, with a pause between some of them; those that are wanted."""
        batch = []
        for _ in range(chance.choice((1, 1, 1, 5, 50))):
            user, wanted = chance.choice(STUDENTS), chance.random() < 0.5
            cursor.execute(AT_ONCE, self._row(user, 0, wanted=wanted))
            if wanted:
                batch.append((user, self._lesson))
            if chance.random() < 0.02:
                time.sleep(chance.uniform(0.1, 1.5))
        return batch

    def _slowly(self, cursor: Any, statement: str, chance: random.Random) -> list[tuple[int, int]]:
        """Several rows by one statement that is slow between them."""
        users = [chance.choice(STUDENTS) for _ in range(SLOW_ROWS)]
        before = self._lesson
        rows = [self._row(user, chance.uniform(0.02, 0.2), wanted=True) for user in users]
        cursor.execute(statement, [value for row in rows for value in row])
        ((newest,),) = self._database.execute("SELECT MAX(id) FROM mdl_logstore_standard_log")
        if newest > cursor.lastrowid:
            self._overtaken.set()
        return list(zip(users, range(before + 1, self._lesson + 1), strict=True))

    def _row(self, user: int, slow_s: float, *, wanted: bool) -> tuple[object, ...]:
        self._lesson += 1
        name, other = (COMPLETED, '{"completionstate":1}') if wanted else (VIEWED, "null")
        return name, self._lesson, self._lesson, user, user, other, int(time.time()), slow_s


def _paid(ledger: Path) -> Counter[tuple[str, str]]:
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as connection, connection:
        rows = connection.execute(
            "SELECT p.lms_user, u.bucket FROM quota_use u JOIN name n ON n.no = u.meter_no AND n.text = 'once:lesson'"
            " JOIN entry e ON e.seq = u.seq JOIN person p ON p.person_no = e.person_no"
        ).fetchall()
    return Counter((user, bucket) for user, bucket in rows)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("writing_s", [6.0, pytest.param(60.0, marks=pytest.mark.soak)])
def test_two_writers_out_of_order_with_rollbacks_and_slow_inserts_are_paid_to_the_row(
    captured_moodle: servers.MariaDatabase, tmp_path: Path, writing_s: float
) -> None:
    agent = campus(tmp_path / "a", captured_moodle, ONE_RULE, start_at="now", extra="poll_interval_s = 0.2")
    process = agent.start()
    ledger = agent.directory / "data" / "ledger.db"
    try:
        # The first look may meet a ledger that is being made.
        wait_until(lambda: agent.command("status", check=False).returncode == 0)
        wait_until(lambda: bool(agent.json("status")["sources"]))
        until = time.monotonic() + writing_s
        overtaken = threading.Event()
        writers = [_Writer(captured_moodle, number, until, overtaken) for number in (1, 2)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        expected = {(str(user), f"lesson=moodle:{lesson}") for writer in writers for user, lesson in writer.committed}
        wait_until(lambda: _paid(ledger).keys() >= expected)
    finally:
        kill(process)
    assert _paid(ledger) == Counter(expected)
    assert len(expected) > 50
    assert overtaken.is_set(), "rows with higher ids were there before some of a slow statement"
    assert agent.json("ledger", "verify")["findings"] == []


def test_rows_that_become_visible_in_another_order_pay_each_learner_the_same(
    captured_moodle: servers.MariaDatabase, tmp_path: Path
) -> None:
    straight = campus(tmp_path / "straight", captured_moodle, RULES)
    straight.catch_up()
    captured_moodle.execute("CREATE TABLE late LIKE mdl_logstore_standard_log")
    captured_moodle.execute("INSERT INTO late SELECT * FROM mdl_logstore_standard_log")
    captured_moodle.execute("DELETE FROM mdl_logstore_standard_log WHERE id % 3 <> 0 AND id < 3533")
    crooked = campus(tmp_path / "crooked", captured_moodle, RULES)
    crooked.catch_up()
    for remainder in (2, 1):
        captured_moodle.execute(
            f"INSERT INTO mdl_logstore_standard_log SELECT * FROM late WHERE id % 3 = {remainder} AND id < 3533"
        )
        crooked.catch_up()
    assert _sums(crooked.export()) == _sums(straight.export())


def _sums(rows: list[dict[str, str]]) -> dict[tuple[str, str, str], int]:
    """Per learner, rule and currency; rules whose facts or limits depend on the order of the day aside."""
    sums: Counter[tuple[str, str, str]] = Counter()
    for row in rows:
        sums[row["learner"], row["rule_id"], row["currency"]] += int(row["amount"])
    return dict(sums)
