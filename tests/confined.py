"""A command under the restrictions of a unit, where no systemd runs: bubblewrap and the unit's own filter of calls.

The filter is compiled as systemd compiles it, with libseccomp from the sets that `systemd-analyze` prints; namespaces
and mounts are bubblewrap's. What only a control group can do (memory, number of tasks) is not imitated.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[1] / "systemd"
_ALLOW = 0x7FFF0000
_EPERM = 0x00050001
_ENOSYS = 0x00050026
_EQ, _MASKED_EQ = 4, 7
_NAMESPACES = 0x7E020080
"""The flags of clone and unshare that make a namespace."""
_WRITE, _EXECUTE = 2, 4
_JUDGED = {"clone", "clone3", "mmap", "mprotect", "pkey_mprotect", "setns", "shmat", "socket", "unshare"}
"""Calls of which the arguments decide."""
_FAMILIES = {"AF_UNIX": (1,), "AF_INET": (2,), "AF_INET6": (10,), "none": ()}


class _Compare(ctypes.Structure):
    _fields_ = (("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64))


def needed() -> None:
    """Skip where a tool is missing."""
    for tool in ("bwrap", "systemd-analyze", "prlimit"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not on this machine")
    if ctypes.util.find_library("seccomp") is None:
        pytest.skip("libseccomp is not on this machine")


def settings(unit: str) -> Mapping[str, Sequence[str]]:
    """A unit's settings: key to its values in order."""
    found: dict[str, list[str]] = {}
    for line in (UNITS / f"{unit}.service").read_text(encoding="utf-8").splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


@cache
def _sets() -> Mapping[str, Sequence[str]]:
    """Each of systemd's sets of system calls, with its members: calls, and other sets."""
    told = subprocess.run(
        ["systemd-analyze", "--no-pager", "syscall-filter"], capture_output=True, text=True, check=True
    )
    found: dict[str, list[str]] = {}
    name = ""
    for line in told.stdout.splitlines():
        if line.startswith("@"):
            name = line.strip()
            found[name] = []
        elif name and line.startswith(" ") and not line.strip().startswith("#"):
            found[name].append(line.strip())
    return found


def _calls(name: str) -> Iterator[str]:
    if name.startswith("@"):
        for member in _sets()[name]:
            yield from _calls(member)
    else:
        yield name


def allowed_calls(unit: str) -> set[str]:
    """The system calls that a unit leaves its service."""
    calls = set(_calls("@default"))
    for value in settings(unit)["SystemCallFilter"]:
        named = {call for word in value.removeprefix("~").split() for call in _calls(word)}
        calls = calls - named if value.startswith("~") else calls | named
    return calls


@contextmanager
def seccomp_filter(unit: str) -> Iterator[int]:
    """The unit's filter, compiled, as an open file that bubblewrap reads."""
    library = ctypes.CDLL(ctypes.util.find_library("seccomp"), use_errno=True)
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_rule_add_array.argtypes = [
        ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.POINTER(_Compare),
    ]  # fmt: skip
    library.seccomp_export_bpf.argtypes = [ctypes.c_void_p, ctypes.c_int]
    library.seccomp_release.argtypes = [ctypes.c_void_p]
    made = library.seccomp_init(_EPERM)

    def allow(call: str, *conditions: tuple[int, int, int, int], action: int = _ALLOW) -> None:
        number = library.seccomp_syscall_resolve_name(call.encode())
        if number < 0:
            return  # a call of another architecture
        array = (_Compare * max(1, len(conditions)))(*(_Compare(*one) for one in conditions))
        assert library.seccomp_rule_add_array(made, action, number, len(conditions), array) == 0, call

    for call in sorted(allowed_calls(unit) - _JUDGED):
        allow(call)
    # RestrictNamespaces: what cannot be looked into is not there, so that the C library takes the older call.
    allow("clone", (0, _MASKED_EQ, _NAMESPACES, 0))
    allow("unshare", (0, _MASKED_EQ, _NAMESPACES, 0))
    allow("clone3", action=_ENOSYS)
    # MemoryDenyWriteExecute: no memory is both, and none becomes executable later.
    allow("mmap", (2, _MASKED_EQ, _EXECUTE, 0))
    allow("mmap", (2, _MASKED_EQ, _WRITE, 0))
    allow("mprotect", (2, _MASKED_EQ, _EXECUTE, 0))
    for name in settings(unit)["RestrictAddressFamilies"][0].split():
        for family in _FAMILIES[name]:
            allow("socket", (0, _EQ, family, 0))
    with tempfile.TemporaryFile() as file:
        assert library.seccomp_export_bpf(made, file.fileno()) == 0
        library.seccomp_release(made)
        file.seek(0)
        yield file.fileno()


def command(unit: str, words: Sequence[str], *, filter_fd: int, reads: Path, writes: Sequence[Path]) -> list[str]:
    """``words`` under the unit's restrictions; of its files it sees ``reads``, and may change only ``writes``."""
    given = settings(unit)
    assert given["ProtectSystem"] == ["strict"]
    assert {"PrivateTmp", "PrivateDevices", "PrivateUsers", "PrivateIPC", "NoNewPrivileges"} <= given.keys()
    wrapped = ["prlimit", f"--nofile={given['LimitNOFILE'][0]}", "--", "bwrap", "--die-with-parent", "--new-session"]
    wrapped += ["--unshare-user", "--uid", "10733", "--gid", "10733", "--unshare-ipc", "--unshare-uts", "--unshare-pid"]
    wrapped += ["--unshare-net"] if given.get("PrivateNetwork") == ["yes"] else []
    wrapped += ["--unshare-cgroup-try", "--cap-drop", "ALL", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    wrapped += ["--tmpfs", "/tmp", "--tmpfs", "/var/tmp", "--tmpfs", "/home"]
    python = Path(sys.base_prefix)
    wrapped += [] if python.is_relative_to("/root") else ["--tmpfs", "/root"]
    for path in (python, Path(sys.prefix), UNITS.parent):
        wrapped += (
            ["--ro-bind", str(path), str(path)] if path.is_relative_to("/tmp") or path.is_relative_to("/home") else []
        )
    wrapped += ["--ro-bind", str(reads), str(reads)]
    for path in writes:
        wrapped += ["--bind", str(path), str(path)]
    wrapped += ["--chdir", str(UNITS.parent), "--seccomp", str(filter_fd)]
    return [*wrapped, *words]


def environment(**more: str) -> dict[str, str]:
    """What a service is given: little."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return {**kept, "PYTHONDONTWRITEBYTECODE": "1", **more}
