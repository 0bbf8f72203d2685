"""The real agent and the real catalogue as processes of their own, started by their commands."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agent.demo.stage.place import CAMPUS, Place
from agent.errors import TransientError

START_WITHIN_S = 30.0
STOP_WITHIN_S = 30.0
COMMAND_WITHIN_S = 120.0


def program(name: str) -> str:
    """The path of one of our two commands: beside this Python, or on PATH.

    Raises:
        TransientError: it is not installed.
    """
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise TransientError(f"{name} is not installed beside {sys.executable}", hint="install it: make install")
    return found


def call(words: Sequence[object], *, cwd: Path) -> str:
    """Run a command to its end; gives its standard output.

    Raises:
        TransientError: it did not end with 0; its last words are part of the message.
    """
    name, *arguments = (str(word) for word in words)
    done = subprocess.run(  # noqa: S603 - one of our own two commands
        [program(name), *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=COMMAND_WITHIN_S,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-1500:]
        raise TransientError(f"{name} {arguments[0]} ended with {done.returncode}: {said}")
    return done.stdout


class Service:
    """A process that runs until it is told to stop. In a session of its own: Ctrl-C is for us alone."""

    def __init__(self, name: str, words: Sequence[object], *, cwd: Path, log: Path) -> None:
        self._words = [str(word) for word in words]
        self._cwd = cwd
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self.name = name

    @property
    def running(self) -> bool:
        """Whether it is there."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it; returns at once."""
        name, *arguments = self._words
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - one of our own two commands
                [program(name), *arguments],
                cwd=self._cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send ``how`` and wait; gives the exit code, 0 where it was not running."""
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.send_signal(how)
        try:
            code = self._process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._process = None
        return code

    def last_words(self) -> str:
        """The end of what it wrote."""
        return self._log.read_text(encoding="utf-8", errors="replace")[-1500:].strip() if self._log.exists() else ""


class Catalogue(Service):
    """The central catalogue, with one campus in it."""

    def __init__(self, place: Place) -> None:
        words = ["rewards-catalogue", "serve", "--data-dir", place.catalogue]
        super().__init__("catalogue", words, cwd=place.directory, log=place.logs / "catalogue.log")
        self._place = place

    def prepare(self) -> str:
        """Make its key and database, add the campus; gives the token its agent enrols with."""
        where = ["--data-dir", self._place.catalogue]
        call(["rewards-catalogue", "init", *where], cwd=self._place.directory)
        added = call(["rewards-catalogue", "tenant", "add", CAMPUS, *where, "--json"], cwd=self._place.directory)
        made: dict[str, Any] = json.loads(added)
        return str(made["token"])

    def start(self) -> None:
        """Start it and wait until it listens.

        Raises:
            TransientError: it ended, or did not listen in time.
        """
        written = self._log.stat().st_size if self._log.exists() else 0
        super().start()
        until = time.monotonic() + START_WITHIN_S
        while self.running and time.monotonic() < until:
            # A port that answers might be somebody else's; the catalogue says itself when it listens.
            if b"listening on" in self._log.read_bytes()[written:]:
                return
            time.sleep(0.05)
        raise TransientError(f"the catalogue did not come up: {self.last_words()}")


class Agent(Service):
    """The agent on the campus."""

    def __init__(self, place: Place) -> None:
        words = ["rewards-agent", "run", "--config", place.config]
        super().__init__("agent", words, cwd=place.directory, log=place.logs / "agent.log")
        self._place = place

    def enrol(self, token: str) -> None:
        """Make its key and let the catalogue know it."""
        where = ["--config", self._place.config]
        call(["rewards-agent", "key", "new", *where], cwd=self._place.directory)
        call(["rewards-agent", "enrol", token, *where], cwd=self._place.directory)

    def deliver_now(self) -> None:
        """Have the running agent deliver at once instead of waiting for its backoff.

        Raises:
            TransientError: the catalogue did not take it.
        """
        call(["rewards-agent", "sync", "now", "--config", self._place.config], cwd=self._place.directory)
