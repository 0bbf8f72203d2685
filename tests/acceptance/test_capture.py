"""The real Moodle's tables in a real MariaDB: what is paid equals an independent count in SQL, whatever happens."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import time
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from tests import servers
from tests.acceptance.campus import Campus, campus, kill

RULES = r"""
schema = 1
timezone = "UTC"

[currency.reputation]
spendable = false
expires_after = "never"

[[rule]]
id = "lesson-once"
on = "lesson.completed"
award = 10

[[rule]]
id = "lesson-three-a-day"
on = "lesson.completed"
award = 10
limit = "3/day"

[[rule]]
id = "course"
on = "course.completed"
award = { points = 50, reputation = 7 }

[[rule]]
id = "quiz-80"
on = "quiz.submitted"
conditions = { score_pct = ">=80" }
award = 10

[[rule]]
id = "post-20-words"
on = "forum.posted"
conditions = { word_count = ">=20" }
award = 5

[[rule]]
id = "login"
on = "user.logged_in"
award = 1

[[rule]]
id = "assignment"
on = "assignment.submitted"
award = 4

[[rule]]
id = "survey"
on = '\mod_feedback\event\response_submitted'
award = 3

[[rule]]
id = "grade-half"
on = "grade.awarded"
conditions = { score_pct = ">=50" }
award = 2
"""

LEARNER = "COALESCE(NULLIF(l.relateduserid, 0), l.userid)"
EARNS = f"""
  l.origin IN ('web', 'ws', 'cli') AND l.realuserid IS NULL AND l.anonymous = 0
  AND COALESCE(l.objectid, 0) NOT IN (-31337, -31338) AND {LEARNER} NOT IN (-1, 0, 1, 2)
  AND NOT EXISTS (
    SELECT 1 FROM mdl_role_assignments ra
    JOIN mdl_role r ON r.id = ra.roleid AND r.archetype IN ('manager', 'editingteacher', 'teacher')
    JOIN mdl_context c ON c.id = ra.contextid
    LEFT JOIN mdl_context x ON x.contextlevel = 50 AND x.instanceid = l.courseid
    WHERE ra.userid = {LEARNER}
      AND (c.contextlevel = 10 OR (c.contextlevel IN (40, 50) AND CONCAT(x.path, '/') LIKE CONCAT(c.path, '/%%'))))
"""
PER_MODULE = f"CONCAT({LEARNER}, ':', l.contextinstanceid)"

COUNTS = {
    "lesson-once": f"""
        SELECT COUNT(DISTINCT {PER_MODULE}) FROM mdl_logstore_standard_log l
        WHERE l.eventname = '\\\\core\\\\event\\\\course_module_completion_updated' AND {EARNS}
          AND (l.other REGEXP '"completionstate":"?[12]"?[,}}]' OR l.other REGEXP '"completionstate";i:[12];'
               OR l.other REGEXP '"completionstate";s:1:"[12]"')""",
    "course": f"""
        SELECT COUNT(DISTINCT CONCAT({LEARNER}, ':', l.courseid)) FROM mdl_logstore_standard_log l
        WHERE l.eventname = '\\\\core\\\\event\\\\course_completed' AND {EARNS}""",
    "quiz-80": f"""
        SELECT COUNT(DISTINCT {PER_MODULE}) FROM mdl_logstore_standard_log l
        JOIN mdl_quiz_attempts a ON a.id = l.objectid AND a.preview = 0 JOIN mdl_quiz q ON q.id = a.quiz
        WHERE l.eventname = '\\\\mod_quiz\\\\event\\\\attempt_submitted' AND {EARNS}
          AND 100 * a.sumgrades / NULLIF(q.sumgrades, 0) >= 80""",
    "post-20-words": f"""
        SELECT COUNT(DISTINCT {LEARNER}, p.id) FROM mdl_logstore_standard_log l
        LEFT JOIN mdl_forum_discussions d
          ON l.eventname = '\\\\mod_forum\\\\event\\\\discussion_created' AND d.id = l.objectid
        JOIN mdl_forum_posts p
          ON p.id = IF(l.eventname = '\\\\mod_forum\\\\event\\\\discussion_created', d.firstpost, l.objectid)
        WHERE l.eventname IN ('\\\\mod_forum\\\\event\\\\post_created', '\\\\mod_forum\\\\event\\\\discussion_created')
          AND {EARNS} AND p.wordcount >= 20""",
    "login": f"""
        SELECT COUNT(DISTINCT {LEARNER}, DATE(FROM_UNIXTIME(l.timecreated))) FROM mdl_logstore_standard_log l
        WHERE l.eventname = '\\\\core\\\\event\\\\user_loggedin' AND {EARNS}""",
    "assignment": f"""
        SELECT COUNT(DISTINCT {PER_MODULE}) FROM mdl_logstore_standard_log l
        WHERE l.eventname = '\\\\mod_assign\\\\event\\\\assessable_submitted' AND {EARNS}""",
    "survey": f"""
        SELECT COUNT(DISTINCT l.id) FROM mdl_logstore_standard_log l
        WHERE l.eventname = '\\\\mod_feedback\\\\event\\\\response_submitted' AND {EARNS}""",
}


def _paid(rows: list[dict[str, str]]) -> Counter[str]:
    return Counter(row["rule_id"] for row in rows if row["currency"] == "points")


def test_every_rule_pays_exactly_what_sql_counts_and_a_second_run_pays_nothing(
    shared_capture: servers.MariaDatabase, tmp_path: Path
) -> None:
    agent = campus(tmp_path / "a", shared_capture, RULES)
    agent.catch_up()
    rows = agent.export()
    paid = _paid(rows)
    with shared_capture.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SET time_zone = '+00:00'")
        for rule, sql in COUNTS.items():
            cursor.execute(sql.replace("%%", "%"))
            ((expected,),) = cursor.fetchall()
            assert expected > 0, f"{rule}: the capture shows nothing of this"
            assert paid[rule] == expected, f"{rule}: paid {paid[rule]}, SQL counts {expected}"
    per_day = three_a_day(shared_capture)
    assert paid["lesson-three-a-day"] == per_day
    reputation = [row for row in rows if row["currency"] == "reputation"]
    assert [row["amount"] for row in reputation] == ["7"] * paid["course"]
    agent.catch_up()
    assert agent.export() == rows
    assert agent.json("ledger", "verify")["findings"] == []


def three_a_day(database: servers.MariaDatabase, ahead_s: int = 0) -> int:
    """In order of the log, first completions of a lesson by a learner, at most three each day of a zone."""
    rows = database.execute(
        f"SELECT {LEARNER}, l.contextinstanceid, FLOOR((l.timecreated + {ahead_s}) / 86400), l.other"
        " FROM mdl_logstore_standard_log l"
        rf" WHERE l.eventname = '\\core\\event\\course_module_completion_updated' AND {EARNS} ORDER BY l.id".replace(
            "%%", "%"
        )
    )
    done: set[tuple[int, int]] = set()
    days: defaultdict[tuple[int, str], int] = defaultdict(int)
    for learner, module, day, other in rows:
        state = next(char for char in other.split("completionstate", 1)[1] if char.isdigit())
        state = "1" if ';s:1:"1"' in other or ";i:1;" in other.split("completionstate", 1)[1][:6] else state
        if state in "12" and (learner, module) not in done and days[learner, str(day)] < 3:
            done.add((learner, module))
            days[learner, str(day)] += 1
    return len(done)


def test_what_a_restore_a_reset_or_a_regrade_repeats_is_not_paid_again(
    shared_capture: servers.MariaDatabase, tmp_path: Path
) -> None:
    agent = campus(tmp_path / "a", shared_capture, RULES)
    agent.catch_up()
    paid = Counter(
        row["learner"] for row in agent.export() if row["rule_id"] == "course" and row["currency"] == "points"
    )
    fired = shared_capture.execute(
        "SELECT relateduserid, COUNT(*), COUNT(DISTINCT courseid) FROM mdl_logstore_standard_log"
        r" WHERE eventname = '\\core\\event\\course_completed' GROUP BY 1"
    )
    assert any(times > courses for _, times, courses in fired), "the capture has completions that fired several times"
    assert paid
    for learner, _, courses in fired:
        assert paid[f"moodle:{learner}"] <= courses


DAYS_OF_HISTORY = 90


@pytest.fixture
def long_history(captured_moodle: servers.MariaDatabase) -> servers.MariaDatabase:
    """The captured log again and again, a day later each time: enough work to be killed in."""
    columns = [row[0] for row in captured_moodle.execute("SHOW COLUMNS FROM mdl_logstore_standard_log")]
    others = ", ".join(f"`{name}`" for name in columns if name not in {"id", "timecreated"})
    for day in range(1, DAYS_OF_HISTORY):
        captured_moodle.execute(
            f"INSERT INTO mdl_logstore_standard_log (id, timecreated, {others})"
            f" SELECT id + {day} * 4000, timecreated + {day} * 86400, {others}"
            " FROM mdl_logstore_standard_log WHERE id < 4000"
        )
    return captured_moodle


def _position(agent: Campus) -> int:
    """How far the log is read, by what is committed; -1 before the first page."""
    with (
        contextlib.suppress(sqlite3.OperationalError),
        contextlib.closing(sqlite3.connect(f"file:{agent.directory / 'data' / 'ledger.db'}?mode=ro", uri=True)) as db,
    ):
        return int(db.execute("SELECT coalesce(max(position), -1) FROM source_state").fetchone()[0])
    return -1


def _catch_up_with_kills(agent: Campus, kills: int) -> tuple[int, int]:
    """Start and SIGKILL until ``kills`` have landed in a running agent, then let one end.

    By turns at any moment and while a page is being taken; how many landed, and between how many different pages.
    """
    chance = random.Random(kills)
    landed, stood = 0, {-1}
    for number in range(3 * kills):
        process = agent.start("--until-caught-up")
        time.sleep(chance.uniform(0.05, 0.35))
        before = max(stood)
        while number % 2 and process.poll() is None and _position(agent) == before:
            time.sleep(chance.uniform(0.001, 0.02))
        landed += process.poll() is None
        kill(process)
        stood.add(_position(agent))
        if landed == kills:
            break
    agent.catch_up()
    return landed, len(stood)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_fifty_kills_at_random_moments_change_nothing(long_history: servers.MariaDatabase, tmp_path: Path) -> None:
    calm = campus(tmp_path / "calm", long_history, RULES)
    calm.catch_up()
    stormy = campus(tmp_path / "stormy", long_history, RULES)
    landed, stood = _catch_up_with_kills(stormy, kills=50)
    assert (landed, stood > 10) == (50, True), f"{landed} kills between {stood} pages"
    assert stormy.export() == calm.export()
    assert stormy.json("ledger", "verify")["findings"] == []
