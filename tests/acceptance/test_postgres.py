"""The real agent beside a Moodle on PostgreSQL."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import aiohttp

from tests import servers
from tests.acceptance.campus import campus, serving, wait_until
from tests.acceptance.test_capture import RULES
from tests.posts import TOKEN
from tests.sites import PostgresSite, log

ACTS = """
schema = 1
timezone = "UTC"

[[rule]]
id = "view"
on = "course.viewed"
award = 1

[[rule]]
id = "form"
on = "submission.received"
award = 7
"""


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


def test_while_the_database_recovers_after_a_boot_posts_are_kept_and_paid_and_rows_are_read_later(
    tmp_path: Path,
) -> None:
    """The unit waits for no database: one that begins after it is told in one line, and is not a fault of a person."""
    port = servers.free_port()
    with servers.running_postgres() as server:
        site = PostgresSite(server.create_database())
        log(site, 1)
        at = campus(tmp_path / "a", site.database, ACTS, extra=_forms(port))
        (at.directory / "forms.token").write_text(TOKEN)
        (at.directory / "forms.token").chmod(0o600)
        server.recover()
        with serving(at) as service:
            wait_until(lambda: service.said("source_trouble"))
            assert asyncio.run(_form(port)) == 200
            wait_until(lambda: [row["rule_id"] for row in at.export()] == ["form"])
            server.restart()
            wait_until(lambda: service.said("source_recovered"))
            code, _ = service.end()
        (trouble,) = service.logged("source_trouble")
    assert code == 0
    assert "cannot be reached: the database system is" in trouble["trouble"]
    assert sorted((row["rule_id"], row["amount"]) for row in at.export()) == [("form", "7"), ("view", "1")]


def _forms(port: int) -> str:
    return (
        f'[http]\nlisten = "127.0.0.1:{port}"\n[[source]]\nname = "forms"\nkind = "generic"\npath = "/forms"\n'
        'bearer_token_files = ["forms.token"]\n'
    )


async def _form(port: int) -> int:
    form = {
        "event": "submission.received",
        "occurred_at": int(time.time()),
        "user": {"id": "ann"},
        "submission": {"id": "1"},
    }
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"http://127.0.0.1:{port}/forms", json=form, headers=headers) as answer,
    ):
        return answer.status
