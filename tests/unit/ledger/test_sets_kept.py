"""Members of sets in the ledger: kept whether or not they paid, read back for the next page, untouched by reversals."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.model import Observation
from tests.builders import an_observation
from tests.ledgers import rows
from tests.pipelines import running
from tests.rule_stories import at, rule

MONDAY = at("2026-09-07T09:00:00")
STREAK = 'schema = 1\ntimezone = "Africa/Johannesburg"\n' + rule(
    more='streak = { days = 3, in = "week" }\nreverse_on = "lesson.uncompleted"', award="20"
)


def day(number: int, kind: str = "lesson.completed") -> Observation:
    return an_observation(number + 1, kind=kind, occurred_at=MONDAY + number * 86_400)


@pytest.mark.parametrize("pages", [[[0, 1, 2, 3]], [[0], [1], [2], [3]], [[2, 0], [1], [1, 3]]])
async def test_a_streak_goes_on_over_pages_and_restarts(tmp_path: Path, pages: list[list[int]]) -> None:
    balances: dict[str, int] = {}
    for page in pages:
        async with running(tmp_path, STREAK) as agent:
            await agent.take(*(day(number) for number in page))
            balances = agent.balances()
    assert balances == {"35": 20}
    days = "SELECT DISTINCT u.slot, u.seq FROM quota_use u JOIN name n ON n.no = u.meter_no WHERE n.text = 'days:r'"
    assert len(rows(tmp_path, days)) == 4
    assert {seq for _, seq in rows(tmp_path, days)} == {0}


async def test_a_reversal_takes_back_the_award_and_leaves_the_days(tmp_path: Path) -> None:
    async with running(tmp_path, STREAK) as agent:
        await agent.take(day(0), day(1), day(2))
        undo = an_observation(
            9, kind="lesson.uncompleted", lesson="3", natural_key=("undo",), occurred_at=MONDAY + 3 * 86_400
        )
        await agent.take(undo)
        assert agent.balances() == {}
    freed = "SELECT n.text, u.freed FROM quota_use u JOIN name n ON n.no = u.meter_no WHERE n.text LIKE 'days:%'"
    assert rows(tmp_path, freed) == [("days:r", 0)] * 3


async def test_nothing_is_kept_for_rules_without_sets(tmp_path: Path) -> None:
    async with running(tmp_path, 'schema = 1\ntimezone = "Africa/Johannesburg"\n' + rule()) as agent:
        await agent.take(day(0), day(1))
    assert rows(tmp_path, "SELECT count(*) FROM quota_use WHERE seq = 0") == [(0,)]
