"""What is encoded in bulk, or from pieces encoded before, is to the byte what would be encoded one by one."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import IntegrityError
from agent.ledger import codec
from agent.ledger.record.movements import Bodies, Movement
from agent.ledger.record.people import Person, pseudonym_of
from agent.model import Check, HoldKind, Posting
from tests.builders import an_award, an_event, an_observation
from wire import entry

ANY = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    ["%s", "%%d", '","', ',null,{"e":', '\\",null,{"e":"', "null", "{}", "\n\0", "é😀"]
)
WHOLE = st.integers(-(2**70), 2**70)
FACTS = st.dictionaries(
    ANY,
    st.booleans()
    | WHOLE
    | ANY
    | st.builds(Fraction, WHOLE, st.integers(1, 2**70))
    | st.lists(ANY, max_size=3).map(tuple),
    max_size=3,
)
OBSERVATIONS = st.builds(
    an_observation,
    lms_event=ANY,
    kind=st.none() | ANY,
    people=st.dictionaries(ANY, ANY, max_size=2),
    site=st.sampled_from(["moodle", "other"]),
    object_table=st.none() | ANY,
    post=st.none() | ANY,
    section=st.none() | ANY,
    marks=st.frozensets(st.sampled_from(["restored", "preview"])),
    person_marks=st.dictionaries(ANY, st.sampled_from(["staff", "guest"]), max_size=2),
    facts=FACTS,
)


@given(st.lists(OBSERVATIONS, max_size=5))
def test_events_encoded_together_are_what_each_is_alone(seen: list[Any]) -> None:
    assert codec.encode_events(seen) == [codec.encode_event(each) for each in seen]


POSTINGS = [
    (Posting(currency="points", amount=10),),
    (Posting(currency="points", amount=5), Posting(currency="badge:b", amount=1)),
    (),
]
CHANGES = st.fixed_dictionaries(
    {"scope": st.sampled_from(["", "lesson=moodle:1", "lesson=moodle:2"])},
    optional={
        "generation": st.integers(0, 2),
        "until": st.none() | st.just(5),
        "hold": st.sampled_from(HoldKind),
        "message": st.sampled_from(["", "well done"]),
        "checks": st.just((Check(text="score_pct >=80", status="passed", seen="90"),)),
    },
)


@given(st.lists(st.tuples(CHANGES, st.integers(0, len(POSTINGS) - 1), st.booleans()), max_size=12))
def test_details_encoded_together_are_what_each_is_alone(made: list[tuple[dict[str, Any], int, bool]]) -> None:
    decisions = [
        # Equal postings are not always the same object, and an object may be there for one decision alone.
        an_award(an_event(), **changes, postings=(*POSTINGS[n],) if apart else POSTINGS[n], uses=())
        for changes, n, apart in made
    ]
    assert codec.encode_details(iter(decisions)) == [codec.encode_detail(each) for each in decisions]


def a_person(number: int) -> Person:
    secret = bytes([number]) * 32
    return Person(person_no=number, learner=f"moodle:{number}", secret=secret, pseudonym=pseudonym_of(secret))


MOVEMENTS = st.builds(
    Movement,
    kind=st.sampled_from(["award", "award", "award", "reversal", "adjustment"]),
    person=st.integers(1, 3).map(a_person),
    currency=ANY,
    amount=st.integers(-entry.AMOUNT_MAX, entry.AMOUNT_MAX),
    rule_id=ANY,
    rules_version=ANY,
    source=ANY,
    trust=st.sampled_from(["server_verified", "unverified"]),
    occurred_at=st.integers(0, 2**40),
    event_id=st.none() | st.binary(min_size=32, max_size=32),
    scope=ANY,
    generation=st.integers(0, 3),
    reason=st.just("") | ANY,
    reverses=st.just("") | ANY,
)


@given(
    st.lists(MOVEMENTS, max_size=6),
    st.integers(1, 2**40),
    st.integers(1, 9),
    st.integers(0, 2**40),
)
def test_an_entry_from_pieces_is_the_entry_encoded_as_a_whole(
    movements: list[Movement], first: int, epoch: int, now: int
) -> None:
    bodies = Bodies(epoch=epoch, now=now)
    for seq, movement in enumerate([*movements, *movements], first):
        person, event_id, scope = movement.person, movement.event_id, movement.scope
        fields = {
            "v": entry.FORMAT,
            "entry_id": f"{epoch}-{seq}",
            "seq": seq,
            "kind": movement.kind,
            "learner": person.pseudonym,
            "currency": movement.currency,
            "amount": movement.amount,
            "rule": movement.rule_id,
            "rules_version": movement.rules_version,
            "source": movement.source,
            "trust": movement.trust,
            "occurred_at": movement.occurred_at,
            "recorded_at": now,
            "event_ref": person.event_ref(event_id) if event_id else "",
            "scope_ref": person.scope_ref(movement.rule_id, scope, movement.generation) if scope else "",
            "generation": movement.generation,
            "reason": movement.reason,
            "reverses": movement.reverses,
        }
        body = bodies.of(movement, seq)
        assert body == entry.encode(fields)
        assert entry.decode(body) == fields


@pytest.mark.parametrize("amount", [entry.AMOUNT_MAX + 1, -entry.AMOUNT_MAX - 1])
def test_an_amount_that_no_reader_accepts_is_no_entry(amount: int) -> None:
    movement = Movement("award", a_person(1), "points", amount, "r", "v", "moodle", "server_verified", 1)
    with pytest.raises(IntegrityError, match="more than any entry may"):
        Bodies(epoch=1, now=1).of(movement, 1)
