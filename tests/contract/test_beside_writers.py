"""What the log-table collector keeps to on every real server that other people write to at the same time."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterator

import pytest

from agent.collectors.logstore.collector import LogstoreCollector
from agent.collectors.logstore.options import Limits
from agent.collectors.logstore.probe import probe
from agent.collectors.systems import moodle
from agent.errors import ConfigError, IntegrityError, TransientError
from agent.model import SourceState
from tests import servers
from tests.contract.writers import MariaServer, PostgresServer, Server
from tests.sites import (
    EVERYTHING,
    VIEWED,
    HandClock,
    MariaSite,
    PostgresSite,
    collecting,
    log,
    pages_of,
    put,
    read,
    wanting,
)

WRITING_S = 2.0
"""How long several write at once."""


@pytest.fixture(params=["mariadb", "postgres"])
def server(
    request: pytest.FixtureRequest, maria_site: Callable[[], MariaSite], postgres_site: Callable[[], PostgresSite]
) -> Iterator[Server]:
    """The server under test."""
    found: Server = MariaServer(maria_site()) if request.param == "mariadb" else PostgresServer(postgres_site())
    found.truncate()
    yield found
    found.site.reset()


def positions(server: Server) -> list[int]:
    return [row[0] for row in server.site.execute("SELECT id FROM mdl_logstore_standard_log ORDER BY id")]


async def test_ids_5_to_9_uncommitted_while_10_is_visible_are_read_when_they_appear(
    server: Server, clock: HandClock
) -> None:
    async with server.writing() as quick, server.writing() as slow:
        await quick.write(4)
        await slow.begin()
        await slow.write(5)
        await quick.write()
        async with collecting(server.site.options(), clock) as collector:
            seen, state = await read(collector)
            assert [one.position for one in seen] == [1, 2, 3, 4, 10]
            assert (state.position, [(gap.lo, gap.hi) for gap in state.gaps]) == (10, [(5, 9)])
            again, state = await read(collector, state)
            assert again == []
            await slow.commit()
            late, state = await read(collector, state)
    assert [one.position for one in late] == [5, 6, 7, 8, 9]
    assert state.gaps == ()


async def test_a_rollback_leaves_a_gap_that_is_given_up(server: Server, clock: HandClock) -> None:
    async with server.writing() as quick, server.writing() as slow:
        await slow.begin()
        await slow.write(3)
        await quick.write()
        await slow.rollback()
    async with collecting(server.site.options(), clock, gap_patience_s=60.0) as collector:
        seen, state = await read(collector)
        clock.pass_s(61)
        pages = await pages_of(collector, SourceState(position=4, start_at=0, running_s=61.0, gaps=state.gaps))
    assert [one.position for one in seen] == [4]
    assert dict(pages[-1].state.counts) == {"gaps_given_up": 1, "ids_given_up": 3}


async def test_a_row_committed_between_fetch_and_proof_is_not_lost(server: Server, clock: HandClock) -> None:
    options = server.site.options()
    async with server.writing() as quick, server.writing() as slow:
        await quick.write(2)
        await slow.begin()
        await slow.write()
        await quick.write(2)
        collector = LogstoreCollector(options, clock, log=server.meddled(options, slow))
        (page,) = [one async for one in collector.pages(SourceState(), lambda: wanting(VIEWED), follow=False)]
        assert [seen.position for seen in page.observations] == [1, 2, 4, 5]
        assert [(gap.lo, gap.hi) for gap in page.state.gaps] == [(3, 3)]
        late, _ = await read(collector, page.state)
        await collector.close()
    assert [one.position for one in late] == [3]


async def test_writers_out_of_order_with_rollbacks_lose_no_committed_row(server: Server, clock: HandClock) -> None:
    stop = asyncio.Event()

    async def scribble(seed: int) -> None:
        chance = random.Random(seed)
        async with server.writing() as writer:
            while not stop.is_set():
                await writer.begin()
                await writer.write(chance.choice((1, 1, 2, 5)), userid=100 + seed)
                await asyncio.sleep(chance.random() * 0.01)
                await (writer.rollback() if chance.random() < 0.2 else writer.commit())

    writers = [asyncio.create_task(scribble(seed)) for seed in range(3)]
    seen: list[int] = []
    async with collecting(server.site.options(), clock) as collector:
        state = SourceState()
        until = time.monotonic() + WRITING_S
        while (time.monotonic() < until or len(seen) <= 100) and not any(one.done() for one in writers):
            got, state = await read(collector, state)
            seen += [one.position for one in got]
            clock.pass_s(1)
        stop.set()
        await asyncio.gather(*writers)
        for _ in range(2):
            got, state = await read(collector, state)
            seen += [one.position for one in got]
            clock.pass_s(1)
    assert sorted(seen) == positions(server)


async def test_truncate_and_regrowth_past_the_cursor_is_told_and_nothing_is_read(
    server: Server, clock: HandClock
) -> None:
    async with server.writing() as writer, collecting(server.site.options(), clock) as collector:
        await writer.write(50)
        _, state = await read(collector)
        server.truncate()
        await writer.write(80, userid=77)
        with pytest.raises(IntegrityError, match=r"row 50 was .* user 35 .*, and is .* user 77"):
            await read(collector, state)


async def test_a_truncate_is_noticed_while_following_within_a_minute(server: Server, clock: HandClock) -> None:
    async with server.writing() as writer, collecting(server.site.options(), clock) as collector:
        await writer.write(50)
        pages = collector.pages(SourceState(), lambda: wanting(VIEWED), follow=True)
        first = await anext(pages)
        server.truncate()
        await writer.write(80, userid=77)
        clock.pass_s(61)
        with pytest.raises(IntegrityError):
            await anext(pages)
    assert first.state.position == 50


async def test_a_database_restored_to_yesterday_is_told(server: Server, clock: HandClock) -> None:
    async with server.writing() as writer, collecting(server.site.options(), clock) as collector:
        await writer.write(60)
        _, state = await read(collector)
        server.site.execute("DELETE FROM mdl_logstore_standard_log WHERE id > 50")
        with pytest.raises(IntegrityError, match=r"row 60 was .*, and the log ends at row 50"):
            await read(collector, state)


async def left_open(server: Server) -> int:
    """How many transactions the server leaves open; of those who went it notices in its own time."""
    until = time.monotonic() + 60
    while (count := server.open_transactions()) and time.monotonic() < until:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.05)
    return count


async def test_an_idle_agent_delays_neither_alter_nor_a_learners_insert(server: Server, clock: HandClock) -> None:
    async with server.writing() as writer, collecting(server.site.options(), clock) as collector:
        await writer.write(5)

        async def follow() -> None:
            async for _ in collector.pages(SourceState(), lambda: EVERYTHING, follow=True):
                pass

        task = asyncio.create_task(follow())
        await asyncio.sleep(0.3)
        for _ in range(3):
            async with asyncio.timeout(60):
                await asyncio.to_thread(server.site.execute, server.altering)
            await writer.write()
            await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert await left_open(server) == 0


async def test_a_page_that_waits_to_be_recorded_holds_no_transaction(server: Server, clock: HandClock) -> None:
    log(server.site, *range(1, 100))
    async with collecting(server.site.options(), clock, limits=Limits(page_rows_max=10)) as collector:
        async for _ in collector.pages(SourceState(), lambda: wanting(VIEWED), follow=False):
            await asyncio.sleep(0.2)
            assert server.open_transactions() == 0
            break


async def test_a_missing_grant_on_a_look_up_table_costs_its_facts_only(server: Server, clock: HandClock) -> None:
    site = server.site
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


async def test_where_courses_may_not_be_read_the_acts_of_all_are(server: Server, clock: HandClock) -> None:
    site = server.site
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


async def test_a_missing_grant_on_the_log_names_the_grant(server: Server, clock: HandClock) -> None:
    database = server.site.database
    database.revoke_reader("mdl_logstore_standard_log")
    try:
        async with collecting(server.site.options(), clock) as collector:
            with pytest.raises(ConfigError) as caught:
                await read(collector)
    finally:
        database.grant_reader()
    assert server.grant.format(database=database.name) in caught.value.hint


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("companion_ro@", "nobody_at_all@", "refuses user 'nobody_at_all'"),
        ("/{database}", "/nosuch_", "knows no database 'nosuch_"),
    ],
)
async def test_what_an_edit_cures_is_a_fault_of_the_configuration(
    server: Server, clock: HandClock, old: str, new: str, told: str
) -> None:
    options = server.site.options()
    url = options.url.replace(old.format(database=server.site.database.name), new)
    async with collecting(options, clock, url=url) as collector:
        with pytest.raises(ConfigError, match=told):
            await read(collector)


async def test_a_wrong_password_is_told_without_being_shown(server: Server, clock: HandClock) -> None:
    async with collecting(server.site.options(), clock, password="not-the-password") as collector:
        with pytest.raises(ConfigError, match="refuses user") as caught:
            await read(collector)
    assert "password_file" in caught.value.hint
    assert "not-the-password" not in str(caught.value)


async def test_a_server_that_does_not_answer_is_transient(server: Server, clock: HandClock) -> None:
    url = f"{server.scheme}://{servers.READER}@127.0.0.1:{servers.free_port()}/moodle"
    async with collecting(server.site.options(), clock, url=url) as collector:
        with pytest.raises(TransientError, match="cannot be reached"):
            await read(collector)


async def test_a_lost_connection_is_transient_and_made_again(server: Server, clock: HandClock) -> None:
    log(server.site, 1)
    async with collecting(server.site.options(), clock) as collector:
        _, state = await read(collector)
        server.cut_readers()
        log(server.site, 2)
        with pytest.raises(TransientError):
            await read(collector, state)
        seen, _ = await read(collector, state)
    assert [one.position for one in seen] == [2]


async def test_a_cancelled_read_leaves_no_transaction_behind(server: Server, clock: HandClock) -> None:
    log(server.site, *range(1, 500))
    async with collecting(server.site.options(), clock) as collector:
        for wait in (0.0, 0.001, 0.003, 0.006, 0.01, 0.02):
            task = asyncio.create_task(read(collector, demand=EVERYTHING))
            await asyncio.sleep(wait)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        seen, _ = await read(collector)
        assert len(seen) == 499
        assert await left_open(server) == 0
