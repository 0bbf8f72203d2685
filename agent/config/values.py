"""The kinds of value config.toml is written in, each read once: durations, files, addresses, moments, databases."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from pydantic import BeforeValidator, ValidationInfo

from agent.config import grammar
from agent.config.document import MisfitError, nearest, quoted
from agent.config.document.words import kind_of_value
from agent.model import Trust

DATABASES = ("mysql", "mariadb", "postgresql", "sqlite")
"""What a log table can stand in, as URL schemes; `mysql` and `mariadb` are one."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TABLE_PREFIX = re.compile(r"[A-Za-z0-9_]{0,64}")
_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_PORT_MAX = 65_535
_DATABASE_HINT = "write mysql://user@host:3306/database, postgresql://user@host:5432/database or sqlite:///file.sqlite"
_PASSWORD_HINT = "move it into a file of its own and name that: password_file"  # noqa: S105 - tells where one belongs
_MOMENT_HINT = 'write "now", "beginning" or a time in UTC such as "2026-09-01T00:00:00Z"'

_WEEK = "7d"
_TLS = ("ssl_ca", "ssl_cert", "ssl_key")
_URL_OPTIONS = {"mysql": (*_TLS, "unix_socket"), "postgresql": (*_TLS, "unix_socket", "schema"), "sqlite": ()}
"""What may stand behind the ? of a database's URL."""


def home_of(info: ValidationInfo) -> Path:
    """The directory of the file being read: paths are relative to it."""
    return Path(info.context["home"]) if info.context else Path.cwd()


def _text(value: Any, wanted: str) -> str:
    if not isinstance(value, str):
        raise MisfitError(f"{kind_of_value(value)} cannot stand here", wanted)
    return value


def _matching(pattern: re.Pattern[str], what: str, wanted: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if not pattern.fullmatch(_text(value, wanted)):
            raise MisfitError(f"{kind_of_value(value)} is not {what}", wanted)
        return str(value)

    return read


def _path(value: Any, info: ValidationInfo) -> Path:
    text = _text(value, 'write a path in quotes, such as "/var/lib/rewards-agent"')
    if not text.strip() or "\0" in text:
        raise MisfitError(f"{kind_of_value(value)} is not a path", "name a file or directory")
    return home_of(info) / Path(text).expanduser()


def _duration_or_off(value: Any) -> int | None:
    if value == "off":
        return None
    try:
        return grammar.duration(value)
    except MisfitError as error:
        raise MisfitError(error.message, f'{error.hint}; or "off"') from None


def _for_a_week(value: Any) -> int:
    seconds = grammar.duration(value)
    if seconds < grammar.duration(_WEEK):
        raise MisfitError(f"{quoted(value)} is too short", f"{_WEEK} or more: within that a correction looks back")
    return seconds


def _start_at(value: Any) -> Literal["now", "beginning"] | int:
    if isinstance(value, datetime) and value.tzinfo:
        return int(value.timestamp())
    if isinstance(value, datetime):
        raise MisfitError("this time does not say of which zone it is", _MOMENT_HINT)
    if value in ("now", "beginning"):
        return "now" if value == "now" else "beginning"
    if not _MOMENT.fullmatch(_text(value, _MOMENT_HINT)):
        raise MisfitError(f"{kind_of_value(value)} is not a time to start at", _MOMENT_HINT)
    try:
        return int(datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp())
    except ValueError:
        raise MisfitError(f"{kind_of_value(value)} is a time that does not exist", _MOMENT_HINT) from None


def _trust(value: Any) -> Trust:
    levels = tuple(level.name for level in reversed(Trust))
    listed = ", ".join(f'"{name}"' for name in levels)
    if value not in levels:
        likely = nearest(_text(value, f"write one of {listed}"), levels)
        raise MisfitError(
            f"{kind_of_value(value)} is not one of {listed}", f'did you mean "{likely}"?' if likely else ""
        )
    return Trust[value]


def _listen(value: Any) -> str:
    wanted = 'write host:port, such as "127.0.0.1:8733"'
    host, _, port = _text(value, wanted).rpartition(":")
    if not _HOST.fullmatch(host) or not port.isdecimal() or int(port) > _PORT_MAX:
        raise MisfitError(f"{kind_of_value(value)} is not an address to listen at", wanted)
    return str(value)


def _network(value: Any) -> str:
    wanted = 'write an address or a network, such as "10.0.0.0/8"'
    try:
        return str(_undressed(ipaddress.ip_network(_text(value, wanted))))
    except ValueError as error:
        why = "" if "does not appear" in str(error) else f": {error}"
        raise MisfitError(f"{kind_of_value(value)} is not a network{why}", wanted) from None


def _undressed(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> object:
    """A network of IPv4 that is dressed as IPv6 as what it is: addresses are compared so."""
    first = getattr(network.network_address, "ipv4_mapped", None)
    dressed = network.max_prefixlen - ipaddress.IPV4LENGTH
    return network if first is None else ipaddress.ip_network((first, network.prefixlen - dressed))


def _split(value: str, hint: str) -> SplitResult:
    """A URL in its parts. What it says is never repeated in a message: it may hold a password."""
    try:
        url = urlsplit(value)
        url.port  # noqa: B018 - only reading it checks it
    except ValueError:
        raise MisfitError("this is not a URL", hint) from None
    return url


def _database(value: Any, info: ValidationInfo) -> str:
    url = _split(_text(value, _DATABASE_HINT), _DATABASE_HINT)
    query = dict(parse_qsl(url.query, keep_blank_values=True))
    if url.password is not None or {"password", "passwd"} & set(query):
        raise MisfitError("a password stands in the URL", _PASSWORD_HINT)
    if url.scheme not in DATABASES:
        meant = {"postgres": "postgresql", "pgsql": "postgresql", "mysqli": "mysql", "sqlite3": "sqlite"}
        hint = f"did you mean {meant[url.scheme]}:// ?" if url.scheme in meant else _DATABASE_HINT
        raise MisfitError("the URL begins with no database that can be read", hint)
    _check_options(url.scheme, query)
    if url.scheme == "sqlite":
        file = unquote(url.path.removeprefix("/"))
        if url.netloc or not file:
            raise MisfitError("the URL names no file", "write sqlite:///file.sqlite, or sqlite:////path/file.sqlite")
        return f"sqlite:///{quote(str(home_of(info) / file))}"
    if not url.hostname and "unix_socket" not in query:
        raise MisfitError("the URL names no host", _DATABASE_HINT)
    if not url.path.strip("/"):
        raise MisfitError("the URL names no database", _DATABASE_HINT)
    if "ssl_ca" not in query and {"ssl_cert", "ssl_key"} & set(query):
        raise MisfitError("the URL shows a certificate to whom nobody vouches for", "add ssl_ca=…, its authority")
    if "ssl_key" in query and "ssl_cert" not in query:
        raise MisfitError("the URL has the key of a certificate, and no certificate", "add ssl_cert=…")
    query |= {name: str(home_of(info) / query[name]) for name in _TLS if name in query}
    return urlunsplit(url._replace(query=urlencode(query, safe="/")))


def _check_options(scheme: str, query: Iterable[str]) -> None:
    """A word behind the ? that nothing reads may have been meant to verify the server: it is never passed over."""
    known = _URL_OPTIONS["mysql" if scheme == "mariadb" else scheme]
    for name in query:
        if name not in known:
            likely = nearest(name, known)
            hint = f"did you mean {likely}?" if likely else f"known here: {', '.join(known) or 'nothing'}"
            raise MisfitError(f"the URL has an option {quoted(name)} that nothing reads", hint)


def _web(value: Any) -> str:
    wanted = "write http:// or https:// and the host"
    url = _split(_text(value, wanted), wanted)
    if url.username is not None or url.password is not None:
        raise MisfitError("a user or password stands in the URL", "leave it out: requests are signed with the key")
    if url.scheme not in {"http", "https"} or not url.hostname:
        raise MisfitError("this is not the address of a web service", wanted)
    if url.query or url.fragment:
        raise MisfitError("the address goes on behind a ? or #", "end it before that")
    return str(value).rstrip("/")


def _https(value: Any) -> str:
    url = _web(value)
    if not url.startswith("https://"):
        raise MisfitError("this address is not https", "write https:// and the host: others must be able to believe it")
    return url


def _door(value: Any) -> str:
    text = _text(value, 'write a path such as "/hook/moodle"')
    if not re.fullmatch(r"(?:/[A-Za-z0-9._~-]+)+", text):
        raise MisfitError(f"{kind_of_value(value)} is not the path of a URL", 'write one such as "/hook/moodle"')
    return text


Name = Annotated[
    str,
    BeforeValidator(_matching(_NAME, "a name", "letters, digits, . _ and -, not beginning with a sign, at most 64")),
]
TablePrefix = Annotated[
    str,
    BeforeValidator(_matching(_TABLE_PREFIX, "part of a table's name", "letters, digits and _ only, as in config.php")),
]
FilePath = Annotated[Path, BeforeValidator(_path)]
"""Absolute; in the file it may be relative to the directory the file stands in."""
Seconds = Annotated[int, BeforeValidator(grammar.duration)]
"""Written `30m`."""
SecondsOfAWeek = Annotated[int, BeforeValidator(_for_a_week)]
"""Written `400d`; a week at least."""
SecondsOrOff = Annotated[int | None, BeforeValidator(_duration_or_off)]
"""Written `15m` or `off` (None)."""
StartAt = Annotated[Literal["now", "beginning"] | int, BeforeValidator(_start_at)]
"""A moment is seconds since 1970, UTC."""
TrustCeiling = Annotated[Trust, BeforeValidator(_trust)]
Listen = Annotated[str, BeforeValidator(_listen)]
Network = Annotated[str, BeforeValidator(_network)]
"""As `ipaddress.ip_network` writes it."""
DatabaseUrl = Annotated[str, BeforeValidator(_database)]
"""Without password; the file of sqlite and those of TLS are absolute."""
WebUrl = Annotated[str, BeforeValidator(_web)]
"""`http(s)://host[:port][/path]` without a slash at the end."""
HttpsUrl = Annotated[str, BeforeValidator(_https)]
"""A `WebUrl` that is https."""
DoorPath = Annotated[str, BeforeValidator(_door)]
