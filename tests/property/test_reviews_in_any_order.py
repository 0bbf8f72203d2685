"""Acts that are believed, doubted or put under review, and people who decide, in any order: within every limit.

Once all holds are settled the outcome is that of the same acts without the rejected ones, and a replay appends nothing.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.model import Evidence, Observation
from tests.effort import examples
from tests.ledgers import rows
from tests.pipelines import Running, running
from tests.rule_stories import rule
from tests.unit.review.desks import HEAD, act, desk, open_holds

RULES = (
    HEAD
    + '[[cap]]\nlimit = "40 points/day"\n'
    + rule(more='limit = "3/day"')
    + rule("lesson.viewed", name="v", more='review = "always"\nlimit = "2/day"')
)
CUT = RULES.replace('"40 points/day"', '{ of = "25 points/day", over = "trim" }')
KINDS = st.sampled_from(["lesson.completed", "lesson.viewed", "doubted"])
SAYS = st.sampled_from(["approve", "reject"])
STEPS = st.lists(st.one_of(st.tuples(KINDS, st.sampled_from("1234")), st.tuples(SAYS, st.integers(0, 5))), max_size=16)


def seen(number: int, kind: str, lesson: str) -> Observation:
    if kind == "doubted":
        return act(number, lesson=lesson, kind="lesson.completed", evidence=Evidence.nothing)
    return act(number, lesson=lesson, kind=kind)


def within(agent: Running, cap: int) -> None:
    """No limit, no cap and no scope is over, held places counted in."""
    used = "SELECT n.text, sum(u.amount) FROM quota_use u JOIN name n ON n.no = u.meter_no WHERE u.freed = 0"
    most = {"cap:*:points/day": cap, "limit:r:awards/day": 3, "limit:v:awards/day": 2, "once:r": 1, "once:v": 1}
    for meter, amount in rows(agent.data_dir, f"{used} GROUP BY n.text, u.bucket"):
        assert amount <= most[meter]
    assert agent.balances().get("35", 0) <= cap


async def play(agent: Running, steps: list[tuple[str, object]], cap: int) -> list[Observation]:
    taken: list[Observation] = []
    for number, (what, which) in enumerate(steps, 1):
        if isinstance(which, str):
            taken.append(seen(number, what, which))
            await agent.take(taken[-1])
        elif waiting := open_holds(agent):
            numbers = [waiting[int(str(which)) % len(waiting)]]
            if what == "approve":
                await desk(agent).approve(decisions=numbers, by="d")
            else:
                await desk(agent).reject(decisions=numbers, by="d", reason="no")
        within(agent, cap)
    return taken


@settings(max_examples=examples(25), deadline=None)
@given(STEPS, st.sampled_from([(RULES, 40), (CUT, 25)]))
async def test_no_limit_is_exceeded_and_a_replay_appends_nothing(
    steps: list[tuple[str, object]], by: tuple[str, int]
) -> None:
    rules, cap = by
    with tempfile.TemporaryDirectory() as directory:
        async with running(Path(directory), rules) as agent:
            taken = await play(agent, steps, cap)
            before = (agent.entries(), agent.reasons())
            for one in taken:
                await agent.take(one)
            assert (agent.entries(), agent.reasons()) == before


ACTS = st.lists(
    st.tuples(st.sampled_from(["lesson.completed", "lesson.viewed"]), st.sampled_from("123456")), max_size=12
)


@settings(max_examples=examples(25), deadline=None)
@given(acts=ACTS, rules=st.sampled_from([RULES, CUT]), at_once=st.sampled_from([1, 99]))
async def test_once_all_are_rejected_the_others_have_what_they_would_have_had(
    acts: list[tuple[str, str]], rules: str, at_once: int
) -> None:
    told = [seen(number, kind, lesson) for number, (kind, lesson) in enumerate(acts, 1)]
    with tempfile.TemporaryDirectory() as directory:
        async with running(Path(directory) / "all", rules) as agent, running(Path(directory) / "own", rules) as without:
            await agent.take(*told)
            while waiting := open_holds(agent):
                await desk(agent).reject(decisions=waiting[:at_once], by="d", reason="no")
            await without.take(*[one for one in told if one.kind == "lesson.completed"])
            assert agent.balances() == without.balances()
            assert rules == CUT or agent.entries() == without.entries()
