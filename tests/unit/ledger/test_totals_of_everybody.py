"""What budgets and brakes have counted is kept as one number, whatever is paid, held, taken back or decided by hand."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import InvalidInputError
from agent.ledger import corrections, file, projections
from agent.ledger.corrections import Correction
from agent.model import Observation
from tests.builders import NOW
from tests.effort import examples
from tests.ledgers import rows
from tests.pipelines import Running, running
from tests.rule_stories import rule
from tests.unit.review.desks import HEAD, act, desk, open_holds

BUDGET = '[budget]\npoints = "30/week"\n'
BRAKE = '[safety]\nhold_over = "2x usual"\nat_least = 3\nfloor = { points = 30 }\n'
RULES = (
    HEAD
    + BUDGET
    + BRAKE
    + rule(more='reverse_on = "lesson.uncompleted"\nlimit = "3/day"')
    + rule("lesson.viewed", name="v", more='review = "always"')
    + rule("forum.posted", name="s", more='mode = "shadow"')
)
KEPT = "SELECT n.text, t.bucket, t.amount, t.uses FROM quota_total t JOIN name n ON n.no = t.meter_no ORDER BY 1, 2"
TRIGGERS = "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND name LIKE 'total%'"
COUNTED = """
SELECT n.text, u.bucket, sum(u.amount * (u.freed = 0)), sum(u.freed = 0)
FROM quota_use u JOIN name n ON n.no = u.meter_no
WHERE u.person_no = 0 AND (n.text LIKE '%budget:%' OR n.text LIKE '%safety:%') GROUP BY 1, 2 ORDER BY 1, 2
"""

ACTS = st.sampled_from(["lesson.completed", "lesson.uncompleted", "lesson.viewed", "forum.posted"])
SAYS = st.sampled_from(["approve", "reject", "reverse"])
STEPS = st.lists(
    st.one_of(st.tuples(ACTS, st.integers(1, 4), st.integers(0, 5)), st.tuples(SAYS, st.integers(0, 9))), max_size=25
)


def seen(number: int, kind: str, lesson: int, day: int) -> Observation:
    return act(number, lesson=str(lesson), kind=kind, occurred_at=act(number).occurred_at + day * 86_400)


async def say(agent: Running, what: str, which: int) -> None:
    if what == "reverse":
        awards = rows(agent.data_dir, "SELECT seq FROM entry WHERE CAST(body AS TEXT) ->> 'kind' = 'award'")
        if awards:
            seq = awards[which % len(awards)][0]
            with contextlib.suppress(InvalidInputError):  # it was reversed before
                await agent.writer.run(
                    lambda connection: corrections.reverse(
                        connection, agent.recorder, seq=seq, correction=Correction(reason="no", by="d"), now=NOW
                    )
                )
    elif waiting := open_holds(agent):
        chosen = [waiting[which % len(waiting)]]
        if what == "approve":
            await desk(agent).approve(decisions=chosen, by="d")
        else:
            await desk(agent).reject(decisions=chosen, by="d", reason="no")


def totals(agent: Running) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """What is kept and what is counted; where everything was given back and deleted nothing is left to compare."""
    kept = {(meter, bucket): (amount, uses) for meter, bucket, amount, uses in rows(agent.data_dir, KEPT)}
    counted = {(meter, bucket): (amount, uses) for meter, bucket, amount, uses in rows(agent.data_dir, COUNTED)}
    something = [{key: each for key, each in found.items() if each != (0, 0)} for found in (kept, counted)]
    return something[0], something[1]


@settings(max_examples=examples(40), deadline=None)
@given(steps=STEPS)
async def test_the_totals_are_what_the_uses_come_to_whatever_happens(steps: list[tuple[str, int, int]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        async with running(Path(directory), RULES) as agent:
            for number, (what, *which) in enumerate(steps, 1):
                if len(which) > 1:
                    await agent.take(seen(number, what, *which))
                else:
                    await say(agent, what, which[0])
            kept, counted = totals(agent)
            assert kept == counted


async def test_pages_read_the_totals_and_not_what_they_were_made_of(tmp_path: Path) -> None:
    async with running(tmp_path, HEAD + '[budget]\npoints = "60/week"\n' + rule()) as agent:
        await agent.take(act(1))
    with contextlib.closing(sqlite3.connect(file.ledger_path(tmp_path))) as connection:
        connection.execute("UPDATE quota_total SET amount = 55")
        connection.commit()
    async with running(tmp_path, HEAD + '[budget]\npoints = "60/week"\n' + rule()) as agent:
        await agent.take(act(2))
        assert len(open_holds(agent)) == 1
        await agent.writer.run(projections.rebuild)
        await agent.take(act(3))
        assert (len(open_holds(agent)), agent.balances()) == (1, {"35": 20})


@pytest.mark.parametrize("quota", [BUDGET, BRAKE])
async def test_a_ledger_that_had_no_totals_gets_them_with_the_rules_that_want_them(tmp_path: Path, quota: str) -> None:
    async with running(tmp_path, HEAD + quota + rule()) as agent:
        await agent.take(act(1), act(2))
        before = rows(tmp_path, KEPT)
        assert before
    with contextlib.closing(sqlite3.connect(file.ledger_path(tmp_path), isolation_level=None)) as connection:
        for (trigger,) in rows(tmp_path, TRIGGERS):
            connection.execute(f"DROP TRIGGER {trigger}")
        connection.execute("DELETE FROM quota_total")
    async with running(tmp_path, HEAD + quota + rule()) as agent:
        assert rows(tmp_path, KEPT) == before
        await agent.take(act(3), act(4))
        assert (len(open_holds(agent)), agent.balances()) == (1, {"35": 30})


async def test_a_ledger_without_such_quotas_has_no_triggers(tmp_path: Path) -> None:
    async with running(tmp_path, HEAD + rule()) as agent:
        await agent.take(act(1))
        assert not rows(tmp_path, TRIGGERS)
