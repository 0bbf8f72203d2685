"""The two programs as processes of their own, without the second each takes to import what it is made of.

One process per test worker has imported everything and done nothing with it (importing does nothing here: a rule of the
house); each command is a fork of it, with its own arguments, files and directory, that can be waited for and killed
like any other. What a fresh interpreter does is shown by the tests of the command line that start one.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from pydantic import BaseModel

TIME_OUT_S = 250.0
_ROOT = Path(__file__).parents[1]
_REQUEST_BYTES = 65_536


class Running:
    """A command that was started; what there is of `subprocess.Popen` that tests need, for several threads at once."""

    def __init__(self, words: Sequence[str], answers: socket.socket) -> None:
        self.args = words
        self._answers = answers
        self._said = b""
        self._reads = threading.Lock()
        self.returncode: int | None = None
        # Not before: somebody may be waiting at it while another kills the process and sees its end.
        weakref.finalize(self, answers.close)
        self.pid = -1
        self._wait(lambda: self.pid >= 0, None)

    def _wait(self, true: Callable[[], bool], timeout: float | None) -> None:
        """Take what is said until something is ``true``, whoever took it."""
        until = None if timeout is None else time.monotonic() + timeout
        while not true():
            left = None if until is None else max(0.0, until - time.monotonic())
            if not select.select([self._answers], [], [], left)[0]:
                raise subprocess.TimeoutExpired(list(self.args), timeout or 0.0)
            with self._reads, contextlib.suppress(BlockingIOError):
                self._take()

    def _take(self) -> None:
        """Take what was said: the process's number on a line, and its exit code on another."""
        more = self._answers.recv(64, socket.MSG_DONTWAIT)
        assert more or self.returncode is not None, "the process that forks has gone"
        *lines, self._said = (self._said + more).split(b"\n")
        for line in lines:
            if self.pid < 0:
                self.pid = int(line)
            else:
                self.returncode = int(line)

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, negative for a signal; a TimeoutExpired where it does not end in time."""
        self._wait(lambda: self.returncode is not None, timeout)
        assert self.returncode is not None
        return self.returncode

    def poll(self) -> int | None:
        """Its exit code, None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def send_signal(self, how: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, how)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


def start(
    module: str,
    words: Sequence[str],
    *,
    stdin: IO[Any] | None = None,
    stdout: IO[Any] | None = None,
    stderr: IO[Any] | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    new_session: bool = False,
) -> Running:
    """Start ``python -m MODULE WORDS``; what is not given reads and writes nothing. ``env`` replaces the whole."""
    request = {
        "module": module,
        "words": list(words),
        "cwd": str(cwd or Path.cwd()),
        "env": dict(os.environ if env is None else env),
        "session": new_session,
    }
    answers = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    answers.connect(_forking())
    with Path(os.devnull).open("r+b") as nothing:
        files = [(each if each is not None else nothing).fileno() for each in (stdin, stdout, stderr)]
        text = json.dumps(request).encode()
        assert len(text) < _REQUEST_BYTES
        socket.send_fds(answers, [text], files)
    return Running(words, answers)


def run(
    module: str,
    words: Sequence[str],
    *,
    stdin: str | None = None,
    timeout: float = TIME_OUT_S,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run ``python -m MODULE WORDS`` to its end, ``stdin`` typed; killed where it does not end in time."""
    with tempfile.TemporaryFile() as typed, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as told:
        typed.write((stdin or "").encode())
        typed.seek(0)
        process = start(module, words, stdin=typed, stdout=out, stderr=told, cwd=cwd, env=env)
        try:
            code = process.wait(timeout)
        except BaseException:
            process.kill()
            raise
        out.seek(0)
        told.seek(0)
        return subprocess.CompletedProcess(list(words), code, out.read().decode(), told.read().decode())


@functools.cache
def _forking() -> str:
    """The address of this test worker's process that forks."""
    place = tempfile.mkdtemp(prefix="rewards-programs-")
    address = f"{place}/s"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.programs", address],
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    atexit.register(_end, process, place)
    return address


def _end(process: subprocess.Popen[bytes], place: str) -> None:
    process.communicate()  # it ends when its input does
    Path(place, "s").unlink(missing_ok=True)
    Path(place).rmdir()


def _import_all() -> None:
    for package in ("wire", "machine", "agent", "catalogue"):
        for module in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
            if not module.name.endswith(("__main__", ".env")) and ".versions." not in module.name:
                importlib.import_module(module.name)
    _build_models(BaseModel)


def _build_models(base: type[BaseModel]) -> None:
    """What reads the tables of a configuration is otherwise made when the first is read, by each command anew."""
    for model in base.__subclasses__():
        model.model_rebuild()
        _build_models(model)


def _serve(address: str) -> Callable[[], None]:
    """Fork for each who asks; returns only in a fork, what is to be done there."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(address)
    listener.listen(64)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        if sys.stdin in select.select([listener, sys.stdin], [], [])[0]:
            return lambda: None
        asking, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            return _looked_after(asking)
        asking.close()


def _looked_after(asking: socket.socket) -> Callable[[], None]:
    """Fork once more, tell the new process's id and how it ended; returns only in that process."""
    text, files, _, _ = socket.recv_fds(asking, _REQUEST_BYTES, 3)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    request = json.loads(text)
    begun, begins = os.pipe()
    child = os.fork()
    if child:
        os.close(begins)
        os.read(begun, 1)  # until it leads its session: whoever is told its number may signal the group
        for file in files:
            os.close(file)
        with contextlib.suppress(BrokenPipeError):
            asking.sendall(f"{child}\n".encode())
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            asking.sendall(f"{code}\n".encode())
        os._exit(0)
    if request["session"]:
        os.setsid()
    for each in (begun, begins):
        os.close(each)
    asking.close()
    return functools.partial(_become, request, files)


def _become(request: dict[str, Any], files: Sequence[int]) -> None:
    """Be what was asked for."""
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    sys.argv = [request["module"], *request["words"]]
    _at_once(lambda: runpy.run_module(request["module"], run_name="__main__", alter_sys=True))


def _at_once(program: Callable[[], object]) -> None:
    """Run it and end as it does, without letting go of every object one by one, which takes as long as the program."""
    code: object = 0
    try:
        program()
    except SystemExit as end:
        code = end.code
    if code is not None and not isinstance(code, int):
        sys.exit(str(code))
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit((code or 0) & 0xFF)


if __name__ == "__main__":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    _import_all()
    gc.collect()
    gc.freeze()
    _serve(sys.argv[1])()
