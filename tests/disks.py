"""Small file systems for tests, which fill up and turn read-only as real ones do."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

DISK_KIB = 6_144


def mount(*arguments: str) -> None:
    """Run mount, or skip the test where this account may not."""
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot mount a small disk here: {done.stderr.strip()}")


@contextmanager
def small_disk_at(place: Path) -> Iterator[Path]:
    """A file system of six megabytes."""
    if os.geteuid():
        pytest.skip("only root may mount a small disk")
    place.mkdir()
    mount("-t", "tmpfs", "-o", f"size={DISK_KIB}k", "rewards-test", str(place))
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def is_open(file: Path) -> bool:
    """Whether this process has it open."""
    held = set()
    for each in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            held.add(each.readlink())
    return file in held


def fill(file: Path) -> None:
    """Write into ``file`` until there is no room left on its disk."""
    with suppress(OSError), file.open("wb", buffering=0) as growing:
        while True:
            growing.write(bytes(4_096))
