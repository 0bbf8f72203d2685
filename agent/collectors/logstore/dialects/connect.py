"""Which database a URL means: the one place that knows the dialects."""

from __future__ import annotations

from urllib.parse import urlsplit

from agent.collectors.logstore.dialects.database import Database
from agent.collectors.logstore.dialects.mysql import MysqlDatabase
from agent.collectors.logstore.dialects.postgres import PostgresDatabase
from agent.collectors.logstore.dialects.sqlite import SqliteDatabase
from agent.collectors.logstore.options import LogstoreOptions
from agent.errors import ConfigError


def database_for(options: LogstoreOptions, *, log: bool = False) -> Database:
    """The database of a source, not yet connected; with ``log`` the one that holds the log, where that is another.

    Raises:
        ConfigError: the URL is none, carries a password, or names a database that is not supported.
    """
    elsewhere = log and options.log_url is not None
    key = "log_url" if elsewhere else "url"
    text = options.log_url if elsewhere and options.log_url else options.url
    password = options.log_password if elsewhere and options.log_password is not None else options.password
    try:
        url = urlsplit(text)
        has_password, _ = url.password is not None, url.port
    except ValueError as error:
        raise ConfigError(f"{options.place}: {key} is not a URL", hint=_FORMS) from error
    if has_password:
        raise ConfigError(
            f"{options.place}: {key} holds a password", hint="move it into a file of its own: password_file"
        )
    if url.scheme in {"mysql", "mariadb"}:
        return MysqlDatabase(options, url, password, key=key)
    if url.scheme == "postgresql":
        return PostgresDatabase(options, url, password, key=key)
    if url.scheme == "sqlite":
        return SqliteDatabase(options, url, key=key)
    raise ConfigError(
        f"{options.place}: {key} begins with {url.scheme or 'nothing'}:, which is no dialect", hint=_FORMS
    )


_FORMS = (
    "write mysql://user@host:3306/database (MariaDB too), postgresql://user@host:5432/database "
    "or sqlite:////path/to/file"
)
