"""A replay beside what people have settled of one act, which may be several steps of a challenge."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.ledger.corrections import Correction
from agent.model import Evidence
from tests.ledgers import found
from tests.pipelines import Running, running
from tests.unit.backfill.test_compensating import backfill
from tests.unit.review.desks import HEAD, act, desk, open_holds

STEPS = 'step = [{ id = "a", on = "lesson.completed" }, { id = "b", on = "lesson.completed" }]'
STRICT = HEAD + f'[[challenge]]\nid = "c"\naward = 10\nmin_trust = "server_verified"\n{STEPS}\n'
OTHERS = STRICT.replace("award = 10", "award = 12")
LENIENT = STRICT.replace("server_verified", "unverified")
FURTHER = LENIENT.replace('" }]', '" }, { id = "e", on = "quiz.submitted" }]')


async def replay(agent: Running) -> dict[str, object]:
    return await backfill(agent).replay(between=(0, 2**40), by="B. Desk", version=agent.pipeline.rulebook.version)


async def settled(agent: Running, *, approved: tuple[int, ...] = (), rejected: tuple[int, ...] = ()) -> None:
    await agent.take(act(1, evidence=Evidence.nothing))
    assert open_holds(agent) == [1, 2]
    for number in approved:
        await agent.approve(number, Correction(reason="", by="B. Desk"))
    if rejected:
        await desk(agent).reject(decisions=[*rejected], by="B. Desk", reason="not hers")


@pytest.mark.parametrize(("rules", "paid"), [(LENIENT, ["award 10"]), (FURTHER, [])])
async def test_a_replay_answers_each_step_that_one_act_waits_for(tmp_path: Path, rules: str, paid: list[str]) -> None:
    async with running(tmp_path, STRICT) as agent:
        await settled(agent)
    async with running(tmp_path, rules) as agent:
        await replay(agent)
        assert (open_holds(agent), agent.entries(), found(tmp_path)) == ([], paid, [])
        before = agent.reasons()
        await replay(agent)
        assert agent.reasons() == before


@pytest.mark.parametrize("number", [1, 2])
async def test_a_step_that_somebody_approved_is_not_held_again_and_the_other_waits_on(
    tmp_path: Path, number: int
) -> None:
    async with running(tmp_path, STRICT) as agent:
        await settled(agent, approved=(number,))
    async with running(tmp_path, OTHERS) as agent:
        await replay(agent)
        assert open_holds(agent) == [3 - number]
        await agent.approve(3 - number, Correction(reason="", by="B. Desk"))
        assert (agent.entries(), found(tmp_path)) == (["award 10"], [])


@pytest.mark.parametrize("number", [1, 2])
async def test_what_waits_beside_a_step_that_somebody_approved_is_decided_by_a_replay(
    tmp_path: Path, number: int
) -> None:
    async with running(tmp_path, STRICT) as agent:
        await settled(agent, approved=(number,))
    async with running(tmp_path, LENIENT) as agent:
        await replay(agent)
        assert (open_holds(agent), agent.entries(), found(tmp_path)) == ([], ["award 10"], [])


@pytest.mark.parametrize("number", [1, 2])
async def test_a_step_that_somebody_rejected_stays_rejected(tmp_path: Path, number: int) -> None:
    async with running(tmp_path, STRICT) as agent:
        await settled(agent, rejected=(number,))
    async with running(tmp_path, LENIENT) as agent:
        await replay(agent)
        assert (open_holds(agent), agent.entries(), agent.reasons()[-1]) == ([], [], f"step {3 - number} of 2: 1 of 1")


async def test_steps_that_are_called_otherwise_by_now_answer_what_waits_for_those_of_before(tmp_path: Path) -> None:
    async with running(tmp_path, STRICT) as agent:
        await settled(agent)
    async with running(tmp_path, LENIENT.replace('id = "a"', 'id = "d"')) as agent:
        await replay(agent)
        assert (open_holds(agent), agent.entries()) == ([], ["award 10"])
