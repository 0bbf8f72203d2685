"""What a header says of currencies: to bytes and back, in force by seq, and never too much."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire import canonical
from wire.canonical import MalformedError
from wire.money import terms
from wire.money.terms import Change, Currency, Level, Terms
from wire.money.tiers import Tier

OWE, FORGIVE = Change(0, 86_400, "owe"), Change(10, None, "forgive")
POINTS = Currency(title="Points", decimals=2, worth="0.01 GBP", changes=(OWE, FORGIVE))
GOLD = Tier(name="Gold", lifetime={"points": 800}, badges=("ace",), any_of=("a", "b"), on_campus=("an award of quiz",))
SAID = Terms(
    currencies={"points": POINTS}, levels=(Level("Scholar", "points", 100),), tiers=(GOLD,), lots={7: None, 8: 5}
)


def test_terms_come_back_from_a_header_as_they_were() -> None:
    assert terms.parse(canonical.load(canonical.dump(terms.encode(SAID)), what="terms")) == SAID
    assert terms.parse(None) == Terms()


def test_terms_hold_for_the_entries_after_their_seq_and_the_first_for_all_before() -> None:
    assert [terms.in_force(POINTS.changes, seq) for seq in (1, 10, 11)] == [OWE, OWE, FORGIVE]
    assert terms.in_force((FORGIVE,), 3) == FORGIVE
    assert SAID.ends_at(SAID.under("points", 3), 3, 100) == 86_500
    assert [SAID.ends_at(SAID.under("points", seq), seq, 100) for seq in (7, 8, 11)] == [None, 5, None]
    assert SAID.under("fame", 1) == terms.UNTOLD


@given(st.lists(st.integers(0, 60), unique=True, max_size=6), st.integers(1, 50), st.integers(0, 30))
def test_a_range_is_told_exactly_the_terms_that_hold_in_it(seqs: list[int], first: int, more: int) -> None:
    changes = [Change(seq, seq, "owe") for seq in sorted(seqs)]
    told = terms.within(changes, first, first + more)
    for seq in range(first, first + more + 1):
        assert terms.in_force(told, seq) == terms.in_force(changes, seq)
    assert set(told) == {terms.in_force(changes, seq) for seq in range(first, first + more + 1)} - {terms.UNTOLD}


def test_what_does_not_fit_is_cut_but_never_what_money_hangs_on() -> None:
    many = {f"c{no:03}": dataclasses.replace(POINTS, title="\N{PILE OF POO}" * 300) for no in range(80)}
    cut = terms.fitting(Terms(currencies=many, levels=(Level("n" * 300, "points", 1),) * 500))
    assert len(canonical.dump(terms.encode(cut))) <= terms.FIELD_BYTES_MAX
    assert terms.parse(terms.encode(cut)) == cut
    assert {one.changes for one in cut.currencies.values()} == {POINTS.changes}


def test_tiers_go_before_what_money_hangs_on_and_are_then_not_told_instead_of_none() -> None:
    many = tuple(dataclasses.replace(GOLD, name=f"{no} {'n' * 90}", badges=("b" * 100,) * 50) for no in range(50))
    assert terms.fitting(dataclasses.replace(SAID, tiers=many)).tiers is None
    assert terms.fitting(dataclasses.replace(SAID, tiers=(GOLD,) * 60)).tiers == (GOLD,) * 50


def test_an_agent_of_before_tells_nothing_of_tiers() -> None:
    fields = terms.encode(dataclasses.replace(SAID, tiers=None))
    assert "tiers" not in fields
    assert terms.parse(fields).tiers is None


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ((), []),
        (("tiers",), {}),
        (("tiers",), [terms.encode(SAID)["tiers"][0]] * 51),
        (("tiers", 0), "Gold"),
        (("tiers", 0, "name"), ""),
        (("tiers", 0, "lifetime"), []),
        (("tiers", 0, "lifetime", "points"), 0),
        (("tiers", 0, "badges"), ["b"] * 51),
        (("tiers", 0, "any_of"), ["a", 5]),
        (("tiers", 0, "any_count"), 3),
        (("tiers", 0, "on_campus"), [1]),
        (("currencies",), []),
        (("currencies", "points"), 5),
        (("currencies", "points", "decimals"), 7),
        (("currencies", "points", "decimals"), True),
        (("currencies", "points", "spendable"), "yes"),
        (("currencies", "points", "title"), "t" * 101),
        (("currencies", "points", "changes"), [[1, 2, "owe"], [1, 2, "owe"]]),
        (("currencies", "points", "changes"), [[1, -2, "owe"]]),
        (("currencies", "points", "changes"), [[1, 2, "steal"]]),
        (("currencies", "points", "changes"), [[1, 2]]),
        (("currencies", "points", "changes"), [[1, 2, "owe"]] * 101),
        (("levels",), [["a", "b"]]),
        (("levels",), {"a": 1}),
        (("lots",), {"0": 1}),
        (("lots",), {"x": 1}),
        (("lots",), {"1": -1}),
    ],
)
def test_what_is_not_of_the_form_is_refused(path: tuple[str, ...], value: Any) -> None:
    fields: Any = canonical.load(canonical.dump(terms.encode(SAID)), what="terms")
    if not path:
        fields = value
    else:
        place = fields
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = value
    with pytest.raises(MalformedError):
        terms.parse(fields)
