"""What is made once is whole or not there: a full disk leaves no half of it that would be kept the next time."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from machine.whole import is_full, write_new

PAGE = os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for a few pages."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={4 * PAGE}", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting needs root")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_on_a_full_disk_nothing_is_left_and_it_is_said(small: Path) -> None:
    with pytest.raises(OSError, match="No space left") as caught:
        write_new(small / "rules.toml", b"x" * 5 * PAGE)
    assert is_full(caught.value)
    assert list(small.iterdir()) == []
    assert write_new(small / "rules.toml", b"x" * PAGE)
    assert (small / "rules.toml").read_bytes() == b"x" * PAGE


def test_what_is_there_is_kept_and_asks_for_no_room(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"theirs")
    (tmp_path / "b").symlink_to(tmp_path / "nowhere")
    assert not write_new(tmp_path / "a", b"ours")
    assert not write_new(tmp_path / "b", b"ours")
    assert (tmp_path / "a").read_bytes() == b"theirs"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_a_secret_is_its_owners_alone(tmp_path: Path) -> None:
    assert write_new(tmp_path / "a", b"secret")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600


def test_other_troubles_are_no_full_disk() -> None:
    assert not is_full(OSError(errno.EACCES, "Permission denied"))
    assert not is_full(None)
