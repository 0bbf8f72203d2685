"""What MySQL does otherwise than MariaDB, on a real server where there is one; the contract suite runs there too."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from agent.collectors.logstore.dialects.database import Query, Unreadable
from agent.collectors.logstore.dialects.mysql import MysqlDatabase
from agent.collectors.logstore.grants import grant_statements, tables_needed
from agent.collectors.logstore.options import Limits, LogstoreOptions
from agent.collectors.logstore.probe import probe
from agent.collectors.systems.moodle import QUIZ_SUBMITTED
from agent.errors import ConfigError, TransientError
from tests import servers
from tests.sites import EVERYTHING, HandClock, MariaSite, collecting, log, read


@pytest.fixture(scope="module")
def shared_site(mysql: servers.MySQL) -> Iterator[MariaSite]:
    made = MariaSite(mysql.create_database())
    for (table,) in made.database.execute("SHOW TABLES"):
        made.database.execute(f"ALTER TABLE {table} CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci")
    yield made
    made.database.drop()


@pytest.fixture
def site(shared_site: MariaSite) -> Iterator[MariaSite]:
    """An empty Moodle database with MySQL's own collation."""
    yield shared_site
    shared_site.reset()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@asynccontextmanager
async def connected(options: LogstoreOptions) -> AsyncIterator[MysqlDatabase]:
    """The agent's connection, closed in the end."""
    database = MysqlDatabase(options, urlsplit(options.url), options.password)
    try:
        yield database
    finally:
        await database.close()


async def told(database: MysqlDatabase, sql: str) -> object:
    """The first value of the answer."""
    (answer,) = await database.fetch_all([Query(sql=sql)])
    assert not isinstance(answer, Unreadable)
    return answer[0][-1]


def wait_until(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.05)


async def test_the_printed_statements_make_an_account_that_can_read_and_no_more_with_mysqls_authentication(
    site: MariaSite, mysql: servers.MySQL
) -> None:
    options = site.options()
    for statement in grant_statements(options, tables_needed(EVERYTHING.facts), password="it's \\ long"):
        mysql.execute(statement.replace("companion_ro", "companion_new"))
    try:
        ((plugin,),) = mysql.execute("SELECT plugin FROM mysql.user WHERE user = 'companion_new'")
        url = options.url.replace("companion_ro", "companion_new")
        found = await probe(replace(options, url=url, password="it's \\ long"), EVERYTHING.facts)
    finally:
        mysql.execute("DROP USER 'companion_new'@'127.0.0.1'")
    assert (plugin, found.unreadable, found.too_many_rights) == ("caching_sha2_password", (), ())


async def test_a_server_that_remembers_no_password_lets_the_account_in_and_a_wrong_one_not(
    site: MariaSite, mysql: servers.MySQL, clock: HandClock
) -> None:
    log(site, 1)
    mysql.execute("FLUSH PRIVILEGES")  # what a restart forgets too: the whole password must be shown again
    async with collecting(site.options(), clock) as collector:
        seen, _ = await read(collector)
    assert [one.position for one in seen] == [1]
    async with collecting(site.options(), clock, password="not-the-password") as collector:
        with pytest.raises(ConfigError, match="refuses user"):
            await read(collector)


async def test_an_account_that_is_not_there_is_refused_whichever_way_the_server_pretends_it_would_prove_itself(
    site: MariaSite,
) -> None:
    options = site.options()
    for number in range(12):
        url = options.url.replace("companion_ro", f"nobody_{number}")
        async with connected(replace(options, url=url)) as database:
            with pytest.raises(ConfigError, match=f"refuses user 'nobody_{number}'"):
                await told(database, "SELECT 7")


async def test_a_statement_that_takes_too_long_is_broken_off_by_the_server(site: MariaSite) -> None:
    columns = "information_schema.columns"
    slow = f"SELECT COUNT(*) FROM {columns} a, {columns} b, {columns} c"
    async with connected(replace(site.options(), limits=Limits(statement_s=0.2, connect_s=5))) as database:
        assert await told(database, "SHOW VARIABLES LIKE 'max_execution_time'") == "200"
        with pytest.raises(TransientError, match=r"took longer than 0\.2 s"):
            await told(database, slow)
        assert await told(database, "SELECT 7") == 7, "the connection is good still"


async def test_a_connection_that_was_idle_too_long_is_made_again(site: MariaSite, mysql: servers.MySQL) -> None:
    ours = "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'companion_ro'"
    mysql.execute("SET GLOBAL wait_timeout = 1")
    try:
        async with connected(site.options()) as database:
            assert await told(database, "SELECT 7") == 7
            wait_until(lambda: mysql.execute(ours) == ((0,),))
            with pytest.raises(TransientError):
                await told(database, "SELECT 7")
            assert (await told(database, "SELECT 7"), database.generation) == (7, 2)
    finally:
        mysql.execute("SET GLOBAL wait_timeout = DEFAULT")


async def test_every_fact_is_looked_up_under_the_strict_rules_and_the_collation_of_mysql(
    site: MariaSite, clock: HandClock
) -> None:
    log(site, 1, eventname=QUIZ_SUBMITTED, objecttable="quiz_attempts", objectid=1, relateduserid=35,
        contextlevel=70, contextinstanceid=12)  # fmt: skip
    log(site, 2, eventname=r"\mod_page\event\course_module_viewed", contextlevel=70, contextinstanceid=7)
    async with collecting(site.options(), clock) as collector:
        seen, _ = await read(collector, demand=EVERYTHING)
        assert not collector.degraded
    assert [one.kind for one in seen] == ["quiz.submitted", "lesson.viewed"]


async def test_the_server_is_known_by_its_uuid_and_groups_by_the_strict_rule(site: MariaSite) -> None:
    async with connected(site.options()) as database:
        assert "server_uuid=" in await database.server()
        assert "ONLY_FULL_GROUP_BY" in str(await told(database, "SELECT @@sql_mode"))
        assert await told(database, "SHOW SESSION STATUS LIKE 'Ssl_cipher'"), "encrypted, though no ssl_ca asks for it"
        assert "maria" not in (await database.version()).lower()


async def test_a_role_is_judged_by_what_it_may_do_and_a_right_taken_back_in_part_is_no_right(
    site: MariaSite, mysql: servers.MySQL
) -> None:
    reader, name = f"'{servers.READER}'@'127.0.0.1'", site.database.name
    mysql.execute("CREATE ROLE reports, reading")
    try:
        mysql.execute(f"GRANT SELECT ON `{name}`.mdl_role TO reports, reading")
        mysql.execute(f"GRANT reports, reading TO {reader}")
        mysql.execute(f"SET DEFAULT ROLE reports TO {reader}")
        async with connected(site.options()) as database:
            assert await database.rights_to_write() == ()
            mysql.execute(f"GRANT DELETE ON `{name}`.mdl_role TO reading")
            (right,) = await database.rights_to_write()
            assert right.told == f"GRANT SELECT, DELETE ON `{name}`.`mdl_role` TO `reading`@`%`", "whose right it is"
            mysql.execute(f"REVOKE DELETE ON `{name}`.mdl_role FROM reading")
            mysql.execute("SET GLOBAL partial_revokes = ON")
            mysql.execute(f"GRANT SELECT ON *.* TO {reader}")
            mysql.execute(f"REVOKE SELECT ON mysql.* FROM {reader}")
            assert await database.rights_to_write() == ()
    finally:
        mysql.execute("DROP ROLE reports, reading")
        mysql.execute(f"REVOKE SELECT ON *.* FROM {reader}")
        mysql.execute("SET GLOBAL partial_revokes = OFF")
