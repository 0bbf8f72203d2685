"""The machine itself: an emulator that is switched on, typed at, and whose power is cut."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from soak.booted.disk import Disk

PROCESSORS, MEMORY_MB = 2, 1_536
BOOT_S_MAX = 600.0
TYPED_S_MAX = 600.0
LOOK_S = 0.5
STATE_LOOK_S = 3.0
"""Each look takes something from what is looked at."""
KVM = Path("/dev/kvm")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Typed(Exception):  # noqa: N818 - what was typed failed; it says what came of it
    """A command on the machine ended otherwise than with 0."""


class Guest:
    """A machine that boots ``disk``. Its console and what it sends are files in ``place``."""

    def __init__(self, disk: Disk, place: Path, *, slower: float) -> None:
        self._disk = disk
        self._socket = place / "guest.socket"
        self.console = place / "console.log"
        self.sent = place / "sent.log"
        self._slower = slower
        """How many times longer than on a machine of its own everything may take here."""
        self._process: subprocess.Popen[bytes] | None = None

    def on(self) -> Self:
        """Switch it on, and wait until somebody can type."""
        accel = ["kvm"] if accelerated() else ["tcg"]
        self._socket.unlink(missing_ok=True)
        words = [
            "nice", "-n", "10", "qemu-system-x86_64", "-accel", *accel, "-cpu", "max", "-smp", str(PROCESSORS),
            "-m", str(MEMORY_MB), "-display", "none", "-monitor", "none", "-nic", "none", "-no-reboot",
            "-kernel", str(self._disk.kernel), "-initrd", str(self._disk.initrd),
            "-append", "root=/dev/vda rw console=ttyS0 nowatchdog",
            "-drive", f"file={self._disk.image},if=virtio,format=raw,cache=unsafe",
            "-chardev", f"file,id=console,path={self.console},append=on", "-serial", "chardev:console",
            "-chardev", f"file,id=sent,path={self.sent},append=on", "-device", "virtio-serial",
            "-device", "virtserialport,chardev=sent,name=sent",
            "-chardev", f"socket,id=typed,path={self._socket},server=on,wait=off",
            "-device", "virtserialport,chardev=typed,name=org.qemu.guest_agent.0",
        ]  # fmt: skip
        self._process = subprocess.Popen(words, start_new_session=True)
        self.until(self._answers, BOOT_S_MAX, "the machine boots")
        return self

    def cut(self) -> None:
        """Its power is gone, in this moment."""
        process = self._running()
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self._process = None

    def reboot(self) -> None:
        """In order: its systemd stops everything; then it is switched on again."""
        with contextlib.suppress(OSError, ValueError):
            self._ask("guest-exec", path="/bin/systemctl", arg=["reboot"])
        self._running().wait(TYPED_S_MAX)
        self._process = None
        self.on()

    def off(self) -> None:
        """Cut, where it is on at all."""
        if self._process is not None and self._process.poll() is None:
            self.cut()

    def type(self, line: str, *, check: bool = True, stdin: str = "", within_s: float = TYPED_S_MAX) -> str:
        """What root's shell says to a line, both streams."""
        words: dict[str, Any] = {"path": "/bin/sh", "arg": ["-c", f"exec 2>&1; {line}"], "capture-output": True}
        words["env"] = [f"PATH={PATH}", "HOME=/root", "LC_ALL=C.UTF-8"]
        if stdin:
            words["input-data"] = base64.b64encode(stdin.encode()).decode()
        pid = self._ask("guest-exec", **words)["pid"]
        until = time.monotonic() + within_s * self._slower
        look_s = LOOK_S
        while not (state := self._ask("guest-exec-status", pid=pid))["exited"]:
            if time.monotonic() > until:
                raise Typed(f"no end after {within_s:.0f} s: {line}")
            time.sleep(look_s)
            look_s = min(2 * look_s, STATE_LOOK_S)
        told = base64.b64decode(state.get("out-data", "")).decode(errors="replace")
        if check and state.get("exitcode", -1):
            raise Typed(f"{line}\nended with {state.get('exitcode', state.get('signal'))}:\n{told}")
        return told

    def json(self, line: str) -> Any:
        """What a command prints as JSON."""
        return json.loads(self.type(f"{line} 2>/dev/null"))

    def show(self, unit: str, *names: str) -> dict[str, str]:
        """Properties of a unit, as `systemctl show` tells them."""
        told = self.type(f"systemctl show {unit} -p {','.join(names)}")
        return dict(line.split("=", 1) for line in told.splitlines() if "=" in line)

    def is_active(self, unit: str, state: str = "active") -> bool:
        """Whether a unit is at work (ready, and not ending), or in another state of systemd's."""
        return self.show(unit, "ActiveState")["ActiveState"] == state

    def write(self, path: str, text: str, mode: str = "644") -> None:
        """Put a file there."""
        quoted = shlex.quote(path)
        self.type(f"mkdir -p $(dirname {quoted}) && cat >{quoted} && chmod {mode} {quoted}", stdin=text)

    def until(self, true: Callable[[], Any], within_s: float, what: str) -> float:
        """Wait until something is so; after how many seconds it was."""
        began = time.monotonic()
        while not true():
            if time.monotonic() - began > within_s * self._slower:
                told = f"it does not come to this within {within_s:.0f} s: {what}"
                raise Typed(told)
            time.sleep(STATE_LOOK_S)
        return time.monotonic() - began

    def _answers(self) -> bool:
        if self._running().poll() is not None:
            told = f"the machine went off while it booted: see {self.console}"
            raise Typed(told)
        try:
            return bool(self._ask("guest-ping") == {})
        except (OSError, ValueError):
            return False

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            told = "the machine is off"
            raise Typed(told)
        return self._process

    def _ask(self, what: str, **words: Any) -> Any:
        """One question to the guest agent, over a connection of its own."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(10 * self._slower)
            line.connect(str(self._socket))
            mark = time.monotonic_ns() & 0x7FFFFFFF
            # What an earlier question left in the line is passed over.
            line.sendall(b"\xff" + json.dumps({"execute": "guest-sync-delimited", "arguments": {"id": mark}}).encode())
            reader = line.makefile("rb")
            while json.loads(reader.readline().rpartition(b"\xff")[2] or b"{}").get("return") != mark:
                continue
            line.sendall(json.dumps({"execute": what, "arguments": words}).encode() + b"\n")
            answer = json.loads(reader.readline() or b"{}")
        if "return" not in answer:
            raise ValueError(str(answer))
        return answer["return"]


def accelerated() -> bool:
    """Whether this machine can lend its processor; else it is emulated, some fifteen times slower."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii")
    except OSError:
        return False
    return os.access(KVM, os.R_OK | os.W_OK) and (" vmx" in flags or " svm" in flags)
