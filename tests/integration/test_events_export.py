"""`rewards-agent events export`, as an analyst types it: columns, pseudonyms, Mixpanel's form, and what is left out."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.helpdesk import Desk, at, completed, filled

EXPORT = ("events", "export")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """The filled campus, and besides a lesson by the site's administrator and one of Cid's that is held."""
    made = filled(tmp_path_factory.mktemp("export") / "campus")
    completed(made.moodle, 17, 2, 10, "09-12T09:00")
    completed(made.moodle, 18, 37, 10, "09-05T09:00")
    made.catch_up()
    return made


def rows(desk: Desk, *words: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(desk.command(*EXPORT, *words).stdout)))


def lines(desk: Desk, *words: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in desk.command(*EXPORT, *words).stdout.splitlines()]


def test_every_recorded_act_is_a_row_under_the_id_that_the_ledger_has_and_with_what_came_of_it(desk: Desk) -> None:
    found = rows(desk)

    assert [int(row["seq"]) for row in found] == list(range(1, len(found) + 1))
    entries = csv.DictReader(io.StringIO(desk.command("ledger", "export", "--badges").stdout))
    paid = {entry["event_id"]: entry["learner"] for entry in entries}
    assert {row["event_id"]: row["learner"] for row in found if row["outcome"] == "awarded"} == paid
    second = found[1]
    assert (second["kind"], second["occurred_at"], second["outcome"]) == (
        "lesson.completed", "2026-09-07T09:00:00Z", "refused",
    )  # fmt: skip
    assert (second["course"], second["lesson"], second["object"]) == ("3", "11", "course_modules_completion:35011")
    assert (second["lms"], second["site"], second["source"], second["trust"]) == (
        "moodle", "moodle", "moodle", "server_verified",
    )  # fmt: skip
    assert {row["uncounted"] for row in found if row["learner"] == "moodle:2"} == {"never earns: site admin"}


def test_pseudonyms_are_those_of_entries_and_nothing_that_is_written_leads_back_to_anybody(desk: Desk) -> None:
    done = desk.command(*EXPORT, "--pseudonyms")
    found = list(csv.DictReader(io.StringIO(done.stdout)))

    known = dict(desk.ledger("SELECT pseudonym, lms_user FROM person"))
    assert {row["learner"] for row in found} == set(known)
    refs = "SELECT DISTINCT CAST(body AS TEXT) ->> 'event_ref', CAST(body AS TEXT) ->> 'learner' FROM entry"
    assert set(desk.ledger(refs)) == {
        (row["event_id"], row["learner"]) for row in found if row["outcome"] == "awarded"
    }, "an act has the name here that entries give it at the catalogue"
    assert all(row["object"] == "" for row in found)
    plain = rows(desk)
    told = {row["event_id"] for row in plain} | {row["learner"] for row in plain} | {row["object"] for row in plain}
    assert [each for each in told if each and each in done.stdout] == []
    assert "left out: 2 of nobody who has a pseudonym yet" in done.stderr, "the administrator's and Cid's"


def test_lines_for_mixpanel_are_such_as_its_import_takes(desk: Desk) -> None:
    done = desk.command(*EXPORT, "--format", "mixpanel")
    found = [json.loads(line) for line in done.stdout.splitlines()]

    assert len(found) == 10
    assert all(set(one) == {"event", "properties"} for one in found)
    ids = [one["properties"]["$insert_id"] for one in found]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[A-Za-z0-9-]{1,36}", one) for one in ids)
    first = found[0]["properties"]
    assert first == {
        "distinct_id": first["distinct_id"],
        "time": at("09-07T08:00"),
        "$insert_id": ids[0],
        "course_id": "3",
        "lesson_id": "10",
        "lms": "moodle",
        "site": "moodle",
        "source": "moodle",
        "trust": "server_verified",
        "outcome": "awarded",
    }
    assert "left out: 1 of nobody who has a pseudonym yet; 1 uncounted (never earns: site admin)" in done.stderr
    assert max(map(len, done.stdout.splitlines())) < 1_000, "2,000 of them are less than a request may be"
    assert done.stdout == desk.command(*EXPORT, "--format", "mixpanel").stdout, "what is sent twice counts once"


def test_an_export_goes_on_where_the_last_one_ended_and_takes_a_part(desk: Desk, tmp_path: Path) -> None:
    own = desk.copy(tmp_path / "campus")
    before = own.command(*EXPORT)
    after = re.findall(r"--after (\d+)", before.stderr)
    assert rows(own, "--after", *after) == []
    completed(own.moodle, 19, 35, 13, "09-13T08:00")
    own.catch_up()
    (new,) = rows(own, "--after", *after)
    assert (new["learner"], new["lesson"]) == ("moodle:35", "13")
    assert {one["kind"] for one in lines(own, "--format", "json", "--kind", "forum.*")} == {"forum.posted"}
    assert rows(own, "--source", "elsewhere") == []
    days = rows(own, "--since", "2026-09-10", "--until", "2026-09-12")
    assert [row["occurred_at"][:10] for row in days] == ["2026-09-10", "2026-09-12", "2026-09-12"]
    assert [one["seq"] for one in own.json(*EXPORT)] == list(range(1, 14))


def test_who_opts_out_is_in_no_export_any_more(desk: Desk, tmp_path: Path) -> None:
    own = desk.copy(tmp_path / "campus")
    own.command("learner", "opt-out", "moodle:36", "--by", "ann")
    done = own.command(*EXPORT)
    assert "moodle:36" not in done.stdout
    assert "left out: 3 of who takes no part" in done.stderr
