"""What was paid after an experiment is settled like anything else that a hold had kept from others."""

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
from tests.unit.review.desks import HEAD, act, desk, open_holds

EXPERIMENT = """
[experiment.e]
rules = ["v", "r"]
held_out = "100%"
from = 2026-09-01
until = 2026-09-10
pay_after = true
"""
CAP = '[[cap]]\nlimit = { of = "24 points/day", over = "%s" }\n'


def no_log(source: str, _since: int) -> Log:
    raise AssertionError(f"there is no log of {source}")


async def paid_afterwards(agent: Running) -> None:
    """Look back at both rules, the one that is reviewed first."""
    backfill = Backfill(
        writer=agent.writer,
        recorder=agent.recorder,
        pipeline=agent.pipeline,
        data_dir=agent.data_dir,
        log_from=no_log,
        ceilings={"moodle": Trust.server_verified},
        clock=ManualClock(NOW),
        followed=Following(agent.pipeline, agent.recorder).after,
    )
    for name in ("v", "r"):
        version = agent.pipeline.rulebook.version
        await backfill.page(rule=name, since=0, until=2**40, source="", compensate=False, by="B. Desk", version=version)


@pytest.mark.parametrize(("over", "before"), [("refuse", {}), ("trim", {"35": 4})])
async def test_what_was_paid_after_an_experiment_has_the_room_that_a_rejection_leaves(
    tmp_path: Path, over: str, before: dict[str, int]
) -> None:
    reviewed = rule("lesson.viewed", more='review = "always"', name="v", award="20")
    async with running(tmp_path, HEAD + EXPERIMENT + CAP % over + reviewed + rule()) as agent:
        await agent.take(act(1, kind="lesson.viewed"), act(2))
        await paid_afterwards(agent)
        assert (agent.balances(), len(open_holds(agent))) == (before, 1)
        await desk(agent).reject(decisions=open_holds(agent), by="B. Desk", reason="not hers")
        assert (agent.balances(), found(tmp_path)) == ({"35": 10}, [])
