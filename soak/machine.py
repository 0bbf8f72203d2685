"""What a machine is made of that can fail: small disks, names of hosts, and programs that are started again.

All of it is of this process's own mount namespace: nothing is seen outside of it, and it goes when the process does.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from soak.clock import CampusClock
from tests import programs

DISK_BYTES = 1 << 29
RESTART_S = 0.2
"""How long after its end a program is started again; about the ten seconds of a unit, at the campus's pace."""
FOR_A_PERSON = (2, 3)
"""Exit codes that the units leave to somebody who looks (`RestartPreventExitStatus=`)."""
CHUNK = b"\0" * 4_096


def _run(*words: str | Path, fine: tuple[int, ...] = (0,)) -> str:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    if done.returncode not in fine:
        told = f"{' '.join(map(str, words))} ended with {done.returncode}: {done.stderr.strip()}"
        raise RuntimeError(told)
    return done.stdout.strip()


class Disk:
    """An ext4 file system on a file of its own, mounted at ``place``."""

    def __init__(self, image: Path, place: Path) -> None:
        self.image = image
        self.place = place
        place.mkdir(parents=True)
        with image.open("wb") as file:
            file.truncate(DISK_BYTES)
        _run("mkfs.ext4", "-q", "-m", "0", image)
        self._mount()

    def _mount(self) -> None:
        _run("mount", "-o", "loop,errors=remount-ro", self.image, self.place)
        self._device = _run("findmnt", "--noheadings", "--output", "SOURCE", self.place).rpartition("/")[2]

    @property
    def _ballast(self) -> Path:
        return self.place / "somebody-elses-video.mp4"

    def fill(self) -> None:
        """Not a byte is free."""
        with self._ballast.open("wb", buffering=0) as file:
            with contextlib.suppress(OSError):
                os.posix_fallocate(file.fileno(), 0, os.statvfs(self.place).f_bavail * 4_096)
            with contextlib.suppress(OSError):
                file.seek(0, os.SEEK_END)
                while file.write(CHUNK):
                    continue

    def free(self) -> None:
        """There is room again, for good: what is not synced would be back after `fail`."""
        self._ballast.unlink(missing_ok=True)
        _run("sync", "--file-system", self.place)

    def fail(self) -> None:
        """The kernel finds an error: what was not synced is lost, and nothing can be written any more."""
        Path(f"/sys/fs/ext4/{self._device}/trigger_fs_error").write_text("soak")

    def mend(self) -> None:
        """Check it and mount it again; whoever had files open must be gone."""
        _run("umount", self.place)
        _run("e2fsck", "-fy", self.image, fine=(0, 1))
        self._mount()

    def gone(self) -> None:
        """Not there any more; what is on it neither."""
        _run("umount", "--lazy", self.place)

    def used(self) -> int:
        """Bytes."""
        stat = os.statvfs(self.place)
        return (stat.f_blocks - stat.f_bfree) * stat.f_frsize


class Names:
    """What the machine's resolver knows: files of our own stand where everybody looks."""

    def __init__(self, directory: Path, *names: str) -> None:
        directory.mkdir()
        self._hosts, self._resolv = directory / "hosts", directory / "resolv.conf"
        self._known = "127.0.0.1 localhost\n" + "".join(f"127.0.0.1 {name}\n" for name in names)
        self._hosts.write_text(self._known)
        self._resolv.write_text("")
        self.here()
        _run("mount", "--bind", self._hosts, "/etc/hosts")
        _run("mount", "--bind", self._resolv, Path("/etc/resolv.conf").resolve())

    def here(self) -> None:
        """Every name leads somewhere."""
        self._hosts.write_text(self._known)

    def gone(self, *, silent: bool) -> None:
        """No name does: the server of names refuses, or, ``silent``, does not answer."""
        server = "192.0.2.1" if silent else "127.0.0.1"
        self._resolv.write_text(f"nameserver {server}\noptions timeout:2 attempts:2\n")
        self._hosts.write_text("127.0.0.1 localhost\n")


class Program:
    """One installed program and what systemd does for it: a life after the other, each a process of its own."""

    def __init__(self, name: str, module: str, words: list[str], *, clock: Path, log: Path) -> None:
        self.name = name
        self.clock = CampusClock(clock)
        self.log = log
        self.lives = 0
        self.codes: Counter[int] = Counter()
        self.longest_s = 0.0
        self.gave_up: list[str] = []
        """Its last words whenever it left it to a person to go on: a machine in trouble is no reason to."""
        self._command = [str(clock), module, *words]
        self._process: programs.Running | None = None
        self._wanted = asyncio.Event()
        self._supervisor: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """Of the life that runs now."""
        return self._process.pid if self._process is not None else None

    def up(self) -> None:
        """Start it; it is started again whenever it ends, until `down`."""
        self._wanted.set()
        if self._supervisor is None:
            self._supervisor = asyncio.create_task(self._supervise())

    async def _supervise(self) -> None:
        while True:
            await self._wanted.wait()
            began = time.monotonic()
            with self.log.open("ab") as log:
                self._process = programs.start("soak.program", self._command, stdout=log, stderr=log)
            self.lives += 1
            code = await asyncio.to_thread(self._process.wait)
            self._process = None
            self.codes[code] += 1
            self.longest_s = max(self.longest_s, time.monotonic() - began)
            if code in FOR_A_PERSON:
                words = self.log.read_text(errors="replace").splitlines()[-2:]
                self.gave_up.append(f"the {self.name} ended with {code}, for a person to look: {'; '.join(words)}")
                self._wanted.clear()
            await asyncio.sleep(RESTART_S)

    def send(self, how: signal.Signals) -> None:
        """A signal to the life that runs, if one does. Its end is the supervisor's to hear of, and nobody else's."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, how)

    async def down(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop it, until it is `up` again."""
        self._wanted.clear()
        self.send(how)
        until = time.monotonic() + 60
        while self._process is not None:
            await asyncio.sleep(0.02)
            if time.monotonic() > until:
                self.send(signal.SIGKILL)

    async def over(self) -> None:
        """Stop it for good."""
        await self.down()
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.gather(self._supervisor, return_exceptions=True)

    def resident(self) -> int | None:
        """Bytes of memory that the life that runs has of its own and shares, None where none does."""
        return self._figure("VmRSS")

    @contextmanager
    def short_of_memory(self, spare: int) -> Iterator[None]:
        """It gets ``spare`` bytes more than it has, and no more."""
        pid, size = self.pid, self._figure("VmSize")
        if pid is None or size is None:
            yield
            return
        self._limit(pid, size + spare)
        try:
            yield
        finally:
            self._limit(pid, resource.RLIM_INFINITY)

    def _limit(self, pid: int, most: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))

    def _figure(self, name: str) -> int | None:
        try:
            status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        except OSError:
            return None
        found = [line for line in status.splitlines() if line.startswith(f"{name}:")]
        return int(found[0].split()[1]) * 1_024 if found else None
