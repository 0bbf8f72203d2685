"""Every right too many that an account of Moodle's database may have: it is told, and what is told takes it back."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from agent.collectors.logstore.dialects.connect import database_for
from agent.collectors.logstore.dialects.database import Database, Right
from agent.collectors.logstore.grants import grant_statements, tables_needed
from agent.collectors.logstore.options import LogstoreOptions
from agent.collectors.logstore.probe import Probe, probe
from agent.errors import ConfigError
from tests import servers
from tests.sites import EVERYTHING, MariaSite, PostgresSite

READER = servers.READER
AT = f"'{READER}'@'127.0.0.1'"
WHERE = "{database}"
WRITERS = "CREATE ROLE writers; GRANT UPDATE ON mdl_role TO writers"


@asynccontextmanager
async def connected(options: LogstoreOptions) -> AsyncIterator[Database]:
    database = database_for(options)
    try:
        yield database
    finally:
        await database.close()


async def rights(options: LogstoreOptions) -> tuple[Right, ...]:
    async with connected(options) as database:
        return await database.rights_to_write()


def statements(right: Right) -> list[str]:
    """What a database administrator is told to run, as it would be typed."""
    told = right.cure.partition("a database administrator runs: ")[2]
    assert told, right
    return [one for one in told.split("; ") if re.match("(REVOKE|GRANT|ALTER|REASSIGN) ", one)]


@pytest.fixture(scope="module")
def postgres_site(postgres: servers.Postgres) -> Iterator[PostgresSite]:
    made = PostgresSite(postgres.create_database())
    yield made
    made.database.drop()


@pytest.fixture(scope="module")
def mariadb_site(mariadb: servers.MariaDB) -> Iterator[MariaSite]:
    made = MariaSite(mariadb.create_database())
    yield made
    made.database.drop()


@pytest.fixture(scope="module")
def mysql_site(mysql: servers.MySQL) -> Iterator[MariaSite]:
    made = MariaSite(mysql.create_database())
    yield made
    made.database.drop()


OF_POSTGRES = {
    "a column": (f"GRANT UPDATE (finalgrade) ON mdl_grade_grades TO {READER}", "UPDATE on mdl_grade_grades"),
    "two rights": (f"GRANT INSERT, DELETE ON mdl_role TO {READER}", "DELETE, INSERT on mdl_role"),
    "a trigger": (f"GRANT TRIGGER ON mdl_role TO {READER}", "TRIGGER on mdl_role"),
    "passed on": (f"GRANT SELECT ON mdl_role TO {READER} WITH GRANT OPTION", "SELECT WITH GRANT OPTION on mdl_role"),
    "all": (f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {READER}", "mdl_assign, mdl_assign_overrides"),
    "everybody": ("GRANT UPDATE ON mdl_role TO PUBLIC", "UPDATE on mdl_role, as everybody may"),
    "sequences": (f"GRANT UPDATE ON ALL SEQUENCES IN SCHEMA public TO {READER}", "UPDATE on mdl_assign_id_seq"),
    "superuser": (f"ALTER ROLE {READER} SUPERUSER", "SUPERUSER"),
    "attributes": (f"ALTER ROLE {READER} CREATEDB REPLICATION", "CREATEDB, REPLICATION"),
    "a table of its own": (f"ALTER TABLE mdl_role OWNER TO {READER}", "it owns 1 table"),
    "the database": (f"ALTER DATABASE {WHERE} OWNER TO {READER}", "it owns the database"),
    "inherited": (
        f"{WRITERS}; GRANT writers TO {READER}",
        "it is a member of writers, which may do more",
    ),
    "not inherited": (
        f"ALTER ROLE {READER} NOINHERIT; {WRITERS}; GRANT writers TO {READER}",
        "it is a member of writers, which may do more",
    ),
    "from afar": (
        f"{WRITERS}; CREATE ROLE staff; GRANT writers TO staff; GRANT staff TO {READER}",
        "it is a member of staff, which may do more",
    ),
    "everything": (f"GRANT pg_write_all_data TO {READER}", "it is a member of pg_write_all_data"),
    "programs": (f"GRANT pg_execute_server_program TO {READER}", "it is a member of pg_execute_server_program"),
    "a schema": (f"GRANT CREATE ON SCHEMA public TO {READER}", "CREATE on schema public"),
    "schemas": (f"GRANT CREATE ON DATABASE {WHERE} TO {READER}", "CREATE on database"),
}


@pytest.mark.parametrize("name", OF_POSTGRES)
async def test_a_right_too_many_of_postgresql_is_told_and_what_is_told_takes_it_back(
    postgres_site: PostgresSite, name: str
) -> None:
    """Rights on columns and sequences, attributes and roles that are not inherited were not seen, and no cure told."""
    database, (planted, words) = postgres_site.database, OF_POSTGRES[name]
    assert await rights(postgres_site.options()) == ()
    try:
        database.execute(planted.format(database=f'"{database.name}"'))
        told = await rights(postgres_site.options())
        assert [words in right.told for right in told] == [True], told
        for statement in statements(told[0]):
            database.execute(statement)
        assert await rights(postgres_site.options()) == ()
    finally:
        database.execute(f"ALTER ROLE {READER} INHERIT; DROP ROLE IF EXISTS staff")
        if "writers" in planted:
            database.execute("REVOKE ALL ON mdl_role FROM writers; DROP ROLE writers")
        database.grant_reader()


OF_MARIADB = {
    "columns": (f"GRANT UPDATE (finalgrade), INSERT (id) ON {WHERE}.mdl_grade_grades TO {AT}", "UPDATE"),
    "passed on": (f"GRANT SELECT ON {WHERE}.mdl_role TO {AT} WITH GRANT OPTION", "WITH GRANT OPTION"),
    "all and passed on": (f"GRANT ALL ON {WHERE}.* TO {AT} WITH GRANT OPTION", "ALL PRIVILEGES"),
    "as Moodle has it": (f"GRANT SELECT, INSERT, UPDATE, CREATE, DROP ON {WHERE}.* TO {AT}", "INSERT"),
    "files": (f"GRANT FILE, SUPER ON *.* TO {AT}", "FILE, SUPER"),
    "another": (f"GRANT PROXY ON '{servers.ADMIN}'@'127.0.0.1' TO {AT}", "PROXY"),
}
OF_ROLES = {
    "a role": f"GRANT UPDATE ON {WHERE}.mdl_role TO writers; GRANT writers TO {AT}",
    "a role to give": f"GRANT writers TO {AT} WITH ADMIN OPTION",
}
OF_EVERYBODY = f"GRANT UPDATE ON {WHERE}.mdl_role TO PUBLIC"


async def taken_back(site: MariaSite, planted: str, words: str) -> tuple[str, tuple[Right, ...]]:
    """Plant it, see it told, run what is told; the cure, and what is still told then."""
    database = site.database
    try:
        for statement in planted.split("; "):
            database.execute(statement.format(database=f"`{database.name}`"))
        (right,) = await rights(site.options())
        assert words in right.told
        for statement in statements(right):
            database.execute(statement)
        return right.cure, await rights(site.options())
    finally:
        database.execute(f"GRANT SELECT ON `{database.name}`.* TO {AT}")
        database.execute(f"REVOKE SELECT ON `{database.name}`.* FROM {AT}")
        database.grant_reader()


@pytest.mark.parametrize("name", OF_MARIADB)
async def test_a_right_too_many_of_mariadb_is_told_and_what_is_told_takes_it_back(
    mariadb_site: MariaSite, name: str
) -> None:
    """REVOKE ALL PRIVILEGES, GRANT OPTION ON … is no SQL: nobody could run what was told."""
    cure, left = await taken_back(mariadb_site, *OF_MARIADB[name])
    assert left == ()
    if name in {"all and passed on", "as Moodle has it"}:
        assert cure.startswith("where this is Moodle's own account, leave it as it is and make one of the agent's own")


@pytest.mark.parametrize("name", OF_MARIADB)
async def test_a_right_too_many_of_mysql_is_told_and_what_is_told_takes_it_back(
    mysql_site: MariaSite, name: str
) -> None:
    assert (await taken_back(mysql_site, *OF_MARIADB[name]))[1] == ()


@pytest.mark.parametrize("name", OF_ROLES)
async def test_what_a_role_may_do_is_taken_back_from_it(mariadb_site: MariaSite, name: str) -> None:
    mariadb_site.database.execute("CREATE ROLE writers")
    try:
        assert (await taken_back(mariadb_site, OF_ROLES[name], "writers"))[1] == ()
    finally:
        mariadb_site.database.execute("DROP ROLE writers")


async def test_what_everybody_may_do_with_mariadb_the_account_may_do_too(mariadb_site: MariaSite) -> None:
    assert (await taken_back(mariadb_site, OF_EVERYBODY, "TO PUBLIC"))[1] == ()


async def test_rights_at_the_server_of_the_log_are_told_too(mariadb_site: MariaSite) -> None:
    """Where the log lies apart, only the account at `url` was looked at."""
    database, options = mariadb_site.database, mariadb_site.options()
    database.execute(f"CREATE USER 'log_ro'@'127.0.0.1' IDENTIFIED BY '{servers.READER_PASSWORD}'")
    database.execute(f"GRANT SELECT, DELETE ON `{database.name}`.mdl_logstore_standard_log TO 'log_ro'@'127.0.0.1'")
    apart = LogstoreOptions(
        name="moodle", url=options.url, password=options.password, log_url=options.url.replace(READER, "log_ro")
    )
    try:
        (right,) = (await probe(apart, EVERYTHING.facts)).too_many_rights
    finally:
        database.execute("DROP USER 'log_ro'@'127.0.0.1'")
    assert statements(right) == [
        f"REVOKE DELETE ON `{database.name}`.`mdl_logstore_standard_log` FROM `log_ro`@`127.0.0.1`"
    ]


def whole(options: LogstoreOptions, host: str) -> list[str]:
    """The statements that `init` prints, without those that make the account."""
    printed = grant_statements(options, tables_needed(EVERYTHING.facts), host=host)
    return [one.rstrip(";") for one in printed if one.startswith("GRANT SELECT")]


async def looked_at(options: LogstoreOptions) -> Probe:
    return await probe(options, EVERYTHING.facts)


async def test_columns_that_may_not_be_read_are_told_and_the_grant_that_is_printed_gives_them(
    mariadb_site: MariaSite, postgres_site: PostgresSite
) -> None:
    """Only a table that could not be read at all was told: of accounts deletions went unnoticed."""
    sites: tuple[MariaSite | PostgresSite, ...] = (mariadb_site, postgres_site)
    for site in sites:
        account = AT if isinstance(site, MariaSite) else READER
        table = f"`{site.database.name}`.mdl_user" if isinstance(site, MariaSite) else "mdl_user"
        site.database.execute(f"REVOKE ALL PRIVILEGES ON {table} FROM {account}")
        site.database.execute(f"GRANT SELECT (id, username) ON {table} TO {account}")
        (user,) = (await looked_at(site.options())).unreadable
        assert (user.table, user.kept_from) == ("user", ("deleted", "email", "idnumber", "suspended", "timemodified"))
        assert "denied" in user.reason
        assert user.gone == ()
        host = "127.0.0.1"
        for statement in whole(site.options(), host):
            site.database.execute(statement)
        assert (await looked_at(site.options())).unreadable == ()


async def test_a_log_of_which_only_some_columns_may_be_read_asks_for_the_grant(mariadb_site: MariaSite) -> None:
    """It was told to be no standard log at all."""
    database, table = mariadb_site.database, f"`{mariadb_site.database.name}`.mdl_logstore_standard_log"
    database.execute(f"REVOKE SELECT ON {table} FROM {AT}")
    database.execute(f"GRANT SELECT (id, eventname, timecreated) ON {table} TO {AT}")
    try:
        with pytest.raises(ConfigError, match="may not be read") as caught:
            await looked_at(mariadb_site.options())
        assert f"run `GRANT SELECT ON `{database.name}`.`mdl_logstore_standard_log` TO {AT}" in caught.value.hint
    finally:
        database.execute(f"GRANT SELECT ON {table} TO {AT}")


async def told(options: LogstoreOptions) -> str:
    """What a person is told who configured a log that cannot be read."""
    with pytest.raises(ConfigError) as caught:
        await looked_at(options)
    assert caught.value.fault == "log-table-unreadable"
    return caught.value.hint


async def test_the_databases_that_hold_such_a_log_are_named(mariadb_site: MariaSite) -> None:
    """A server of many campuses: the first of them was named as if it were the one."""
    database, log = mariadb_site.database, "mdl_logstore_standard_log"
    one, other, account = database.name, f"{database.name}_b", f"'{database.name}'@'127.0.0.1'"
    options = mariadb_site.options()
    lost = replace(options, url=options.url.replace(f"/{one}", "/information_schema").replace(READER, one))
    database.execute(f"CREATE USER {account} IDENTIFIED BY '{servers.READER_PASSWORD}'")
    database.execute(f"CREATE DATABASE {other}")
    try:
        database.execute(f"GRANT SELECT ON {one}.* TO {account}")
        assert await told(lost) == f"it stands in {one}: let url end in /{one}"
        database.execute(f"CREATE TABLE {other}.{log} LIKE {one}.{log}")
        database.execute(f"GRANT SELECT ON {other}.* TO {account}")
        assert await told(lost) == f"it stands in {one}, {other}: let url end in /{one}, or the name of this campus's"
    finally:
        database.execute(f"DROP DATABASE {other}")
        database.execute(f"DROP USER {account}")


async def test_a_log_that_stands_elsewhere_is_found_and_the_edit_named(
    mariadb_site: MariaSite, postgres_site: PostgresSite
) -> None:
    """A wrong prefix asked for a GRANT on a table that there is not; a schema that may not be looked into, for one."""
    maria, postgres = mariadb_site.options(), postgres_site.options()
    for options in (maria, postgres):
        hint = await told(replace(options, table_prefix="moo_"))
        assert hint == "there is mdl_logstore_standard_log: write table_prefix = 'mdl_'"
        hint = await told(replace(options, log_table="moo_log"))
        assert hint == "there is mdl_logstore_standard_log: write log_table = 'mdl_logstore_standard_log'"
    database = postgres_site.database
    database.execute("REVOKE USAGE ON SCHEMA public FROM PUBLIC")
    assert await told(postgres) == f'run `GRANT USAGE ON SCHEMA "public" TO "{READER}";`'
    database.execute("GRANT USAGE ON SCHEMA public TO PUBLIC; CREATE SCHEMA campus")
    database.execute("ALTER TABLE mdl_logstore_standard_log SET SCHEMA campus")
    try:
        hint = await told(postgres)
        assert hint == f'run `GRANT USAGE ON SCHEMA "campus" TO "{READER}";`, and add ?schema=campus to url'
        database.execute(f"GRANT USAGE ON SCHEMA campus TO {READER}")
        assert await told(postgres) == "it stands in campus: add ?schema=campus to url"
    finally:
        database.execute("ALTER TABLE campus.mdl_logstore_standard_log SET SCHEMA public; DROP SCHEMA campus")
