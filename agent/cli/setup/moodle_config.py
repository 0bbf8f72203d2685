"""What Moodle's own config.php says about its database. Pure: text in, values out; its password is never read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

from agent.errors import InvalidInputError

_ASSIGNMENT = re.compile(r"""^\s*\$CFG->(\w+)\s*=\s*(['"])(.*?)\2\s*;""", re.MULTILINE)
_PORT = re.compile(r"""['"]dbport['"]\s*=>\s*['"]?(\d+)""")
_SCHEMES = {"mysqli": "mysql", "mariadb": "mysql", "auroramysql": "mysql", "pgsql": "postgresql"}
ACCOUNT = "companion_ro"


@dataclass(frozen=True, slots=True, kw_only=True)
class MoodleDatabase:
    """Where Moodle keeps its tables; ``url`` is for an account of our own, not for Moodle's."""

    url: str
    table_prefix: str


def read(text: str) -> MoodleDatabase:
    """The database of a Moodle config.php.

    Raises:
        InvalidInputError: it names no database that this program can read.
    """
    values = {name: value for name, _, value in _ASSIGNMENT.findall(text) if name != "dbpass"}
    kind = values.get("dbtype", "")
    if kind not in _SCHEMES or not values.get("dbname"):
        raise InvalidInputError(
            f"this config.php names no database we can read (dbtype {kind!r})",
            hint="give it by hand: --moodle-url mysql://companion_ro@HOST/DATABASE",
        )
    host = values.get("dbhost", "localhost")
    # "localhost" makes a MySQL client look for a socket; over TCP the server is at the loopback address.
    host = "127.0.0.1" if host == "localhost" else host
    port = _PORT.search(text)
    place = f"{host}:{port[1]}" if port else host
    return MoodleDatabase(
        url=f"{_SCHEMES[kind]}://{ACCOUNT}@{place}/{quote(values['dbname'])}",
        table_prefix=values.get("prefix", "mdl_"),
    )
