"""What Moodle's own config.php says about its database. Pure: text in, values out; its password is never kept."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from agent.errors import ConfigError

_TEXT = r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\""""
_COMMENT = re.compile(rf"({_TEXT})|/\*.*?\*/|(?://|\#)[^\n]*", re.DOTALL)
_ASSIGNED = re.compile(rf"\$CFG\s*->\s*(\w+)\s*=\s*((?:{_TEXT}|[^;'\"])*?)\s*;", re.DOTALL)
_OPTIONS = re.compile(rf"\$CFG\s*->\s*dboptions\s*(?:=\s*|(?=\[))((?:{_TEXT}|[^;'\"])*?)\s*;", re.DOTALL)
_TOKEN = re.compile(rf"{_TEXT}|[^'\"]", re.DOTALL)
_OPTION = re.compile(rf"""['"](dbport|dbsocket|dbschema)['"]\s*\]?\s*=>?\s*({_TEXT}|\w+)""")
_REQUIRED = re.compile(rf"\b(?:require|include)(?:_once)?\b[^;]*?({_TEXT})")
_SCHEMES = {"mysqli": "mysql", "mariadb": "mysql", "auroramysql": "mysql", "pgsql": "postgresql"}
_SOCKETS = {"mysql": "/run/mysqld/mysqld.sock", "postgresql": "/var/run/postgresql"}
"""Where Debian's servers have them; the directory, for PostgreSQL."""
_HERE = frozenset({"", "localhost"})
_BY_HAND = "give it by hand: --moodle-url mysql://companion_ro@HOST:3306/DATABASE (and --table-prefix)"
ACCOUNT = "companion_ro"


@dataclass(frozen=True, slots=True, kw_only=True)
class MoodleDatabase:
    """Where Moodle keeps its tables; ``url`` is for an account of our own, not for Moodle's."""

    url: str
    table_prefix: str


def read(text: str) -> MoodleDatabase:
    """The database of a Moodle config.php.

    Raises:
        ConfigError: it names no database that this program can read, or one as it is and another where it runs.
    """
    code = _COMMENT.sub(lambda found: found[1] or " ", text)
    written: dict[str, set[str]] = {}
    for name, value in _ASSIGNED.findall(code):
        written.setdefault(name, set()).add(value)
    scheme = _scheme(_value(written, "dbtype", ""), code)
    host, database = _value(written, "dbhost", "localhost"), _value(written, "dbname", "")
    if not database:
        raise ConfigError("this config.php names no database ($CFG->dbname)", hint=_BY_HAND)
    options = _options(code)
    place, port = _place(host, options.get("dbport", ""))
    query = {}
    socket = _socket(scheme, host, options.get("dbsocket", ""))
    if socket:
        query["unix_socket"] = socket
    if scheme == "postgresql" and options.get("dbschema"):
        query["schema"] = options["dbschema"]
    asked = "?" + urlencode(query, safe="/") if query else ""
    return MoodleDatabase(
        url=f"{scheme}://{ACCOUNT}@{place}{port}/{quote(database)}{asked}",
        table_prefix=_value(written, "prefix", "mdl_"),
    )


def _options(code: str) -> dict[str, str]:
    """What `$CFG->dboptions` says of the database that is written to; a replica's port is another server's."""
    found: dict[str, str] = {}
    for said in _OPTIONS.findall(code):
        found |= {name: _plain(value) for name, value in _OPTION.findall(_outermost(said))}
    return found


def _outermost(said: str) -> str:
    """A list without the lists in it."""
    kept, depth = [], 0
    for token in _TOKEN.findall(said):
        depth += (token in {"(", "["}) - (token in {")", "]"})
        if depth <= 1:
            kept.append(token)
    return "".join(kept)


def _place(host: str, port: str) -> tuple[str, str]:
    """Host and port as a URL has them; PHP takes a port behind the host, and `p:` before it, too."""
    host = host.removeprefix("p:")
    bare, colon, behind = host.rpartition(":")
    if colon and behind.isdecimal() and (":" not in bare or bare.endswith("]")):
        host, port = bare, port if port.isdecimal() and int(port) else behind
    host = host.strip("[]")
    # "localhost" makes a MySQL client look for a socket; over TCP the server is at the loopback address.
    here = host in _HERE or host.startswith(("localhost:", "/"))
    place = "127.0.0.1" if here else f"[{host}]" if ":" in host else host
    return place, f":{port}" if port.isdecimal() and int(port) else ""


def _socket(scheme: str, host: str, said: str) -> str:
    """The socket that Moodle goes by, empty where it goes by TCP: PHP looks for one on this machine alone."""
    behind = host.partition(":")[2] or host
    if behind.startswith("/"):
        return behind
    if host not in {*_HERE, "127.0.0.1"} or (scheme == "mysql" and host == "127.0.0.1"):
        return ""
    if said.startswith("/"):
        return said
    switched_on = said not in {"", "0", "false", "FALSE"}
    return _SOCKETS[scheme] if switched_on or (scheme == "postgresql" and not host) else ""


def _scheme(kind: str, code: str) -> str:
    if kind in _SCHEMES:
        return _SCHEMES[kind]
    told = f"this config.php names no database we can read ($CFG->dbtype is {kind!r})"
    elsewhere = [_plain(one) for one in _REQUIRED.findall(code) if not one[1:-1].endswith("/lib/setup.php")]
    if not kind and elsewhere:
        raise ConfigError(told, hint=f"it may stand in {elsewhere[0]}: name that file; or {_BY_HAND}")
    raise ConfigError(told, hint=f"Moodle must run on MariaDB, MySQL or PostgreSQL; if it does, {_BY_HAND}")


def _value(written: Mapping[str, Collection[str]], name: str, default: str) -> str:
    said = written.get(name)
    if said is None:
        return default
    if any(not re.fullmatch(_TEXT, value) or (value[0] == '"' and "$" in value) for value in said):
        raise ConfigError(f"this config.php works $CFG->{name} out when it runs, so it cannot be read", hint=_BY_HAND)
    values = sorted({_plain(value) for value in said})
    if len(values) > 1:
        raise ConfigError(f"this config.php has several $CFG->{name}: {', '.join(values)}", hint=_BY_HAND)
    return values[0]


def _plain(value: str) -> str:
    """A PHP literal's value: quotes off, escaped quotes and backslashes as they are meant."""
    return re.sub(r"\\(['\"\\])", r"\1", value[1:-1]) if value[:1] in {"'", '"'} else value
