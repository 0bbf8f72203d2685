"""`learner export` over a ledger that the real agent filled: everything about one person, nothing about another."""

from __future__ import annotations

import json

import pytest

from agent.collectors.inbox.personal import Traits, parts_about, people_of, without
from agent.ledger.privacy.tables import LEDGER
from tests import ledgers
from tests.helpdesk import Desk, filled

ANN = {"users": ["35"], "words": ["ann", "s35", "ann@example.org"]}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """The filled campus."""
    return filled(tmp_path_factory.mktemp("export") / "campus")


def test_everything_about_one_person_is_told_and_nothing_about_another(desk: Desk) -> None:
    told = desk.json("learner", "export", "S35")
    ledger = told["ledger"]

    assert (told["learner"], told["username"], told["email"]) == ("moodle:35", "ann", "ann@example.org")
    assert [act["number"] for act in ledger["event"]] == [2, 3, 4, 5, 9, 14]
    assert {act["trust"] for act in ledger["event"]} == {"server_verified"}
    assert {one["outcome"] for one in ledger["decision"]} == {"awarded", "refused", "held"}
    assert [one["rule"] for one in ledger["hold"]] == ["lesson"]
    assert [(one["says"]["currency"], one["says"]["amount"]) for one in ledger["entry"]] == [
        ("points", 10),
        ("points", 1),
        ("stars", 25),
        ("badge:starter", 1),
    ]
    assert {one["currency"]: one["amount"] for one in ledger["balance"]} == {
        "badge:starter": 1,
        "points": 11,
        "stars": 25,
    }
    assert "lesson=moodle:10" in {one["what"] for one in ledger["quota_use"]}
    assert "moodle:36" not in json.dumps(told)
    ((secret,),) = ledgers.rows(desk.directory / "data", "SELECT hex(secret) FROM person WHERE lms_user = '35'")
    assert secret.lower() not in json.dumps(told).lower()


def test_it_can_be_read_by_the_person_who_asked(desk: Desk) -> None:
    told = desk.command("learner", "export", "ann@example.org").stdout

    assert "Ann X (ann, moodle:35): everything held at test-campus on " in told
    assert "Acts as they were seen: when, what, who took part, looked-up facts (event): 6" in told
    assert "rule: lesson; scope: lesson=moodle:12; kind: backdated" in told
    assert "Not in here:" in told


def test_every_table_that_holds_something_has_its_question(desk: Desk) -> None:
    with ledgers.behind_its_back(desk.directory / "data") as connection:
        tables = {
            name
            for (name,) in connection.execute(
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            )
        }
    assert tables == set(LEDGER), "say in agent/ledger/privacy/tables.py what a new table holds about a person"
    told = desk.json("learner", "export", "ann")["ledger"]
    assert set(told) == {name for name, table in LEDGER.items() if table.holds}


def test_a_fact_that_a_post_tells_of_somebody_is_found_in_whatever_words() -> None:
    nobody = people_of(None, "school")
    posts = [
        b'{"actor": {"mbox": "mailto:Ann@Example.org"}, "verb": {}}',
        b'{"data": {"user": {"id": 35, "name": "A"}}}',
        b'{"eventname": "x", "relateduserid": "35"}',
        b"username=ann&course=3",
    ]
    for body in posts:
        assert parts_about(body, ANN["users"], ANN["words"], nobody), body
        assert without(body, ANN["users"], ANN["words"], nobody) == (None, False)
    for body in (b'{"course": {"id": 35}}', b'{"userid": 350}', b'{"user": {"name": "Ann"}}'):
        assert without(body, ANN["users"], ANN["words"], nobody) == (body, False)


def test_of_a_post_about_many_only_the_persons_own_facts_are_taken() -> None:
    body = json.dumps({"sent_by": "school", "events": [{"user": {"id": "35"}}, {"user": {"id": "36"}}]}).encode()

    assert parts_about(body, ["35"], (), people_of(None, "school")) == [{"user": {"id": "35"}}]
    left, _ = without(body, ["35"], (), people_of(None, "school"))
    assert json.loads(left or b"") == {"sent_by": "school", "events": [{"user": {"id": "36"}}]}


def test_traits_are_kept_by_site_and_never_shown() -> None:
    traits = Traits.of([("moodle", "35"), ("campus2", "9")], ["Ann@Example.org", " ", ""])

    assert traits.ids == {"moodle": {"35"}, "campus2": {"9"}}
    assert traits.words == {"ann@example.org"}
    assert "ann" not in repr(traits)


def test_the_ledger_is_only_read(desk: Desk) -> None:
    before = ledgers.content(desk.directory / "data")
    desk.command("learner", "export", "ann", "--json")
    assert ledgers.content(desk.directory / "data") == before
