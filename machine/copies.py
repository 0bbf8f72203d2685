"""Directories of copies: named by when they were made, proven by what their files hash to, rotated."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_BLOCK = 1 << 20
_PARTIAL = ".partial"
_TYPES: Mapping[str, type] = {"int": int, "str": str, "dict[str, str]": dict}
Told = TypeVar("Told", bound="DataclassInstance")


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


@contextlib.contextmanager
def partial(place: Path) -> Iterator[Path]:
    """A directory to make the copy ``place`` in; nothing of it is left where that failed.

    What kills left of copies with the beginning of that name goes first: whole databases that nobody would find.
    """
    sweep(place.parent, place.name.partition("-")[0])
    made = place.with_name(f".{place.name}-{os.getpid()}{_PARTIAL}")
    made.mkdir(mode=0o700)
    try:
        with _held(made):
            yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def sweep(folder: Path, beginning: str = "") -> None:
    """Take away what kills left in a directory of copies; what is just being made stays."""
    for left in folder.glob(f".{beginning}*{_PARTIAL}"):
        with contextlib.suppress(BlockingIOError, FileNotFoundError), _held(left):
            shutil.rmtree(left)


@contextlib.contextmanager
def _held(directory: Path) -> Iterator[None]:
    """Have a directory to oneself, until this process ends at the latest.

    Raises:
        BlockingIOError: somebody else has it.
    """
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def rotate(copies: Sequence[Path], keep: int, made: Path) -> None:
    """Of some copies, the newest first, let go of those beyond ``keep``; the one just ``made`` always stays.

    Those named later than that one were made by a clock that was ahead: they go before all others.
    """
    for old in sorted(copies, key=lambda path: path.name > made.name)[max(1, keep) :]:
        shutil.rmtree(old)


def described(path: Path, kind: type[Told]) -> Told:
    """What a file says, as a dataclass of numbers from 0 on, text, and mappings of text to text.

    Raises:
        OSError: it cannot be read.
        ValueError, TypeError: it says something else.
    """
    found = kind(**json.loads(path.read_text(encoding="utf-8")))
    for field in fields(found):
        value = getattr(found, field.name)
        inside = value.values() if isinstance(value, dict) else ()
        if type(value) is not _TYPES[str(field.type)] or any(type(one) is not str for one in inside):
            raise TypeError(field.name)
        if type(value) is int and value < 0:
            raise ValueError(field.name)
    return found


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
