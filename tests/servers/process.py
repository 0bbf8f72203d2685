"""One server as a process: found, started, waited for, and gone with its owner whatever happens."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 60.0
ADMIN = "admin"
ADMIN_PASSWORD = "admin-of-a-throw-away-server"
READER = "companion_ro"
READER_PASSWORD = "reader-of-a-throw-away-server"
WATCH = 'read -r _ || { kill -9 "$1"; sleep 1; rm -rf "$2"; }'
"""Waits for a line; if its owner dies instead, kills process $1 and removes directory $2."""


class ServerError(RuntimeError):
    """A server could not be started; the text ends with the last lines of its log."""


def program(name: str, *folders: str) -> str:
    """Path of an installed program; newest folder first where a pattern names several."""
    for pattern in folders:
        root = Path("/")
        found = sorted(root.glob(pattern.lstrip("/") + "/" + name), key=_numbers, reverse=True)
        if found:
            return str(found[0])
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin:/usr/libexec")
    if path is None:
        message = f"{name} is not installed: run `make servers` as root"
        raise ServerError(message)
    return path


def _numbers(path: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in path.parts if part.isdigit())


class Process:
    """One server process, its log and the watcher that outlives us to end it if we cannot."""

    def __init__(self, command: Sequence[str], *, directory: Path, account: pwd.struct_passwd | None) -> None:
        self.log = directory / "server.log"
        who: dict[str, Any] = {}
        if account is not None:
            who = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        with self.log.open("ab") as log:
            self.child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=directory, start_new_session=True, **who
            )
        self._watcher = subprocess.Popen(
            ["/bin/sh", "-c", WATCH, "sh", str(self.child.pid), str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def alive(self) -> bool:
        return self.child.poll() is None

    def last_words(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])

    def end(self, how: signal.Signals) -> None:
        """Send ``how`` and wait; kill what does not go in time. Harmless when it is gone already."""
        if self.alive:
            self.child.send_signal(how)
            try:
                self.child.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        if self._watcher.poll() is None:
            self._watcher.communicate(b"\n")


def wait(process: Process, answers: Callable[[], bool]) -> None:
    """Until the server answers; raises with its last words where it ends or stays silent."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while process.alive and time.monotonic() < deadline:
        if answers():
            return
        time.sleep(0.05)
    words = process.last_words()
    process.end(signal.SIGKILL)
    message = f"the server did not start:\n{words}"
    raise ServerError(message)


@contextlib.contextmanager
def temporary_directory(prefix: str) -> Iterator[Path]:
    """A short path, since a socket's path may have 107 bytes only; gone afterwards whatever happens."""
    directory = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
