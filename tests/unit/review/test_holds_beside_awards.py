"""What waits beside an award of its scope: kept while the scope has room, decided anew where another act closed it."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.model import Evidence, Observation, Outcome
from tests.ledgers import rows
from tests.pipelines import Running, running
from tests.rule_stories import rule
from tests.unit.review.desks import HEAD, act, desk, open_holds

DAY = 24 * 60
"""Minutes."""


def post(number: int, lesson: str, kind: str = "lesson.completed") -> Observation:
    """The act of row ``number`` as it is posted before that row is seen."""
    marks, evidence = frozenset({"unconfirmed"}), Evidence.bearer_token
    return act(number, lesson=lesson, kind=kind, source="trigger", marks=marks, evidence=evidence)


async def told_twice(agent: Running, *told: tuple[int, str, str]) -> dict[str, int]:
    """Every act posted, then every row of them: number, lesson, kind."""
    for one in told:
        await agent.take(post(*one), source="trigger")
    for number, lesson, kind in told:
        await agent.take(act(number, lesson=lesson, kind=kind))
    return agent.balances()


@pytest.mark.parametrize(
    ("more", "numbers", "paid"),
    [
        ("frequency = 2", (1, 2, 3), 20),
        ('once_per = "day"\nfrequency = 2', (1, 2, 3), 20),
        ("streak = { days = 2, repeat = true }", (1, DAY, 2 * DAY, 3 * DAY), 20),
        ('comeback = "2d"', (1, 4 * DAY, 8 * DAY), 20),
    ],
)
async def test_acts_that_wait_for_their_rows_together_are_all_paid_by_them(
    tmp_path: Path, more: str, numbers: tuple[int, ...], paid: int
) -> None:
    """Found by reading the contract again: the award of the first row had closed what waited for the second."""
    acts = [(number, "1", "lesson.completed") for number in numbers]
    async with running(tmp_path / "posts", HEAD + rule(more=more)) as agent:
        assert await told_twice(agent, *acts) == {"35": paid}
        assert open_holds(agent) == []
    async with running(tmp_path / "log", HEAD + rule(more=more)) as alone:
        for number, lesson, _ in acts:
            await alone.take(act(number, lesson=lesson))
        assert alone.balances() == {"35": paid}


async def test_what_is_done_undone_and_done_again_is_paid_by_its_rows_though_all_was_posted_first(
    tmp_path: Path,
) -> None:
    done, undone = "lesson.completed", "lesson.uncompleted"
    async with running(tmp_path, HEAD + rule(more=f'reverse_on = "{undone}"')) as agent:
        assert await told_twice(agent, (1, "1", done), (2, "1", undone), (3, "1", done)) == {"35": 10}


async def test_an_act_that_another_outran_says_that_it_was_done_again_once_its_row_is_there(tmp_path: Path) -> None:
    async with running(tmp_path, HEAD + rule(more='reverse_on = "lesson.uncompleted"')) as agent:
        await agent.take(post(3, "1"), source="trigger")
        await agent.take(act(1, lesson="1"))
        await agent.take(act(3, lesson="1"))
        await agent.take(act(2, lesson="1", kind="lesson.uncompleted"))
        assert agent.balances() == {"35": 10}


@pytest.mark.parametrize(
    ("more", "numbers", "paid"),
    [("frequency = 2", (1, 2, 3), 20), ("streak = { days = 2, repeat = true }", (1, DAY, 2 * DAY, 3 * DAY), 20)],
)
async def test_what_somebody_approves_closes_only_what_can_earn_no_more(
    tmp_path: Path, more: str, numbers: tuple[int, ...], paid: int
) -> None:
    async with running(tmp_path, HEAD + rule(more=more)) as agent:
        for number in numbers:
            await agent.take(act(number, lesson="1", evidence=Evidence.nothing))
        assert len(open_holds(agent)) == len(numbers)
        while waiting := open_holds(agent):
            await desk(agent).approve(decisions=waiting[:1], by="d")
        assert agent.balances() == {"35": paid}
        states = [state for (state,) in rows(agent.data_dir, "SELECT state FROM hold ORDER BY decision_no")]
        assert states == ["approved"] * (len(numbers) if "streak" in more else 2) + ["superseded"] * (
            "streak" not in more
        )


async def test_a_hold_that_a_person_rejected_stays_rejected_when_its_row_comes(tmp_path: Path) -> None:
    async with running(tmp_path, HEAD + rule(more="frequency = 2")) as agent:
        await agent.take(post(1, "1"), source="trigger")
        await desk(agent).reject(decisions=open_holds(agent), by="d", reason="no")
        await agent.take(act(1, lesson="1"))
        assert agent.entries() == []
        assert rows(agent.data_dir, "SELECT outcome FROM decision") == [(Outcome.held,)]
