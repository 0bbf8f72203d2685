"""The real agent beside a Moodle on PostgreSQL."""

from __future__ import annotations

from pathlib import Path

from tests import servers
from tests.acceptance.campus import campus
from tests.acceptance.test_capture import RULES


def test_a_campus_on_postgresql_ends_with_the_same_ledger(
    shared_capture: servers.MariaDatabase, postgres_database: servers.PostgresDatabase, tmp_path: Path
) -> None:
    servers.load_capture_into_postgres(postgres_database)
    postgres_database.grant_reader()
    maria = campus(tmp_path / "maria", shared_capture, RULES)
    postgres = campus(tmp_path / "postgres", postgres_database, RULES)
    for one in (maria, postgres):
        one.catch_up()
    rows = postgres.export()
    assert len(rows) > 300
    assert rows == maria.export()
    postgres.catch_up()
    assert postgres.export() == rows
    found = postgres.command("doctor", check=False).stdout
    assert "version PostgreSQL" in found
    assert "may read the config table" in found
