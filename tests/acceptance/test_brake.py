"""A typed 1000 for 10 on a campus at work: the brake holds it at once, and everybody gets the 10 in the end."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from tests import servers
from tests.acceptance.campus import Campus, campus, serving, wait_until
from tests.acceptance.test_simulate import COMPLETED, DAY, FIRST
from tests.ledgers import rows
from tests.sites import MariaSite, log

RIGHT = (
    'schema = 1\ntimezone = "Africa/Johannesburg"\n[safety]\nhold_over = "10x usual"\n'
    '[[rule]]\nid = "lesson"\non = "lesson.completed"\naward = 10\n'
    '[[rule]]\nid = "course"\non = "course.completed"\naward = 50\n'
)
TYPED = RIGHT.replace("award = 10\n", "award = 1000\n")
CAMPUS = range(100, 160)
NIGHT = FIRST + 8 * DAY


@pytest.fixture
def site(mariadb_database: servers.MariaDatabase) -> MariaSite:
    """A Moodle in which some people complete a lesson on each of eight days."""
    made = MariaSite(mariadb_database)
    for day in range(8):
        complete(made, day + 1, FIRST + day * DAY, (10, 11, 12))
    return made


@pytest.fixture
def at(tmp_path: Path, site: MariaSite) -> Campus:
    """A campus that reads it."""
    return campus(tmp_path / "campus", site.database, RIGHT, extra="poll_interval_s = 0.1")


def complete(site: MariaSite, lesson: int, when: int, people: Iterable[int]) -> None:
    """Each of them completes the lesson, a second after the one before."""
    ((last,),) = site.execute("SELECT coalesce(max(id), 0) FROM mdl_logstore_standard_log")
    done = {"eventname": COMPLETED, "objecttable": "course_modules_completion", "contextlevel": 70}
    for number, user in enumerate(people, 1):
        who = {"relateduserid": user, "userid": user, "timecreated": when + number}
        row = last + number
        log(site, row, objectid=row, contextinstanceid=lesson, other='{"completionstate":1}', **done, **who)


def paid(at: Campus) -> dict[str, int]:
    """What everybody has of it."""
    sql = "SELECT p.lms_user, b.amount FROM balance b JOIN person p USING (person_no) WHERE b.amount <> 0"
    return dict(rows(at.directory / "data", sql))


def held(at: Campus) -> int:
    ((count,),) = rows(at.directory / "data", "SELECT count(*) FROM hold WHERE state = 'open'")
    return int(count)


def test_a_typed_1000_for_10_is_held_at_once_and_everybody_gets_the_10_in_the_end(at: Campus, site: MariaSite) -> None:
    rules = at.directory / "rules.toml"
    with serving(at) as service:
        wait_until(lambda: (at.directory / "data" / "ledger.db").exists() and sum(paid(at).values()) == 8 * 3 * 10)
        rules.write_text(TYPED)
        wait_until(lambda: service.said("rules_adopted"))
        complete(site, 50, NIGHT, CAMPUS)
        wait_until(lambda: held(at) == len(CAMPUS))
        (told,) = service.logged("issuing_held")
        assert told["reason"].startswith("safety 10x usual points/day")
        assert sum(paid(at).values()) == 8 * 3 * 10
        rules.write_text(RIGHT)
        wait_until(lambda: len(service.logged("rules_adopted")) == 2)
        by = ("--by", "B. Desk", "--reason", "typed 1000 for 10", "--yes")
        at.command("review", "approve", "--rule", "lesson", "--kind", "budget", "--amount", "points=10", *by)
        assert service.end()[0] == 0
    assert held(at) == 0
    assert {paid(at)[str(user)] for user in CAMPUS} == {10}
    at.catch_up()
    assert sum(paid(at).values()) == 8 * 3 * 10 + len(CAMPUS) * 10
    assert at.command("ledger", "verify").returncode == 0


def test_a_flood_of_the_right_amount_is_let_through_to_the_brake_and_the_rest_is_released(
    at: Campus, site: MariaSite
) -> None:
    at.catch_up()
    complete(site, 60, NIGHT, CAMPUS)
    at.catch_up()
    assert (held(at), sum(paid(at).values())) == (30, 8 * 30 + 300)
    complete(site, 61, NIGHT + DAY, (10, 11))
    at.catch_up()
    assert (held(at), paid(at)["10"]) == (30, 90)
    done = at.command("review", "approve", "--kind", "budget", "--by", "B. Desk", "--yes")
    assert done.stdout.count("approved, paid 10 points") == 30
    again = at.command("review", "approve", "--kind", "budget", "--by", "B. Desk", "--yes", check=False)
    assert (again.returncode, held(at)) == (1, 0)
    assert sum(paid(at).values()) == 8 * 30 + len(CAMPUS) * 10 + 20
