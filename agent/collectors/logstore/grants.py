"""The rights the collector needs, as statements to run; and what to say where the log itself cannot be read."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

from agent.collectors.logstore.dialects.database import Schema, Unreadable
from agent.collectors.logstore.options import LogstoreOptions
from agent.config.facts import FactTable
from agent.errors import ConfigError

USER_COLUMNS = (
    "id", "username", "idnumber", "firstname", "lastname", "email", "lang", "timezone", "deleted", "suspended",
    "confirmed", "auth", "mnethostid", "timecreated", "timemodified",
)  # fmt: skip
"""What of the user table is read at most: never the password, never an address."""

PASSWORD_PLACE = "choose-a-long-password"  # noqa: S105 - what stands where the password goes
"""In the statements; to be replaced."""

HELPDESK_TABLES = ("user", "course", "course_modules", "course_modules_completion")
"""Read by `learner why` to say who somebody is and whether completion is tracked."""


def tables_needed(facts: Iterable[str], kinds: Iterable[str] = ()) -> tuple[str, ...]:
    """The tables (without prefix) that these facts, these kinds and the helpdesk need, besides the log."""
    return tuple(sorted({*FactTable().tables_for(facts, kinds), *HELPDESK_TABLES}))


def grant_statements(options: LogstoreOptions, tables: Iterable[str], *, host: str = "127.0.0.1") -> tuple[str, ...]:
    """What a database administrator runs, for MariaDB and MySQL: one account that can read and nothing else.

    ``tables`` are without prefix, as of `tables_needed`. The account and the database are those of the URL; the
    password's place is held by a text to replace.
    """
    log_database = _database(options.log_url or options.url)
    database = _database(options.url)
    account = account_of(options.url, host)
    log_account = account_of(options.log_url or options.url, host)
    statements = [f"CREATE USER IF NOT EXISTS {account} IDENTIFIED BY '{PASSWORD_PLACE}' WITH MAX_USER_CONNECTIONS 5;"]
    statements.append(grant_of(log_database, _log_table(options), "", log_account))
    for table in tables:
        columns = f" ({', '.join(USER_COLUMNS)})" if table == "user" else ""
        statements.append(grant_of(database, f"{options.table_prefix}{table}", columns, account))
    return tuple(statements)


def account_of(url: str, host: str) -> str:
    """The user of a URL as an account that connects from ``host``."""
    return f"'{_user(url)}'@'{host}'"


def grant_of(database: str, table: str, columns: str, account: str) -> str:
    """One GRANT."""
    return f"GRANT SELECT{columns} ON `{database}`.`{table}` TO {account};"


def log_unreadable(answer: Unreadable, options: LogstoreOptions, schema: Schema) -> ConfigError:
    """The log table is not there, or we may not read it: which key to edit, or which right to give.

    A server does not tell an account without rights whether a table exists, so both cures are named.
    """
    url = options.log_url or options.url
    table, prefix = schema.full("log"), f"table_prefix = {options.table_prefix!r}"
    if urlsplit(url).scheme == "sqlite" or not answer.denied:
        return ConfigError(
            f"{options.place}: there is no table {table} ({answer.reason})",
            hint=f"correct {prefix} (see $CFG->prefix in Moodle's config.php) or log_table",
        )
    grant = grant_of(_database(url), table, "", account_of(url, "<this host>"))
    return ConfigError(
        f"{options.place}: the log table {table} may not be read by {_user(url)!r}",
        hint=f"run `{grant}`; or, if Moodle's tables begin otherwise, correct {prefix}",
    )


def _database(url: str) -> str:
    return unquote(urlsplit(url).path.lstrip("/"))


def _user(url: str) -> str:
    return unquote(urlsplit(url).username or "")


def _log_table(options: LogstoreOptions) -> str:
    return options.log_table or f"{options.table_prefix}logstore_standard_log"
