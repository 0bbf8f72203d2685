"""Rules that cannot be meant, given to a running agent: told exactly where they stand, the running rules untouched."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.acceptance.campus import Campus, campus, serving, wait_until
from tests.acceptance.test_bad_input import RULES, balance, complete
from tests.sites import SqliteSite, put

STEP = 'step = [{ on = "course.viewed" }]\n'
REFUSED = {
    "a cron that never fires": (
        '[[scheduled]]\nid = "s"\ncron = "0 0 31 2 *"\nrank = { by = "points earned" }\nplaces = [5]\n',
        "rules.toml:9:8: '0 0 31 2 *' never fires",
    ),
    "challenges in a circle": (
        f'[[challenge]]\nid = "a"\nnext = "b"\n{STEP}[[challenge]]\nid = "b"\nnext = "a"\n{STEP}',
        "rules.toml:9:8: the challenges go in a circle",
    ),
    "a currency with no definition": (
        '[[rule]]\nid = "g"\non = "lesson.completed"\naward = { gold = 1 }\n',
        "rules.toml:10:18: unknown currency 'gold'",
    ),
    "a file replaced half-written": (
        '[[rule]]\nid = "h"\non = "lesson.co',
        "rules.toml:9:16: a text that is not closed",
    ),
}
WARNED = {
    "a fact that no source supplies": (
        '[[rule]]\nid = "f"\non = "lesson.completed"\naward = 1\nconditions = { shoe_size = ">40" }\n',
        "rules.toml:11:28: no source supplies a fact 'shoe_size'",
    ),
}
MANY = 2_000


@pytest.fixture
def site(tmp_path: Path) -> SqliteSite:
    """A Moodle in which one lesson was completed."""
    made = SqliteSite(tmp_path / "moodle.db")
    complete(made, 1, 1)
    return made


@pytest.fixture
def at(tmp_path: Path, site: SqliteSite) -> Campus:
    """A campus that reads it."""
    return campus(tmp_path / "campus", f"sqlite:///{site.path}", RULES, extra="poll_interval_s = 0.1")


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_file_is_told_exactly_and_the_running_rules_go_on(at: Campus, site: SqliteSite, case: str) -> None:
    more, told = REFUSED[case]
    with serving(at) as service:
        wait_until(lambda: balance(at) == 10)
        (at.directory / "rules.toml").write_text(RULES + more)
        service.reload()
        wait_until(lambda: service.said("rules_refused"))
        assert told in service.logged("rules_refused")[0]["message"]
        complete(site, 2, 2)
        wait_until(lambda: balance(at) == 20)
        assert len(at.json("rules", "history")) == 1


@pytest.mark.parametrize("case", WARNED)
def test_what_can_never_act_is_told_with_its_place(at: Campus, case: str) -> None:
    more, told = WARNED[case]
    (at.directory / "rules.toml").write_text(RULES + more)
    done = at.command("rules", "check", check=False)
    assert told in done.stdout + done.stderr


def test_a_trust_that_no_source_reaches_holds_and_loses_nothing(tmp_path: Path, site: SqliteSite) -> None:
    # A written min_trust above every ceiling once stopped the agent, and even `review approve`.
    held = campus(tmp_path / "held", f"sqlite:///{site.path}", RULES, extra='trust = "client_reported"')
    (held.directory / "rules.toml").write_text(f'{RULES}min_trust = "server_verified"\n')
    told = "no configured source reaches min_trust server_verified"
    assert "rules_warning" in (said := held.catch_up())
    assert told in said
    refused = held.command("rules", "check", check=False)
    assert (refused.returncode, told in refused.stderr) == (2, True)
    (waiting,) = held.json("review", "list")
    assert waiting["reason"] == "trust client_reported below server_verified"
    (warning,) = held.json("status")["rules"]["held_for_ever"]
    assert told in warning
    held.command("review", "approve", str(waiting["decision"]), "--by", "desk", "--reason", "I saw it done")
    assert balance(held) == 10


PROGRAMME = '[programme.start]\ncourses = [{courses}]\n[[rule]]\nid = "p"\non = "programme.completed"\naward = 5\n'
MISSING = {
    "a course of a programme": (
        '"BIO1", "GONE"',
        "rules.toml:8:20: 'GONE' is none of the courses in moodle: nobody there can complete the programme start",
    ),
    "every course of a programme": (
        '"GONE"',
        "rules.toml:8:12: 'GONE' is none of the courses in moodle, nor is any other of the programme start known",
    ),
}
"""Names of a programme, and what is told of them."""


@pytest.mark.parametrize("case", MISSING)
def test_what_is_not_in_the_lms_costs_the_programme_and_never_the_source(
    at: Campus, site: SqliteSite, case: str
) -> None:
    courses, told = MISSING[case]
    put(site, "course", id=7, shortname="BIO1")
    (at.directory / "rules.toml").write_text(RULES + PROGRAMME.format(courses=courses))
    assert told in at.catch_up()
    assert balance(at) == 10
    (finding,) = (one for one in at.json("doctor") if one["code"] == "name-unknown")
    assert (finding["level"], told in finding["found"]) == ("warn", True)
    (unknown,) = at.json("rules", "check", "--site")["site"]["moodle"]["unknown"]
    assert (unknown["rule"], unknown["key"], unknown["name"]) == ("programme start", "courses", "GONE")


def test_new_rules_that_name_what_is_not_there_are_adopted_and_it_is_told(at: Campus, site: SqliteSite) -> None:
    with serving(at) as service:
        wait_until(lambda: balance(at) == 10)
        (at.directory / "rules.toml").write_text(RULES + PROGRAMME.format(courses='"GONE"'))
        service.process.send_signal(signal.SIGHUP)
        wait_until(lambda: service.said("rules_adopted"))
        assert MISSING["every course of a programme"][1] in service.logged("rules_warning")[0]["warning"]
        complete(site, 2, 2)
        wait_until(lambda: balance(at) == 20)


def test_thousands_of_rules_are_checked_by_the_command_and_taken_by_a_running_agent(
    at: Campus, site: SqliteSite
) -> None:
    one = '[[rule]]\nid = "r{n}"\non = "quiz.submitted"\naward = {n}\naudience = {{ courses = ["id:{n}"] }}\n'
    with serving(at) as service:
        wait_until(lambda: balance(at) == 10)
        (at.directory / "rules.toml").write_text(RULES + "".join(one.format(n=n + 1) for n in range(MANY)))
        service.process.send_signal(signal.SIGHUP)
        assert at.json("rules", "check")["rules"] == MANY + 1
        wait_until(lambda: service.said("rules_adopted"))
        complete(site, 2, 2)
        wait_until(lambda: balance(at) == 20)
