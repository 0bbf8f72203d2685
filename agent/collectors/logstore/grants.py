"""The rights the collector needs, as statements to run; and what to say where the log itself cannot be read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import chain
from urllib.parse import parse_qs, unquote, urlsplit

from agent.collectors.logstore.dialects.database import Place, Schema, Unreadable
from agent.collectors.logstore.options import CONNECTIONS_MAX, Asked, LogstoreOptions
from agent.config.facts import ONLY_FOR, FactTable
from agent.errors import ConfigError

USER_COLUMNS = (
    "id", "username", "idnumber", "firstname", "lastname", "email", "lang", "timezone", "deleted", "suspended",
    "confirmed", "auth", "mnethostid", "timecreated", "timemodified",
)  # fmt: skip
"""What of the user table is read at most: never the password, never an address."""

_UNTOLD = "<the password in password_file>"
"""Stands where the password goes, so that no server takes the statement as it is shown."""

DOCTOR_TABLES = ("task_scheduled",)
"""Read by `doctor` to say whether Moodle's cron runs."""

WORKFLOWS = "tool_trigger_workflows"
"""Read by `doctor`, where tool_trigger posts to us, to say which of its workflows are switched off."""
WORKFLOW_COLUMNS = ("id", "event", "enabled")

HELPDESK_TABLES = ("user", "course", "course_modules", "course_modules_completion")
"""Read by `learner why` to say who somebody is and whether completion is tracked."""

YOUNG_TABLES = frozenset({"assign_overrides", "quiz_overrides", "tag", "tag_instance", WORKFLOWS})
"""Not in every Moodle. Granted last, because a client that runs a file of statements stops at the first that fails."""

STATE_TABLES: Mapping[str, tuple[str, ...]] = {
    "lesson.completed": ("course_modules_completion", "course_modules"),
    "course.completed": ("course_completions",),
    "grade.awarded": ("grade_grades", "grade_items"),
    "course.graded": ("grade_grades", "grade_items"),
    "badge.awarded": ("badge_issued", "badge"),
    "forum.rated": ("rating", "forum_posts", "forum_discussions", "context"),
}
"""Read for these kinds to find what the log missed."""


AGREEMENT = "agreement"
"""What tables feed that say who has agreed to take part; no fact of an act."""


def tables_needed(facts: Iterable[str], kinds: Iterable[str] = ()) -> tuple[str, ...]:
    """The tables (without prefix) that these facts, these kinds, the helpdesk and `doctor` need, besides the log."""
    met = tuple(kinds)
    states = (STATE_TABLES[kind] for kind in STATE_TABLES if any(fnmatchcase(kind, pattern) for pattern in met))
    always = (*HELPDESK_TABLES, *DOCTOR_TABLES)
    return tuple(sorted({*FactTable().tables_for(facts, met), *chain.from_iterable(states), *always}))


def tables_of_agreement(asked: Asked | None) -> tuple[str, ...]:
    """The tables (without prefix) in which the LMS says who has agreed to take part."""
    if asked is None:
        return ()
    cohorts = ("cohort", "cohort_members") if asked.cohorts else ()
    return (*cohorts, *(("user_info_data", "user_info_field") if asked.profile_field else ()))


def without_texts_of_others(tables: Iterable[str], met: Iterable[str]) -> tuple[str, ...]:
    """The tables without those that hold texts and are read for kinds only that no rule meets."""
    kinds = tuple(met)
    return tuple(
        table for table in tables if table not in ONLY_FOR or any(fnmatchcase(kind, ONLY_FOR[table]) for kind in kinds)
    )


def grant_statements(
    options: LogstoreOptions, tables: Iterable[str], *, host: str = "127.0.0.1", password: str | None = None
) -> tuple[str, ...]:
    """What a database administrator runs: one account that can read and nothing else.

    ``tables`` are without prefix, as of `tables_needed`. The account and the database are those of the URL; ``host`` is
    where it connects from, which MariaDB and MySQL keep with the account. Without the ``password`` they are to be
    looked at: its place says where it stands.
    """
    log_url = options.log_url or options.url
    statements = list(_account_made(options.url, host, password))
    statements += _entered(log_url)
    statements.append(grant_of(log_url, _log_table(options), "", host))
    if options.log_url is not None:
        statements += _entered(options.url)
    for table in sorted(tables, key=lambda table: (table in YOUNG_TABLES, table)):
        some = _SOME_COLUMNS.get(table, ())
        columns = f" ({', '.join(some)})" if some else ""
        statements.append(grant_of(options.url, f"{options.table_prefix}{table}", columns, host))
    return tuple(statements)


_SOME_COLUMNS: Mapping[str, Sequence[str]] = {"user": USER_COLUMNS, WORKFLOWS: WORKFLOW_COLUMNS}


def _account_made(url: str, host: str, password: str | None) -> Iterable[str]:
    told = _UNTOLD if password is None else _text(url, password)
    if not _is_postgres(url):
        limit = f"WITH MAX_USER_CONNECTIONS {CONNECTIONS_MAX}"
        yield f"CREATE USER IF NOT EXISTS {account_of(url, host)} IDENTIFIED BY {told} {limit};"
        return
    account, name = account_of(url, host), _user(url).replace("'", "''")
    yield (
        f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{name}') THEN "
        f"CREATE ROLE {account} LOGIN CONNECTION LIMIT {CONNECTIONS_MAX} PASSWORD {told}; END IF; END $$;"
    )
    yield f"ALTER ROLE {account} SET default_transaction_read_only = on;"


def _entered(url: str) -> Iterable[str]:
    """PostgreSQL's rights are given from inside the database: psql goes there."""
    if _is_postgres(url):
        account = account_of(url, "")
        yield f"\\connect {_quoted(_database(url))}"
        yield f"GRANT CONNECT ON DATABASE {_quoted(_database(url))} TO {account};"
        yield f"GRANT USAGE ON SCHEMA {_quoted(_namespace(url))} TO {account};"


def account_of(url: str, host: str) -> str:
    """The user of a URL as the server writes it; MariaDB and MySQL with the ``host`` that it connects from."""
    return _quoted(_user(url)) if _is_postgres(url) else f"'{_user(url)}'@'{host}'"


def password_changed(url: str, host: str, password: str) -> str:
    """The statement that gives the account of ``url`` another password."""
    if _is_postgres(url):
        return f"ALTER ROLE {account_of(url, host)} PASSWORD {_text(url, password)};"
    return f"ALTER USER {account_of(url, host)} IDENTIFIED BY {_text(url, password)};"


def grant_of(url: str, table: str, columns: str, host: str) -> str:
    """One GRANT on a table (with prefix) of the database that ``url`` names."""
    if _is_postgres(url):
        return f"GRANT SELECT{columns} ON {_quoted(_namespace(url))}.{_quoted(table)} TO {account_of(url, host)};"
    return f"GRANT SELECT{columns} ON `{_database(url)}`.`{table}` TO {account_of(url, host)};"


LOG_TABLE = "logstore_standard_log"


def log_unreadable(
    answer: Unreadable,
    options: LogstoreOptions,
    schema: Schema,
    *,
    host: str = "<this host>",
    there: Sequence[Place] = (),
) -> ConfigError:
    """The log table is not there, or we may not read it: which key to edit, or which right to give.

    A server does not tell an account without rights whether a table exists, so both cures are named, but where
    ``there``, the tables that are called so, says which it is. ``host`` is the one that the server keeps with our
    account.
    """
    url, key = (options.url, "url") if options.log_url is None else (options.log_url, "log_url")
    table, written = schema.full("log"), f"table_prefix = {options.table_prefix!r}"
    otherwise, named = "Moodle's tables begin otherwise", f"{written} (see $CFG->prefix in Moodle's config.php)"
    if options.log_table is not None:
        written = named = f"log_table = {options.log_table!r}"
        otherwise = "the log's table is called otherwise"
    denied = answer.denied and urlsplit(url).scheme != "sqlite"
    what = f"the log table {table} may not be read by {_user(url)!r}"
    if not denied:
        what = f"there is no table {table} ({answer.reason})"
    cure = _cure_by_place(there, table, url, key, by_name=options.log_table is not None)
    if not cure and denied:
        cure = f"run `{grant_of(url, table, '', host)}`; or, if {otherwise}, correct {written}"
    return ConfigError(
        f"{options.place}: {what}",
        hint=cure or f"correct {named}; if this is not the log's database, correct the end of {key}",
        fault="log-table-unreadable",
    )


def _cure_by_place(there: Sequence[Place], table: str, url: str, key: str, *, by_name: bool) -> str:
    """What to edit or to run, where a table is seen that it may be; empty where none is.

    ``by_name``: the configuration names the table itself, and not the prefix of all.
    """
    here = {_namespace(url)} if _is_postgres(url) else {_database(url), ""}
    same = next((place for place in there if place.table == table), None)
    if same is not None and _is_postgres(url) and not same.entered:
        more = "" if same.within in here else f", and add ?schema={same.within} to {key}"
        return f"run `GRANT USAGE ON SCHEMA {_quoted(same.within)} TO {account_of(url, '')};`{more}"
    if same is not None and same.within not in here:
        elsewhere = [place.within for place in there if place.table == table]
        cure = f"add ?schema={same.within} to {key}" if _is_postgres(url) else f"let {key} end in /{same.within}"
        more = ", or the name of this campus's" if len(elsewhere) > 1 else ""
        return f"it stands in {', '.join(elsewhere)}: {cure}{more}"
    other = next((place for place in there if place.within in here and place.table != table), None)
    if same is None and other is not None:
        meant = ("log_table", other.table) if by_name else ("table_prefix", other.table.removesuffix(LOG_TABLE))
        return f"there is {other.table}: write {meant[0]} = {meant[1]!r}"
    return ""


def _is_postgres(url: str) -> bool:
    return urlsplit(url).scheme == "postgresql"


def _namespace(url: str) -> str:
    """The schema that holds Moodle's tables."""
    return parse_qs(urlsplit(url).query).get("schema", ["public"])[-1]


def _text(url: str, text: str) -> str:
    """A text as the server of ``url`` writes one; MariaDB and MySQL take a backslash for the beginning of a sign."""
    kept = text if _is_postgres(url) else text.replace("\\", "\\\\")
    return "'{}'".format(kept.replace("'", "''"))


def _quoted(name: str) -> str:
    return '"{}"'.format(name.replace('"', '""'))


def _database(url: str) -> str:
    return unquote(urlsplit(url).path.lstrip("/"))


def _user(url: str) -> str:
    return unquote(urlsplit(url).username or "")


def _log_table(options: LogstoreOptions) -> str:
    return options.log_table or f"{options.table_prefix}{LOG_TABLE}"
