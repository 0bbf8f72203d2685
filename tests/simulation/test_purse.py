"""The fold that judges wallets tells what cannot be, and makes of a ledger's lines what the manual promises."""

from __future__ import annotations

from sim.purse import GRACE_S, Line, folded


def line(kind: str, amount: int, ref: str, about: str = "", *, at: int = 0, ends: int | None = None) -> Line:
    return Line("ann", kind, amount, ref, about, at, at, ends, owe=1)


def test_who_spends_takes_from_what_is_over_first_and_what_comes_back_after_it_was_over_lives_longer() -> None:
    lines = [
        line("award", 10, "a", ends=100),
        line("award", 10, "b", ends=50),
        line("spend", -12, "s", at=10),
        line("expiry", -8, "expiry", "a", at=100),
        line("refund", 12, "back", "s", at=120),
    ]
    purses, faults = folded(lines)
    assert faults == []
    assert purses["ann"].holds == 12
    assert {ref: (part.left, part.ends) for ref, part in purses["ann"].parts.items()} == {
        "a": (2, 120 + GRACE_S),
        "b": (10, 120 + GRACE_S),
    }


def test_what_was_spent_and_taken_back_is_owed_and_the_next_award_repays_it() -> None:
    lines = [line("award", 5, "a"), line("spend", -5, "s"), line("reversal", -5, "r", "a"), line("award", 7, "b")]
    purses, faults = folded(lines)
    assert (faults, purses["ann"].holds, purses["ann"].debt) == ([], 2, 0)


def test_what_cannot_be_is_told() -> None:
    wrong = {
        "spent": [line("award", 5, "a"), line("spend", -6, "s")],
        "spent twice": [line("award", 5, "a"), line("spend", -1, "s"), line("spend", -1, "s")],
        "were over": [line("award", 5, "a", ends=10), line("spend", -1, "s", at=10)],
        "more back": [line("award", 5, "a"), line("spend", -2, "s"), line("refund", 3, "back", "s")],
        "was let go of": [line("award", 5, "a", ends=10), line("expiry", -5, "e", "a", at=9)],
        "is a gift": [line("gift", 5, "a")],
    }
    for told, lines in wrong.items():
        _, faults = folded(lines)
        assert any(told in fault for fault in faults), (told, faults)
