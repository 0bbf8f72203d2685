"""A limit that is taken out of the rules for a while counts what was paid meanwhile when it comes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ledgers import found
from tests.pipelines import running
from tests.rule_stories import rule
from tests.unit.review.desks import HEAD, act

LIMIT, CAP, BUDGET = 'limit = "2/day"', '[[cap]]\nlimit = "20 points/day"\n', '[budget]\npoints = "20/day"\n'


@pytest.mark.parametrize(
    ("limited", "reason"),
    [
        (HEAD + rule(more=LIMIT), "limit 2/day"),
        (HEAD + CAP + rule(), "cap 20 points/day"),
        (HEAD + BUDGET + rule(), "budget 20 points/day"),
    ],
)
async def test_what_was_paid_without_a_limit_counts_in_it_when_it_comes_back(
    tmp_path: Path, limited: str, reason: str
) -> None:
    for number, rules in enumerate((limited, HEAD + rule()), 1):
        async with running(tmp_path, rules) as agent:
            await agent.take(act(number))
    async with running(tmp_path, limited) as agent:
        await agent.take(act(3))
        assert (agent.balances(), agent.reasons()) == ({"35": 20}, [reason])
    assert found(tmp_path) == []
