"""`rewards-agent report`, as a programme owner types it, over a real agent's ledger and against counts by hand."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.helpdesk import Desk, completed, filled

WEEK = ("report", "--until", "2026-09-08", "--days", "2")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """The filled campus; only looked at."""
    return filled(tmp_path_factory.mktemp("report") / "campus")


def by(rows: list[dict[str, Any]], name: str) -> dict[str, dict[str, Any]]:
    return {row[name]: row for row in rows}


def test_what_each_rule_paid_held_and_refused_is_counted_with_its_commonest_no(desk: Desk) -> None:
    told = desk.json(*WEEK)

    rules = by(told["rules"], "rule")
    assert list(rules) == ["lesson", "post", "starter", "resting"], "the file's own order"
    lesson = rules["lesson"]
    assert (lesson["acts"], lesson["awarded"], lesson["held"], lesson["refused"], lesson["hit_pct"]) == (3, 1, 1, 1, 33)
    assert (lesson["paid"], lesson["learners"], lesson["why_not"]) == ({"points": 10}, 1, "limit 1/day")
    assert rules["post"]["paid"] == {"points": 1, "stars": 25}
    assert rules["starter"]["paid"] == {"badge:starter": 1}
    assert (rules["resting"]["acts"], rules["resting"]["hit_pct"]) == (0, None)
    assert told["currencies"][0] | {"currency": "points", "issued": 11, "before": 0} == told["currencies"][0]


def test_what_was_issued_and_taken_back_is_what_the_entries_add_up_to(desk: Desk, tmp_path: Path) -> None:
    own = desk.copy(tmp_path / "campus")
    own.command("ledger", "reverse", "1", "--reason", "a mistake", "--by", "ann", "--yes")
    for amount in ("5", "-3"):
        own.command("ledger", "adjust", "ben", amount, "--reason", "a correction", "--by", "ann")
    money = by(own.json("report", "--days", "3660")["currencies"], "currency")
    entries = own.ledger(
        "SELECT CAST(body AS TEXT) ->> 'currency', sum(max(CAST(body AS TEXT) ->> 'amount', 0)), "
        "-sum(min(CAST(body AS TEXT) ->> 'amount', 0)) FROM entry GROUP BY 1"
    )
    assert {currency: (row["issued"], row["taken_back"]) for currency, row in money.items()} == {
        currency: (up, down) for currency, up, down in entries if not currency.startswith("badge:")
    }


def test_the_days_before_stand_beside_and_days_are_the_institutions(desk: Desk, tmp_path: Path) -> None:
    after = by(desk.json("report", "--until", "2026-09-08", "--days", "1")["rules"], "rule")
    assert (after["lesson"]["acts"], after["lesson"]["before"]) == (0, 1)
    own = desk.copy(tmp_path / "campus")
    completed(own.moodle, 900, 35, 900, "10-09T22:30")  # in Johannesburg it is the 10th already
    own.command("run", "--until-caught-up")
    days = {day: own.json("report", "--until", day, "--days", "1") for day in ("2026-10-09", "2026-10-10")}
    assert [by(told["rules"], "rule")["lesson"]["acts"] for told in days.values()] == [0, 1]


def test_what_learners_spent_is_told_by_currency(desk: Desk, tmp_path: Path) -> None:
    own = desk.copy(tmp_path / "campus")
    with closing(sqlite3.connect(own.directory / "data" / "ledger.db")) as db, db:
        db.executemany(
            "INSERT INTO statement (after_seq, person_no, currency, kind, amount, of, occurred_at, recorded_at) "
            "VALUES (5, 1, 'points', ?, ?, '', 1788800400, 1788800400)",
            [("spend", -4), ("spend", -3), ("refund", 3), ("expiry", -1)],
        )
    (points,) = [row for row in own.json(*WEEK)["currencies"] if row["currency"] == "points"]
    assert (points["spent"], points["redemptions"], points["spenders"]) == (7, 2, 1)
    assert (points["refunded"], points["expired"]) == (3, 1)


def test_people_read_it_as_tables_and_a_day_that_is_none_is_told(desk: Desk) -> None:
    shown = desk.command(*WEEK)
    assert [line for line in shown.stdout.splitlines() if line and "  " not in line] == [
        "Seen", "By rule", "Why not, most often", "By currency",
    ]  # fmt: skip
    assert "1 point, 0.25 stars" in shown.stdout
    assert "beside the 2 days before" in shown.stderr
    for wrong in ("yesterday", "0001-01-05", "9999-12-31"):
        refused = desk.command("report", "--until", wrong, check=False)
        assert (refused.returncode, f"'{wrong}' is n" in refused.stderr) == (1, True)
