"""A `rewards-catalogue serve` with somebody in systemd's place, and what it tells machines."""

from __future__ import annotations

import contextlib
import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

from tests.integration.service.manager import Manager
from tests.integration.test_catalogue_process import Served, command
from tests.servers import free_port


class Managed:
    """A server that was told where to notify its manager: ``served`` runs, ``port`` is its status address."""

    def __init__(self, directory: Path, database: str) -> None:
        self.config = directory / "catalogue.toml"
        self.log = directory / "log"
        self.port = free_port()
        self.served = Served(self.config, self.log)
        self._manager = Manager()
        self.heard, self.hush = self._manager.heard, self._manager.hush
        self._url = database
        self.write()

    def write(self, more: str = "", listen: int | None = None, database: str = "") -> None:
        """The settings file, with ``more`` under `[catalogue]` and in `[database]`."""
        text = f'[catalogue]\nlisten = "127.0.0.1:{listen or free_port()}"\nstatus_listen = "127.0.0.1:{self.port}"\n'
        url = f'url = "{self._url}"\n' if self._url else ""
        self.config.write_text(f"{text}{more}[database]\n{url}{database}", encoding="utf-8")

    def start(self, watchdog_s: float = 1.0) -> None:
        """Start it, and wait until it says that it is ready."""
        self.hush()
        self.served.start(NOTIFY_SOCKET=self._manager.address, WATCHDOG_USEC=str(int(watchdog_s * 1_000_000)))
        assert self.heard("READY=1")

    def get(self, path: str) -> tuple[int, str]:
        """What the status address answers."""
        try:
            with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode()

    def figures(self) -> dict[str, float]:
        """Every sample of `/metrics`."""
        return samples(self.get("/metrics")[1])

    def reload(self) -> list[dict[str, object]]:
        """Send SIGHUP; what was logged of the settings."""
        before = len(self.logged())
        assert self.served.process is not None
        self.hush()
        self.served.process.send_signal(signal.SIGHUP)
        assert self.heard("RELOADING=1")
        assert self.heard("READY=1")
        return [line for line in self.logged()[before:] if str(line["event"]).startswith("settings_")]

    def logged(self) -> list[dict[str, object]]:
        """Its log."""
        return [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]

    def close(self) -> None:
        """End it, however it is."""
        self.served.stop()
        self._manager.close()


def samples(text: str) -> dict[str, float]:
    """What Prometheus would read."""
    found = re.finditer(r"^(\w+(?:\{[^}]*\})?) ([0-9.e+-]+)$", text, re.MULTILINE)
    return {match[1]: float(match[2]) for match in found}


@contextlib.contextmanager
def managed(directory: Path, *, database: str = "") -> Iterator[Managed]:
    """Set up and serve, as systemd would."""
    directory.mkdir()
    it = Managed(directory, database)
    command("init", "--config", it.config)
    try:
        it.start()
        yield it
    finally:
        it.close()
