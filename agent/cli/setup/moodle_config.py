"""What Moodle's own config.php says about its database. Pure: text in, values out; its password is never kept."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from agent.errors import ConfigError

_TEXT = r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\""""
_COMMENT = re.compile(rf"({_TEXT})|/\*.*?\*/|(?://|\#)[^\n]*", re.DOTALL)
_ASSIGNED = re.compile(rf"\$CFG\s*->\s*(\w+)\s*=\s*({_TEXT}|[^;]*?)\s*;", re.DOTALL)
_OPTION = re.compile(rf"""['"](dbport|dbsocket)['"]\s*\]?\s*=>?\s*({_TEXT}|\d+)""")
_SCHEMES = {"mysqli": "mysql", "mariadb": "mysql", "auroramysql": "mysql", "pgsql": "postgresql"}
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
        ConfigError: it names no database that this program can read.
    """
    code = _COMMENT.sub(lambda found: found[1] or " ", text)
    written = {name: value for name, value in _ASSIGNED.findall(code) if name in _KEYS}
    scheme = _scheme(_value(written, "dbtype", ""))
    host, database = _value(written, "dbhost", "localhost"), _value(written, "dbname", "")
    if not database:
        raise ConfigError("this config.php names no database ($CFG->dbname)", hint=_BY_HAND)
    options = {name: _plain(value) for name, value in _OPTION.findall(code)}
    query = ""
    if options.get("dbsocket", "").startswith("/"):
        query = "?" + urlencode({"unix_socket": options["dbsocket"]}, safe="/")
    # "localhost" makes a MySQL client look for a socket; over TCP the server is at the loopback address.
    place = "127.0.0.1" if host == "localhost" else f"[{host}]" if ":" in host else host
    if options.get("dbport", "").isdecimal() and int(options["dbport"]):
        place += f":{options['dbport']}"
    return MoodleDatabase(
        url=f"{scheme}://{ACCOUNT}@{place}/{quote(database)}{query}",
        table_prefix=_value(written, "prefix", "mdl_"),
    )


_KEYS = frozenset({"dbtype", "dbhost", "dbname", "prefix"})


def _scheme(kind: str) -> str:
    if kind not in _SCHEMES:
        raise ConfigError(
            f"this config.php names no database we can read ($CFG->dbtype is {kind!r})",
            hint=f"Moodle must run on MariaDB, MySQL or PostgreSQL; if it does, {_BY_HAND}",
        )
    return _SCHEMES[kind]


def _value(written: dict[str, str], name: str, default: str) -> str:
    value = written.get(name)
    if value is None:
        return default
    if value[:1] not in {"'", '"'} or (value[0] == '"' and "$" in value):
        raise ConfigError(f"this config.php works $CFG->{name} out when it runs, so it cannot be read", hint=_BY_HAND)
    return _plain(value)


def _plain(value: str) -> str:
    """A PHP literal's value: quotes off, escaped quotes and backslashes as they are meant."""
    return re.sub(r"\\(['\"\\])", r"\1", value[1:-1]) if value[:1] in {"'", '"'} else value
