"""What an audience names must mean one thing; where it does not, nobody is paid by chance."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.acceptance.campus import Campus, campus, serving, wait_until
from tests.sites import SqliteSite, log, put

RULES = """
schema = 1
timezone = "UTC"

[[rule]]
id = "safety"
on = '{on}'
award = 5
once_per = "event"
audience = {{ {audience} }}
"""
VIEWED_SAFELY = r"\core\event\course_viewed"


@pytest.fixture
def site(tmp_path: Path) -> SqliteSite:
    """Two faculties that both have a category Safety, with a course in each, and two cohorts called pilot."""
    site = SqliteSite(tmp_path / "moodle.sqlite")
    for number, name, path in ((1, "Arts", "/1"), (2, "Safety", "/1/2"), (3, "Law", "/3"), (4, "Safety", "/3/4")):
        put(site, "course_categories", id=number, name=name, path=path)
    put(site, "course", id=901, category=2, shortname="BIO")
    put(site, "course", id=902, category=4, shortname="LAW")
    put(site, "cohort", id=1, name="pilot", idnumber="")
    put(site, "cohort", id=2, name="pilot", idnumber="P2")
    put(site, "cohort_members", cohortid=2, userid=5001)
    log(site, 10_000_001, eventname=VIEWED_SAFELY, userid=5001, courseid=901, contextinstanceid=901)
    log(site, 10_000_002, eventname=VIEWED_SAFELY, userid=5001, courseid=902, contextinstanceid=902)
    return site


def _agent(directory: Path, site: SqliteSite, audience: str, on: str = VIEWED_SAFELY) -> Campus:
    return campus(directory, f"sqlite:///{site.path}", RULES.format(audience=audience, on=on))


@pytest.mark.parametrize(
    ("audience", "means"),
    [
        ('categories = ["Safety"]', "Arts / Safety (id 2); Law / Safety (id 4)"),
        ('cohorts = ["pilot"]', "cohort 1 (pilot); cohort 2 (pilot, idnumber P2)"),
    ],
)
def test_a_name_that_means_two_things_is_a_fault_with_its_place(
    tmp_path: Path, site: SqliteSite, audience: str, means: str
) -> None:
    agent = _agent(tmp_path / "a", site, audience)
    done = agent.command("run", "--until-caught-up", check=False)
    assert done.returncode == 2
    assert "rules.toml:10:" in done.stderr
    assert means in done.stderr
    assert agent.export() == []


@pytest.mark.parametrize(
    ("audience", "paid"),
    [
        ('categories = ["Law / Safety"]', ["2026"]),
        ('categories = ["Arts", "Law / Safety"]', ["2026", "2026"]),
        ('cohorts = ["P2"]', ["2026", "2026"]),
    ],
)
def test_a_path_or_an_idnumber_tells_them_apart(
    tmp_path: Path, site: SqliteSite, audience: str, paid: list[str]
) -> None:
    agent = _agent(tmp_path / "a", site, audience)
    agent.catch_up()
    assert [row["occurred_at"][:4] for row in agent.export()] == paid


def test_a_service_ends_with_2_only_where_the_fault_was_there_at_its_start(tmp_path: Path, site: SqliteSite) -> None:
    ambiguous = _agent(tmp_path / "a", site, 'categories = ["Safety"]')
    assert ambiguous.command("run", check=False).returncode == 2
    agent = _agent(tmp_path / "a", site, 'categories = ["Arts"]')
    with serving(agent) as service:
        wait_until(lambda: len(agent.export()) == 1)
        rules = RULES.format(audience='categories = ["Safety"]', on=VIEWED_SAFELY).replace("award = 5", "award = 7")
        (agent.directory / "rules.toml").write_text(rules)
        service.process.send_signal(signal.SIGHUP)
        wait_until(lambda: service.said("rules_refused"))
        log(site, 10_000_003, eventname=VIEWED_SAFELY, userid=5002, courseid=901, contextinstanceid=901)
        wait_until(lambda: len(agent.export()) == 2)
        assert service.end()[0] == 0
    assert [row["amount"] for row in agent.export()] == ["5", "5"]


def test_a_name_that_comes_to_mean_two_things_costs_what_names_it_and_nothing_else(
    tmp_path: Path, site: SqliteSite
) -> None:
    put(site, "cohort", id=3, name="crew", idnumber="")
    put(site, "cohort_members", cohortid=3, userid=5001)
    agent = _agent(tmp_path / "a", site, 'cohorts = ["crew"]')
    other = f'\n[[rule]]\nid = "all"\non = \'{VIEWED_SAFELY}\'\naward = 1\nonce_per = "event"\n'
    rules = agent.directory / "rules.toml"
    rules.write_text(rules.read_text() + other)
    agent.catch_up()
    assert [row["amount"] for row in agent.export()] == ["5", "1", "5", "1"]
    put(site, "cohort", id=4, name="crew", idnumber="P4")
    log(site, 10_000_003, eventname=VIEWED_SAFELY, userid=5001, courseid=902, contextinstanceid=905)
    done = agent.command("run", "--until-caught-up")
    assert "'crew' is ambiguous in moodle: it means cohort 3 (crew); cohort 4 (crew, idnumber P4)" in done.stderr
    assert "nothing is paid by it" in done.stderr
    assert [row["amount"] for row in agent.export()][4:] == ["1"]
    (doubt,) = agent.json("status")["rules"]["doubtful_names"]
    assert "'crew' is ambiguous in moodle" in doubt
    assert agent.command("rules", "check", "--site", check=False).returncode == 2
    assert "crew" in agent.command("doctor", check=False).stdout


def test_an_idnumber_is_meant_before_a_name_and_rules_check_site_tells_what_is_not(
    tmp_path: Path, site: SqliteSite
) -> None:
    put(site, "cohort", id=3, name="P2", idnumber="")
    put(site, "cohort_members", cohortid=3, userid=5002)
    log(site, 10_000_003, eventname=VIEWED_SAFELY, userid=5002, courseid=901, contextinstanceid=903)
    agent = _agent(tmp_path / "a", site, 'cohorts = ["P2"]')
    agent.catch_up()
    assert [row["learner"] for row in agent.export()] == ["moodle:5001", "moodle:5001"]
    checked = agent.json("rules", "check", "--site")
    assert (checked["ok"], checked["site"]["moodle"]["ambiguous"]) == (True, [])
    (told,) = checked["site"]["moodle"]["beside"]
    assert "'P2' means cohort 2 (pilot, idnumber P2) by its idnumber, not cohort 3 (P2)" in told["told"]
    assert checked["site"]["moodle"]["audiences"][0]["people"] == 0
