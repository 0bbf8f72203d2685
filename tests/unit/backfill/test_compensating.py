"""Awards that the rules would no longer make are answered, and what followed from them goes with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.backfill.backfill import Backfill
from agent.backfill.reading import Log
from agent.model import Trust
from agent.recognition.following import Following
from tests.builders import NOW
from tests.fakes import ManualClock
from tests.ledgers import found
from tests.pipelines import Running, running
from tests.rule_stories import rule
from tests.unit.review.desks import HEAD, act

BADGE = '[[badge]]\nid = "two"\nname = "Two"\ncount = { rule = "r", at_least = 2 }\nsticky = %s\n'


def no_log(source: str, _since: int) -> Log:
    raise AssertionError(f"there is no log of {source}")


def backfill(agent: Running) -> Backfill:
    return Backfill(
        writer=agent.writer,
        recorder=agent.recorder,
        pipeline=agent.pipeline,
        data_dir=agent.data_dir,
        log_from=no_log,
        ceilings={"moodle": Trust.server_verified},
        clock=ManualClock(NOW),
        followed=Following(agent.pipeline, agent.recorder).after,
    )


@pytest.mark.parametrize(("sticky", "left"), [("false", {}), ("true", {"35": 1})])
async def test_a_badge_that_followed_from_an_award_falls_with_it(
    tmp_path: Path, sticky: str, left: dict[str, int]
) -> None:
    rules = HEAD + BADGE % sticky
    async with running(tmp_path, rules + rule()) as agent:
        await agent.take(act(1), act(2))
        assert agent.balances("badge:two") == {"35": 1}
    async with running(tmp_path, rules + rule(more='conditions = { lesson = "1" }')) as agent:
        version = agent.pipeline.rulebook.version
        told = await backfill(agent).page(
            rule="r", since=0, until=2**40, source="", compensate=True, by="B. Desk", version=version
        )
        assert (told["compensated"], agent.balances(), agent.balances("badge:two")) == (1, {"35": 10}, left)
        assert found(tmp_path) == []
