"""Directories of copies: named by when they were made, proven by what their files hash to, rotated."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

_BLOCK = 1 << 20


def name(prefix: str, now: int) -> str:
    """What a copy of this second (UTC) is called; names sort by age."""
    return f"{prefix}{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ}"


def free(place: Path) -> Path:
    """The name, with a number behind it where copies of the same second are there; names sort by age."""
    same = [path.name.partition("_")[2] for path in place.parent.glob(f"{place.name}*")]
    return place.with_name(f"{place.name}_{max(int(number or 1) for number in same) + 1:03}") if same else place


def newest_first(folder: Path, prefix: str, manifest: str) -> list[Path]:
    """The copies in a directory: what is called so and has a ``manifest`` in it."""
    found = [path for path in folder.glob(f"{prefix}*") if (path / manifest).is_file()]
    return sorted(found, key=lambda path: path.name, reverse=True)


def rotate(copies: Sequence[Path], keep: int) -> None:
    """Of some copies, the newest first, let go of those beyond ``keep``; one always stays."""
    for old in copies[max(1, keep) :]:
        shutil.rmtree(old)


def digest(path: Path) -> str:
    """The SHA-256 of a file, hex."""
    found = hashlib.sha256()
    with path.open("rb") as opened:
        while block := opened.read(_BLOCK):
            found.update(block)
    return found.hexdigest()


def changed(copy: Path, files: Mapping[str, str]) -> Path | None:
    """The first of a copy's ``files`` (name → SHA-256) that is missing, is another, or lies elsewhere."""
    for file, expected in files.items():
        path = copy / file
        if Path(file).name != file or not path.is_file() or digest(path) != expected:
            return path
    return None


def on_disk(path: Path) -> None:
    """Wait until a file or a directory's list of names is on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
