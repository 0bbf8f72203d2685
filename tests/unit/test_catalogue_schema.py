"""The catalogue's tables can be spread over servers by campus: each key begins with it, and no reference leaves it."""

from __future__ import annotations

import re

import pytest

from catalogue.schema import metadata
from catalogue.store.base import MIGRATIONS
from tests.distributed import strays


def test_every_key_begins_with_the_campus() -> None:
    tables = {table.name: [column.name for column in table.primary_key.columns] for table in metadata.tables.values()}
    assert {name for name, key in tables.items() if key[0] != "campus"} == {"catalogue_key"}


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


@pytest.mark.parametrize(
    ("statement", "loose"),
    [
        ("SELECT no FROM movement WHERE movement.campus = ? AND no = 1", ()),
        ("SELECT no FROM movement WHERE no = 1", ("movement",)),
        ("UPDATE wallet SET balance = 0 WHERE wallet.learner = $1", ("wallet",)),
        ("INSERT INTO wallet (learner, currency) VALUES (?, ?)", ("wallet",)),
        ("INSERT INTO step (campus, redemption, no) VALUES (?, ?, ?)", ()),
        ("SELECT 1 FROM wallet AS w JOIN movement m ON m.campus = w.campus WHERE w.campus = $1::VARCHAR", ()),
        ("SELECT 1 FROM wallet AS w JOIN movement m ON m.campus = w.campus", ("movement", "wallet")),
        ("SELECT 1 FROM unnest(CAST(? AS text[])) AS w (a) JOIN wallet ON wallet.no = w.a", ("wallet",)),
        ("SELECT 1 FROM wallet, movement WHERE wallet.campus = ? AND movement.no = 1", ("movement",)),
        ("SELECT no FROM movement WHERE movement.campus IN (?, ?)", ("movement",)),
        ("SELECT 1 FROM reward JOIN offer ON offer.campus = ? WHERE reward.campus IN (?, ?)", ()),
        ("SELECT 1 FROM reward JOIN offer ON offer.owner = reward.campus WHERE reward.campus = ?", ("offer",)),
        ("WITH chain AS (SELECT no FROM movement WHERE no = 1) SELECT no FROM chain", ("movement",)),
    ],
)
def test_a_statement_that_binds_a_table_to_no_campus_is_noticed(statement: str, loose: tuple[str, ...]) -> None:
    assert strays(statement) == loose
