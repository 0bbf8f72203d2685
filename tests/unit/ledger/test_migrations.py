"""The steps of the schema: one file for each number, none left out."""

from __future__ import annotations

from pathlib import Path

import agent.ledger
from agent.ledger import file

FILES = sorted(path.name for path in (Path(agent.ledger.__file__).parent / "migrations").glob("*.sql"))


def test_each_step_of_the_schema_is_one_file_up_to_the_newest() -> None:
    assert [int(name[:4]) for name in FILES] == list(range(1, file.SCHEMA + 1)), (
        "two files of one number hide each other"
    )
    assert sorted(file.migrations()) == list(range(1, file.SCHEMA + 1))
