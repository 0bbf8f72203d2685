"""Lots of acts in any order of arrival, looked at whenever: what is left at the end is the same."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.ledger import file, projections
from agent.ledger.money import accounts
from agent.schedule.expiry import Expiry
from tests.effort import examples
from tests.fakes import ManualClock
from tests.ledgers import rows
from tests.pipelines import running
from tests.rule_stories import ZONE, at, event, rule

START, DAY = at("2026-09-07T09:00:00"), 86_400
TEXT = (
    f'schema = 1\ntimezone = "{ZONE}"\n'
    + rule(more='once_per = "event"\nreverse_on = "lesson.uncompleted"')
    + '[currency.points]\nexpires_after = "10d"\nnotice = "3d"\n'
)
ACTS = st.lists(st.tuples(st.integers(0, 30), st.booleans()), min_size=1, max_size=8)


@settings(max_examples=examples(40), deadline=None)
@given(acts=ACTS, waits=st.lists(st.integers(0, 12), min_size=8, max_size=8), end=st.integers(0, 60))
async def test_what_is_left_is_what_was_earned_in_the_last_days_whatever_arrived_when(
    acts: list[tuple[int, bool]], waits: list[int], end: int
) -> None:
    """An act of a day; with it, whether somebody looks after its arrival."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        async with running(directory, TEXT) as here:
            clock = ManualClock(START)
            expiry = Expiry(here.writer, here.pipeline, clock, active=True)
            await expiry.adopt()
            for number, (day, look) in enumerate(acts):
                await here.take(event(when=START + day * DAY, key=str(number), lesson=str(number)).seen)
                clock.at += waits[number] * DAY
                if look:
                    await expiry.look()
            clock.at += end * DAY
            await expiry.look()
            await expiry.look()
            with contextlib.closing(file.open_for_reading(directory)) as connection:
                account = accounts.of_learner(connection, "moodle:ann", "points")
            left = [START + (day + 10) * DAY for day, _ in acts if START + (day + 10) * DAY > clock.at]
            assert sorted(lot.expires_at or 0 for lot in account.lots) == sorted(left)
            assert account.balance == 10 * len(left)
            stated = rows(directory, "SELECT of, amount FROM statement")
            assert sorted(stated) == sorted(set(stated)), "each lot once"
            assert len(stated) == len(acts) - len(left)
            assert here.balances() == {"ann": 10 * len(acts)}, "the chain holds what was earned"
            assert (await here.writer.run(projections.rebuild))[1] == 0
