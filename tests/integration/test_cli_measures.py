"""`rewards-agent measures …`, as an analyst types it, over a real agent's ledger."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from tests.helpdesk import Desk, completed, filled

WEEKS = ("--days", "14", "--until", "2026-09-13")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """The filled campus; only looked at."""
    return filled(tmp_path_factory.mktemp("measures") / "campus")


def rows(desk: Desk, *words: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(desk.command("measures", *words, "--csv").stdout)))


def test_figures_of_fewer_than_five_learners_are_not_shown_unless_fewer_are_asked_for(desk: Desk) -> None:
    told = desk.json("measures", "engagement", *WEEKS)
    assert told["activity"] == {
        "active_learners": "<5",
        **dict.fromkeys(
            ("daily_active_learners", "busiest_day", "lessons", "lessons_per_active_day", "active_days"), None
        ),
    }
    assert [row["returned"] for row in told["weeks"]] == [None, 0]
    assert told["all_courses"]["posts"] == 0, "nor in a sum"
    assert [row["posts"] for row in told["courses"]] == [None]
    assert all(row["count"] in {"", "0"} for row in rows(desk, "engagement", *WEEKS))
    assert rows(desk, "cohorts", *WEEKS) == []
    assert told["not_recorded"] == ["course.enrolled", "course.completed"]
    shown = desk.command("measures", "engagement", *WEEKS)
    assert "never recorded: course.enrolled, course.completed" in shown.stderr


def test_all_figures_are_those_of_the_acts_by_hand(desk: Desk) -> None:
    told = desk.json("measures", "engagement", *WEEKS, "--least", "1")
    assert told["activity"] == {
        "active_learners": 2,
        "daily_active_learners": 0.3571,
        "busiest_day": 2,
        "lessons": 6,
        "lessons_per_active_day": 1.2,
        "active_days": 5,
    }
    first, second = told["weeks"]
    assert (first["week"], first["active"], first["lessons"], first["momentum"]) == ("2026-08-31", 2, 2, 100)
    assert (second["lessons"], second["lessons_before"], second["momentum"]) == (4, 2, 88.8889)
    assert (first["begun"], first["returned"], second["begun"]) == (2, 0, 0)
    (course,) = told["courses"]
    assert (course["entered"], course["three_lessons"], course["posts"]) == (2, 2, 2)
    long = {(row["measure"], row["since"]): row for row in rows(desk, "engagement", *WEEKS, "--least", "1")}
    assert long["momentum", "2026-09-07"]["value"] == "88.8889"
    assert long["active_learners", "2026-09-07"]["learners"] == "2"
    assert max(map(len, desk.command("measures", "engagement", *WEEKS, "--least", "1").stdout.splitlines())) <= 80


def test_a_month_of_enrolment_has_what_its_learners_were_issued(desk: Desk) -> None:
    points, stars = rows(desk, "cohorts", *WEEKS, "--least", "2")
    assert (points["cohort"], points["learners"], points["currency"], points["issued"]) == (
        "enrolled 2026-09", "2", "points", "21",
    )  # fmt: skip
    assert (stars["currency"], stars["issued"], stars["spent"]) == ("stars", "25", "0")
    shown = desk.command("measures", "cohorts", *WEEKS, "--least", "2").stdout
    assert "0.25" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_a_cohort_or_a_department_has_what_its_learners_were_issued_and_spent(desk: Desk, tmp_path: Path) -> None:
    own = desk.copy(tmp_path / "campus")
    facts = '{"cohorts:35": ["pilot", "Pilot group"], "person_department": "Sales"}'
    own.ledger(
        "UPDATE event SET payload = CAST(json_patch(CAST(payload AS TEXT), json_object('f', json(?))) AS BLOB) "
        "WHERE CAST(payload AS TEXT) ->> '$.w.subject' = '35'",
        facts,
    )
    own.ledger(
        "INSERT INTO statement (after_seq, person_no, currency, kind, amount, of, occurred_at, recorded_at) "
        "SELECT 5, person_no, 'points', 'spend', -4, '', 1788800400, 1788800400 FROM person WHERE lms_user = '35'"
    )

    def points(*words: str) -> dict[str, tuple[str, ...]]:
        found = [row for row in rows(own, "cohorts", *WEEKS, *words) if row["currency"] == "points"]
        return {row["cohort"]: (row["learners"], row["issued"], row["spent"], row["spent_pct"]) for row in found}

    ann, ben = ("1", "11", "4", "36.4"), ("1", "10", "0", "0.0")
    assert points("--least", "1") == {"Pilot group / pilot": ann, "enrolled 2026-09": ben}
    assert points("--least", "1", "--by", "department") == {"(not known)": ben, "Sales": ann}
    assert points("--least", "2") == {"(smaller groups)": ("2", "21", "4", "19.0")}
    (first, _) = rows(own, "learners", "--fact", "department", "--fact", "cohorts")
    assert (first["department"], first["cohorts"]) == ("Sales", "pilot; Pilot group")


def test_before_and_after_a_day_says_what_it_is_and_that_it_proves_no_cause(desk: Desk) -> None:
    words = ("measures", "effect", "--at", "2026-09-08", "--weeks", "1")
    shown = " ".join(desk.command(*words).stdout.split())
    assert "nobody" not in shown
    assert "fewer than 5 learners of before did something in these weeks" in shown
    told = desk.json("measures", "effect", "--at", "2026-09-14", "--weeks", "1", "--least", "1")
    assert (told["since"], told["until"], told["learners"], told["lessons_before"], told["lessons_after"]) == (
        "2026-09-07", "2026-09-20", 2, 4, 0,
    )  # fmt: skip
    assert (told["change"], told["interval_from"], told["down"], told["by_chance"]) == (-2, None, 2, 0.5)
    assert "no proof of cause" in told["remark"]
    (row,) = rows(desk, "effect", "--at", "2026-09-14", "--weeks", "1", "--least", "1")
    assert (row["up"], row["same"], row["down"]) == ("0", "0", "2")


def test_learners_and_courses_are_listed_with_what_was_asked_for_and_nothing_else(desk: Desk, tmp_path: Path) -> None:
    assert rows(desk, "learners")[1] == {
        "learner": "moodle:36",
        "start_date": "2026-09-05",
        "last_date": "2026-09-10",
        "lessons": "3",
        "courses": "1",
        "courses_completed": "0",
    }
    known = {name for (name,) in desk.ledger("SELECT pseudonym FROM person")}
    assert {row["learner"] for row in rows(desk, "learners", "--pseudonyms")} == known
    (few,), (course,) = rows(desk, "courses"), rows(desk, "courses", "--least", "2")
    assert (few["first_date"], few["learners"], few["completed"]) == ("2026-09-05", "", "")
    assert (course["course"], course["learners"], course["completed"]) == ("3", "2", "0")
    own = desk.copy(tmp_path / "campus")
    completed(own.moodle, 30, 37, 10, "09-05T09:00")
    own.command("run", "--until-caught-up")
    own.command("learner", "opt-out", "moodle:36", "--by", "ann")
    assert [row["learner"] for row in rows(own, "learners")] == ["moodle:35", "moodle:37"]
    assert "1 learner without a pseudonym" in own.command("measures", "learners", "--pseudonyms").stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("effect", "--at", "9998-01-01"), "are not over"),
        (("effect", "--at", "1066-01-01"), "nothing was recorded on 1066-01-01"),
        (("engagement", "--until", "0002-01-01", "--days", "3660"), "nothing was recorded on 0002-01-01"),
        (("engagement", "--window", "soon"), "'soon' is no window"),
        (("cohorts", "--by", "departments"), "nothing is known of learners by the name 'departments'"),
        (("learners", "--fact", "department"), "nothing is known of learners by the name 'department'"),
    ],
)
def test_what_cannot_be_measured_is_told(desk: Desk, words: tuple[str, ...], told: str) -> None:
    refused = desk.command("measures", *words, check=False)
    assert (refused.returncode, told in refused.stderr) == (1, True), refused.stderr
