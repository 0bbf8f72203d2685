"""What a rejected hold had blocked is paid, also where a set decides and where accounts are one person's since."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.engine.stories.cases import run_cases
from agent.recognition.following import Following
from agent.recognition.merging import Merging
from tests.builders import NOW
from tests.fakes import ManualClock
from tests.ledgers import found
from tests.pipelines import Running, running
from tests.rule_stories import file, rule, rulebook
from tests.unit.review.desks import HEAD, act, desk, open_holds

CAPPED = '[[cap]]\nlimit = "10 points/day"\n' + rule("lesson.viewed", more='review = "always"', name="v")
CHALLENGE = '[[challenge]]\nid = "c"\naward = 10\nstep = [{ on = "lesson.completed", count = 2 }]\n'


async def reject(agent: Running) -> list[dict[str, object]]:
    return await desk(agent).reject(decisions=open_holds(agent), by="B. Desk", reason="not hers")


@pytest.mark.parametrize("more", ["first = true", 'streak = { days = 1, in = "week" }', "crosses = { score_pct = 80 }"])
async def test_a_set_that_was_whole_when_a_hold_blocked_its_award_pays_once_that_is_rejected(
    tmp_path: Path, more: str
) -> None:
    async with running(tmp_path, HEAD + CAPPED + rule(more=more)) as agent:
        await agent.take(act(1, kind="lesson.viewed"), act(2, facts={"score_pct": 85}))
        assert agent.reasons() == ["review always", "cap 10 points/day"]
        await reject(agent)
        assert (agent.balances(), agent.reasons()) == ({"35": 10}, ["review always", "cap 10 points/day"])
        await agent.take(act(3, facts={"score_pct": 90}))
        assert agent.entries() == ["award 10"], "it is paid once"


async def test_a_challenge_that_a_hold_blocked_pays_once_that_is_rejected_and_what_follows_it_began_then(
    tmp_path: Path,
) -> None:
    following = '[[challenge]]\nid = "d"\naward = 5\nenrol = "by hand"\nstep = [{ on = "quiz.submitted" }]\n'
    chained = CHALLENGE.replace("award", 'next = "d"\naward')
    async with running(tmp_path, HEAD + CAPPED + chained + following) as agent:
        await agent.take(act(1, kind="lesson.viewed"), act(2), act(3))
        assert agent.reasons()[-2:] == ["cap 10 points/day", "enrolled"]
        before = agent.reasons()
        await reject(agent)
        assert (agent.balances(), agent.reasons()) == ({"35": 10}, before)
        assert found(tmp_path) == []


def test_a_story_is_told_the_same() -> None:
    acts = ("lesson.viewed", "lesson.completed", "lesson.completed")
    events = [
        f'{{ at = 2026-09-07T09:0{number}:00, learner = "ann", kind = "{kind}", lesson = "{number}" }}'
        for number, kind in enumerate(acts)
    ]
    told = '{ learner = "ann", rule = "c", points = 10 }'
    case = f'[[case]]\nname = "set free"\nevents = [{", ".join(events)}, {{ reject = 1 }}]\nexpect = [{told}]\n'
    text = CAPPED + CHALLENGE + case
    (result,) = run_cases(file(text), rulebook(text))
    assert result.failures == ()


async def test_what_a_hold_had_blocked_is_found_after_its_learner_was_merged(tmp_path: Path) -> None:
    async with running(tmp_path, HEAD + CAPPED + rule()) as agent:
        await agent.take(act(1, kind="lesson.viewed"), act(2))
        following = Following(agent.pipeline, agent.recorder)
        merging = Merging(agent.writer, agent.recorder, agent.pipeline, following, ManualClock(NOW))
        await merging.merge(source="moodle:35", target="moodle:36", reason="one person", by="B. Desk")
        assert (await reject(agent))[-1] == {
            "decision": 0,
            "outcome": "decided again",
            "learner": "moodle:36",
            "count": 1,
        }
        assert agent.balances() == {"36": 10}
        assert found(tmp_path) == []
