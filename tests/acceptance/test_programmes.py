"""Programmes on the real capture agree with SQL; referrals are paid from profile fields in a real MariaDB."""

from __future__ import annotations

from pathlib import Path

from agent.collectors.systems.moodle import COURSE_COMPLETED
from tests import servers
from tests.acceptance.campus import campus
from tests.acceptance.test_capture import EARNS, LEARNER
from tests.sites import MariaSite, log, put

HEAD = 'schema = 1\ntimezone = "UTC"\n'
DONE = rf"""
    SELECT {LEARNER} AS learner, l.courseid AS course FROM mdl_logstore_standard_log l
    WHERE l.eventname = '\\core\\event\\course_completed' AND {EARNS}
""".replace("%%", "%")


def test_who_completed_a_programme_in_the_capture_is_whom_sql_counts(
    shared_capture: servers.MariaDatabase, tmp_path: Path
) -> None:
    busiest = shared_capture.execute(
        f"SELECT course, COUNT(DISTINCT learner) FROM ({DONE}) d GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 2"
    )
    (first, second) = sorted(int(course) for course, _ in busiest)
    expected = {
        f"moodle:{learner}"
        for learner, courses in shared_capture.execute(
            f"SELECT learner, COUNT(DISTINCT course) FROM ({DONE}) d WHERE course IN ({first}, {second}) GROUP BY 1"
        )
        if int(courses) == 2
    }
    assert expected, "nobody in the capture completed both"
    rules = (
        f'{HEAD}[programme.both]\ncourses = ["id:{first}", "id:{second}"]\n'
        '[[rule]]\nid = "both"\non = "programme.completed"\naward = 100\nbadge = "both"\n'
    )
    agent = campus(tmp_path / "a", shared_capture, rules)
    agent.catch_up()
    rows = agent.export()
    assert {row["learner"] for row in rows if row["currency"] == "points"} == expected
    assert len(rows) == 2 * len(expected)
    agent.catch_up()
    assert agent.export() == rows
    assert agent.json("ledger", "verify")["findings"] == []


REFERRAL = f"""{HEAD}
[person]
referrer = {{ profile_field = "referredby" }}

[[rule]]
id = "referral"
on = "course.completed"
award = [{{ to = "referrer", points = 50 }}, {{ to = "subject", points = 10 }}]
once_per = "subject"
limit = {{ of = "5/month", for = "referrer" }}
"""


def test_each_referred_person_pays_once_and_the_referrer_five_times_a_month(
    mariadb: servers.MariaDB, tmp_path: Path
) -> None:
    site = MariaSite(mariadb.create_database())
    put(site, "user_info_field", id=2, shortname="referredby")
    put(site, "course", id=3, shortname="A")
    put(site, "user", id=50, username="ann", email="ann@example.org")
    for number, user in enumerate(range(101, 108), 1):
        put(site, "user", id=user, username=f"u{user}")
        put(site, "user_info_data", id=user, userid=user, fieldid=2, data="u107" if user == 107 else "ann")
        for again in (0, 10):
            log(site, number + again, eventname=COURSE_COMPLETED, relateduserid=user, courseid=3, origin="cli")
    agent = campus(tmp_path / "a", site.database, REFERRAL)
    agent.catch_up()
    paid = [(row["learner"], row["amount"]) for row in agent.export()]
    assert paid.count(("moodle:50", "50")) == 5
    assert sorted(one for one in paid if one[0] != "moodle:50") == [
        (f"moodle:{user}", "10") for user in range(101, 108)
    ]
    site.database.drop()
