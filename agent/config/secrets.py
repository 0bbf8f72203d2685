"""Secrets: only from files that nobody else can read, or from systemd's credentials; never shown."""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path

from agent.config.document import readable_to_us
from agent.errors import ConfigError
from machine.credentials import handed

SECRET_BYTES_MAX = 10_000
UNITS = "rewards-agent*.service"
_FOR_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class Secret:
    """A text that shows itself only when it is asked to; its repr, str and format hide it, and it cannot be pickled."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(…)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a secret is not written anywhere")


def read_secret(home: Path, name: str) -> Secret:
    """The secret of that name (see `secret_file`), without the newline at its end.

    Raises:
        ConfigError: it is not there, others may read it, it belongs to somebody else, is empty, larger than 10,000
            bytes or not text; the hint is the command that cures it.
    """
    path = secret_file(home, name)
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        places = [str(place) for place in _places(home, name)]
        raise ConfigError(
            f"the secret {name} is not there: looked for {' and '.join(places)}",
            hint=_write(path),
            fault="secret-missing",
        ) from None
    except OSError as error:
        raise ConfigError(
            f"{path}: this secret cannot be read: {error.strerror}",
            hint=readable_to_us(path) if isinstance(error, PermissionError) else f"ls -l {shlex.quote(str(path))}",
            fault="secret-unusable",
        ) from None
    try:
        _check_file(path, os.fstat(handle))
        raw = os.read(handle, SECRET_BYTES_MAX + 1)
    finally:
        os.close(handle)
    return Secret(_text_of(raw, path))


def secret_file(home: Path, name: str) -> Path:
    """Where a secret stands: an absolute ``name`` is the file itself; otherwise what systemd handed over is asked first
    for the last part of ``name``, then ``name`` is taken from ``home``, the directory of config.toml.
    """  # noqa: D205 - one sentence
    places = _places(home, name)
    return next((place for place in places if place.exists()), places[-1])


def _places(home: Path, name: str) -> list[Path]:
    path = Path(name)
    if path.is_absolute():
        return [path]
    return [*(directory / path.name for directory in handed(UNITS)), home / path]


def _check_file(path: Path, found: os.stat_result) -> None:
    quoted = shlex.quote(str(path))
    if not stat.S_ISREG(found.st_mode):
        raise ConfigError(f"{path}: this secret is no file", hint=_write(path), fault="secret-unusable")
    owners = {0, os.geteuid()}
    if os.geteuid() == 0:
        owners.add(path.parent.stat().st_uid)  # root looks at what a service's own user keeps
    if found.st_uid not in owners:
        raise ConfigError(
            f"{path}: this secret belongs to another user (id {found.st_uid})",
            hint=f"chown {os.geteuid()} {quoted}",
            fault="secret-unusable",
        )
    if found.st_mode & _FOR_OTHERS and path.parent not in handed(UNITS):
        raise ConfigError(
            f"{path}: others may read this secret (mode {stat.S_IMODE(found.st_mode):04o})",
            hint=f"chmod 600 {quoted}",
            fault="secret-open",
        )


def _text_of(raw: bytes, path: Path) -> str:
    if len(raw) > SECRET_BYTES_MAX:
        raise ConfigError(
            f"{path}: larger than {SECRET_BYTES_MAX} bytes",
            hint="this is no secret: check the name",
            fault="secret-unusable",
        )
    try:
        text = raw.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: this secret is not text", hint=_write(path), fault="secret-unusable") from None
    if not text.strip():
        raise ConfigError(f"{path}: this secret is empty", hint=_write(path), fault="secret-unusable")
    return text


def _write(path: Path) -> str:
    return f"write it there and run: chmod 600 {shlex.quote(str(path))}"
