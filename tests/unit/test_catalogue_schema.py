"""The catalogue's tables can be spread over servers by campus: each key begins with it, and no reference leaves it."""

from __future__ import annotations

import re

from catalogue.schema import metadata
from catalogue.store.base import MIGRATIONS

COMMON = {"catalogue_key"}
"""Tables of the whole catalogue: a copy on each server."""


def test_every_key_begins_with_the_campus() -> None:
    tables = {table.name: [column.name for column in table.primary_key.columns] for table in metadata.tables.values()}
    assert {name for name, key in tables.items() if key[0] != "campus"} == COMMON


def test_every_reference_stays_within_the_campus() -> None:
    for table in metadata.tables.values():
        for reference in table.foreign_key_constraints:
            pairs = {(key.parent.name, key.column.name) for key in reference.elements}
            assert ("campus", "campus") in pairs, f"{table.name} → {reference.referred_table.name}"


def test_every_index_that_must_be_unique_begins_with_the_campus() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in sorted((MIGRATIONS / "versions").rglob("*.py")))
    unique = re.findall(r"create_index\(\s*\"(\w+)\",\s*\"\w+\",\s*\[\"(\w+)\"[^)]*unique=True", text)
    assert unique, "there are some"
    assert [name for name, first in unique if first != "campus"] == []
