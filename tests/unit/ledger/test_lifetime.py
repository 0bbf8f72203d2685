"""A lifetime total is the most that there ever was; only a person lowers it, and every road to it agrees."""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.ledger import corrections, file, projections, reading
from agent.ledger.corrections import Correction
from agent.ledger.verify import verify
from tests.builders import NOW
from tests.effort import examples
from tests.ledgers import Ledger, opened

WHY = Correction(reason="because", by="desk")


async def adjust(ledger: Ledger, amount: int, *, lower: bool = False) -> None:
    await ledger.run(
        lambda connection: corrections.adjust(
            connection,
            ledger.recorder,
            learner="moodle:35",
            currency="points",
            amount=amount,
            correction=WHY,
            now=NOW,
            lower_level=lower,
        )
    )


def stands(ledger: Ledger) -> tuple[int, int]:
    with ledger.reading() as connection:
        assert verify(connection).findings == ()
        return reading.balances_of(connection, "moodle:35")["points"]


async def test_what_is_taken_leaves_it_and_what_is_earned_again_counts_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as ledger:
        await adjust(ledger, 100)
        await adjust(ledger, -40)
        assert stands(ledger) == (60, 100)
        await adjust(ledger, 30)
        assert stands(ledger) == (90, 100)
        await adjust(ledger, 20)
        assert stands(ledger) == (110, 110)


async def test_only_a_person_lowers_it_to_what_is_left(tmp_path: Path) -> None:
    async with opened(tmp_path) as ledger:
        await adjust(ledger, 100)
        await adjust(ledger, -40, lower=True)
        assert stands(ledger) == (60, 60)
        await adjust(ledger, -100, lower=True)
        assert stands(ledger) == (-40, 0)
        await adjust(ledger, 50)
        assert stands(ledger) == (10, 10)


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(st.tuples(st.integers(-50, 50).filter(bool), st.booleans()), min_size=1, max_size=12))
async def test_what_is_kept_is_what_the_entries_add_up_to(moves: list[tuple[int, bool]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        async with opened(Path(directory)) as ledger:
            for amount, lower in moves:
                await adjust(ledger, amount, lower=lower)
            kept = stands(ledger)
            assert await ledger.run(projections.rebuild) == (1, 0)
            assert stands(ledger) == kept


async def test_a_ledger_of_before_is_brought_to_it(tmp_path: Path) -> None:
    async with opened(tmp_path) as ledger:
        for amount in (100, -40, 30):
            await adjust(ledger, amount)
    connection = sqlite3.connect(file.ledger_path(tmp_path))
    (script,) = [sql for sql in file.migrations().values() if "the most that there ever was" in sql]
    with connection:
        connection.execute("UPDATE balance SET lifetime = 130")
        connection.executescript(script)
    connection.close()
    async with opened(tmp_path) as ledger:
        assert stands(ledger) == (90, 100)
