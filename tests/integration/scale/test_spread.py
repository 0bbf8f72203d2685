"""The tables as PostgreSQL has them, held to what spreading them over servers by campus asks for (Citus)."""

from __future__ import annotations

from tests.distributed import COMMON
from tests.servers import PostgresDatabase

UNIQUE = """
SELECT t.relname, i.relname, array_agg(a.attname ORDER BY k.place)
FROM pg_index x JOIN pg_class t ON t.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid
CROSS JOIN LATERAL unnest(x.indkey) WITH ORDINALITY AS k (attnum, place)
JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.attnum
WHERE x.indisunique AND t.relnamespace = 'public'::regnamespace GROUP BY 1, 2
"""
REFERENCES = """
SELECT c.conname, c.conrelid::regclass::text, a.attname, b.attname
FROM pg_constraint c CROSS JOIN LATERAL unnest(c.conkey, c.confkey) WITH ORDINALITY AS k (here, there, place)
JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.here
JOIN pg_attribute b ON b.attrelid = c.confrelid AND b.attnum = k.there
WHERE c.contype = 'f' AND c.connamespace = 'public'::regnamespace
"""
EXCLUDED = "SELECT conname FROM pg_constraint WHERE contype = 'x' AND connamespace = 'public'::regnamespace"
PARTED = """
SELECT t.relname, a.attname FROM pg_partitioned_table p JOIN pg_class t ON t.oid = p.partrelid
CROSS JOIN LATERAL unnest(p.partattrs) AS k (attnum) JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.attnum
"""
CAMPUS = """
SELECT t.relname, format_type(a.atttypid, a.atttypmod), a.attnotnull FROM pg_class t
LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attname = 'campus'
WHERE t.relkind IN ('r', 'p') AND t.relnamespace = 'public'::regnamespace
"""
APART = {"catalogue_key", "alembic_version"}


def test_each_table_unique_key_and_reference_has_the_campus_and_parted_tables_are_parted_by_something_else(
    catalogue_database: PostgresDatabase,
) -> None:
    tables = {name: (kind, required) for name, kind, required in catalogue_database.rows(CAMPUS)}
    assert {name for name, said in tables.items() if said != ("text", True)} == APART, "they lie together by one type"
    unique = [(table, index, columns) for table, index, columns in catalogue_database.rows(UNIQUE)]
    assert len(unique) > len(tables) - 5
    assert [one for one in unique if one[0] not in APART and one[2][0] != "campus"] == []
    together: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for name, table, here, there in catalogue_database.rows(REFERENCES):
        together.setdefault((table, name), set()).add((here, there))
    assert together
    assert [key for key, columns in together.items() if ("campus", "campus") not in columns] == []
    assert {table for table, _ in together}.isdisjoint(COMMON), "what is copied to each server refers to nothing"
    assert catalogue_database.rows(EXCLUDED) == []
    parted = dict(catalogue_database.rows(PARTED))
    assert parted == dict.fromkeys(("entry", "batch", "movement"), "posted_at")
    for table, column in parted.items():
        keys = [columns for name, _, columns in unique if name == table]
        assert keys, table
        assert all(column in columns for columns in keys), "a part knows its own keys alone"
