"""The catalogue's settings: one small TOML file, every default here, every fault told with its key."""

from __future__ import annotations

import contextlib
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from catalogue.errors import ConfigError
from catalogue.log import LEVELS
from machine.credentials import handed

FILE_NAME = "catalogue.toml"
KEY_NAME = "catalogue.ed25519"
VOUCHERS_NAME = "vouchers.key"
DATABASE_NAME = "catalogue.db"
LISTEN = "127.0.0.1:8734"
STATUS_LISTEN = "127.0.0.1:8736"
PLACES = (Path(FILE_NAME), Path("/etc/rewards-catalogue") / FILE_NAME)

KNOWN = {
    "catalogue": {"data_dir", "listen", "status_listen", "key_file", "vouchers_file", "log_level", "backup_within"},
    "database": {"url", "password_file"},
}
"""Every key there is, by table."""
_UNITS_S = {"m": 60, "h": 3_600, "d": 86_400}
_DURATION = re.compile(r"([1-9]\d{0,5})([mhd])")

EXAMPLE = """\
# The rewards catalogue. Paths are relative to the file they stand in.

[catalogue]
# data_dir = "."                        # where the key and the embedded database lie
# listen   = "127.0.0.1:8734"           # put a proxy with TLS in front of it; "[::]:8734": at every address
# status_listen = "127.0.0.1:8736"      # no default: where it tells how it is: /livez, /readyz, /metrics (Prometheus)
# key_file = "catalogue.ed25519"        # signs every receipt; agents pin it: keep a copy in a safe place
# vouchers_file = "vouchers.key"        # opens the vouchers in the database: keep a copy of it too
# log_level = "info"                    # debug | info | warning | error
# backup_within = "2d"                  # an older newest backup is told; "off" where something else copies the database

[database]
# url = "sqlite:///catalogue.db"        # or postgresql://rewards@127.0.0.1:5432/rewards
# password_file = "database.password"   # no default: mode 0600, or in $CREDENTIALS_DIRECTORY
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Checked settings. ``database`` holds the password, if any; its own text form hides it.

    ``backup_within_s`` None is off: something else than `rewards-catalogue backup` copies the database.
    """

    data_dir: Path
    host: str
    port: int
    status_listen: tuple[str, int] | None = None
    log_level: str = "info"
    backup_within_s: int | None = 2 * 86_400
    key_file: Path
    vouchers_file: Path
    database: URL


def find(config: Path | None, data_dir: Path | None) -> Config:
    """The settings for a command: of ``config``, else of the file in ``data_dir``, else of the usual places.

    Raises:
        ConfigError: there is none, or something in it is wrong.
    """
    if config is not None:
        return load(config)
    if data_dir is not None:
        return load(data_dir / FILE_NAME)
    for place in PLACES:
        # Somebody else's directory, such as root's home, is passed over; who may not see /etc/… is told.
        with contextlib.suppress(*(() if place.is_absolute() else (PermissionError,))):
            if place.exists():
                return load(place)
    raise ConfigError(
        f"there is no {' and no '.join(str(place) for place in PLACES)}",
        hint="name one with --config, or make one: rewards-catalogue init --data-dir DIR",
    )


def load(path: Path) -> Config:
    """Read and check one file.

    Raises:
        ConfigError: it is missing, is no TOML, or a key or a value is wrong; all wrong keys are named at once.
    """
    try:
        document = tomli.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"there is no {path}", hint=f"make it: rewards-catalogue init --data-dir {path.parent}"
        ) from None
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path} cannot be read: {exc}", hint="check its owner and mode") from None
    except tomli.TOMLDecodeError as exc:
        raise ConfigError(f"{path}: {exc}", hint="mend the line and try again") from None
    except RecursionError:
        raise ConfigError(f"{path}: tables inside tables without end", hint="mend the line and try again") from None
    _check_known(path, document)
    own = document.get("catalogue", {})
    base = path.resolve().parent
    data_dir = base / _text(path, own, "catalogue.data_dir", ".")
    host, port = _listen(path, own, "catalogue.listen", LISTEN)
    status = _listen(path, own, "catalogue.status_listen", STATUS_LISTEN) if "status_listen" in own else None
    return Config(
        data_dir=data_dir,
        host=host,
        port=port,
        status_listen=status,
        log_level=_level(path, _text(path, own, "catalogue.log_level", "info")),
        backup_within_s=_within(path, _text(path, own, "catalogue.backup_within", "2d")),
        key_file=data_dir / _text(path, own, "catalogue.key_file", KEY_NAME),
        vouchers_file=data_dir / _text(path, own, "catalogue.vouchers_file", VOUCHERS_NAME),
        database=_database(path, document.get("database", {}), data_dir),
    )


def _check_known(path: Path, document: dict[str, Any]) -> None:
    faults = [f"[{table}]" for table in document if table not in KNOWN]
    for table, keys in KNOWN.items():
        value = document.get(table, {})
        if not isinstance(value, dict):
            faults.append(table)
        else:
            faults += [f"{table}.{key}" for key in value if key not in keys]
    if faults:
        known = ", ".join(f"{table}.{key}" for table, keys in KNOWN.items() for key in sorted(keys))
        raise ConfigError(f"{path}: unknown: {', '.join(faults)}", hint=f"known are: {known}")


def _text(path: Path, table: dict[str, Any], key: str, default: str) -> str:
    value = table.get(key.partition(".")[2], default)
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{path}: {key} must be a text", hint=f'for example: "{default}"')
    return value


def _listen(path: Path, table: dict[str, Any], key: str, default: str) -> tuple[str, int]:
    text = _text(path, table, key, default)
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:  # noqa: PLR2004 - the largest port there is
        raise ConfigError(f"{path}: {key} {text!r} is not HOST:PORT", hint=f'for example: "{default}"')
    return host.strip("[]"), int(port)


def _level(path: Path, text: str) -> str:
    if text not in LEVELS:
        raise ConfigError(f"{path}: catalogue.log_level cannot be {text!r}", hint=f"one of {', '.join(LEVELS)}")
    return text


def _within(path: Path, text: str) -> int | None:
    if text == "off":
        return None
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ConfigError(
            f"{path}: catalogue.backup_within {text!r} is no time", hint='such as "36h" or "2d"; or "off"'
        )
    return int(found[1]) * _UNITS_S[found[2]]


def _database(path: Path, table: dict[str, Any], data_dir: Path) -> URL:
    text = _text(path, table, "database.url", f"sqlite:///{DATABASE_NAME}")
    try:
        url = make_url(text)
    except ArgumentError:
        raise ConfigError(
            f"{path}: database.url is not a URL", hint="sqlite:///FILE or postgresql://USER@HOST/NAME"
        ) from None
    if url.drivername == "sqlite":
        return url.set(database=str(data_dir / (url.database or DATABASE_NAME)))
    if url.drivername not in {"postgresql", "postgres"}:
        raise ConfigError(f"{path}: database.url cannot be {url.drivername}://", hint="sqlite:/// or postgresql://")
    if url.password:
        raise ConfigError(f"{path}: database.url holds a password", hint="put it into a file and name it password_file")
    url = url.set(drivername="postgresql")
    if "password_file" not in table:
        return url
    return url.set(password=_secret(path, _text(path, table, "database.password_file", "")))


def _secret(path: Path, name: str) -> str:
    guarded = handed("rewards-catalogue*.service")
    for place in [*(directory / name for directory in guarded), path.resolve().parent / name]:
        try:
            mode = stat.S_IMODE(place.stat().st_mode)
            secret = place.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError):
            raise ConfigError(f"{place} cannot be read", hint="check its owner and mode (0600)") from None
        if mode & 0o077 and place.parent not in guarded:
            raise ConfigError(f"others may read {place} (mode {mode:04o})", hint=f"chmod 600 {place}")
        return secret
    raise ConfigError(
        f"{path}: there is no file {name} for database.password_file",
        hint="write the password into it; where systemd hands it over (LoadCredential=) it is there while the service "
        "runs, and for a single command by systemd-run (docs/ops/install.md)",
    )
