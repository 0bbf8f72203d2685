"""The catalogue as systemd runs it: ready, alive while its database answers, told to read its settings again, ended."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
from pathlib import Path

import pytest
from sqlalchemy import make_url

from catalogue import log
from catalogue.server.pulse import Pulse
from catalogue.store import Store
from tests.integration.service.managed import managed
from tests.servers import Postgres, PostgresDatabase, free_port


def test_a_server_tells_systemd_when_it_is_ready_that_it_lives_and_when_it_stops(tmp_path: Path) -> None:
    with managed(tmp_path / "c") as it:
        assert it.heard("WATCHDOG=1")
        assert it.get("/livez") == (200, '{"alive": true}')
        assert it.get("/readyz") == (200, '{"ready": true, "reasons": []}')
        assert it.get("/other")[0] == 404
        found = it.figures()
        assert found["rewards_catalogue_database_up"] == 1
        assert found["rewards_catalogue_disk_free_bytes"] > 0
        assert found['rewards_catalogue_job_attempts{task="courier"}'] == 0
        assert it.served.end(signal.SIGTERM) == 0
        assert it.heard("STOPPING=1")
        assert {str(line["event"]) for line in it.logged()} <= log.EVENTS


def test_settings_that_changed_are_taken_on_at_a_hangup_and_what_needs_a_restart_is_named(tmp_path: Path) -> None:
    with managed(tmp_path / "c") as it:
        (tmp_path / "c" / "vouchers.key").write_text("7" * 64)
        it.write(listen=int(it.served.url.rpartition(":")[2]))
        (adopted,) = it.reload()
        assert (adopted["event"], adopted["settings"]) == ("settings_adopted", ["catalogue.vouchers_file"])
        assert "rewards_catalogue_backup_timestamp_seconds" in it.figures()
        it.write('log_level = "warning"\nbackup_within = "off"\n', listen=free_port())
        (waiting,) = it.reload()
        assert (waiting["event"], waiting["settings"]) == ("settings_wait", ["catalogue.listen"])
        assert "rewards_catalogue_backup_timestamp_seconds" not in it.figures()
        it.write('log_level = "loud"\n')
        (refused,) = it.reload()
        assert refused["event"] == "settings_refused"
        assert "one of debug, info, warning, error" in str(refused["hint"])
        assert it.get("/readyz")[0] == 200


def test_while_the_database_does_not_answer_nothing_is_said_to_live_and_what_to_do_is_told(
    tmp_path: Path, postgres: Postgres, postgres_database: PostgresDatabase
) -> None:
    name = postgres_database.name
    with managed(tmp_path / "c", database=postgres_database.dsn) as it:
        assert it.heard("WATCHDOG=1")
        postgres.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        postgres.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        assert "cannot be reached" in it.heard("STATUS=")
        it.hush()
        status, told = it.get("/readyz")
        assert status == 503
        assert "is the database running?" in json.loads(told)["reasons"][0]
        assert it.get("/livez")[0] == 200
        assert it.figures()["rewards_catalogue_database_up"] == 0
        assert "WATCHDOG=1" not in it.hush()
        postgres.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
        assert "listening on" in it.heard("STATUS=")
        assert it.heard("WATCHDOG=1")
        assert it.get("/readyz")[0] == 200
        events = [line["event"] for line in it.logged()]
        assert [events.count(name) for name in ("database_away", "database_back")] == [1, 1]
        assert it.served.end(signal.SIGTERM) == 0


async def test_systemd_hears_that_a_server_lives_at_each_look_at_a_database_that_answers_and_at_no_other(
    postgres: Postgres, catalogue_database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = catalogue_database.name
    store = await Store.open(make_url(catalogue_database.dsn))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("")
        manager.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{manager.getsockname()[1:].decode()}")
        pulse = Pulse(store, "listening")

        async def look() -> list[str]:
            await pulse.look()
            heard = []
            with contextlib.suppress(BlockingIOError):
                while True:
                    heard.append(manager.recv(4_096).decode())
            return heard

        assert await look() == ["WATCHDOG=1"]
        postgres.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        postgres.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        (away,) = await look()
        assert "cannot be reached" in away
        assert await look() == [], "told once, and nothing is said to live"
        postgres.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
        assert await look() == ["STATUS=listening", "WATCHDOG=1"]
        catalogue_database.execute("UPDATE alembic_version SET version_num = '0001'")
        other, lives = await look()
        assert "has schema 0001" in other
        assert lives == "WATCHDOG=1", "what an edit cures no start cures"
    await store.close()
