"""Badges end the same wherever pages end, and always agree with what the ledger's entries say."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.ledger import file
from agent.ledger.verify import verify
from tests.effort import examples
from tests.ledgers import rows
from tests.pipelines import Running, pages, running
from tests.property.test_undo_in_any_order import ACTS, Act, told
from tests.rule_stories import ZONE, rule

TEXT = (
    f'schema = 1\ntimezone = "{ZONE}"\n'
    + rule(more='reverse_on = "lesson.uncompleted"')
    + '[[badge]]\nid = "two"\ncount = { rule = "r", at_least = 2 }\nsticky = false\n'
    + '[[badge]]\nid = "kept"\ncount = { rule = "r", at_least = 2 }\n'
    + '[[badge]]\nid = "both"\nall_of = ["two", "kept"]\nsticky = false\n'
    + '[[badge]]\nid = "rich"\nbalance = { currency = "points", at_least = 20, of = "current" }\nsticky = false\n'
)


def written(ledger: Running) -> list[tuple[object, ...]]:
    """Every entry without what differs from ledger to ledger."""
    sql = (
        "SELECT CAST(body AS TEXT) ->> 'kind', CAST(body AS TEXT) ->> 'currency', CAST(body AS TEXT) ->> 'amount',"
        " CAST(body AS TEXT) ->> 'reverses', CAST(body AS TEXT) ->> 'reason', lms_user"
        " FROM entry JOIN person USING (person_no) ORDER BY seq"
    )
    return rows(ledger.data_dir, sql)


async def played(acts: list[Act], cuts: set[int], where: str) -> list[tuple[object, ...]]:
    async with running(Path(where), TEXT) as ledger:
        for page in pages([one.seen for one in told(acts)], cuts):
            await ledger.take(*page)
        points = ledger.balances()
        assert ledger.balances("badge:two").keys() == {who for who, amount in points.items() if amount >= 20}
        assert ledger.balances("badge:rich") == ledger.balances("badge:two")
        assert ledger.balances("badge:both") == ledger.balances("badge:two")
        assert ledger.balances("badge:two").keys() <= ledger.balances("badge:kept").keys()
        assert all(one == 1 for one in ledger.balances("badge:kept").values())
        with file.reading(ledger.data_dir) as connection:
            assert verify(connection).findings == ()
        return written(ledger)


@settings(max_examples=examples(40), deadline=None)
@given(ACTS, st.sets(st.integers(1, 13)))
async def test_wherever_pages_end_the_same_badges_are_given_and_taken_by_the_same_entries(
    acts: list[Act], cuts: set[int]
) -> None:
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        assert await played(acts, set(), one) == await played(acts, cuts, two)
