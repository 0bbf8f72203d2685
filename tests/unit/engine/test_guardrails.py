"""What the rules let people give and take by hand."""

from __future__ import annotations

import pytest

from agent.config.document import FaultsError
from agent.engine.money import guardrails
from agent.errors import InvalidInputError
from agent.schedule.expiry import terms_of
from tests.rule_stories import rule, rulebook

FORGIVES = '[currency.points]\ndecimals = 2\noverdraw = "forgive"\n'
NEVER_SPENT = "[currency.points]\nspendable = false\n"


def test_nobody_adjusts_beyond_what_the_rules_allow() -> None:
    rules = rulebook(rule() + "[currency.points]\ndecimals = 1\nadjust_max = 50\n")
    guardrails.within(rules, "points", -500)
    guardrails.within(rulebook(rule()), "points", 10**9)
    with pytest.raises(InvalidInputError, match="at most 50 points"):
        guardrails.within(rules, "points", 501)
    with pytest.raises(FaultsError):
        rulebook(rule() + "[currency.points]\nadjust_max = 0\n")


def refusal(more: str, balance: int, amount: int) -> str:
    """Why so much is not taken from a balance, or nothing."""
    try:
        guardrails.covered(rulebook(rule() + more), "points", amount, balance=balance)
    except InvalidInputError as exc:
        return f"{exc}; {exc.hint}"
    return ""


@pytest.mark.parametrize(
    ("currency", "balance", "amount", "told", "key"),
    [
        (FORGIVES, 445, -446, "the balance is 4.45 points: taking 4.46 would leave -0.01", 'overdraw = "forgive"'),
        (NEVER_SPENT, 0, -400, "the balance is 0 points: taking 400 would leave -400", "spendable = false"),
        (NEVER_SPENT, -5, -1, "the balance is -5 points: taking 1 would leave -6", "there is nothing to take"),
    ],
)
def test_nothing_is_taken_by_hand_that_is_not_there_where_nobody_owes(
    currency: str, balance: int, amount: int, told: str, key: str
) -> None:
    refused = refusal(currency, balance, amount)
    assert refused.startswith(told)
    assert key in refused


def test_what_is_there_can_be_taken_and_a_debt_can_be_made_where_it_is_owed() -> None:
    assert not refusal(FORGIVES, 445, -445)
    assert not refusal(NEVER_SPENT, -5, 1)
    assert not refusal("", 10, -1000)


def test_what_is_never_spent_never_owes_whatever_is_written() -> None:
    written = '[currency.reputation]\nspendable = false\noverdraw = "owe"\n'
    terms = terms_of(rulebook(rule() + written))
    assert {name: one.overdraw for name, one in terms.items()} == {"points": "owe", "reputation": "forgive"}
