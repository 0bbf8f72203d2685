"""Lots in any interleaving: exact sums, never below zero by spending, the first to expire goes first."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.effort import examples
from wire.money.lots import GRACE_S, Account, Movement, OverspentError

MOVES = st.lists(
    st.tuples(
        st.sampled_from(["credit", "spend", "refund", "reverse", "take", "expire"]),
        st.integers(1, 30),
        st.integers(0, 12),
        st.booleans(),
    ),
    max_size=60,
)
Move = tuple[str, int, int, bool]


class _Books:
    """An account beside the plain sum of what was moved."""

    def __init__(self) -> None:
        self.account, self.sum = Account(), 0
        self.credits: dict[str, int] = {}
        self.reversed: set[str] = set()
        self.spent: dict[str, int] = {}

    def play(self, number: int, move: Move) -> None:
        what, amount, which, flag = move
        names, before = sorted(self.credits, key=int), self.account.available
        name = names[which % len(names)] if names else ""
        if what == "credit":
            self.account.credit(str(number), amount, which * 10 or None)
            self.credits[str(number)] = amount
            self.sum += amount
        elif what == "take":
            self.account.take(amount, owe=flag)
            self.sum -= amount
        elif what == "spend":
            if amount > before:
                with pytest.raises(OverspentError):
                    self.account.spend(str(number), amount)
                return
            first = [lot.expires_at for lot in self.account.lots]
            assert first == sorted(first, key=lambda at: (at is None, at or 0))
            self.account.spend(str(number), amount)
            self.spent[str(number)] = amount
            self.sum -= amount
        elif what == "refund" and self.spent:
            spend = sorted(self.spent)[which % len(self.spent)]
            back = min(amount, self.spent[spend])
            if back:
                self.account.refund(spend, back, at=which)
                self.spent[spend] -= back
                self.sum += back
        elif what == "reverse" and name and name not in self.reversed:
            self.reversed.add(name)
            self.account.reverse(name, self.credits[name], owe=flag)
            self.sum -= self.credits[name]
        elif what == "expire":
            for lot in list(self.account.due(which * 10)):
                self.sum -= lot.left
                self.account.expire(lot.ref, lot.left)
            assert not list(self.account.due(which * 10))


@settings(max_examples=examples(500), deadline=None)
@given(MOVES)
def test_any_interleaving_keeps_the_sums_exact_and_no_spending_goes_below_zero(moves: list[Move]) -> None:
    books = _Books()
    for number, move in enumerate(moves):
        books.play(number, move)
        account = books.account
        assert account.balance == books.sum + account.waived
        assert all(lot.left > 0 for lot in account.lots)
        assert account.debt >= 0
        assert not (account.debt and account.available), "what is owed is repaid before anything is left"


def test_a_refund_pays_what_was_owed_for_it_though_the_rest_had_expired() -> None:
    account = Account()
    account.credit("award", 10, 100)
    account.spend("a", 4)
    account.expire("award", 6)
    account.reverse("award", 10, owe=True)
    assert account.debt == 4
    account.refund("a", 4, at=150)
    assert (account.balance, account.debt) == (0, 0)


def test_a_refund_that_is_booked_is_folded_as_it_was_booked() -> None:
    account = Account()
    account.credit("award", 10, None)
    account.spend("a", 10)
    account.move(Movement("refund", 10, "r", "a", 50, None, owe=True, waived=-3))
    assert (account.balance, account.waived) == (7, -3)


def test_a_refund_that_is_booked_is_less_by_the_lots_that_were_forgiven() -> None:
    """A seed of a drawn story: what the award that was taken back was not given, another lot lacked."""
    for waived in (None, -1):
        account = Account()
        account.credit("later", 5, 200)
        account.credit("soon", 1, 100)
        account.spend("a", 4)
        account.reverse("soon", 1, owe=False)
        account.move(Movement("refund", 4, "r", "a", 50, None, owe=True, waived=waived))
        assert [(lot.ref, lot.left) for lot in account.lots] == [("later", 5)]


def test_a_refund_restores_the_lot_it_came_from() -> None:
    account = Account()
    account.credit("late", 10, 200)
    account.credit("soon", 10, 100)
    account.spend("a", 15)
    assert [(lot.ref, lot.left) for lot in account.lots] == [("late", 5)]
    account.refund("a", 12, at=50)
    assert [(lot.ref, lot.left) for lot in account.lots] == [("soon", 7), ("late", 10)]
    with pytest.raises(OverspentError):
        account.refund("a", 4, at=50)


@pytest.mark.parametrize(("at", "until"), [(99, 100), (100, 100 + GRACE_S), (300, 300 + GRACE_S)])
def test_a_refund_into_a_lot_that_is_over_lives_fourteen_days_more(at: int, until: int) -> None:
    account = Account()
    account.credit("lot", 10, 100)
    account.spend("a", 10)
    account.refund("a", 10, at=at)
    assert [lot.expires_at for lot in account.lots] == [until]
    assert not list(account.due(until - 1))


@pytest.mark.parametrize(("owe", "balance", "after"), [(True, -10, 0), (False, 0, 10)])
def test_what_was_spent_of_a_reversed_award_is_owed_or_forgiven(*, owe: bool, balance: int, after: int) -> None:
    account = Account()
    account.credit("award", 10, None)
    account.spend("a", 10)
    account.reverse("award", 10, owe=owe)
    assert account.balance == balance
    with contextlib.suppress(OverspentError):
        account.spend("b", 1)
    assert account.balance == balance
    account.credit("next", 10, None)
    assert account.balance == after


@pytest.mark.parametrize(("owe", "balance", "after"), [(True, -6, 4), (False, 0, 10)])
def test_what_is_taken_by_hand_and_is_not_there_is_owed_or_forgiven(*, owe: bool, balance: int, after: int) -> None:
    account = Account()
    account.credit("award", 4, None)
    account.move(Movement("adjustment", -10, "by hand", "", 0, None, owe))
    assert (account.balance, account.available) == (balance, 0)
    account.credit("next", 10, None)
    assert account.balance == after


def test_what_had_expired_is_not_owed_when_its_award_is_reversed() -> None:
    account = Account()
    account.credit("award", 10, 100)
    account.expire("award", 10)
    account.reverse("award", 10, owe=True)
    assert (account.balance, account.debt) == (0, 0)


def test_an_account_that_was_carried_over_knows_what_was_taken_back_already() -> None:
    account = Account()
    account.credit("award", 4, None)
    account.move(Movement("adjustment", -10, "by hand", "", 0, None, owe=False))
    account.credit("undone", 5, None)
    account.move(Movement("reversal", -5, "undoing", "undone", 0, None, owe=False))
    account = Account.load(json.loads(json.dumps(account.dump())))
    assert (account.answerable("undone"), account.answerable("by hand"), account.answerable("other")) == (0, 10, None)
    account.move(Movement("reversal", 10, "back", "by hand", 0, None, owe=False))
    assert (account.balance, account.answerable("by hand")) == (4, 0)


def test_an_account_that_an_older_version_carried_over_is_read() -> None:
    account = Account.load([0, 0, [["award", 10, None, 4, 0, 0]], [["a", [["award", 6]]]]])
    account.refund("a", 6, at=50)
    assert (account.balance, account.answerable("award")) == (10, 10)


def test_what_was_forgiven_is_not_given_again_by_a_refund() -> None:
    account = Account()
    account.credit("award", 10, None)
    account.spend("a", 10)
    account.reverse("award", 10, owe=False)
    account.refund("a", 10, at=50)
    assert (account.balance, account.available) == (0, 0)
