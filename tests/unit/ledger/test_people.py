"""Persons apart: a pseudonym and references that nobody can follow back without the person's own secret."""

from __future__ import annotations

import re

from agent.ledger.record.people import People, Person, pseudonym_of, split_learner
from tests.builders import NOW, an_event
from tests.ledgers import Ledger, rows


def person(secret: bytes) -> Person:
    return Person(person_no=1, learner="moodle:35", secret=secret, pseudonym=pseudonym_of(secret))


ANN, BEN = person(b"a" * 32), person(b"b" * 32)


def test_a_pseudonym_is_24_letters_and_digits_of_the_secret_alone() -> None:
    assert re.fullmatch("[a-z2-7]{24}", ANN.pseudonym)
    assert ANN.pseudonym == pseudonym_of(b"a" * 32) != BEN.pseudonym


def test_references_differ_by_person_event_rule_scope_and_generation() -> None:
    event, other = an_event(1).event_id, an_event(2).event_id
    references = [
        ANN.event_ref(event),
        ANN.event_ref(other),
        BEN.event_ref(event),
        ANN.scope_ref("rule", "moodle:1", 0),
        ANN.scope_ref("rule", "moodle:1", 1),
        ANN.scope_ref("rule", "moodle:2", 0),
        ANN.scope_ref("another", "moodle:1", 0),
        BEN.scope_ref("rule", "moodle:1", 0),
    ]
    assert len(set(references)) == len(references)
    assert all(re.fullmatch("[0-9a-f]{32}", reference) for reference in references)
    assert ANN.event_ref(event) == person(b"a" * 32).event_ref(event)


def test_a_learner_is_a_site_and_whatever_the_site_calls_its_user() -> None:
    assert split_learner("moodle:35") == ("moodle", "35")
    assert split_learner("kajabi:a:b") == ("kajabi", "a:b")


async def test_every_learner_is_made_once_with_a_secret_of_their_own(ledger: Ledger) -> None:
    learners = [f"moodle:{number}" for number in range(200)] * 2
    made = await ledger.run(lambda connection: ledger.recorder.people.find_or_make(connection, learners, NOW))
    assert len(made) == 200
    assert len({each.secret for each in made.values()}) == 200
    again = await ledger.run(lambda connection: People().find_or_make(connection, learners, NOW + 1))
    assert again == made
    assert rows(ledger.data_dir, "SELECT count(*), min(created_at), max(created_at) FROM person") == [(200, NOW, NOW)]


async def test_who_is_nobody_yet_is_not_found(ledger: Ledger) -> None:
    people = ledger.recorder.people
    await ledger.run(lambda connection: people.find_or_make(connection, ["moodle:35"], NOW))
    told = await ledger.run(lambda connection: people.find(connection, ["moodle:35", "moodle:36", "other:35", ""]))
    assert list(told) == ["moodle:35"]


async def test_what_is_kept_in_memory_has_an_end(ledger: Ledger) -> None:
    people = People()
    people.KEPT_MAX = 10
    learners = [f"moodle:{number}" for number in range(30)]
    await ledger.run(lambda connection: people.find_or_make(connection, learners, NOW))
    told = await ledger.run(lambda connection: people.find(connection, learners[:2]))
    assert sorted(told) == ["moodle:0", "moodle:1"]
    assert len(people._known) == 2  # noqa: SLF001 - the bound is the point
