"""The catalogue as its operator meets it: the command, the process, signals, and being killed in the middle."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests import programs, servers
from tests.empty import empty_catalogue
from tests.outboxes import delivering
from tests.servers import PostgresDatabase, free_port
from tests.wire_builders import CAMPUS
from wire import keys


def command(*words: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run `rewards-catalogue` to its end; its exit code must be ``code``."""
    done = programs.run("catalogue", [str(word) for word in words])
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


class Served:
    """A `rewards-catalogue serve` that can be killed and started again on the same port."""

    def __init__(self, config: Path, log: Path | None = None) -> None:
        self.config = config
        self.log = log
        self.url = ""
        self.process: programs.Running | None = None

    def start(self, **env: str) -> None:
        reading, writing = os.pipe()
        self._said = os.fdopen(reading)
        with contextlib.ExitStack() as stack:
            out = stack.enter_context(os.fdopen(writing, "w"))
            stderr = None if self.log is None else stack.enter_context(self.log.open("w"))
            self.process = programs.start(
                "catalogue", ["serve", "--config", str(self.config)], stdout=out, stderr=stderr, env=os.environ | env
            )
        said = self._said.readline()
        assert said.startswith("listening on http://"), said
        self.url = said.split()[-1]

    def end(self, how: signal.Signals, *, more: str | None = None) -> int:
        assert self.process is not None
        self.process.send_signal(how)
        code = self.process.wait(60)
        assert more is None or self._said.read() == more
        self._said.close()
        self.process = None
        return code

    def stop(self) -> None:
        if self.process is not None:
            self.end(signal.SIGKILL)


@contextlib.contextmanager
def serving(directory: Path, *, database: str = "", log: Path | None = None) -> Iterator[Served]:
    """Set up and serve, as an operator would."""
    directory.mkdir()
    config = directory / "catalogue.toml"
    url = f'\n[database]\nurl = "{database}"\n' if database else "\n"
    config.write_text(f'[catalogue]\nlisten = "127.0.0.1:{free_port()}"{url}', encoding="utf-8")
    if not database:
        (directory / "catalogue.db").touch(0o600)
        (directory / "catalogue.db").write_bytes(empty_catalogue())
    command("init", "--config", config)
    served = Served(config, log)
    served.start()
    try:
        yield served
    finally:
        served.stop()


def a_token(config: Path) -> str:
    """Make the campus known."""
    return str(json.loads(command("tenant", "add", CAMPUS, "--config", config, "--json").stdout)["token"])


def test_init_is_enough_and_may_be_run_again(tmp_path: Path) -> None:
    directory = tmp_path / "new" / "catalogue"
    command("init", "--data-dir", directory)
    again = command("init", "--data-dir", directory)
    assert "is ready" in again.stdout
    assert stat.S_IMODE((directory / "catalogue.ed25519").stat().st_mode) == 0o600
    assert stat.S_IMODE((directory / "catalogue.db").stat().st_mode) == 0o600
    assert json.loads(command("tenant", "list", "--data-dir", directory, "--json").stdout) == []


def test_sigterm_ends_it_with_success(tmp_path: Path) -> None:
    with serving(tmp_path / "c") as served:
        assert served.end(signal.SIGTERM) == 0


async def test_whoever_is_told_to_stop_again_waits_all_the_same_for_what_is_under_way(tmp_path: Path) -> None:
    """The second SIGTERM killed it in the middle of a request."""
    with serving(tmp_path / "c") as served:
        place, process = urlsplit(served.url), served.process
        assert process is not None
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        writer.write(b"POST /v1/enrol HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(ConnectionRefusedError):
            while True:  # until it takes no more
                _, another = await asyncio.open_connection(place.hostname, place.port)
                another.close()
                await asyncio.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            await asyncio.to_thread(process.wait, 0.5)
        writer.close()


async def test_the_log_goes_to_standard_error_as_json_and_standard_output_says_only_the_address(tmp_path: Path) -> None:
    with serving(tmp_path / "c", log=tmp_path / "log") as served:
        async with aiohttp.ClientSession() as session, session.post(f"{served.url}/v1/batches") as response:
            assert response.status == 401
        assert served.end(signal.SIGTERM, more="") == 0
        logged = [json.loads(line) for line in (tmp_path / "log").read_text(encoding="utf-8").splitlines()]
        began, refused, ended = logged
        assert (began["event"], ended["event"]) == ("catalogue_started", "catalogue_stopped")
        assert (refused["event"], refused["status"], refused["route"]) == ("request_refused", 401, "POST /v1/batches")


async def test_livez_answers_while_it_lives(tmp_path: Path) -> None:
    with serving(tmp_path / "c") as served:
        async with aiohttp.ClientSession() as session, session.get(f"{served.url}/livez") as response:
            assert response.status == 200
        async with aiohttp.ClientSession() as session, session.get(f"{served.url}/v1/stand") as response:
            assert response.status == 401


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_an_agents_entries_end_in_wallets_that_the_commands_show(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    database = ""
    if kind == "postgresql":
        found: PostgresDatabase = request.getfixturevalue("postgres_database")
        database = found.dsn
    data_dir = tmp_path / "agent"
    data_dir.mkdir()
    with serving(tmp_path / "c", database=database) as served:
        async with delivering(data_dir, served.url, a_token(served.config)) as agent:
            await agent.write(30)
            assert await agent.drain()
        where = ("--config", served.config)
        shown = json.loads(command("wallet", "show", CAMPUS, "--json", *where).stdout)
        assert sum(row["balance"] for row in shown) == 300
        assert "learner3" in command("wallet", "show", CAMPUS, "learner3", *where).stdout
        lots = json.loads(command("wallet", "show", CAMPUS, "learner3", "--json", *where).stdout)
        assert [lot["left"] for lot in lots[0]["lots"]] == [10] * 4
        if kind == "sqlite":
            assert "never expires" in command("wallet", "show", CAMPUS, "learner3", *where).stdout
            assert command("wallet", "history", CAMPUS, "learner3", *where).stdout.count("award") == 4
            assert "all were right" in command("wallet", "rebuild", CAMPUS, *where).stdout
            lines = command("ledger", "movements", CAMPUS, "--after", "10", *where).stdout.splitlines()
            assert (lines[0].split(",")[:2], len(lines)) == (["no", "posted_at"], 21)
        rows = command("ledger", "export", CAMPUS, *where).stdout.splitlines()
        assert rows[0].startswith(
            "seq,entry_id,occurred_at,recorded_at,learner,rule_id,rules_version,currency,amount,kind"
        )
        assert len(rows) == 31
        first, last = (row.split(",")[2][:10] for row in (rows[1], rows[-1]))
        for words, count in (
            (("--learner", "learner3"), 4),
            (("--rule", rows[1].split(",")[5], "--currency", "points"), 30),
            (("--currency", "stars"), 0),
            (("--from", first, "--until", last), 30),
            (("--until", "2020-01-01"), 0),
        ):
            part = command("ledger", "export", CAMPUS, *words, *where).stdout.splitlines()
            assert (part[0], len(part) - 1) == (rows[0], count), words
        swapped = ("--from", "2026-09-02", "--until", "2026-09-01")
        assert "is over before" in command("ledger", "export", CAMPUS, *swapped, *where, code=1).stderr
        raw = command("ledger", "export", CAMPUS, "--format", "raw", *where).stdout.splitlines()
        assert json.loads(raw[29])["seq"] == 30
        report = json.loads(command("verify", "--json", *where).stdout)
        assert (report["entries"], report["faults"]) == (30, [])
        agents = json.loads(command("agent", "list", CAMPUS, "--json", *where).stdout)
        assert [(row["agent"], row["seq"]) for row in agents] == [("agent-1", 30)]
        command("tenant", "suspend", CAMPUS, *where)
        async with delivering(data_dir, served.url) as agent:
            agent.written = 30
            await agent.write(1)
            assert not await agent.drain()
            assert "suspended" in agent.standing()["last_error"]
            command("tenant", "resume", CAMPUS, *where)
            assert await agent.drain()


@pytest.mark.slow
async def test_a_catalogue_that_is_killed_again_and_again_has_everything_once(tmp_path: Path) -> None:
    data_dir = tmp_path / "agent"
    data_dir.mkdir()
    dice = random.Random(7)
    with serving(tmp_path / "c") as served:
        async with delivering(data_dir, served.url, a_token(served.config)) as agent:
            for _ in range(8):
                for _ in range(6):
                    await agent.write(300)
                going = asyncio.create_task(agent.drain())
                await asyncio.sleep(dice.uniform(0.0, 0.15))
                served.end(signal.SIGKILL)
                await going
                served.start()
            assert await agent.drain()
            assert agent.standing()["acked_seq"] == agent.written == 14_400
        report = json.loads(command("verify", "--config", served.config, "--json").stdout)
        assert (report["entries"], report["faults"]) == (14_400, [])
        shown = json.loads(command("wallet", "show", CAMPUS, "--json", "--config", served.config).stdout)
        assert sum(row["balance"] for row in shown) == 144_000


def test_an_agent_can_be_made_known_by_its_public_key(tmp_path: Path) -> None:
    directory = tmp_path / "c"
    command("init", "--data-dir", directory)
    a_token(directory / "catalogue.toml")
    public = keys.create(tmp_path / "agent").public.hex()
    added = json.loads(command("agent", "add", CAMPUS, public, "--data-dir", directory, "--json").stdout)
    assert added["agent"] == "agent-1"
    assert added["catalogue_public"] == keys.load(directory / "catalogue.ed25519").public.hex()
    command("agent", "revoke", CAMPUS, "agent-1", "--data-dir", directory)
    assert "revoked" in command("agent", "list", CAMPUS, "--data-dir", directory).stdout
    assert "64 lower-case hex" in command("agent", "add", CAMPUS, "zz", "--data-dir", directory, code=1).stderr


def test_what_an_operator_does_wrong_is_said_with_the_cure(tmp_path: Path) -> None:
    assert "init --data-dir" in command("serve", "--data-dir", tmp_path / "none", code=2).stderr
    directory = tmp_path / "c"
    command("init", "--data-dir", directory)
    config = directory / "catalogue.toml"
    assert "no campus nowhere" in command("wallet", "show", "nowhere", "--config", config, code=1).stderr
    command("tenant", "add", CAMPUS, "--config", config)
    assert "there already" in command("tenant", "add", CAMPUS, "--config", config, code=1).stderr
    (directory / "catalogue.ed25519").chmod(0o644)
    assert "chmod 600" in command("serve", "--config", config, code=2).stderr
    config.write_text('[database]\nurl = "postgresql://u:hunter2@h/d"', encoding="utf-8")
    told = command("serve", "--config", config, code=2).stderr
    assert "password_file" in told
    assert "hunter2" not in told


def test_an_unreachable_database_is_what_the_machine_cures(tmp_path: Path) -> None:
    config = tmp_path / "catalogue.toml"
    config.write_text(f'[database]\nurl = "postgresql://u@127.0.0.1:{free_port()}/d"\n', encoding="utf-8")
    assert "cannot be reached" in command("init", "--config", config, code=1).stderr


def test_a_database_where_it_may_make_no_tables_is_left_as_it_was_and_it_says_what_to_grant(
    postgres_database: servers.PostgresDatabase, tmp_path: Path
) -> None:
    """Since PostgreSQL 15 only a database's owner may: everybody else met a traceback of two hundred lines."""
    postgres_database.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    config, secret = tmp_path / "catalogue.toml", tmp_path / "database.password"
    secret.write_text(servers.READER_PASSWORD, encoding="utf-8")
    secret.chmod(0o600)
    config.write_text(
        f'[database]\nurl = "{postgres_database.reader_dsn}"\npassword_file = "database.password"\n', encoding="utf-8"
    )
    told = command("init", "--config", config, code=2).stderr
    assert "is as it was, for it refused: permission denied for schema public" in told
    assert f'ALTER DATABASE … OWNER TO "{servers.READER}"' in told
    assert "Traceback" not in told
    postgres_database.execute(f"GRANT CREATE ON SCHEMA public TO {servers.READER}")
    assert "made ready" in command("init", "--config", config).stdout


def test_changed_books_end_verify_with_three(tmp_path: Path) -> None:
    import sqlite3  # noqa: PLC0415

    directory = tmp_path / "c"
    command("init", "--data-dir", directory)
    command("tenant", "add", CAMPUS, "--data-dir", directory)
    connection = sqlite3.connect(directory / "catalogue.db")
    connection.execute("INSERT INTO wallet VALUES (?, 'x', 'points', 5, 5, 0, NULL, 0)", (CAMPUS,))
    connection.commit()
    connection.close()
    assert "its movements say 0" in command("verify", "--data-dir", directory, code=3).stdout
