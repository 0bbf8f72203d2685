"""Where the files that an administrator edits stand: the configuration, and the rules that it names."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from agent.config.document.file import readable_to_us, shown
from agent.errors import ConfigError

DEFAULT_PLACES = (Path("config.toml"), Path("/etc/rewards-agent/config.toml"))
"""Where the configuration is looked for when no `--config` names it, in this order."""


def find_config(explicit: Path | None) -> Path:
    """The configuration file: ``explicit``, else `./config.toml`, else `/etc/rewards-agent/config.toml`.

    Raises:
        ConfigError: it is not there.
    """
    if explicit is not None:
        try:
            if explicit.is_file():
                return explicit
        except PermissionError:
            message = f"{explicit}: this user may not look into its directory"
            raise ConfigError(message, hint=readable_to_us(explicit.parent, whole=True)) from None
        raise ConfigError(f"{explicit}: there is no such file", hint="check the path behind --config")
    for place in DEFAULT_PLACES:
        with contextlib.suppress(*(() if place.is_absolute() else (PermissionError,))):  # root's home is passed over
            if place.is_file():
                return place
    neither = " nor ".join(str(place.absolute()) for place in DEFAULT_PLACES)
    raise ConfigError(
        f"there is no configuration: neither {neither}",
        hint="write one with `rewards-agent init`, or name yours with --config FILE",
    )


def rule_files(config: Path, home: Path, written: Sequence[str]) -> tuple[Path, ...]:
    """The files that `rules` in ``config`` names, beside ``home``: globs in the order of their names.

    Raises:
        ConfigError: a glob is the only word and names nothing, or a file is named that is not there.
    """
    found = dict.fromkeys(file for one in written for file in _named(home, one))
    if not found:
        raise ConfigError(
            f"{shown(config)}: rules names no file: there is no {' and no '.join(written)}",
            hint=f"put rules into {home}, or name the file that holds them",
        )
    missing = next((file for file in found if _is_missing(file)), None)
    if missing is not None:
        raise ConfigError(
            f"{shown(config)}: [agent] rules names {shown(missing)}: there is no such file",
            hint="write the file, or correct the path: it is relative to this configuration",
        )
    return tuple(found)


def _named(home: Path, written: str) -> Iterable[Path]:
    if not any(sign in written for sign in "*?["):
        return (home / written,)
    anchor = Path(written).anchor
    start = Path(anchor) if anchor else home
    return sorted(file for file in start.glob(written.removeprefix(anchor)) if file.is_file())


def _is_missing(file: Path) -> bool:
    """Whether it is certain that there is no such file; what we may not look at is told by whoever reads it."""
    try:
        file.stat()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False
