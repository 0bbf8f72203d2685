"""What MariaDB alone has: clusters that step, replicas, its own rights, limits and codes of errors."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pymysql.connections import Connection

from agent.collectors.logstore.collector import LogstoreCollector
from agent.collectors.logstore.dialects.database import Query
from agent.collectors.logstore.dialects.mysql import MysqlDatabase
from agent.collectors.logstore.grants import grant_statements, tables_needed
from agent.collectors.logstore.options import Limits
from agent.collectors.logstore.probe import probe
from agent.collectors.logstore.start import Rewind
from agent.errors import IntegrityError, TransientError
from tests import servers
from tests.pipelines import Running, running
from tests.rule_stories import rule
from tests.sites import (
    EVERYTHING,
    LOG_DEFAULTS,
    HandClock,
    MariaSite,
    collecting,
    log,
    read,
)


@pytest.fixture(scope="module")
def shared_site(mariadb: servers.MariaDB) -> Iterator[MariaSite]:
    made = MariaSite(mariadb.create_database())
    yield made
    made.database.drop()


@pytest.fixture
def site(shared_site: MariaSite) -> Iterator[MariaSite]:
    """An empty Moodle database whose log counts from 1."""
    shared_site.execute("TRUNCATE mdl_logstore_standard_log")
    yield shared_site
    shared_site.reset()


@pytest.fixture(scope="module")
def elder() -> Iterator[servers.MariaDB]:
    """A second server, which may be set up otherwise than the session's."""
    with servers.running_mariadb("--server-id=2", "--log-bin=written") as server:
        yield server


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def write(connection: Connection[Any], rows: int = 1, **columns: object) -> None:
    """Write rows as Moodle does, the server giving the ids; committing is the caller's."""
    row = {**LOG_DEFAULTS, **columns}
    places = ", ".join(["%s"] * len(row))
    sql = f"INSERT INTO mdl_logstore_standard_log ({', '.join(row)}) VALUES " + ", ".join([f"({places})"] * rows)
    with connection.cursor() as cursor:
        cursor.execute(sql, list(row.values()) * rows)


@pytest.fixture
def galera(elder: servers.MariaDB) -> Iterator[MariaSite]:
    """A site whose server gives every third id, as one of three nodes of a cluster does."""
    elder.execute("SET GLOBAL auto_increment_increment = 3, GLOBAL auto_increment_offset = 2")
    site = MariaSite(elder.create_database())
    yield site
    elder.execute("SET GLOBAL auto_increment_increment = 1, GLOBAL auto_increment_offset = 1")
    site.database.drop()


async def test_a_sequence_that_steps_by_3_makes_two_gaps_and_not_two_a_row(galera: MariaSite, clock: HandClock) -> None:
    with galera.database.connect() as writer:
        async with collecting(galera.options(), clock) as collector:
            write(writer, 40)
            seen, state = await read(collector)
            for _ in range(30):
                write(writer)
                more, state = await read(collector, state)
                seen += more
            assert len(seen) == 70
            assert len(state.gaps) <= 4
            assert {gap.step for gap in state.gaps} <= {1, 3}
            (lost,) = [gap.lo + 3 for gap in state.gaps if gap.hi > 100 and gap.lo % 3 == 0]
            log(galera, lost)
            clock.pass_s(5)
            late, state = await read(collector, state)
    assert [one.position for one in late] == [lost]


@dataclass(slots=True, kw_only=True)
class Failover:
    """One address before two servers, of which one follows the other: it stands at row 20 of 22. A ledger beside it."""

    newer: MariaSite
    older: MariaSite
    following: servers.Replication
    address: servers.FloatingAddress
    clock: HandClock
    collector: LogstoreCollector
    at: Running

    def to(self, site: MariaSite) -> None:
        """Let the address lead to one of them."""
        self.address.fail_over(site.database.server.port)

    async def read(self) -> None:
        """Take what there is, as a service does that tries again; a fault is remembered."""
        for _ in range(8):
            self.clock.pass_s(30)
            try:
                await self.once()
            except TransientError:
                continue
            except IntegrityError as error:
                await self.at.pipeline.stop_source("moodle", error.message)
                raise
            return
        raise AssertionError("it stays transient")

    async def once(self) -> None:
        """Take what there is, at the first try."""
        stands = self.at.pipeline.stands("moodle")
        async for page in self.collector.pages(stands, self.at.pipeline.demand, follow=False):
            await self.at.pipeline.take(page)

    async def accept(self) -> Rewind:
        """What `source accept-rewind` does."""
        for _ in range(2):
            with contextlib.suppress(TransientError):
                found = await self.collector.rewound(self.at.pipeline.stands("moodle"))
                await self.at.pipeline.replace_state("moodle", found.state)
                return found
        raise AssertionError("it stays transient")


@pytest.fixture(scope="module")
def primary(shared_site: MariaSite, elder: servers.MariaDB) -> Iterator[MariaSite]:
    """The same database on the second server, which keeps a log for those that follow it."""
    site = MariaSite(elder.create_database(shared_site.database.name))
    yield site
    site.database.drop()


@pytest.fixture
async def failover(site: MariaSite, primary: MariaSite, clock: HandClock, tmp_path: Path) -> AsyncIterator[Failover]:
    primary.execute("TRUNCATE mdl_logstore_standard_log")
    server = primary.database.server
    with servers.replicating(primary.database, site.database) as following:
        everybodys_own(primary, range(1, 21))
        following.catch_up()
        following.stand_still()
        everybodys_own(primary, range(21, 23))
        async with (
            servers.floating_address(server.port) as address,
            running(tmp_path, rule("course.viewed", 'once_per = "event"')) as at,
        ):
            url = primary.options().url.replace(f":{server.port}/", f":{address.port}/")
            async with collecting(primary.options(), clock, url=url) as collector:
                yield Failover(
                    newer=primary,
                    older=site,
                    following=following,
                    address=address,
                    clock=clock,
                    collector=collector,
                    at=at,
                )


def everybodys_own(site: MariaSite, ids: range) -> None:
    """Rows of which each is another learner's: 121 has row 21."""
    log(site, *ids)
    site.execute("UPDATE mdl_logstore_standard_log SET userid = 100 + id WHERE userid = 35")


async def test_a_replica_that_lags_and_catches_up_is_waited_for_and_nothing_is_lost(failover: Failover) -> None:
    await failover.read()
    failover.to(failover.older)
    for told in ("Lost connection", "two servers answer at one address, and this one is behind"):
        with pytest.raises(TransientError, match=told):
            await failover.once()
    everybodys_own(failover.newer, range(23, 25))
    failover.following.go_on()
    failover.following.catch_up()
    await failover.read()
    assert failover.at.balances() == {str(100 + number): 10 for number in range(1, 25)}


async def test_an_older_replica_that_stands_in_is_a_fault_and_on_return_reading_goes_on_where_it_stood(
    failover: Failover,
) -> None:
    await failover.read()
    failover.to(failover.older)
    with pytest.raises(IntegrityError, match=r"row 22 was .* user 122 .*, and the log ends at row 20") as caught:
        await failover.read()
    assert "source accept-rewind moodle" in caught.value.hint
    failover.to(failover.newer)
    log(failover.newer, 23, userid=123)
    found = await failover.accept()
    assert (found.the_same, found.rows_to_read, found.state.position) == (True, 1, 22)
    await failover.read()
    assert failover.at.balances() == {str(100 + number): 10 for number in range(1, 24)}


async def test_an_older_replica_that_was_promoted_and_written_to_skips_and_pays_nothing_twice_there_and_back(
    failover: Failover,
) -> None:
    await failover.read()
    failover.following.promote()
    failover.to(failover.older)
    for number in (21, 22, 23, 24):
        log(failover.older, number, userid=200 + number)
    with pytest.raises(IntegrityError, match=r"row 22 was .* user 122 .*, and is .* user 222"):
        await failover.read()
    assert len(failover.at.balances()) == 22
    found = await failover.accept()
    assert (found.the_same, found.rows_to_read) == (False, 24)
    await failover.read()
    everybody = {str(100 + number): 10 for number in range(1, 23)} | {str(200 + n): 10 for n in range(21, 25)}
    assert failover.at.balances() == everybody
    failover.to(failover.newer)
    log(failover.newer, *range(23, 26), userid=300)
    with pytest.raises(IntegrityError, match=r"row 24 was .* user 224 .*, and is .* user 300"):
        await failover.read()
    await failover.accept()
    await failover.read()
    assert failover.at.balances() == {**everybody, "300": 10}, "three rows that are one fact"


async def test_the_printed_grants_are_enough_and_no_more(site: MariaSite, mariadb: servers.MariaDB) -> None:
    options = site.options()
    tables = tables_needed(EVERYTHING.facts)
    for statement in grant_statements(options, tables, password="it's \\ lông"):
        mariadb.execute(statement.replace("companion_ro", "companion_new"))
    try:
        url = options.url.replace("companion_ro", "companion_new")
        account = replace(options, url=url, password="it's \\ lông")
        found = await probe(account, EVERYTHING.facts)
    finally:
        mariadb.execute("DROP USER 'companion_new'@'127.0.0.1'")
    assert (found.unreadable, found.too_many_rights) == ((), ())


async def test_an_account_that_may_write_is_told(site: MariaSite, mariadb: servers.MariaDB) -> None:
    url = f"mysql://{servers.ADMIN}@127.0.0.1:{mariadb.port}/{site.database.name}"
    options = replace(site.options(), url=url, password=servers.ADMIN_PASSWORD)
    assert (await probe(options, [])).too_many_rights


async def test_a_statement_that_takes_too_long_is_transient(site: MariaSite, clock: HandClock) -> None:
    log(site, *range(1, 20_000))
    async with collecting(site.options(), clock, limits=Limits(statement_s=0.001)) as collector:
        with pytest.raises(TransientError, match="took longer than"):
            await asyncio.gather(*(read(collector, demand=EVERYTHING) for _ in range(20)))


@pytest.mark.parametrize(
    ("code", "told", "again"), [(3024, "took longer than", 1), (1969, "took longer than", 1), (4031, "it says 4031", 2)]
)
async def test_what_mysql_says_of_time_and_idleness_is_understood(
    site: MariaSite, code: int, told: str, again: int
) -> None:
    site.database.execute(
        "CREATE FUNCTION says() RETURNS INT DETERMINISTIC BEGIN "
        f"SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = {code}, MESSAGE_TEXT = 'it says {code}'; RETURN 1; END"
    )
    options = site.options()
    account = options.url.replace(servers.READER, servers.ADMIN)
    database = MysqlDatabase(options, urlsplit(account), servers.ADMIN_PASSWORD)
    try:
        with pytest.raises(TransientError, match=told):
            await database.fetch_all([Query(sql="SELECT says()")])
        await database.fetch_all([Query(sql="SELECT 1")])
        assert database.generation == again, "a connection that the server gave up is made again"
    finally:
        await database.close()
        site.database.execute("DROP FUNCTION says")
