"""What every dialect of the log-table collector promises: replay, order, crash, gaps, anchors, bad input."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from agent.collectors.base import Collector
from agent.collectors.logstore.collector import LogstoreCollector
from agent.collectors.logstore.dialects.sqlite import SqliteDatabase
from agent.collectors.logstore.options import Limits, LogstoreOptions
from agent.errors import ConfigError, IntegrityError, TransientError
from agent.model import SourceState
from tests.sites import (
    LOGGED_IN,
    NOW,
    UNWANTED,
    VIEWED,
    HandClock,
    Site,
    SqliteSite,
    collecting,
    log,
    pages_of,
    put,
    read,
    wanting,
)

SMALL = Limits(page_rows_max=4, span_ids_max=10, block_ids=5, start_overlap_ids=3, anchor_every_ids=6)


async def test_it_is_a_collector(site: Site, clock: HandClock) -> None:
    async with collecting(site.options(), clock) as collector:
        contract: Collector = collector
        assert contract.name == "moodle"


async def test_wanted_rows_come_in_order_with_what_the_row_says(site: Site, clock: HandClock) -> None:
    log(site, 1, 3)
    log(site, 2, eventname=UNWANTED)
    log(site, 4, eventname=r"\mod_page\event\course_module_viewed", contextlevel=70, contextinstanceid=7)
    async with collecting(site.options(), clock) as collector:
        seen, state = await read(collector, demand=wanting(VIEWED, suffixes=[r"\event\course_module_viewed"]))
    assert [(one.position, one.kind, one.lesson) for one in seen] == [
        (1, "course.viewed", None), (3, "course.viewed", None), (4, "lesson.viewed", "7")
    ]  # fmt: skip
    assert seen[0].natural_key == (VIEWED, "35", "0", "", "", "3", str(NOW - 3600), "")
    assert (state.position, state.gaps) == (4, ())


async def test_a_suffix_takes_its_underscores_literally(site: Site, clock: HandClock) -> None:
    log(site, 1, eventname=r"\mod_page\event\course_module_viewed")
    log(site, 2, eventname=r"\mod_page\event\courseXmoduleXviewed")
    async with collecting(site.options(), clock) as collector:
        seen, _ = await read(collector, demand=wanting(suffixes=[r"\event\course_module_viewed"]))
    assert [one.position for one in seen] == [1]


async def test_what_matters_in_some_courses_is_not_read_of_the_others(site: Site, clock: HandClock) -> None:
    for course, shortname, idnumber in ((3, "FIRE01", ""), (4, "B", "HS-103"), (5, "C", ""), (6, "D", "FIRE01")):
        put(site, "course", id=course, shortname=shortname, idnumber=idnumber)
    for course in range(3, 9):
        log(site, course, courseid=course)
        log(site, course + 10, courseid=course, eventname=LOGGED_IN)
    in_some = {VIEWED: frozenset({"FIRE01", "idnumber:HS-103", "id:7"})}
    async with collecting(site.options(), clock) as collector:
        seen, state = await read(collector, demand=wanting(VIEWED, LOGGED_IN, placed=in_some))
    read_of = [one.course for one in seen if one.lms_event == VIEWED]
    assert set(read_of) >= {"3", "4", "7"}, "a course of that name, of that idnumber, and one that was deleted"
    assert set(read_of) <= {"3", "4", "6", "7"}, "what is called so otherwise may be read too: the rules look again"
    assert [one.course for one in seen if one.lms_event == LOGGED_IN] == ["3", "4", "5", "6", "7", "8"]
    assert state.position == 18


async def test_a_course_that_is_named_later_is_read_from_then_on(site: Site, clock: HandClock) -> None:
    demand = wanting(VIEWED, placed={VIEWED: frozenset({"FIRE01"})})
    log(site, 1, courseid=3)
    async with collecting(site.options(), clock) as collector:
        seen, state = await read(collector, demand=demand)
        assert seen == []
        put(site, "course", id=3, shortname="FIRE01")
        log(site, 2, courseid=3)
        seen, _ = await read(collector, state, demand)
    assert [one.position for one in seen] == [2]


async def test_reading_again_from_the_end_gives_nothing(site: Site, clock: HandClock) -> None:
    log(site, *range(1, 12))
    async with collecting(site.options(), clock, limits=SMALL) as collector:
        _, state = await read(collector)
        again, after = await read(collector, state)
    assert (again, after.position) == ([], 11)


async def test_an_empty_log_gives_one_empty_page(site: Site, clock: HandClock) -> None:
    async with collecting(site.options(), clock) as collector:
        (page,) = await pages_of(collector)
    assert (list(page.observations), page.state.position, page.caught_up) == ([], 0, True)


async def test_a_crash_after_any_page_repeats_rows_and_loses_none(site: Site, clock: HandClock) -> None:
    log(site, *range(1, 20), *range(24, 40))
    async with collecting(site.options(), clock, limits=SMALL) as collector:
        pages = await pages_of(collector)
        whole = [seen.position for page in pages for seen in page.observations]
        assert len(pages) > 4
        for kept in range(len(pages)):
            before = [seen.position for page in pages[: kept + 1] for seen in page.observations]
            after, state = await read(collector, pages[kept].state)
            assert before + [seen.position for seen in after] == whole
            assert state.gaps == pages[-1].state.gaps


async def test_a_page_cut_by_its_limit_goes_on_behind_its_last_row(site: Site, clock: HandClock) -> None:
    log(site, *range(1, 10))
    async with collecting(site.options(), clock, limits=SMALL) as collector:
        pages = await pages_of(collector)
    assert [[seen.position for seen in page.observations] for page in pages] == [[1, 2, 3, 4], [5, 6, 7, 8], [9]]


async def test_rows_that_no_rule_wants_are_passed_and_proven(site: Site, clock: HandClock) -> None:
    log(site, *range(1, 8), *range(9, 30), eventname=UNWANTED)
    async with collecting(site.options(), clock, limits=SMALL) as collector:
        seen, state = await read(collector)
    assert (seen, state.position) == ([], 29)
    assert [(gap.lo, gap.hi, gap.step) for gap in state.gaps] == [(8, 8, 1)]


async def test_a_gap_that_fills_is_seen_before_the_tail(site: Site, clock: HandClock) -> None:
    log(site, 1, 2, 6)
    async with collecting(site.options(), clock) as collector:
        _, state = await read(collector)
        assert [(gap.lo, gap.hi) for gap in state.gaps] == [(3, 5)]
        log(site, 4, 7)
        pages = await pages_of(collector, state)
    assert [[seen.position for seen in page.observations] for page in pages] == [[4], [7]]
    assert pages[0].state.position == 6
    assert [(gap.lo, gap.hi) for gap in pages[-1].state.gaps] == [(3, 3), (5, 5)]
    assert pages[-1].state.counts["ids_filled"] == 1


async def test_a_gap_fills_in_as_many_pages_as_it_needs(site: Site, clock: HandClock) -> None:
    log(site, 1, 60)
    async with collecting(site.options(), clock, limits=SMALL) as collector:
        _, state = await read(collector)
        log(site, *range(2, 60))
        seen, after = await read(collector, state)
        clock.pass_s(60)
        more, after = await read(collector, after)
    assert sorted({one.position for one in [*seen, *more]}) == list(range(2, 60))
    assert after.gaps == ()


async def test_a_gap_is_given_up_after_its_patience_counted_and_still_proven_daily(
    site: Site, clock: HandClock
) -> None:
    log(site, 1, 2, 6)
    async with collecting(site.options(), clock, gap_patience_s=1800.0) as collector:
        _, state = await read(collector)
        clock.pass_s(1799)
        _, state = await read(collector, state)
        assert [gap.state for gap in state.gaps] == ["open"]
        state = replace(state, running_s=1801.0)
        _, state = await read(collector, state)
        assert [gap.state for gap in state.gaps] == ["given_up"]
        assert (state.counts["gaps_given_up"], state.counts["ids_given_up"]) == (1, 3)
        log(site, 5)
        seen, state = await read(collector, state)
        assert seen == []
        clock.pass_s(86_400)
        seen, state = await read(collector, state)
    assert [one.position for one in seen] == [5]


async def test_time_that_the_agent_did_not_run_gives_no_gap_up(site: Site, clock: HandClock) -> None:
    log(site, 1, 2, 6)
    async with collecting(site.options(), clock, gap_patience_s=1800.0) as collector:
        _, state = await read(collector)
    clock.wall += 10 * 86_400
    async with collecting(site.options(), clock, gap_patience_s=1800.0) as collector:
        _, state = await read(collector, state)
    assert [gap.state for gap in state.gaps] == ["open"]


async def test_more_gaps_than_the_limit_are_merged_and_still_lose_nothing(site: Site, clock: HandClock) -> None:
    log(site, *range(1, 60, 2))
    limits = replace(SMALL, gap_ranges_max=3)
    async with collecting(site.options(), clock, limits=limits) as collector:
        _, state = await read(collector)
        assert len(state.gaps) == 3
        assert sum(gap.missing for gap in state.gaps) == 29
        log(site, 8, 40)
        seen, state = await read(collector, state)
        for _ in range(5):
            clock.pass_s(60)
            more, state = await read(collector, state)
            seen += more
    assert {8, 40} <= {one.position for one in seen}
    assert len(state.gaps) == 3
    assert sum(gap.missing for gap in state.gaps) == 27


async def test_a_huge_hole_is_one_gap_and_one_step(site: Site, clock: HandClock) -> None:
    log(site, 1, 5_000_000)
    async with collecting(site.options(), clock) as collector:
        pages = await pages_of(collector)
    assert len(pages) <= 2
    assert [(gap.lo, gap.hi, gap.step) for gap in pages[-1].state.gaps] == [(2, 4_999_999, 1)]


async def test_a_log_that_retention_has_cut_begins_at_its_oldest_row(site: Site, clock: HandClock) -> None:
    log(site, 1_000_000, 1_000_001)
    async with collecting(site.options(), clock) as collector:
        seen, state = await read(collector)
    assert ([one.position for one in seen], state.gaps) == ([1_000_000, 1_000_001], ())


async def test_start_at_now_pays_nothing_older_and_begins_below_the_newest(site: Site, clock: HandClock) -> None:
    log(site, *range(1, 20))
    async with collecting(site.options(), clock, start_at="now", limits=SMALL) as collector:
        seen, state = await read(collector)
        assert (seen, state.start_at, state.counts["rows_before_start"]) == ([], NOW, 3)
        log(site, 20, timecreated=NOW)
        clock.pass_s(3600)
        seen, state = await read(collector, state)
    assert ([one.position for one in seen], state.start_at) == ([20], NOW)


async def test_start_at_a_date_reads_from_its_first_row(site: Site, clock: HandClock) -> None:
    for position in range(1, 30):
        log(site, position, timecreated=NOW - 3000 + position)
    async with collecting(site.options(), clock, start_at=NOW - 3000 + 20, limits=SMALL) as collector:
        seen, state = await read(collector)
    assert [one.position for one in seen] == list(range(20, 30))
    assert state.start_at == NOW - 2980


async def test_a_truncated_log_that_grew_past_the_cursor_is_a_fault(site: Site, clock: HandClock) -> None:
    log(site, *range(1, 31))
    async with collecting(site.options(), clock, limits=SMALL) as collector:
        _, state = await read(collector)
        site.execute("DELETE FROM mdl_logstore_standard_log")
        log(site, *range(1, 41), userid=77)
        with pytest.raises(IntegrityError, match=r"row 4 was .*user 35.*user 77") as caught:
            await read(collector, state)
    assert "source accept-rewind moodle" in caught.value.hint


async def test_a_log_that_ends_below_its_newest_anchor_is_a_fault(site: Site, clock: HandClock) -> None:
    log(site, *range(1, 31))
    async with collecting(site.options(), clock) as collector:
        _, state = await read(collector)
        site.execute("DELETE FROM mdl_logstore_standard_log WHERE id > 20")
        with pytest.raises(IntegrityError, match="the log ends at row 20"):
            await read(collector, state)


async def test_anchors_that_retention_removed_are_no_fault(site: Site, clock: HandClock) -> None:
    for position in range(1, 31):
        log(site, position, timecreated=NOW - 100 + position)
    async with collecting(site.options(), clock, limits=SMALL) as collector:
        _, state = await read(collector)
        site.execute("DELETE FROM mdl_logstore_standard_log WHERE id <= 30")
        log(site, 41, timecreated=NOW)
        _, state = await read(collector, state)
    assert [anchor.position for anchor in state.anchors] == [41]


async def test_an_anchor_that_vanished_while_older_rows_stay_is_a_fault(site: Site, clock: HandClock) -> None:
    log(site, *range(1, 31))
    async with collecting(site.options(), clock) as collector:
        _, state = await read(collector)
        site.execute("DELETE FROM mdl_logstore_standard_log WHERE id > 20")
        log(site, 45)
        with pytest.raises(IntegrityError, match="is gone, though row 1 is still there"):
            await read(collector, state)


async def test_an_anchor_that_went_with_all_that_its_user_did_is_no_fault(site: Site, clock: HandClock) -> None:
    # Moodle deletes somebody's rows where they ask for their data to be deleted.
    async with collecting(site.options(), clock, limits=SMALL) as collector:
        state = None
        for position, user in enumerate((35, 36, 35, 37, 36), 1):
            log(site, position, userid=user)
            _, state = await read(collector, state)
        site.execute("DELETE FROM mdl_logstore_standard_log WHERE userid = 36")
        log(site, 6, userid=35)
        seen, state = await read(collector, state)
        assert [one.position for one in seen] == [6]
        assert [anchor.position for anchor in state.anchors][-2:] == [4, 6]
        site.execute("DELETE FROM mdl_logstore_standard_log WHERE id = 6")
        log(site, 7, userid=37)
        with pytest.raises(IntegrityError, match=r"row 6 was .* and is gone, though row 1 is still there"):
            await read(collector, state)


async def test_an_accepted_rewind_reads_again_what_was_to_pay(site: Site, clock: HandClock) -> None:
    log(site, 1, timecreated=NOW - 9_000)
    log(site, 2, 3, timecreated=NOW - 10)
    stored = SourceState(position=900, start_at=NOW - 100, counts={"rows_wanted": 7})
    async with collecting(site.options(), clock) as collector:
        found = await collector.rewound(stored)
        seen, _ = await read(collector, found.state)
    assert (found.first_id, found.last_id, found.rows, found.rows_to_read) == (1, 3, 3, 2)
    assert ([one.position for one in seen], found.state.start_at) == ([2, 3], NOW - 100)


async def test_an_unknown_table_prefix_is_a_fault_of_the_configuration(site: Site, clock: HandClock) -> None:
    async with collecting(site.options(), clock, table_prefix="xyz_") as collector:
        with pytest.raises(ConfigError, match="xyz_logstore_standard_log") as caught:
            await read(collector)
    assert "table_prefix = 'xyz_'" in caught.value.hint


async def test_a_page_carries_the_rules_that_fetched_it(site: Site, clock: HandClock) -> None:
    log(site, *range(1, 10))
    versions = iter("abcdef")
    async with collecting(site.options(), clock, limits=SMALL) as collector:
        demands = (replace(wanting(VIEWED), rules_version=version) for version in versions)
        pages = [page async for page in collector.pages(SourceState(), lambda: next(demands), follow=False)]
    assert [page.rules_version for page in pages] == ["a", "b", "c"]


async def test_a_row_that_comes_after_its_stretch_was_read_ahead_is_found_in_its_gap(
    site: Site, clock: HandClock
) -> None:
    log(site, *range(1, 7), 8, 9)
    got: list[list[int]] = []
    async with collecting(site.options(), clock, limits=SMALL) as collector:
        async for page in collector.pages(SourceState(), lambda: wanting(VIEWED), follow=True):
            got.append([seen.position for seen in page.observations])
            if len(got) == 1:
                log(site, 7)
            if len(got) == 3:
                break
            clock.pass_s(10)
    assert got == [[1, 2, 3, 4], [5, 6, 8, 9], [7]]


async def test_what_was_read_ahead_for_other_rules_is_read_again(site: Site, clock: HandClock) -> None:
    log(site, *range(1, 5), 6)
    log(site, 5, eventname=LOGGED_IN)
    demands = iter([wanting(VIEWED), replace(wanting(VIEWED, LOGGED_IN), rules_version="b")])
    async with collecting(site.options(), clock, limits=SMALL) as collector:
        pages = [page async for page in collector.pages(SourceState(), lambda: next(demands), follow=False)]
    assert [[seen.position for seen in page.observations] for page in pages] == [[1, 2, 3, 4], [5, 6]]


async def test_following_yields_what_is_written_later_and_nothing_while_nothing_happens(
    site: Site, clock: HandClock
) -> None:
    log(site, 1)
    got: list[list[int]] = []
    async with collecting(site.options(), clock) as collector:
        async for page in collector.pages(SourceState(), lambda: wanting(VIEWED, LOGGED_IN), follow=True):
            got.append([seen.position for seen in page.observations])
            if len(got) == 1:
                log(site, 2)
            else:
                break
    assert got == [[1], [2]]


async def test_closing_twice_is_harmless(site: Site, clock: HandClock) -> None:
    collector = LogstoreCollector(site.options(), clock)
    await read(collector)
    await collector.close()
    await collector.close()
    assert collector.degraded == {}


class Alternating(SqliteDatabase):
    """A file behind whose address a test lets another server answer, or the same one to another connection."""

    def __init__(self, options: LogstoreOptions) -> None:
        super().__init__(options, urlsplit(options.url))
        self.answers = "hostname=a"
        self.made_again = 0

    @property
    def generation(self) -> int:
        return super().generation + self.made_again

    async def server(self) -> str:
        return self.answers


async def test_another_server_that_lags_is_waited_for_and_then_a_fault(tmp_path: Path, clock: HandClock) -> None:
    site = SqliteSite(tmp_path / "moodle.db")
    log(site, *range(1, 31))
    database = Alternating(site.options())
    collector = LogstoreCollector(site.options(), clock, log=database)
    _, state = await read(collector)
    site.execute("DELETE FROM mdl_logstore_standard_log WHERE id > 20")
    database.answers = "hostname=b"
    for wait in (0, 59):
        clock.pass_s(wait)
        with pytest.raises(TransientError, match=r"two servers answer at one address.* hostname=b, before hostname=a"):
            await read(collector, state)
    clock.pass_s(2)
    with pytest.raises(IntegrityError, match="the log ends at row 20"):
        await read(collector, state)
    log(site, *range(21, 32))
    seen, _ = await read(collector, state)
    assert [one.position for one in seen] == [31]
    await collector.close()


async def test_what_another_connection_read_ahead_is_read_again(tmp_path: Path, clock: HandClock) -> None:
    site = SqliteSite(tmp_path / "moodle.db")
    log(site, *range(1, 7), 8, 9)
    database = Alternating(site.options())
    collector = LogstoreCollector(replace(site.options(), limits=SMALL), clock, log=database)
    got = []
    async for page in collector.pages(SourceState(), lambda: wanting(VIEWED), follow=False):
        got.append([seen.position for seen in page.observations])
        if len(got) == 1:
            log(site, 7)
            database.made_again += 1
    await collector.close()
    assert got == [[1, 2, 3, 4], [5, 6, 7, 8], [9]]
