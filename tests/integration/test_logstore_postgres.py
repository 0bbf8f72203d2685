"""What PostgreSQL alone has: sequences that keep ids in store, replicas, pools, roles, schemas."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest

from agent.collectors.logstore.dialects.database import Query, Unreadable
from agent.collectors.logstore.dialects.postgres import PostgresDatabase
from agent.collectors.logstore.grants import grant_statements, tables_needed
from agent.collectors.logstore.options import CONNECTIONS_MAX, Limits
from agent.collectors.logstore.probe import probe
from agent.errors import ConfigError, IntegrityError, TransientError
from tests import servers
from tests.acceptance.campus import wait_until
from tests.sites import (
    EVERYTHING,
    LOG_DEFAULTS,
    HandClock,
    PostgresSite,
    collecting,
    log,
    options_for,
    postgres_options_for,
    put,
    read,
)


@pytest.fixture(scope="module")
def shared_site(postgres: servers.Postgres) -> Iterator[PostgresSite]:
    made = PostgresSite(postgres.create_database("moodle_under_test"))
    yield made
    made.database.drop()


@pytest.fixture
def site(shared_site: PostgresSite) -> Iterator[PostgresSite]:
    """An empty Moodle database whose log counts from 1."""
    shared_site.execute("TRUNCATE mdl_logstore_standard_log RESTART IDENTITY")
    yield shared_site
    shared_site.reset()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@asynccontextmanager
async def writing(site: PostgresSite) -> AsyncIterator[Any]:
    """A connection that writes as Moodle does."""
    connection = await asyncpg.connect(site.database.dsn)
    try:
        yield connection
    finally:
        await connection.close()


async def write(connection: Any, rows: int = 1, **columns: object) -> None:
    """Write rows in one statement, the server giving the ids; committing is the caller's."""
    row = {**LOG_DEFAULTS, **columns}
    places = ", ".join(f"${number}" for number in range(1, len(row) + 1))
    names = ", ".join(row)
    sql = f"INSERT INTO mdl_logstore_standard_log ({names}) SELECT {places} FROM generate_series(1, {rows})"
    types = [f"CAST({place} AS {_type(value)})" for place, value in zip(places.split(", "), row.values(), strict=True)]
    await connection.execute(sql.replace(places, ", ".join(types)), *row.values())


def _type(value: object) -> str:
    return "bigint" if isinstance(value, int) or value is None else "text"


async def test_ids_that_a_session_keeps_in_store_are_read_whenever_they_come(
    site: PostgresSite, clock: HandClock
) -> None:
    site.execute("ALTER SEQUENCE mdl_logstore_standard_log_id_seq CACHE 20")
    try:
        async with writing(site) as one, writing(site) as other:
            await write(one)
            await write(other)
            async with collecting(site.options(), clock) as collector:
                seen, state = await read(collector)
                assert [each.position for each in seen] == [1, 21]
                await write(one, 3)
                late, state = await read(collector, state)
                await write(one, 16)
                later, state = await read(collector, state)
    finally:
        site.execute("ALTER SEQUENCE mdl_logstore_standard_log_id_seq CACHE 1")
    assert [each.position for each in late] == [2, 3, 4]
    assert [each.position for each in later] == list(range(5, 21))
    assert state.gaps == ()


async def test_a_sequence_that_steps_by_3_makes_gaps_of_that_step(site: PostgresSite, clock: HandClock) -> None:
    site.execute("ALTER SEQUENCE mdl_logstore_standard_log_id_seq INCREMENT 3")
    try:
        async with writing(site) as writer, collecting(site.options(), clock) as collector:
            await write(writer, 40)
            _, state = await read(collector)
            for _ in range(20):
                await write(writer)
                _, state = await read(collector, state)
    finally:
        site.execute("ALTER SEQUENCE mdl_logstore_standard_log_id_seq INCREMENT 1")
    assert len(state.gaps) <= 4
    assert 3 in {gap.step for gap in state.gaps}


async def test_the_printed_grants_are_enough_and_no_more(site: PostgresSite, postgres: servers.Postgres) -> None:
    options = site.options()
    said = "\n".join(grant_statements(options, tables_needed(EVERYTHING.facts), password="it's \\ lông"))
    with (postgres.datadir / "pg_hba.conf").open("r+", encoding="utf-8") as file:
        rules = file.read()
        file.seek(0)
        file.write(f"host all companion_new 127.0.0.1/32 scram-sha-256\n{rules}")
    postgres.execute("SELECT pg_reload_conf()")
    for _ in range(2):
        postgres.execute(said.replace("companion_ro", "companion_new"))
    try:
        url = options.url.replace("companion_ro", "companion_new")
        found = await probe(replace(options, url=url, password="it's \\ lông"), EVERYTHING.facts)
        with pytest.raises(ConfigError, match="refuses user 'companion_new'"):
            await probe(replace(options, url=url, password="another"), EVERYTHING.facts)
    finally:
        gone = "DROP OWNED BY companion_new; DROP ROLE companion_new"
        postgres.execute(gone, database=site.database.name)
    assert (found.unreadable, found.too_many_rights) == ((), ())
    assert found.version.startswith("PostgreSQL ")
    assert "timeline=1" in found.server
    assert found.clock is not None
    assert abs(found.clock - time.time()) < 60


async def test_an_account_that_may_write_is_told(site: PostgresSite) -> None:
    found = await probe(replace(site.options(), url=site.database.dsn), [])
    (right,) = [one for one in found.too_many_rights if "SUPERUSER" in one.told]
    assert "ALTER ROLE" in right.cure


async def test_an_account_that_may_have_no_more_connections_is_told_how_many_it_needs(
    site: PostgresSite, clock: HandClock
) -> None:
    site.database.execute(f"ALTER ROLE {servers.READER} CONNECTION LIMIT 0")
    try:
        async with collecting(site.options(), clock) as collector:
            with pytest.raises(TransientError, match="takes no more connections") as caught:
                await read(collector)
    finally:
        site.database.execute(f"ALTER ROLE {servers.READER} CONNECTION LIMIT -1")
    assert (caught.value.fault, f"CONNECTION LIMIT {CONNECTIONS_MAX}" in caught.value.hint) == ("database-full", True)


async def test_a_statement_that_takes_too_long_is_transient(site: PostgresSite) -> None:
    options = replace(site.options(), limits=Limits(statement_s=0.05))
    database = PostgresDatabase(options, urlsplit(options.url), options.password)
    found: list[object] = []
    try:
        with pytest.raises(TransientError, match="took longer than"):
            await database.fetch_all([Query(sql="SELECT pg_sleep(60)")])
        while not found:  # a machine that stands still is as slow as a statement
            with contextlib.suppress(TransientError):
                found += await database.fetch_all([Query(sql="SELECT 1")])
        assert found == [[(1,)]]
    finally:
        await database.close()


async def test_an_unreadable_table_does_not_end_the_snapshot(site: PostgresSite) -> None:
    options = site.options()
    database = PostgresDatabase(options, urlsplit(options.url), options.password)
    try:
        async with database.snapshot():
            asked = [database.schema.query(f"SELECT count(*) FROM {{{table}}}") for table in ("nosuch", "course")]
            before = await database.fetch_all(asked)
            put(site, "course", id=1, shortname="A")
            after = await database.fetch_all(asked)
        assert isinstance(before[0], Unreadable)
        assert before[1] == after[1] == [(0,)]
        assert await database.fetch_all(asked[1:]) == [[(1,)]]
    finally:
        await database.close()


async def test_the_reader_after_one_who_was_cancelled_while_the_transaction_ended_waits_for_its_end(
    site: PostgresSite,
) -> None:
    options = site.options()
    database = PostgresDatabase(options, urlsplit(options.url), options.password)
    one = database.schema.query("SELECT 1")
    try:
        task = asyncio.create_task(database.fetch_all([one]))
        while database._ending is None:  # noqa: ASYNC110, SLF001 - nobody tells this moment
            await asyncio.sleep(0)
        task.cancel()
        assert await database.fetch_all([one]) == [[(1,)]]
        assert database.generation == 1
        await asyncio.gather(task, return_exceptions=True)
    finally:
        await database.close()


async def test_several_readers_share_a_pool_of_two_connections(
    site: PostgresSite, postgres: servers.Postgres, clock: HandClock
) -> None:
    log(site, *range(1, 200))
    with servers.running_pgbouncer(postgres) as port:
        url = site.options().url.replace(f":{postgres.port}/", f":{port}/")

        async def one_reader() -> int:
            async with collecting(site.options(), clock, url=url, limits=Limits(page_rows_max=10)) as collector:
                seen, _ = await read(collector, demand=EVERYTHING)
                return len(seen)

        assert await asyncio.gather(*(one_reader() for _ in range(6))) == [199] * 6


async def test_a_replica_that_lags_and_is_promoted_loses_no_row(clock: HandClock) -> None:
    with servers.running_postgres() as primary:
        site = PostgresSite(primary.create_database())
        log(site, *range(1, 21))
        with servers.running_replica(primary) as replica:
            away = replace(site.options(), url=site.options().url.replace(f":{primary.port}/", f":{replica.port}/"))
            copy = replace(site.database, server=replica)
            wait_until(lambda: copy.rows("SELECT max(id) FROM mdl_logstore_standard_log") == [(20,)])
            async with collecting(away, clock) as collector:
                seen, state = await read(collector)
                replica.execute("SELECT pg_wal_replay_pause()")
                wait_until(lambda: replica.execute("SELECT pg_get_wal_replay_pause_state()") == "paused")
                log(site, 21, 22)
                late, state = await read(collector, state)
                assert late == []
                replica.execute("SELECT pg_wal_replay_resume()")
                wait_until(lambda: copy.rows("SELECT max(id) FROM mdl_logstore_standard_log") == [(22,)])
                late, state = await read(collector, state)
                primary.kill()
                replica.execute("SELECT pg_promote()")
                log(PromotedSite(copy), 23)
                clock.pass_s(61)
                last, state = await read(collector, state)
    assert [each.position for each in (*seen, *late, *last)] == list(range(1, 24))


async def test_an_older_replica_that_is_promoted_is_told_and_nothing_is_read(clock: HandClock) -> None:
    with servers.running_postgres() as primary:
        site = PostgresSite(primary.create_database())
        log(site, *range(1, 21))
        with servers.running_replica(primary) as replica:
            copy = replace(site.database, server=replica)
            wait_until(lambda: copy.rows("SELECT max(id) FROM mdl_logstore_standard_log") == [(20,)])
            replica.execute("SELECT pg_wal_replay_pause()")
            wait_until(lambda: replica.execute("SELECT pg_get_wal_replay_pause_state()") == "paused")
            log(site, 21, 22)
            async with collecting(site.options(), clock) as collector:
                _, state = await read(collector)
            primary.kill()
            away = replace(site.options(), url=site.options().url.replace(f":{primary.port}/", f":{replica.port}/"))
            async with collecting(away, clock) as collector:
                with pytest.raises(IntegrityError, match=r"row 22 was .*, and the log ends at row 20"):
                    await read(collector, state)


async def test_a_statement_that_a_replica_cancels_is_tried_again(clock: HandClock) -> None:
    with servers.running_postgres() as primary:
        site = PostgresSite(primary.create_database())
        log(site, *range(1, 21))
        with servers.running_replica(primary, "max_standby_streaming_delay=0") as replica:
            copy = replace(site.database, server=replica)
            wait_until(lambda: copy.rows("SELECT max(id) FROM mdl_logstore_standard_log") == [(20,)])
            url = site.options().url.replace(f":{primary.port}/", f":{replica.port}/")
            options = replace(site.options(), url=url)
            database = PostgresDatabase(options, urlsplit(url), options.password)
            count = database.schema.query("SELECT count(*) FROM {log}")
            with pytest.raises(TransientError):
                await looking_while_rows_go(database, count, site)
            assert await database.fetch_all([count]) == [[(11,)]]
            await database.close()


async def looking_while_rows_go(database: PostgresDatabase, query: Query, site: PostgresSite) -> None:
    """One snapshot on the replica, open while the primary removes the rows that it sees."""
    async with database.snapshot():
        await database.fetch_all([query])
        site.execute("DELETE FROM mdl_logstore_standard_log WHERE id < 10")
        site.execute("VACUUM mdl_logstore_standard_log")
        async with asyncio.timeout(60):
            while True:
                await asyncio.sleep(0.1)
                await database.fetch_all([query])


class PromotedSite(PostgresSite):
    """The tables of a database that has them already."""

    def __init__(self, database: servers.PostgresDatabase) -> None:
        self.database = database
        self._touched = set()


async def test_a_schema_off_the_search_path_is_named_in_the_url(site: PostgresSite, clock: HandClock) -> None:
    site.database.execute(
        "CREATE SCHEMA campus; CREATE TABLE campus.mdl_logstore_standard_log "
        "(LIKE public.mdl_logstore_standard_log); GRANT USAGE ON SCHEMA campus TO companion_ro; "
        "GRANT SELECT ON ALL TABLES IN SCHEMA campus TO companion_ro; "
    )
    log(site, 1, 2)
    options = site.options()
    async with collecting(options, clock, url=f"{options.url}?schema=campus") as collector:
        seen, _ = await read(collector)
    site.database.execute("DROP SCHEMA campus CASCADE")
    assert seen == []


async def test_the_capture_is_observed_alike_in_both_databases(
    shared_capture: servers.MariaDatabase, postgres_database: servers.PostgresDatabase, clock: HandClock
) -> None:
    servers.load_capture_into_postgres(postgres_database)
    postgres_database.grant_reader()
    found = []
    for options in (options_for(shared_capture), postgres_options_for(postgres_database)):
        async with collecting(options, clock, site_admins=frozenset({2})) as collector:
            found.append(await read(collector, demand=EVERYTHING))
            assert set(collector.degraded) <= servers.NOT_CAPTURED, "which the capture has not"
    (maria, maria_state), (seen, state) = found
    assert len(seen) > 1_500
    assert seen == maria
    assert state == maria_state
