"""One TOML file as it was read: its text, its data, and where everything in it stands."""

from __future__ import annotations

import errno
import os
import pwd
import shlex
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import tomli

from agent.config.document.broken import in_plain_words
from agent.config.document.faults import Fault, FaultsError
from agent.config.document.positions import KeyPath, NotTomlOneError, Place, positions
from agent.errors import ConfigError, RewardsError, TransientError
from machine.whole import is_full
from machine.whole import unwritten as cure

_FILE_BYTES_MAX = 4 * 1024 * 1024
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_AS_UTF8 = 'save it as "UTF-8 without BOM"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A file that is TOML 1.0.

    ``name`` is how faults call it: relative to the working directory where it stands below it. ``data`` is what tomli
    reads, with numbers that have a point as exact `Decimal`. ``text`` has LF newlines; ``line_starts`` are the offsets
    of its lines.
    """

    path: Path
    name: str
    text: str
    data: Mapping[str, Any]
    places: Mapping[KeyPath, Place]
    line_starts: tuple[int, ...]

    def place(self, path: KeyPath) -> Place:
        """Where ``path`` stands, or the innermost table or list around it that has a place (else the file's start)."""
        for length in range(len(path), 0, -1):
            found = self.places.get(path[:length])
            if found:
                return found
        return Place(key=0, value=0, end=0)

    def value(self, path: KeyPath) -> Any:
        """What the file says at ``path``.

        Raises:
            LookupError: nothing.
        """
        value: Any = self.data
        for step in path:
            value = value[step]
        return value

    def line_column(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset, both from 1."""
        return _line_column(self.line_starts, offset)

    def fault(self, path: KeyPath, message: str, hint: str = "", *, on: Literal["key", "value"] = "value") -> Fault:
        """A fault at the key or the value of ``path``."""
        place = self.place(path)
        line, column = self.line_column(place.key if on == "key" else place.value)
        return Fault(file=self.name, line=line, column=column, message=message, hint=hint)


def load(path: Path) -> Document:
    """Read one file.

    Raises:
        FaultsError: it is not UTF-8 or not TOML 1.0; one fault with line and column.
        ConfigError: it is not there, not a file, not readable, or larger than 4 MiB.
    """
    return parse(_read(path), path)


def parse(raw: bytes, path: Path) -> Document:
    """The document that ``raw`` is, as if it had been read from ``path``.

    Raises:
        FaultsError: it is not UTF-8 or not TOML 1.0; one fault with line and column.
    """
    name = shown(path)
    text = _decoded(raw, name)
    starts = _line_starts(text)

    def broken(offset: int, message: str, hint: str = "") -> FaultsError:
        line, column = _line_column(starts, offset)
        return FaultsError([Fault(file=name, line=line, column=column, message=message, hint=hint)])

    try:
        data = tomli.loads(text, parse_float=Decimal)
        places = positions(text)
    except tomli.TOMLDecodeError as error:
        raise broken(*in_plain_words(error, text)) from None
    except NotTomlOneError as error:
        raise broken(error.offset, error.message, error.hint) from None
    except RecursionError:
        raise broken(0, "lists or tables are nested too deeply") from None
    return Document(path=path, name=name, text=text, data=data, places=places, line_starts=starts)


def shown(path: Path) -> str:
    """How a path is told: relative to the working directory where it stands below it, else in full.

    A service works in the root of everything: below it a relative path would only lack its first letter.
    """
    full = path.absolute()
    here = Path.cwd()
    near = here != Path(here.anchor) and full.is_relative_to(here)
    return str(full.relative_to(here)) if near else str(full)


def readable_to_us(path: Path, *, whole: bool = False) -> str:
    """What to do about a file, or a ``whole`` directory, of somebody else: mostly root has written it."""
    we = _our_name()
    chown = f"chown{' -R' if whole else ''} {we}: {shlex.quote(str(path.absolute()))}"
    return f"run this as the user that the agent runs as; where that is {we}, root runs: {chown}"


def made_for_us(directory: Path) -> str:
    """The command that makes a directory for the user we are, typed by that user or by root."""
    return f"install -d -m 0700 -o {_our_name()} {shlex.quote(str(directory.absolute()))}"


def _our_name() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # a container's user need not have a name
        return str(os.geteuid())


def unwritten(path: Path, error: OSError, otherwise: str = "check its directory's owner") -> RewardsError:
    """Why a file of ours could not be written, and what to do; ``otherwise`` where it is a matter of who may."""
    machines_turn = is_full(error) or error.errno == errno.EROFS
    kind = TransientError if machines_turn else ConfigError
    return kind(f"{path} cannot be written: {error.strerror}", hint=cure(error, otherwise))


def _read(path: Path) -> bytes:
    name = shown(path)
    try:
        with path.open("rb") as file:
            raw = file.read(_FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        raise ConfigError(f"{name}: there is no such file", hint="check the path, or write the file") from None
    except IsADirectoryError:
        raise ConfigError(f"{name}: this is a directory, not a file", hint="name the .toml file in it") from None
    except PermissionError:
        raise ConfigError(f"{name}: this user may not read it", hint=readable_to_us(path)) from None
    except OSError as error:
        raise ConfigError(f"{name}: cannot be read: {error.strerror}", hint=f"ls -l {name}") from None
    if len(raw) > _FILE_BYTES_MAX:
        raise ConfigError(f"{name}: larger than {_FILE_BYTES_MAX} bytes", hint="this is not a configuration file")
    return raw


def _decoded(raw: bytes, name: str) -> str:
    if raw.startswith(_BYTE_ORDER_MARK):
        message = "starts with a byte-order mark"
        raise FaultsError([Fault(file=name, line=1, column=1, message=message, hint=_AS_UTF8)])
    if raw.startswith(_UTF16) or 0 in raw[:2]:
        message = "is written in UTF-16, which Windows calls Unicode"
        raise FaultsError([Fault(file=name, line=1, column=1, message=message, hint=_AS_UTF8)])
    try:
        return raw.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8").replace("\r\n", "\n")
        line, column = _line_column(_line_starts(before), len(before))
        message = f"the byte 0x{raw[error.start]:02x} is not UTF-8"
        raise FaultsError(
            [Fault(file=name, line=line, column=column, message=message, hint="save the file as UTF-8")]
        ) from None


def _line_starts(text: str) -> tuple[int, ...]:
    starts = [0]
    at = text.find("\n")
    while at >= 0:
        starts.append(at + 1)
        at = text.find("\n", at + 1)
    return tuple(starts)


def _line_column(starts: tuple[int, ...], offset: int) -> tuple[int, int]:
    line = bisect_right(starts, offset)
    return line, offset - starts[line - 1] + 1
