"""The agent as a service finds what the log missed while it runs, and follows the log meanwhile."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

from tests import servers
from tests.acceptance.campus import Campus, campus, kill, serving, wait_until
from tests.ledgers import rows as ledger_rows
from tests.sites import MariaSite, Site, SqliteSite, log, put

RULES = """
schema = 1
timezone = "UTC"
[[rule]]
id = "course"
on = "course.completed"
award = 10
[[rule]]
id = "login"
on = "user.logged_in"
award = 1
"""
OFTEN = 'reconcile = "1s"\ngap_patience = "1s"\npoll_interval_s = 0.1'
MANY = 1_500
"""States that take two slices to walk through."""


def completed(site: Site, number: int, at: int, *, learner: int) -> None:
    put(site, "course_completions", id=number, userid=learner, course=3, timecompleted=at)


def told(site: Site, number: int, at: int, *, learner: int) -> None:
    """The log row about a completed course."""
    who = {"userid": 0, "relateduserid": learner, "origin": "cli"}
    log(site, number, eventname=r"\core\event\course_completed", contextinstanceid=3, timecreated=at, **who)


def paid(at: Campus) -> Counter[str]:
    """Learner → awards for a course."""
    sql = "SELECT p.lms_user FROM entry e JOIN person p USING (person_no) WHERE CAST(e.body AS TEXT) ->> 'rule' = ?"
    return Counter(learner for (learner,) in ledger_rows(at.directory / "data", sql, "course"))


def logins(at: Campus) -> int:
    sql = "SELECT count(*) FROM entry WHERE CAST(body AS TEXT) ->> 'rule' = 'login'"
    return int(ledger_rows(at.directory / "data", sql)[0][0])


def test_a_running_agent_pays_what_no_event_told_once_whichever_way_comes_first_and_over_kills(tmp_path: Path) -> None:
    site = SqliteSite(tmp_path / "moodle.sqlite")
    start = int(time.time()) - 7_200
    log(site, 1, timecreated=start - 3_600)
    completed(site, 1, start, learner=35)
    told(site, 2, start + 5, learner=35)
    completed(site, 2, start + 10, learner=36)
    at = campus(tmp_path / "a", f"sqlite:///{site.path}", RULES, extra=OFTEN)
    with serving(at):
        wait_until(lambda: paid(at) == {"35": 1, "36": 1})
        completed(site, 3, int(time.time()), learner=37)
        wait_until(lambda: paid(at)["37"] == 1)
        told(site, 3, int(time.time()), learner=37)
        log(site, 4, eventname=r"\core\event\user_loggedin", userid=37, timecreated=int(time.time()))
        wait_until(lambda: logins(at) == 1)
    now = int(time.time()) - 2
    rows = ", ".join(f"({n}, {n}, 3, {now})" for n in range(100, 100 + MANY))
    site.execute(f"INSERT INTO mdl_course_completions (id, userid, course, timecompleted) VALUES {rows}")
    process = at.start()
    try:
        wait_until(lambda: len(paid(at)) > 3)
    finally:
        kill(process)
    between = sum(paid(at).values())
    with serving(at):
        wait_until(lambda: len(paid(at)) == MANY + 3)
    assert 3 < between <= MANY + 3
    at.catch_up()
    assert set(paid(at).values()) == {1}
    assert len(paid(at)) == MANY + 3
    at.command("ledger", "verify")


def test_a_state_table_that_does_not_answer_delays_no_row_of_the_log(
    mariadb_database: servers.MariaDatabase, tmp_path: Path
) -> None:
    site = MariaSite(mariadb_database)
    start = int(time.time()) - 7_200
    log(site, 1, timecreated=start)
    completed(site, 1, start + 60, learner=36)
    at = campus(tmp_path / "a", mariadb_database, RULES, extra=OFTEN)
    with mariadb_database.connect() as connection, connection.cursor() as holding:
        holding.execute("LOCK TABLES mdl_course_completions WRITE")
        with serving(at):
            for number in range(2, 6):
                now = int(time.time())
                log(site, number, eventname=r"\core\event\user_loggedin", userid=30 + number, timecreated=now)
                wait_until(lambda number=number: logins(at) == number - 1)
            assert paid(at) == {}
            holding.execute("UNLOCK TABLES")
            wait_until(lambda: paid(at) == {"36": 1})
