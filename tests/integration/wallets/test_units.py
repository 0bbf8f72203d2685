"""People read units, as the agent writes them; programs read whole smallest ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalogue.app import wall_clock
from tests.integration.operator import CAMPUS, Operator
from tests.wire_builders import an_entry

CREDIT = f"INSERT INTO currency VALUES ('{CAMPUS}', 'credit', 'Credit', 2, TRUE, '1.00 GBP', NULL, 'owe')"
BY = ("--by", "a desk", "--reason", "late")


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    typing = Operator(tmp_path / "c")
    typing.types("init")
    typing.types("tenant", "add", CAMPUS)
    typing.sql(CREDIT)
    typing.given(12345, currency="credit")
    typing.given(7)
    return typing


def test_wallets_and_what_moved_them_are_shown_in_units(operator: Operator) -> None:
    shown = operator.types("wallet", "show", CAMPUS)
    assert " 123.45 credit\n" in shown
    assert " 7 points\n" in shown
    assert " 123.45 of t/1-1, never expires\n" in operator.types("wallet", "show", CAMPUS, "ann")
    assert "    +123.45     123.45  t/1-1\n" in operator.types(
        "wallet", "history", CAMPUS, "ann", "--currency", "credit"
    )
    assert {row["currency"]: row["balance"] for row in operator.asks("wallet", "show", CAMPUS)} == {
        "credit": 12345,
        "points": 7,
    }


def test_prices_and_what_was_paid_are_shown_in_units(operator: Operator) -> None:
    tea = ("reward", "add", CAMPUS, "tea", "--title", "Tea", "--price", "credit=250", "--approve")
    operator.types(*tea)
    assert "  2.50 credit  Tea\n" in operator.types("reward", "list", CAMPUS)
    more = ("--set", "price=credit=2.50")
    assert "write smallest ones" in operator.types("reward", "change", CAMPUS, "tea", *more, code=1)
    told = operator.types("redeem", CAMPUS, "ann", "tea")
    assert ": Tea for 2.50 credit, fulfilled\n" in told
    assert " 2.50 credit " in operator.types("redemption", "list", CAMPUS)
    name = told.partition(":")[0]
    assert ": Tea for 2.50 credit, fulfilled\n" in operator.types("redemption", "show", CAMPUS, name)
    assert operator.asks("redemption", "list", CAMPUS)[0]["amount"] == 250


def test_limits_and_what_was_set_aside_are_shown_in_units(operator: Operator) -> None:
    told = operator.types("issue", "limit", CAMPUS, "50050", "--currency", "credit")
    assert "may issue 500.50 credit a day; 500.50 are left today" in told
    operator.given(101, "bob", at=wall_clock(), currency="credit")
    assert " 1.01 credit         0 % by hand  of 500.50 a day\n" in operator.types("issue", "show", CAMPUS)
    operator.types("agent", "add", CAMPUS, "ab" * 32)
    operator.set_aside(1, "a newer kind", an_entry(1, currency="credit", amount=101, learner="ann"))
    told = operator.types("entry", "accept", CAMPUS, "agent-1", "1", *BY)
    assert told == "1.01 credit for ann: entry 1 of agent-1 is posted\n"


def test_months_and_what_is_owed_are_shown_in_units(operator: Operator) -> None:
    month = operator.types("finance", "show", CAMPUS, "1970-01")
    assert "  credit\n    opening             0.00\n    issued           +123.45   (+0.00 by hand)\n" in month
    assert "    spent              +0.00   (0.00 of 0.00 refunded)\n" in month
    assert "    closing           123.45\n" in month
    assert operator.types("finance", "close", CAMPUS).count("123.45") == 2
    owed = operator.types("finance", "liability", CAMPUS)
    assert owed.startswith("credit                       123.45  123.45 GBP\n  never expires              123.45")
    assert operator.asks("finance", "liability", CAMPUS)[0]["outstanding"] == 12345
    told = operator.types("tenant", "close", CAMPUS, "--check")
    assert "learners hold 123.45 credit, 7 points\n" in told
