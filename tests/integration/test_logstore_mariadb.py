"""The log-table collector on a real MariaDB server that other people write to at the same time."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pymysql.connections import Connection

from agent.collectors.logstore.collector import LogstoreCollector
from agent.collectors.logstore.dialects.database import Answer, Query
from agent.collectors.logstore.dialects.mysql import MysqlDatabase
from agent.collectors.logstore.grants import grant_statements, tables_needed
from agent.collectors.logstore.options import Limits, LogstoreOptions
from agent.collectors.logstore.probe import probe
from agent.collectors.logstore.start import Rewind
from agent.collectors.systems import moodle
from agent.errors import ConfigError, IntegrityError, TransientError
from agent.model import SourceState
from tests import servers
from tests.pipelines import Running, running
from tests.rule_stories import rule
from tests.sites import (
    EVERYTHING,
    LOG_DEFAULTS,
    VIEWED,
    HandClock,
    MariaSite,
    collecting,
    log,
    pages_of,
    put,
    read,
    wanting,
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


def positions(site: MariaSite) -> list[int]:
    return [row[0] for row in site.execute("SELECT id FROM mdl_logstore_standard_log ORDER BY id")]


async def test_ids_5_to_9_uncommitted_while_10_is_visible_are_read_when_they_appear(
    site: MariaSite, clock: HandClock
) -> None:
    with site.database.connect() as quick, site.database.connect(autocommit=False) as slow:
        write(quick, 4)
        write(slow, 5)
        write(quick)
        async with collecting(site.options(), clock) as collector:
            seen, state = await read(collector)
            assert [one.position for one in seen] == [1, 2, 3, 4, 10]
            assert (state.position, [(gap.lo, gap.hi) for gap in state.gaps]) == (10, [(5, 9)])
            again, state = await read(collector, state)
            assert again == []
            slow.commit()
            late, state = await read(collector, state)
    assert [one.position for one in late] == [5, 6, 7, 8, 9]
    assert state.gaps == ()


async def test_a_rollback_leaves_a_gap_that_is_given_up(site: MariaSite, clock: HandClock) -> None:
    with site.database.connect() as quick, site.database.connect(autocommit=False) as slow:
        write(slow, 3)
        write(quick)
        slow.rollback()
    async with collecting(site.options(), clock, gap_patience_s=60.0) as collector:
        seen, state = await read(collector)
        clock.pass_s(61)
        pages = await pages_of(collector, SourceState(position=4, start_at=0, running_s=61.0, gaps=state.gaps))
    assert [one.position for one in seen] == [4]
    assert dict(pages[-1].state.counts) == {"gaps_given_up": 1, "ids_given_up": 3}


class Meddled(MysqlDatabase):
    """A connection on whose page somebody commits a row right after the rows were fetched and before the proof."""

    def __init__(self, options: LogstoreOptions, slow: Connection[Any]) -> None:
        super().__init__(options, urlsplit(options.url), options.password)
        self._slow = slow

    def _run(self, query: Query) -> Answer:
        answer = super()._run(query)
        if "LIMIT 1000" in query.sql:
            self._slow.commit()
        return answer


async def test_a_row_committed_between_fetch_and_proof_is_not_lost(site: MariaSite, clock: HandClock) -> None:
    with site.database.connect() as quick, site.database.connect(autocommit=False) as slow:
        write(quick, 2)
        write(slow)
        write(quick, 2)
        options = site.options()
        collector = LogstoreCollector(options, clock, log=Meddled(options, slow))
        (page,) = [one async for one in collector.pages(SourceState(), lambda: wanting(VIEWED), follow=False)]
        assert [seen.position for seen in page.observations] == [1, 2, 4, 5]
        assert [(gap.lo, gap.hi) for gap in page.state.gaps] == [(3, 3)]
        late, _ = await read(collector, page.state)
        await collector.close()
    assert [one.position for one in late] == [3]


async def test_two_writers_out_of_order_with_rollbacks_lose_no_committed_row(site: MariaSite, clock: HandClock) -> None:
    stop = threading.Event()

    def scribble(seed: int) -> None:
        chance = random.Random(seed)
        with site.database.connect(autocommit=False) as connection:
            while not stop.is_set():
                write(connection, chance.choice((1, 1, 2, 5)), userid=100 + seed)
                time.sleep(chance.random() * 0.01)
                if chance.random() < 0.2:
                    connection.rollback()
                else:
                    connection.commit()

    writers = [threading.Thread(target=scribble, args=(seed,)) for seed in range(3)]
    for writer in writers:
        writer.start()
    seen: list[int] = []
    async with collecting(site.options(), clock) as collector:
        state = SourceState()
        until = time.monotonic() + 4
        while time.monotonic() < until:
            got, state = await read(collector, state)
            seen += [one.position for one in got]
            clock.pass_s(1)
        stop.set()
        for writer in writers:
            writer.join()
        for _ in range(2):
            got, state = await read(collector, state)
            seen += [one.position for one in got]
            clock.pass_s(1)
    assert len(seen) > 100
    assert sorted(seen) == positions(site)


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


async def test_truncate_and_regrowth_past_the_cursor_is_told_and_nothing_is_read(
    site: MariaSite, clock: HandClock
) -> None:
    with site.database.connect() as writer:
        write(writer, 50)
        async with collecting(site.options(), clock) as collector:
            _, state = await read(collector)
            site.execute("TRUNCATE mdl_logstore_standard_log")
            write(writer, 80, userid=77)
            with pytest.raises(IntegrityError, match=r"row 50 was .* user 35 .*, and is .* user 77"):
                await read(collector, state)


async def test_a_truncate_is_noticed_while_following_within_a_minute(site: MariaSite, clock: HandClock) -> None:
    with site.database.connect() as writer:
        write(writer, 50)
        async with collecting(site.options(), clock) as collector:
            pages = collector.pages(SourceState(), lambda: wanting(VIEWED), follow=True)
            first = await anext(pages)
            site.execute("TRUNCATE mdl_logstore_standard_log")
            write(writer, 80, userid=77)
            clock.pass_s(61)
            with pytest.raises(IntegrityError):
                await anext(pages)
    assert first.state.position == 50


async def test_a_database_restored_to_yesterday_is_told(site: MariaSite, clock: HandClock) -> None:
    with site.database.connect() as writer:
        write(writer, 50)
        dump = [str(row) for row in positions(site)]
        write(writer, 10)
        async with collecting(site.options(), clock) as collector:
            _, state = await read(collector)
            site.execute(f"DELETE FROM mdl_logstore_standard_log WHERE id > {dump[-1]}")
            with pytest.raises(IntegrityError, match=r"row 60 was .*, and the log ends at row 50"):
                await read(collector, state)


async def test_an_idle_agent_delays_neither_alter_nor_a_learners_insert(site: MariaSite, clock: HandClock) -> None:
    with site.database.connect() as writer:
        write(writer, 5)
        async with collecting(site.options(), clock) as collector:
            took: list[float] = []

            async def follow() -> None:
                async for _ in collector.pages(SourceState(), lambda: EVERYTHING, follow=True):
                    pass

            task = asyncio.create_task(follow())
            await asyncio.sleep(0.3)
            for _ in range(3):
                began = time.monotonic()
                statement = "ALTER TABLE mdl_logstore_standard_log COMMENT = 'x'"
                await asyncio.to_thread(site.database.execute, statement)
                await asyncio.to_thread(write, writer)
                took.append(time.monotonic() - began)
                await asyncio.sleep(0.1)
            open_now = site.database.execute("SELECT COUNT(*) FROM information_schema.innodb_trx")
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    assert max(took) < 2
    assert open_now == ((0,),)


async def test_a_page_that_waits_to_be_recorded_holds_no_transaction(site: MariaSite, clock: HandClock) -> None:
    log(site, *range(1, 100))
    async with collecting(site.options(), clock, limits=Limits(page_rows_max=10)) as collector:
        async for _ in collector.pages(SourceState(), lambda: wanting(VIEWED), follow=False):
            await asyncio.sleep(0.2)
            assert site.database.execute("SELECT COUNT(*) FROM information_schema.innodb_trx") == ((0,),)
            break


async def test_a_missing_grant_on_a_look_up_table_costs_its_facts_only(site: MariaSite, clock: HandClock) -> None:
    put(site, "quiz_attempts", id=1, quiz=2, userid=35, attempt=2, sumgrades=2, preview=1)
    log(site, 1, eventname=moodle.QUIZ_SUBMITTED, objecttable="quiz_attempts", objectid=1, relateduserid=35)
    site.database.revoke_reader("mdl_quiz")
    try:
        async with collecting(site.options(), clock) as collector:
            demand = wanting(moodle.QUIZ_SUBMITTED, facts=["score_pct", "attempt"])
            (seen,), _ = await read(collector, demand=demand)
            lost = dict(collector.degraded)
        found = await probe(site.options(), ["score_pct"], ["quiz.submitted"])
    finally:
        site.database.grant_reader()
    assert (dict(seen.facts), set(seen.marks)) == ({"attempt": 2}, {"preview"})
    assert lost == {"quiz": frozenset({"score_pct"})}
    assert [table.table for table in found.unreadable] == ["quiz"]


async def test_where_courses_may_not_be_read_the_acts_of_all_are(site: MariaSite, clock: HandClock) -> None:
    put(site, "course", id=3, shortname="FIRE01")
    log(site, 1, courseid=3)
    log(site, 2, courseid=4)
    demand = wanting(VIEWED, placed={VIEWED: frozenset({"FIRE01"})})
    async with collecting(site.options(), clock) as collector:
        seen, _ = await read(collector, demand=demand)
    assert [one.position for one in seen] == [1]
    site.database.revoke_reader("mdl_course")
    try:
        async with collecting(site.options(), clock) as collector:
            seen, _ = await read(collector, demand=demand)
    finally:
        site.database.grant_reader()
    assert [one.position for one in seen] == [1, 2]


async def test_a_missing_grant_on_the_log_names_the_grant(site: MariaSite, clock: HandClock) -> None:
    site.database.revoke_reader("mdl_logstore_standard_log")
    try:
        async with collecting(site.options(), clock) as collector:
            with pytest.raises(ConfigError) as caught:
                await read(collector)
    finally:
        site.database.grant_reader()
    assert f"GRANT SELECT ON `{site.database.name}`.`mdl_logstore_standard_log` TO 'companion_ro'@" in caught.value.hint


async def test_the_printed_grants_are_enough_and_no_more(site: MariaSite, mariadb: servers.MariaDB) -> None:
    options = site.options()
    tables = tables_needed(EVERYTHING.facts)
    for statement in grant_statements(options, tables):
        mariadb.execute(statement.replace("companion_ro", "companion_new"))
    try:
        url = options.url.replace("companion_ro", "companion_new")
        account = replace(options, url=url, password="choose-a-long-password")
        found = await probe(account, EVERYTHING.facts)
    finally:
        mariadb.execute("DROP USER 'companion_new'@'127.0.0.1'")
    assert (found.unreadable, found.too_many_rights) == ((), ())


async def test_an_account_that_may_write_is_told(site: MariaSite, mariadb: servers.MariaDB) -> None:
    url = f"mysql://{servers.ADMIN}@127.0.0.1:{mariadb.port}/{site.database.name}"
    options = replace(site.options(), url=url, password=servers.ADMIN_PASSWORD)
    assert (await probe(options, [])).too_many_rights


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("companion_ro@", "nobody@", "refuses user 'nobody'"),
        ("/moodle_", "/nosuch_", "knows no database 'nosuch_"),
    ],
)
async def test_what_an_edit_cures_is_a_fault_of_the_configuration(
    site: MariaSite, clock: HandClock, old: str, new: str, told: str
) -> None:
    options = site.options()
    async with collecting(options, clock, url=options.url.replace(old, new)) as collector:
        with pytest.raises(ConfigError, match=told):
            await read(collector)


async def test_a_wrong_password_is_told_without_being_shown(site: MariaSite, clock: HandClock) -> None:
    async with collecting(site.options(), clock, password="not-the-password") as collector:
        with pytest.raises(ConfigError, match="refuses user") as caught:
            await read(collector)
    assert "password_file" in caught.value.hint
    assert "not-the-password" not in str(caught.value)


async def test_a_server_that_does_not_answer_is_transient(site: MariaSite, clock: HandClock) -> None:
    url = f"mysql://{servers.READER}@127.0.0.1:{servers.free_port()}/moodle"
    async with collecting(site.options(), clock, url=url) as collector:
        with pytest.raises(TransientError, match="cannot be reached"):
            await read(collector)


async def test_a_lost_connection_is_transient_and_made_again(site: MariaSite, clock: HandClock) -> None:
    log(site, 1)
    async with collecting(site.options(), clock) as collector:
        _, state = await read(collector)
        kill_reader(site.database)
        log(site, 2)
        with pytest.raises(TransientError):
            await read(collector, state)
        seen, _ = await read(collector, state)
    assert [one.position for one in seen] == [2]


def kill_reader(database: servers.MariaDatabase) -> None:
    """Cut every connection of the read-only account."""
    sql = "SELECT id FROM information_schema.processlist WHERE user = %s"
    for (number,) in database.execute(sql, (servers.READER,)):
        database.execute(f"KILL {number}")


async def test_a_statement_that_takes_too_long_is_transient(site: MariaSite, clock: HandClock) -> None:
    log(site, *range(1, 2000))
    async with collecting(site.options(), clock, limits=Limits(statement_s=0.001, connect_s=1)) as collector:
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


async def test_a_cancelled_read_leaves_no_transaction_behind(site: MariaSite, clock: HandClock) -> None:
    log(site, *range(1, 500))
    async with collecting(site.options(), clock) as collector:
        for wait in (0.0, 0.001, 0.003, 0.006, 0.01):
            task = asyncio.create_task(read(collector, demand=EVERYTHING))
            await asyncio.sleep(wait)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        seen, _ = await read(collector)
        assert len(seen) == 499
        assert site.database.execute("SELECT COUNT(*) FROM information_schema.innodb_trx") == ((0,),)
