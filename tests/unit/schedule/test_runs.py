"""Runs: each nominal time once, when everything that could change it is known, and never again."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.ledger import file, verify
from agent.ledger.schedule import datasets
from agent.ledger.schedule.datasets import AsOf
from tests.ledgers import steps_of
from tests.rule_stories import rule
from tests.schedules import RULES, SUNDAY, WEEK, lesson, lessons, office


async def test_the_best_of_a_week_are_paid_once_and_the_ledger_verifies(tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        await here.take(lessons(ann=3, ben=2, cat=4, dan=1))
        done = await here.decide()
        assert [(one.run, one.state, one.winners) for one in done] == [("champion@2026-09-13T22:00:00Z", "closed", 3)]
        assert here.prizes() == {"cat": [50], "ann": [30], "ben": [10]}
        assert await here.decide("2026-09-20T12:00:00") == []
    async with office(tmp_path) as again:
        assert await again.decide() == []
        assert again.prizes() == {"cat": [50], "ann": [30], "ben": [10]}
    with file.reading(tmp_path) as connection:
        assert verify.verify(connection).findings == ()


async def test_a_run_waits_until_its_settle_is_over_to_the_second(tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        await here.take(lessons(ann=1))
        assert await here.decide(SUNDAY + 36 * 3600 - 1) == []
        assert len(await here.decide(SUNDAY + 36 * 3600)) == 1


async def test_weeks_that_passed_while_it_was_off_are_made_up_once_and_are_the_same_runs(tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        await here.take(lessons("2026-09-09T09:00:00", ann=1))
        await here.take(lessons("2026-09-30T09:00:00", ann=4, ben=2))
        done = await here.decide("2026-11-01T00:00:00")
        assert here.prizes() == {"ann": [50, 50], "ben": [30]}
        assert len(done) == 2
        assert [run.nominal for run in here.runs()] == [SUNDAY + week * 604_800 for week in range(7)]


async def test_what_a_run_adds_up_costs_what_its_span_holds_however_long_the_ledger_is(tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        await here.take(lessons(ann=3, ben=2))
        seen, short = summed(tmp_path)
        await here.take(lessons("2026-08-26T09:00:00", **{f"u{n}": 3 for n in range(100)}))
        await here.take(lessons("2026-09-23T09:00:00", **{f"u{n}": 3 for n in range(100, 200)}))
        assert summed(tmp_path)[0] == seen == {("moodle:ann", 30), ("moodle:ben", 20)}
        assert summed(tmp_path)[1] < 2 * short


def summed(data_dir: Path) -> tuple[set[tuple[str, int]], int]:
    """What the first week's acts earned, and what it took to add it up."""
    with file.reading(data_dir) as connection:
        seq, event = datasets.newest(connection)
        of = AsOf(seq=seq, event=event, begins=SUNDAY - 604_800, ends=SUNDAY)
        found, steps = steps_of(connection, lambda: datasets.earned(connection, of, "points"))
    return {(learner, amount) for learner, _, amount in found}, steps


FORTNIGHT = "[period.sprint]\nfrom = 2026-09-07\nuntil = 2026-09-20\n"


async def test_a_ranking_over_a_period_is_paid_each_week_of_it_and_never_after_its_end(tmp_path: Path) -> None:
    rules = FORTNIGHT + RULES.replace('every = "week"', 'every = "week"\nover = "sprint"')
    async with office(tmp_path, rules) as here:
        await here.take(lessons("2026-08-26T09:00:00", cat=9))
        await here.take(lessons("2026-09-09T09:00:00", ann=3))
        await here.take(lessons("2026-09-16T09:00:00", ben=4))
        await here.take(lessons("2026-09-23T09:00:00", cat=5))
        done = await here.decide("2026-12-01T00:00:00")
        assert [one.run for one in done] == ["champion@2026-09-13T22:00:00Z", "champion@2026-09-20T22:00:00Z"]
        assert here.prizes() == {"ann": [50, 30], "ben": [50]}
        await here.take(lessons("2026-12-02T09:00:00", cat=3))
        assert await here.decide("2027-02-01T00:00:00") == []


async def test_a_source_in_fault_blocks_a_run_and_a_cured_one_lets_it_go_on(tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        await here.take(lessons(ann=1), fault="another log")
        assert await here.decide() == []
        await here.take([], fault="")
        assert len(await here.decide()) == 1


async def test_late_facts_do_not_reopen_a_run(tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        await here.take(lessons(ann=2, ben=1))
        await here.decide()
        await here.take(lessons(ben=5))
        assert await here.decide("2026-09-20T13:00:00") == []
        assert here.prizes() == {"ann": [50], "ben": [30]}


async def test_prizes_count_into_the_next_ranking_only_where_that_is_written(tmp_path: Path) -> None:
    async with office(tmp_path / "no") as here:
        await here.take([*lessons(ann=1), *lessons("2026-09-16T09:00:00", ben=2)])
        await here.decide("2026-09-25T00:00:00")
        assert here.prizes() == {"ann": [50], "ben": [50]}
    async with office(tmp_path / "yes", RULES + "counts = true\n") as here:
        await here.take([*lessons(ann=1), *lessons("2026-09-16T09:00:00", ben=2)])
        await here.decide("2026-09-25T00:00:00")
        assert here.prizes() == {"ann": [50, 50], "ben": [30]}


@pytest.mark.parametrize(
    ("ties", "paid"),
    [
        ("share-place", {"ann": [50], "ben": [50], "cat": [10]}),
        ("split", {"ann": [40], "ben": [40], "cat": [10]}),
        ("all", {"ann": [50], "ben": [50], "cat": [30], "dan": [10]}),
    ],
)
async def test_ties_are_settled_as_written(tmp_path: Path, ties: str, paid: dict[str, list[int]]) -> None:
    async with office(tmp_path, f'{RULES}ties = "{ties}"\n') as here:
        await here.take(lessons(ann=4, ben=4, cat=3, dan=2, eve=1))
        await here.decide()
        assert here.prizes() == paid


async def test_shadow_decides_and_pays_nothing(tmp_path: Path) -> None:
    async with office(tmp_path, f'{RULES}mode = "shadow"\n') as here:
        await here.take(lessons(ann=1))
        await here.decide()
        assert here.prizes() == {}
        assert here.runs()[0].report["outcomes"] == {"shadow": 1}


async def test_a_reward_that_is_written_later_pays_no_week_that_was_read_before(tmp_path: Path) -> None:
    async with office(tmp_path, rule(name="lesson")) as here:
        await here.take([*lessons(ann=1), lesson("ann", 2, "2026-09-23T09:00:00")])
    async with office(tmp_path) as here:
        await here.take([lesson("ben", 9, "2026-09-24T09:00:00")])
        await here.decide("2026-10-05T00:00:00")
        assert here.prizes() == {"ann": [50], "ben": [50]}
        assert len(here.runs()) == 1


async def test_what_goes_over_the_budget_is_held_and_can_be_approved(tmp_path: Path) -> None:
    async with office(tmp_path, f'{RULES}\n[budget]\npoints = "60/week"\n') as here:
        await here.take(lessons(ann=2, ben=1))
        await here.decide()
        assert here.prizes() == {"ann": [50]}
    assert WEEK in RULES
