"""Every way of earning on the real Moodle's tables pays what an independent count in SQL says, and nothing twice."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable

import pytest

from tests import servers
from tests.acceptance.campus import Campus, campus
from tests.acceptance.test_capture import EARNS, LEARNER, PER_MODULE

RULES = r"""
schema = 1
timezone = "UTC"

[programme.both]
courses = [%(courses)s]
pass = %(pass)d

[[rule]]
id = "on-time"
on = "assignment.submitted"
conditions = { on_time = true }
award = 5

[[rule]]
id = "late"
on = "assignment.submitted"
conditions = { late_by = ">0" }
award = 1

[[rule]]
id = "quiz-in-time"
on = "quiz.submitted"
conditions = { on_time = true }
award = 3

[[rule]]
id = "section-80"
on = "lesson.completed"
conditions = { section_progress_pct = ">=80" }
award = 10
once_per = "section"

[[rule]]
id = "first-ever"
on = "lesson.completed"
first = true
award = 2

[[rule]]
id = "first-in-course"
on = "lesson.completed"
first = true
once_per = "course"
award = 2

[[rule]]
id = "share"
on = "grade.awarded"
award = { points = { of = "score_pct", times = "0.1", round = "down" } }

[[rule]]
id = "programme"
on = "programme.completed"
award = 100

[[rule]]
id = "post-a-day"
on = "forum.posted"
conditions = { word_count = ">=20" }
award = 5
limit = "1/day"

[[rule]]
id = "constructive"
on = "forum.tagged"
conditions = { tag = "constructive", by_staff = true }
award = 5
once_per = "post"
"""

GRADE = (
    r"""CAST(REGEXP_REPLACE(l.other, '.*"finalgrade"[:;](s:[0-9]+:|[di]:)?"?([0-9.]+).*', '\\2') AS DECIMAL(20, 5))"""
)
GRADED = rf"""
    SELECT {LEARNER} AS learner, l.id AS id, i.courseid AS course, i.itemtype AS sort, i.id AS item,
      100 * ({GRADE} - i.grademin) / (i.grademax - i.grademin) AS pct
    FROM mdl_logstore_standard_log l JOIN mdl_grade_grades g ON g.id = l.objectid
    JOIN mdl_grade_items i ON i.id = g.itemid
    WHERE l.eventname = '\\core\\event\\user_graded' AND l.other REGEXP '"finalgrade"[:;](s:[0-9]+:|[di]:)?"?[0-9]'
      AND {EARNS}"""
SUBMITTED = rf"""
    SELECT {PER_MODULE} AS place, l.timecreated AS at, COALESCE(
        (SELECT NULLIF(f.extensionduedate, 0) FROM mdl_assign_user_flags f
          WHERE f.assignment = a.id AND f.userid = {LEARNER}),
        (SELECT o.duedate FROM mdl_assign_overrides o WHERE o.assignid = a.id AND o.userid = {LEARNER}),
        (SELECT o.duedate FROM mdl_assign_overrides o JOIN mdl_groups_members m ON m.groupid = o.groupid
          WHERE o.assignid = a.id AND m.userid = {LEARNER} ORDER BY o.sortorder LIMIT 1),
        a.duedate) AS due
    FROM mdl_logstore_standard_log l JOIN mdl_assign_submission s ON s.id = l.objectid
    JOIN mdl_assign a ON a.id = s.assignment
    WHERE l.eventname = '\\mod_assign\\event\\assessable_submitted' AND {EARNS}"""
COMPLETED = rf"""
    FROM mdl_logstore_standard_log l
    WHERE l.eventname = '\\core\\event\\course_module_completion_updated' AND {EARNS}
      AND (l.other REGEXP '"completionstate":"?[12]"?[,}}]' OR l.other REGEXP '"completionstate";i:[12];'
        OR l.other REGEXP '"completionstate";s:1:"[12]"')"""
OF_SECTION = (
    "FROM mdl_course_modules m {join} WHERE m.section = cm.section AND m.completion > 0 AND m.deletioninprogress = 0"
)
COUNTS = {
    "on-time": f"SELECT COUNT(DISTINCT place) FROM ({SUBMITTED}) s WHERE due > 0 AND at <= due",
    "late": f"SELECT COUNT(DISTINCT place) FROM ({SUBMITTED}) s WHERE due > 0 AND at > due",
    "quiz-in-time": rf"""
        SELECT COUNT(DISTINCT {PER_MODULE}) FROM mdl_logstore_standard_log l
        JOIN mdl_quiz_attempts a ON a.id = l.objectid AND a.preview = 0 JOIN mdl_quiz q ON q.id = a.quiz
        LEFT JOIN mdl_quiz_overrides o ON o.quiz = q.id AND o.userid = {LEARNER}
        WHERE l.eventname = '\\mod_quiz\\event\\attempt_submitted' AND {EARNS}
          AND COALESCE(o.timeclose, q.timeclose) > 0 AND l.timecreated <= COALESCE(o.timeclose, q.timeclose)""",
    "section-80": f"""
        SELECT COUNT(DISTINCT d.learner, cm.section) FROM (
          SELECT {LEARNER} AS learner, l.contextinstanceid AS cm, l.timecreated AS at {COMPLETED}) d
        JOIN mdl_course_modules cm ON cm.id = d.cm
        WHERE 100 * (SELECT COUNT(*) {
        OF_SECTION.format(join="JOIN mdl_course_modules_completion c ON c.coursemoduleid = m.id")
    } AND c.userid = d.learner AND c.completionstate IN (1, 2) AND c.timemodified <= d.at)
          >= 80 * (SELECT COUNT(*) {OF_SECTION.format(join="")})""",
    "first-ever": f"SELECT COUNT(DISTINCT {LEARNER}) {COMPLETED}",
    "first-in-course": f"SELECT COUNT(DISTINCT {LEARNER}, l.courseid) {COMPLETED}",
    "share": f"SELECT COUNT(DISTINCT learner, item) FROM ({GRADED}) g WHERE sort = 'mod' AND FLOOR(pct / 10) > 0",
    "post-a-day": rf"""
        SELECT COUNT(DISTINCT {LEARNER}, DATE(FROM_UNIXTIME(l.timecreated))) FROM mdl_logstore_standard_log l
        LEFT JOIN mdl_forum_discussions d
          ON l.eventname = '\\mod_forum\\event\\discussion_created' AND d.id = l.objectid
        JOIN mdl_forum_posts p
          ON p.id = IF(l.eventname = '\\mod_forum\\event\\discussion_created', d.firstpost, l.objectid)
        WHERE l.eventname IN ('\\mod_forum\\event\\post_created', '\\mod_forum\\event\\discussion_created')
          AND {EARNS} AND p.wordcount >= 20""",
    "constructive": rf"""
        SELECT COUNT(DISTINCT p.id) FROM mdl_logstore_standard_log l
        JOIN mdl_forum_posts p ON p.id = JSON_VALUE(l.other, '$.itemid')
        WHERE l.eventname = '\\core\\event\\tag_added' AND JSON_VALUE(l.other, '$.tagname') = 'constructive'
          AND {EARNS.replace(LEARNER, "p.userid")} AND NOT ({EARNS.replace(LEARNER, "l.userid")})""",
}
"""Who tags and does not earn is staff: the rows that the test adds name teachers and learners, nobody else."""

SHARES = f"""
    SELECT SUM(points) FROM (
      SELECT FLOOR(pct / 10) AS points, ROW_NUMBER() OVER (PARTITION BY learner, item ORDER BY id) AS place
      FROM ({GRADED}) g WHERE sort = 'mod' AND FLOOR(pct / 10) > 0) s WHERE place = 1"""
PASSED = f"SELECT learner, course FROM ({GRADED}) g WHERE sort = 'course' AND pct >= %(pass)d GROUP BY 1, 2"
BUSIEST = f"SELECT course FROM ({PASSED}) p GROUP BY 1 ORDER BY COUNT(*) DESC, 1 LIMIT 2"
PROGRAMME = f"""
    SELECT COUNT(*) FROM (SELECT learner FROM ({PASSED}) p WHERE course IN (%(courses)s)
      GROUP BY learner HAVING COUNT(*) = 2) both_passed"""
PASS_MARK = 15
"""Of a course total of 610: what some of the captured learners have reached."""


def _number(database: servers.MariaDatabase, sql: str) -> int:
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SET time_zone = '+00:00'")
        cursor.execute(sql.replace("%%", "%"))
        ((found,),) = cursor.fetchall()
        return int(found or 0)


def _dates(database: servers.MariaDatabase) -> None:
    """Deadlines that some met, and extensions and overrides for some who did not, and for some who did."""
    late = r"""
        SELECT s.assignment, s.userid, l.timecreated FROM mdl_logstore_standard_log l
        JOIN mdl_assign_submission s ON s.id = l.objectid
        WHERE l.eventname = '\\mod_assign\\event\\assessable_submitted' AND s.userid > 2 GROUP BY 1, 2 ORDER BY 1, 2"""
    rows = [(int(one), int(user), int(at)) for one, user, at in database.execute(late)]
    assert len(rows) > 10
    for number, (assignment, user, at) in enumerate(rows):
        before, after = at - 60, at + 86_400
        match number % 5:
            case 0:
                database.execute(f"UPDATE mdl_assign SET duedate = {before} WHERE id = {assignment}")
            case 1:
                database.execute(
                    f"UPDATE mdl_assign_user_flags SET extensionduedate = {after}"
                    f" WHERE assignment = {assignment} AND userid = {user}"
                )
            case 2:
                database.execute(
                    "INSERT INTO mdl_assign_overrides (assignid, userid, duedate)"
                    f" VALUES ({assignment}, {user}, {before if number % 2 else after})"
                )
            case 3:
                group = 900 + number
                database.execute(f"INSERT INTO mdl_groups_members (groupid, userid) VALUES ({group}, {user})")
                database.execute(
                    "INSERT INTO mdl_assign_overrides (assignid, groupid, sortorder, duedate)"
                    f" VALUES ({assignment}, {group}, 1, {after})"
                )
    attempts = r"""
        SELECT a.quiz, a.userid, MIN(l.timecreated) FROM mdl_logstore_standard_log l
        JOIN mdl_quiz_attempts a ON a.id = l.objectid
        WHERE l.eventname = '\\mod_quiz\\event\\attempt_submitted' GROUP BY 1, 2 ORDER BY 1, 2"""
    for number, (quiz, user, at) in enumerate(database.execute(attempts)):
        if number % 3 == 0:
            database.execute(f"UPDATE mdl_quiz SET timeclose = {at} WHERE id = {quiz}")
        if number % 4 == 0:
            database.execute(
                "INSERT INTO mdl_quiz_overrides (quiz, userid, timeclose)"
                f" VALUES ({quiz}, {user}, {at + 3600 - number % 8 * 1000})"
            )
    database.grant_reader()


def _tags(database: servers.MariaDatabase) -> None:
    """Teachers and learners tag every second post; Moodle writes who tagged, not whose post it is."""
    posts = database.execute(
        "SELECT p.id, f.course, p.created FROM mdl_forum_posts p JOIN mdl_forum_discussions d ON d.id = p.discussion"
        " JOIN mdl_forum f ON f.id = d.forum WHERE p.id % 2 = 0 ORDER BY p.id"
    )
    teachers = {
        int(course): int(user)
        for course, user in database.execute(
            "SELECT c.instanceid, MIN(ra.userid) FROM mdl_role_assignments ra JOIN mdl_role r ON r.id = ra.roleid"
            " AND r.archetype = 'editingteacher' JOIN mdl_context c ON c.id = ra.contextid AND c.contextlevel = 50"
            " GROUP BY 1"
        )
    }
    ((last, learner),) = database.execute(
        "SELECT MAX(l.id), (SELECT MIN(userid) FROM mdl_forum_posts WHERE userid > 2) FROM mdl_logstore_standard_log l"
    )
    for number, (post, course, at) in enumerate(posts, 1):
        tagger = learner if number % 4 == 0 else teachers.get(int(course), learner)
        tagged = {"tagid": 1, "tagname": "constructive", "itemid": int(post), "itemtype": "forum_posts"}
        database.execute(
            "INSERT INTO mdl_logstore_standard_log (id, eventname, component, action, target, objecttable, objectid,"
            " crud, edulevel, contextid, contextlevel, contextinstanceid, userid, courseid, anonymous, other,"
            " timecreated, origin) VALUES (%s, %s, 'core', 'added', 'tag', 'tag_instance', %s, 'c', 0, 1, 70, 1, %s,"
            " %s, 0, %s, %s, 'web')",
            (
                *(int(last) + number, r"\core\event\tag_added", number, tagger, course),
                json.dumps(tagged),
                int(at) + 60,
            ),
        )


def _again(database: servers.MariaDatabase) -> None:
    """All of it once more: toggled off and on, regraded, handed in anew, and restored from a backup with its log."""
    columns = [str(row[0]) for row in database.execute("SHOW COLUMNS FROM mdl_logstore_standard_log")]
    plain = [name for name in columns if name not in {"id", "timecreated", "origin"}]
    names = ", ".join(f"`{name}`" for name in plain)
    ((last, newest),) = database.execute("SELECT MAX(id), MAX(timecreated) FROM mdl_logstore_standard_log")
    wanted = (
        r"'course_module_completion_updated|user_graded|assessable_submitted|attempt_submitted|post_created|tag_added'"
    )
    for round_, origin in ((1, "origin"), (2, "NULL"), (3, "'restore'")):
        database.execute(
            f"INSERT INTO mdl_logstore_standard_log (id, timecreated, origin, {names})"
            f" SELECT id + {round_ * int(last)}, {int(newest)} + id, {origin}, {names} FROM mdl_logstore_standard_log"
            f" WHERE id <= {int(last)} AND eventname REGEXP {wanted}"
        )


@pytest.fixture(scope="module")
def counted(
    capture: None, mariadb: servers.MariaDB, tmp_path_factory: pytest.TempPathFactory
) -> tuple[servers.MariaDatabase, Campus, dict[str, str | int]]:
    database = mariadb.create_database("capture_ways")
    servers.load_capture(database)
    _dates(database)
    _tags(database)
    values: dict[str, str | int] = {"pass": PASS_MARK}
    busiest = [int(row[0]) for row in database.execute(_filled(BUSIEST, values))]
    values["courses"] = ", ".join(map(str, busiest))
    quoted = {**values, "courses": ", ".join(f'"id:{course}"' for course in busiest)}
    agent = campus(tmp_path_factory.mktemp("ways") / "a", database, RULES % quoted)
    agent.catch_up()
    return database, agent, values


def _filled(sql: str, values: dict[str, str | int]) -> str:
    for key, value in values.items():
        sql = sql.replace(f"%({key})d", str(value)).replace(f"%({key})s", str(value))
    return sql.replace("%%", "%")


def _amounts(rows: Iterable[dict[str, str]], rule: str) -> list[int]:
    return [int(row["amount"]) for row in rows if row["rule_id"] == rule]


def test_deadlines_thresholds_firsts_shares_programmes_and_posts_agree_with_sql(
    counted: tuple[servers.MariaDatabase, Campus, dict[str, str | int]],
) -> None:
    database, agent, values = counted
    rows = agent.export()
    paid = Counter(row["rule_id"] for row in rows)
    sql = {rule: _number(database, text) for rule, text in COUNTS.items()}
    sql["programme"] = _number(database, _filled(PROGRAMME, values))
    assert {rule: paid[rule] for rule in sql} == sql
    assert all(sql.values()), f"the capture shows nothing of {[rule for rule, count in sql.items() if not count]}"
    assert sum(_amounts(rows, "share")) == _number(database, SHARES)


def test_toggles_regrades_uploads_and_restores_of_all_of_it_pay_nothing_more(
    counted: tuple[servers.MariaDatabase, Campus, dict[str, str | int]],
) -> None:
    database, agent, _ = counted
    before = agent.export()
    _again(database)
    agent.catch_up()
    after = agent.export()
    assert after[: len(before)] == before
    # A bulk import completed lessons of one learner without a row in the log: the next act in that section sees them.
    assert {row["rule_id"] for row in after[len(before) :]} <= {"section-80"}
    assert len(_amounts(after, "section-80")) == _number(database, COUNTS["section-80"])
    assert agent.json("ledger", "verify")["findings"] == []
