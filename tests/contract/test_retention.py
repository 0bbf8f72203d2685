"""What the LMS removes from its log: nothing that is still there is passed over, and what is gone is told."""

from __future__ import annotations

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from agent.collectors.logstore.options import Limits
from agent.errors import IntegrityError
from agent.ledger.feeds.lost import Lost, lost
from agent.model import SourceState
from tests.sites import NOW, VIEWED, HandClock, Site, collecting, log, read, wanting

DAY = 86_400
BEGAN = NOW - 30 * DAY
SMALL = Limits(page_rows_max=4, span_ids_max=10, block_ids=5, anchor_every_ids=5)


def logged(site: Site, *ids: int) -> None:
    """One row an hour, since the log began."""
    for number in ids:
        log(site, number, timecreated=BEGAN + number * 3_600)


def cleaned(site: Site, upto: int) -> None:
    """What Moodle's cleanup does: it removes by time."""
    site.execute("DELETE FROM mdl_logstore_standard_log WHERE timecreated <= ?", (BEGAN + upto * 3_600,))


async def test_what_was_removed_while_nobody_read_is_told_and_the_rest_is_read(site: Site, clock: HandClock) -> None:
    logged(site, *range(1, 21))
    async with collecting(site.options(), clock, limits=SMALL) as collector:
        _, state = await read(collector)
    logged(site, *range(21, 51))
    cleaned(site, 40)
    async with collecting(site.options(), clock, limits=SMALL) as collector:
        with capture_logs() as told:
            seen, state = await read(collector, state)
        assert [one.position for one in seen] == list(range(41, 51))
        noticed = Lost(ids=20, since=BEGAN + 20 * 3_600, until=BEGAN + 41 * 3_600, noticed_at=NOW)
        assert lost(state.counts) == noticed
        (line,) = [one for one in told if one["event"] == "log_rows_lost"]
        assert (line["ids"], line["since"], line["until"]) == (20, "2026-10-23T18:26:40Z", "2026-10-24T15:26:40Z")
        with capture_logs() as told:
            _, state = await read(collector, state)
        assert (told, lost(state.counts)) == ([], noticed), "it is told once"


async def test_a_hole_behind_a_row_that_is_still_there_lost_nothing(site: Site, clock: HandClock) -> None:
    logged(site, *range(1, 21))
    async with collecting(site.options(), clock, limits=SMALL) as collector:
        _, state = await read(collector)
        logged(site, *range(41, 51))
        cleaned(site, 10)
        seen, state = await read(collector, state)
    assert [one.position for one in seen] == list(range(41, 51))
    assert lost(state.counts) is None


async def test_what_is_removed_while_a_backlog_is_read_is_told_and_the_rest_is_read(
    site: Site, clock: HandClock
) -> None:
    logged(site, *range(1, 61))
    got: list[int] = []
    async with collecting(site.options(), clock, limits=SMALL) as collector:
        async for page in collector.pages(SourceState(), lambda: wanting(VIEWED), follow=True):
            got += [seen.position for seen in page.observations]
            if 8 in got and 48 not in got and lost(page.state.counts) is None:
                cleaned(site, 40)
                clock.pass_s(61)
            if 60 in got:
                break
    there = [number for number in range(1, 61) if number in got]
    assert got == there
    assert set(range(41, 61)) <= set(got)
    gone = lost(page.state.counts)
    assert gone is not None
    assert gone.ids == 60 - len(there)


async def test_a_log_that_retention_emptied_is_waited_for_and_what_was_lost_is_told(
    site: Site, clock: HandClock
) -> None:
    logged(site, *range(1, 21))
    async with collecting(site.options(), clock) as collector:
        _, state = await read(collector)
        logged(site, *range(21, 31))
        cleaned(site, 30)
        seen, state = await read(collector, state)
        assert (seen, state.position) == ([], 20)
    async with collecting(site.options(), clock) as collector:
        logged(site, 31)
        seen, state = await read(collector, state)
    gone = lost(state.counts)
    assert ([one.position for one in seen], gone and gone.ids) == ([31], 10)


async def test_a_log_that_somebody_emptied_today_is_a_fault(site: Site, clock: HandClock) -> None:
    log(site, *range(1, 21))
    async with collecting(site.options(), clock) as collector:
        _, state = await read(collector)
        site.execute("DELETE FROM mdl_logstore_standard_log")
        with pytest.raises(IntegrityError, match="and the log is empty"):
            await read(collector, state)


async def test_old_rows_that_a_restored_course_brought_make_no_fault_of_retention(site: Site, clock: HandClock) -> None:
    logged(site, *range(1, 21))
    async with collecting(site.options(), clock) as collector:
        _, state = await read(collector)
        logged(site, *range(21, 51))
        cleaned(site, 40)
        log(site, 51, timecreated=BEGAN - DAY, origin=None)
        seen, state = await read(collector, state)
    gone = lost(state.counts)
    assert ([one.position for one in seen], gone and gone.ids) == ([*range(41, 52)], 20)


async def test_rows_of_accounts_that_were_merged_are_the_rows_they_were(site: Site, clock: HandClock) -> None:
    for number in range(1, 31):
        log(site, number, userid=35 + number % 3, timecreated=NOW - 3_600 + number)
    async with collecting(site.options(), clock, limits=SMALL) as collector:
        _, state = await read(collector)
        site.execute("UPDATE mdl_logstore_standard_log SET userid = 99 WHERE userid = 36")
        log(site, 31, userid=36)
        seen, state = await read(collector, state)
        assert [one.position for one in seen] == [31]
        assert {anchor.user for anchor in state.anchors} >= {99}
        site.execute("UPDATE mdl_logstore_standard_log SET timecreated = timecreated + 1")
        with pytest.raises(IntegrityError, match=r"user 99 at .*, and is .* user 99 at "):
            await read(collector, state)


async def test_a_gap_that_retention_reaches_is_given_up_and_forgotten(site: Site, clock: HandClock) -> None:
    logged(site, *range(1, 11), *range(16, 31))
    async with collecting(site.options(), clock, limits=SMALL, gap_patience_s=60.0) as collector:
        _, state = await read(collector)
        assert [(gap.lo, gap.hi) for gap in state.gaps] == [(11, 15)]
        cleaned(site, 20)
        _, state = await read(collector, replace(state, running_s=61.0))
        assert state.counts["ids_given_up"] == 5
        clock.pass_s(2 * DAY)
        _, state = await read(collector, state)
    assert (state.gaps, lost(state.counts)) == ((), None)
