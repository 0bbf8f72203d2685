"""What a limit that cuts to fit left short because of a hold is given in full once that is rejected."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.engine.stories.cases import run_cases
from agent.ledger.corrections import Correction
from tests.ledgers import found, rows
from tests.pipelines import Running, running
from tests.rule_stories import file, rule, rulebook
from tests.unit.review.desks import HEAD, act, desk, kept, open_holds

CAP = '[[cap]]\nlimit = { of = "30 points/day", over = "trim" }\n'
REVIEWED = rule("lesson.viewed", more='review = "always"', name="v", award="24")
ADJUSTED = '{ when = "always", adjust = "1..24" }'
AGAIN = "given anew: more fits since what was held before it is settled"


async def reject(agent: Running, *numbers: int) -> list[dict[str, object]]:
    return await desk(agent).reject(decisions=[*numbers], by="B. Desk", reason="not hers")


async def test_what_a_hold_had_cut_is_given_in_full_once_that_is_rejected_and_what_came_next_has_the_rest(
    tmp_path: Path,
) -> None:
    text = HEAD + CAP + REVIEWED + rule(more='reverse_on = "lesson.uncompleted"\ncooldown = "10s"')
    text += rule("quiz.submitted", name="q", award="25")
    acts = [act(1, kind="lesson.viewed"), act(2), act(3, kind="quiz.submitted"), act(4, who="36")]
    async with running(tmp_path, text) as agent:
        await agent.take(*acts)
        assert (agent.balances(), agent.reasons()[-1]) == ({"35": 6, "36": 10}, "cap 30 points/day")
        told = await reject(agent, 1)
        assert told[1:] == [{"decision": 0, "outcome": "decided again", "learner": "moodle:35", "count": 2}]
        assert agent.entries()[2:] == [f"reversal -6 of 1-1 {AGAIN}", "award 10", "award 20"]
        before = agent.entries()
        await agent.take(*acts)
        await reject(agent, 1)
        assert agent.entries() == before
        await agent.take(act(2, kind="lesson.uncompleted", occurred_at=act(9).occurred_at))
        assert agent.balances() == {"35": 20, "36": 10}, "it is undone as one"
        assert found(tmp_path) == []


async def test_a_hold_that_another_had_cut_promises_all_that_fits_once_that_is_rejected(tmp_path: Path) -> None:
    async with running(tmp_path, HEAD + CAP + REVIEWED) as agent:
        await agent.take(act(1, kind="lesson.viewed"), act(2, kind="lesson.viewed"))
        await reject(agent, 1)
        (number,) = open_holds(agent)
        assert sum(slot == -number for _, slot, freed in kept(agent) if not freed) == 1
        (told,) = await desk(agent).approve(decisions=[number], by="B. Desk")
        assert (told["postings"], agent.entries()) == ({"points": 24}, ["award 24"])
        assert [each["outcome"] for each in await reject(agent, 2)] == ["refused"], "its number is closed"
        await agent.take(act(3, kind="lesson.viewed"))
        assert open_holds(agent) == [number + 2]


async def test_what_somebody_approved_of_a_hold_that_was_cut_stays_as_they_saw_it(tmp_path: Path) -> None:
    async with running(tmp_path, HEAD + CAP + REVIEWED) as agent:
        await agent.take(act(1, kind="lesson.viewed"), act(2, kind="lesson.viewed"))
        await agent.approve(2, Correction(reason="", by="B. Desk"))
        await reject(agent, 1)
        assert agent.entries() == ["award 6"]


@pytest.mark.parametrize("approved", [12, 20])
async def test_what_a_smaller_approval_leaves_goes_to_what_the_hold_had_cut(tmp_path: Path, approved: int) -> None:
    async with running(tmp_path, HEAD + CAP + REVIEWED.replace('"always"', ADJUSTED) + rule()) as agent:
        await agent.take(act(1, kind="lesson.viewed"), act(2))
        await desk(agent).approve(decisions=[1], by="B. Desk", amounts={"points": approved})
        assert agent.balances() == {"35": approved + 10}


@pytest.mark.parametrize("window", ["7d", "week"])
async def test_a_limit_of_the_rule_itself_gives_back_likewise_and_holds(tmp_path: Path, window: str) -> None:
    text = HEAD + rule(more=f'limit = {{ of = "25 points/{window}", over = "trim" }}\n', award="15")
    text += '[[check]]\nid = "v"\nvelocity = "1/30s"\nthen = "hold"\n'
    async with running(tmp_path, text) as agent:
        await agent.take(act(1), act(2, occurred_at=act(1).occurred_at + 10), act(3))
        assert (agent.balances(), len(open_holds(agent))) == ({"35": 15}, 1)
        await reject(agent, *open_holds(agent))
        assert agent.balances() == {"35": 25}


async def test_a_badge_follows_what_is_given_in_full(tmp_path: Path) -> None:
    badge = '[[badge]]\nid = "b"\nname = "B"\nsticky = false\nbalance = { currency = "points", at_least = 10 }\n'
    async with running(tmp_path, HEAD + CAP + REVIEWED + rule() + badge) as agent:
        await agent.take(act(1, kind="lesson.viewed"), act(2))
        assert agent.balances("badge:b") == {}
        await reject(agent, 1)
        assert (agent.balances("badge:b"), found(tmp_path)) == ({"35": 1}, [])


async def test_what_had_been_spent_of_it_is_not_there_twice(tmp_path: Path) -> None:
    currency = '[currency.points]\nspendable = true\noverdraw = "forgive"\nexpires_after = "365d"\n'
    async with running(tmp_path, HEAD + currency + CAP + REVIEWED + rule()) as agent:
        await agent.take(act(1, kind="lesson.viewed"), act(2))
        await reject(agent, 1)
        assert rows(tmp_path, "SELECT seq, of_seq FROM lot_moved ORDER BY seq") == [(2, 1), (3, 1)]


async def test_what_its_own_limit_cuts_stays_and_nothing_is_given_anew(tmp_path: Path) -> None:
    own = rule(more='limit = { of = "6 points/day", over = "trim" }')
    async with running(tmp_path, HEAD + CAP + REVIEWED + own) as agent:
        await agent.take(act(1, kind="lesson.viewed"), act(2))
        await reject(agent, 1)
        assert agent.entries() == ["award 6"]


OWN = 'limit = { of = "6 points/day", over = "trim" }'
WAITS = 'review = "always"\nreverse_on = "lesson.uncompleted"'


V, R, U = (
    f'{{ at = 2026-09-07T09:0%d:00, learner = "ann", kind = "lesson.{kind}", lesson = "%d" }}'
    for kind in ("viewed", "completed", "uncompleted")
)
FIRST, SECOND, THIRD = V % (0, 0), R % (1, 1), V % (2, 2)


@pytest.mark.parametrize(
    ("more", "events", "points"),
    [
        ("", (FIRST, SECOND, THIRD, "{ reject = 1 }", "{ approve = 3 }"), {"r": 10, "v": 20}),
        ("", (R % (0, 0), V % (1, 1), R % (2, 2), "{ reject = 2 }"), {"r": 20}),
        (OWN, (FIRST, SECOND, R % (2, 2), "{ reject = 1 }"), {"r": 6}),
        (WAITS, (FIRST, SECOND, THIRD, "{ reject = 1 }", "{ approve = 2 }", "{ approve = 3 }"), {"r": 10, "v": 20}),
        ('reverse_on = "lesson.uncompleted"', (FIRST, SECOND, "{ reject = 1 }", U % (2, 1)), {"r": 0}),
    ],
)
def test_a_story_of_what_was_cut_is_told_the_same(more: str, events: tuple[str, ...], points: dict[str, int]) -> None:
    told = ", ".join(f'{{ learner = "ann", rule = "{name}", points = {amount} }}' for name, amount in points.items())
    case = f'[[case]]\nname = "cut"\nevents = [{", ".join(events)}]\nexpect = [{told}]\n'
    text = CAP + REVIEWED + rule(more=more) + case
    (result,) = run_cases(file(text), rulebook(text))
    assert result.failures == ()
