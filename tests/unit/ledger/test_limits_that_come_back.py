"""A limit that is taken out of the rules for a while counts what was paid meanwhile when it comes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.model import Observation
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


async def test_a_limit_of_the_referrer_that_comes_later_counts_what_referrers_got(tmp_path: Path) -> None:
    award = '[{ to = "referrer", points = 5 }, { to = "subject", points = 10 }]'
    referring = HEAD + '[person]\nreferrer = { profile_field = "r" }\n'

    def seen(number: int, who: str, referrer: str) -> Observation:
        return act(number, people={"subject": who, "actor": who, "referrer": referrer})

    async with running(tmp_path, referring + rule(award=award)) as agent:
        await agent.take(seen(1, "35", "77"))
    limit = 'limit = { of = "1/day", for = "referrer" }'
    async with running(tmp_path, referring + rule(award=award, more=limit)) as agent:
        await agent.take(seen(2, "36", "35"), seen(3, "37", "77"))
        assert agent.balances() == {"35": 15, "36": 10, "37": 10, "77": 5}
