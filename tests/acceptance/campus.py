"""A campus on disk for acceptance tests: configuration, rules, and the real `rewards-agent` as a process of its own."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import programs, servers

VOLATILE = ("recorded_at",)
"""Columns of an export that two honest runs may differ in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Campus:
    """One agent's directory. ``run`` and the others call the command line as an administrator would."""

    directory: Path

    @property
    def config(self) -> Path:
        """Its config.toml."""
        return self.directory / "config.toml"

    def command(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `rewards-agent WORDS --config …` to its end."""
        done = programs.run("agent", [*words, "--config", str(self.config)])
        if check and done.returncode != 0:
            raise AssertionError(f"rewards-agent {' '.join(words)} ended with {done.returncode}:\n{done.stderr}")
        return done

    def catch_up(self) -> str:
        """Read everything there is; the closing lines."""
        return self.command("run", "--until-caught-up").stderr

    def start(self, *words: str) -> programs.Running:
        """Start the agent in the background, in a process group of its own."""
        return programs.start("agent", ["run", *words, "--config", str(self.config)], new_session=True)

    def export(self) -> list[dict[str, str]]:
        """The ledger's CSV export as rows, without what may differ between two honest runs."""
        text = self.command("ledger", "export", "--format", "csv", "--badges").stdout
        return [
            {key: value for key, value in row.items() if key not in VOLATILE}
            for row in csv.DictReader(io.StringIO(text))
        ]

    def json(self, *words: str) -> Any:
        """What a read command prints with `--json`."""
        return json.loads(self.command(*words, "--json").stdout)


def campus(
    directory: Path,
    database: servers.MariaDatabase | servers.PostgresDatabase | str,
    rules: str,
    *,
    start_at: str = "beginning",
    extra: str = "",
) -> Campus:
    """Write a campus that reads ``database`` (of a private server, or the URL of another) with these rules."""
    directory.mkdir(parents=True, exist_ok=True)
    secret = directory / "db.password"
    secret.write_text(servers.READER_PASSWORD)
    secret.chmod(0o600)
    if isinstance(database, str):
        url, password = database, ""
    else:
        scheme = "mysql" if isinstance(database, servers.MariaDatabase) else "postgresql"
        url = f"{scheme}://{servers.READER}@127.0.0.1:{database.server.port}/{database.name}"
        password = 'password_file = "db.password"'
    reconcile = "" if "reconcile" in extra else 'reconcile = "off"\n'
    (directory / "rules.toml").write_text(rules)
    (directory / "config.toml").write_text(
        f'[agent]\ncampus = "test-campus"\ndata_dir = "data"\nrules = "rules.toml"\n'
        f'[[source]]\nname = "moodle"\nkind = "moodle-logstore"\nurl = "{url}"\n{password}\n'
        f'start_at = "{start_at}"\n{reconcile}{extra}\n'
    )
    return Campus(directory=directory)


def kill(process: programs.Running) -> None:
    """SIGKILL a process that `Campus.start` started, and wait for its end."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_until(true: Any, within_s: float = 90.0) -> None:
    """Wait until ``true()`` is; an AssertionError after ``within_s``."""
    until = time.monotonic() + within_s
    while not true():
        if time.monotonic() > until:
            raise AssertionError("it did not happen in time")
        time.sleep(0.05)


class Service:
    """The agent as a service, with what it logs."""

    def __init__(self, at: Campus, manager: socket.socket | None = None, **env: str) -> None:
        self.manager = manager
        self._log = at.directory / "service.log"
        with self._log.open("wb") as stream:
            words = ["run", "--config", str(at.config)]
            self.process = programs.start("agent", words, stdout=stream, stderr=stream, env=os.environ | env)

    def logged(self, event: str) -> list[dict[str, Any]]:
        """Its log lines of one event."""
        lines = [json.loads(line) for line in self._log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == event]

    def shown(self, word: str) -> str:
        """The next sentence for `systemctl status` with this word in it; a TimeoutError where there is none."""
        assert self.manager is not None
        while not (told := self.manager.recv(4_096).decode()).startswith("STATUS=") or word not in told:
            pass
        return told

    def reload(self) -> None:
        """SIGHUP, and what systemd then waits for; a TimeoutError where that does not come."""
        assert self.manager is not None
        self.process.send_signal(signal.SIGHUP)
        for word in (b"RELOADING=1", b"READY=1"):
            while self.manager.recv(4_096) != word:
                pass

    def said(self, event: str) -> bool:
        """Whether it has logged it."""
        return bool(self.logged(event))

    def end(self) -> tuple[int, float]:
        """SIGTERM; its exit code and how many seconds it took."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(90), time.monotonic() - began


@contextmanager
def serving(at: Campus) -> Iterator[Service]:
    """The agent, running and listening, as it tells systemd; gone at the end whatever happens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("")  # a name of its own
        manager.settimeout(90)
        service = Service(at, manager, NOTIFY_SOCKET=f"@{manager.getsockname()[1:].decode()}")
        try:
            assert manager.recv(100).startswith(b"EXTEND_TIMEOUT_USEC="), "a start may take longer than systemd waits"
            while (said := manager.recv(100)) != b"READY=1":
                assert said.startswith(b"EXTEND_TIMEOUT_USEC="), said
            yield service
        finally:
            if service.process.poll() is None:
                service.process.kill()
                service.process.wait()
