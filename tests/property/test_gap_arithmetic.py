"""Gaps cover exactly the ids that are missing, whatever is filled, merged, strided or bounded."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from agent.collectors.ranges import (
    bounded,
    expired,
    holds,
    joined,
    merged,
    missing_runs,
    progressions,
    remaining,
)
from agent.model import Gap

IDS = st.sets(st.integers(1, 120), max_size=120)
STEPS = st.integers(1, 4)


def ids_of(gaps: list[Gap]) -> list[int]:
    return sorted(position for gap in gaps for position in range(gap.lo, gap.hi + 1, gap.step))


def gaps_of(present: set[int], step: int, opened: float = 0.0) -> list[Gap]:
    runs = missing_runs(1, 120, sorted(present))
    return [
        Gap(lo=lo, hi=hi, step=stride, present=0, opened_running_s=opened, high_water=0)
        for lo, hi, stride in progressions(runs, step)
    ]


@given(IDS, STEPS)
def test_progressions_hold_exactly_what_is_missing_once(present: set[int], step: int) -> None:
    assert ids_of(gaps_of(present, step)) == sorted(set(range(1, 121)) - present)


@given(st.integers(2, 5), st.integers(0, 4))
def test_a_strided_sequence_has_one_gap_less_than_its_step(step: int, offset: int) -> None:
    present = set(range(1 + offset % step, 121, step))
    assert len(gaps_of(present, step)) <= step


@given(IDS, IDS, STEPS, st.integers(1, 120), st.integers(0, 119))
def test_what_remains_is_what_is_still_missing(
    present: set[int], appeared: set[int], step: int, lo: int, span: int
) -> None:
    hi = min(120, lo + span)
    left = [
        part
        for gap in gaps_of(present, step)
        for part in remaining(gap, lo, hi, sorted(one for one in appeared if holds(gap, one)), step)
    ]
    seen = {one for one in appeared if lo <= one <= hi}
    assert ids_of(left) == sorted(set(range(1, 121)) - present - seen)


@given(IDS, STEPS, st.integers(1, 12))
def test_bounding_loses_no_missing_id_and_knows_how_many_are_there(present: set[int], step: int, most: int) -> None:
    gaps = gaps_of(present, step)
    fewer = bounded(gaps, most)
    assert len(fewer) <= most
    assert set(ids_of(gaps)) <= set(ids_of(fewer))
    if step == 1:
        assert sum(gap.missing for gap in fewer) == 120 - len(present)


@given(IDS, st.integers(2, 119), STEPS)
def test_gaps_found_in_two_pages_merge_into_those_of_one(present: set[int], cut: int, step: int) -> None:
    pages = [
        Gap(lo=lo, hi=hi, step=stride, present=0, opened_running_s=1.0, high_water=0)
        for first, last in ((1, cut), (cut + 1, 120))
        for lo, hi, stride in progressions(
            missing_runs(first, last, sorted(one for one in present if first <= one <= last)), step
        )
    ]
    assert ids_of(merged(pages, 60.0)) == ids_of(pages)


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 9)), max_size=10))
def test_joined_runs_are_the_same_ids_and_do_not_touch(spans: list[tuple[int, int]]) -> None:
    runs = [(lo, lo + length) for lo, length in spans]
    one = joined(runs)
    assert {x for lo, hi in one for x in range(lo, hi + 1)} == {x for lo, hi in runs for x in range(lo, hi + 1)}
    assert all(left[1] + 1 < right[0] for left, right in pairwise(one))


@given(IDS, st.floats(0, 100))
def test_only_what_waited_long_enough_is_given_up_and_counted(present: set[int], running: float) -> None:
    gaps = gaps_of(present, 1, opened=10.0)
    kept, ranges, ids = expired(gaps, running, 30.0)
    assert ids_of(kept) == ids_of(gaps)
    late = running - 10.0 >= 30.0
    assert (ranges, ids) == ((len(gaps), 120 - len(present)) if late else (0, 0))
