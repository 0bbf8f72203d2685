"""Rules that are edited while awards stand: what an undo still takes back, and in which days awards are counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.model import Observation
from tests.ledgers import found
from tests.pipelines import running
from tests.rule_stories import at, rule
from tests.unit.review.desks import HEAD, act

UNDONE = rule(more='reverse_on = "lesson.uncompleted"')
OTHER = rule("lesson.*", name="any", award="1", more='once_per = "event"\nconditions = { completion_state = "<0" }')


def undo(number: int) -> Observation:
    return act(number, lesson="1", kind="lesson.uncompleted")


@pytest.mark.parametrize(
    ("edited", "left"),
    [
        ("", 10),
        (UNDONE.replace("award", 'mode = "off"\naward'), 10),
        (UNDONE.replace("award", 'mode = "shadow"\naward'), 10),
        (UNDONE.replace("award", "active = { until = 2026-08-31 }\naward"), 0),
        (rule(), 10),
    ],
)
async def test_an_undo_takes_back_what_a_rule_that_is_still_there_has_paid_also_where_its_time_is_over(
    tmp_path: Path, edited: str, left: int
) -> None:
    async with running(tmp_path, HEAD + UNDONE + OTHER) as agent:
        await agent.take(act(1))
    async with running(tmp_path, HEAD + edited + OTHER) as agent:
        await agent.take(undo(2))
        assert agent.balances() == ({"35": left} if left else {})
    async with running(tmp_path, HEAD + UNDONE + OTHER) as agent:
        await agent.take(act(3, lesson="1"))
        assert (agent.balances(), found(tmp_path)) == ({"35": 10}, []), (
            "it is done, and paid once, whatever was between"
        )


async def test_what_was_paid_counts_in_the_day_in_which_it_was_booked_though_the_zone_is_another_by_now(
    tmp_path: Path,
) -> None:
    daily = rule(more='limit = "1/day"')
    first, same, next_day = (
        act(number, occurred_at=at(f"2026-09-07T{when}:00", zone="UTC"))
        for number, when in ((1, "19:00"), (2, "21:30"), (3, "22:30"))
    )
    async with running(tmp_path, f'schema = 1\ntimezone = "UTC"\n{daily}') as agent:
        await agent.take(first)
    async with running(tmp_path, f'schema = 1\ntimezone = "Africa/Johannesburg"\n{daily}') as agent:
        await agent.take(same, next_day)  # 23:30 of the same day there, and half past midnight
        assert (agent.balances(), agent.reasons()) == ({"35": 20}, ["limit 1/day"])
    async with running(tmp_path, f'schema = 1\ntimezone = "UTC"\n{daily}') as agent:
        await agent.take(act(4, occurred_at=at("2026-09-08T09:00:00", zone="UTC")))
        assert agent.reasons() == ["limit 1/day"] * 2, "what was booked on the eighth there is of the eighth here"
        assert found(tmp_path) == []
