"""A ledger of before there was anything scheduled is upgraded, and pays nothing for what was read before."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from agent.ledger import file
from tests.ledgers import rows
from tests.schedules import SUNDAY, lessons, office


async def test_a_ledger_of_schema_2_goes_on_and_earlier_weeks_stay_as_they_are(tmp_path: Path) -> None:
    steps = file.migrations()
    with contextlib.closing(sqlite3.connect(file.ledger_path(tmp_path), isolation_level=None)) as connection:
        connection.executescript(f"{steps[1]}\n{steps[2]}\nPRAGMA user_version = 2;")
        connection.execute(
            "INSERT INTO source_state VALUES ('moodle', 9, ?, 0, 0.0, 0, '', x'7b7d', 0)", (SUNDAY + 60,)
        )
    async with office(tmp_path) as here:
        assert rows(tmp_path, "SELECT scheduled, since, in_force FROM schedule") == [("champion", SUNDAY + 60, 1)]
        await here.take([*lessons(ann=3), *lessons("2026-09-16T09:00:00", ben=1)])
        await here.decide("2026-09-25T00:00:00")
        assert here.prizes() == {"ben": [50]}
