"""Gaps looked at again: which of them changed, and what stands in them now."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from agent.collectors.logstore.dialects.database import Query, Row, Schema
from agent.collectors.logstore.reading.stretch import Filter, Reader
from agent.collectors.ranges import holds, remaining
from agent.model import Gap

_FILLED = "SELECT id, timecreated FROM {log} WHERE [ranges] ORDER BY id LIMIT [most]"
_PRESENT = "SELECT COUNT(*), MIN(id) FROM {log} WHERE [ranges]"
_LISTED = "SELECT id, timecreated FROM {log} WHERE id >= ? AND id <= ? ORDER BY id"
_WATER = "SELECT MAX(timecreated) FROM {log} WHERE id >= ? AND id < ? AND timecreated <= ?"

RANGES_PER_QUERY = 200

Lacking = Callable[[Iterable[tuple[int, int]], int], Awaitable[frozenset[int]]]
"""Of rows (id and time), at a time, the ids of those that are not to be read yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A gap in which rows appeared, and the first id to read again."""

    gap: Gap
    first: int


def check_queries(gaps: Sequence[Gap], schema: Schema, most: int) -> list[Query]:
    """Questions whose answers `changes` understands."""
    plain = [gap for gap in gaps if not gap.present]
    queries = [
        schema.query(_FILLED, ranges=" OR ".join(map(_range, plain[at : at + RANGES_PER_QUERY])), most=[most])
        for at in range(0, len(plain), RANGES_PER_QUERY)
    ]
    return queries + [schema.query(_PRESENT, ranges=_range(gap)) for gap in gaps if gap.present]


def appeared(gaps: Sequence[Gap], answers: Sequence[Sequence[Row]]) -> list[tuple[int, int]]:
    """Rows (id and time) that stand in gaps which were not merged, by the answers to `check_queries`."""
    return [(row[0], row[1]) for answer in answers[: _plain_queries(gaps)] for row in answer]


def changes(
    gaps: Sequence[Gap], answers: Sequence[Sequence[Row]], unready: frozenset[int] = frozenset()
) -> list[Change]:
    """The gaps that are not as they were, by the answers to `check_queries`, lowest first; not by ``unready`` ids."""
    plain = [gap for gap in gaps if not gap.present]
    ids = {position for position, _ in appeared(gaps, answers)} - unready
    found: dict[int, Change] = {}
    for position in sorted(ids):
        for index, gap in enumerate(plain):
            if index not in found and holds(gap, position):
                found[index] = Change(gap=gap, first=position)
    merged = [gap for gap in gaps if gap.present]
    changed = [
        Change(gap=gap, first=gap.lo)
        for gap, ((present, _),) in zip(merged, answers[_plain_queries(gaps) :], strict=True)
        if present != gap.present
    ]
    return sorted([*found.values(), *changed], key=lambda one: one.first)


def _plain_queries(gaps: Sequence[Gap]) -> int:
    """How many of the answers are about gaps that were not merged."""
    return -(-sum(not gap.present for gap in gaps) // RANGES_PER_QUERY)


def _range(gap: Gap) -> str:
    """A condition for the gap's ids."""
    stride = f" AND id % {gap.step} = {gap.lo % gap.step}" if gap.step > 1 else ""
    return f"(id BETWEEN {gap.lo} AND {gap.hi}{stride})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """What stood in changed gaps: wanted ``rows``, which are ``backdated``, ids that were ``found``; the gaps after."""

    rows: list[Row]
    backdated: frozenset[int]
    found: int
    gaps: tuple[Gap, ...]


async def fill(
    reader: Reader,
    wanted: Filter,
    gaps: Sequence[Gap],
    changed: Sequence[Change],
    *,
    step: int,
    now: int,
    lacking: Lacking,
) -> Filling:
    """Read changed gaps (not merged ones), up to a page of rows; what did not fit, or is ``lacking``, stays missing.

    Call it inside a snapshot.
    """
    rows: list[Row] = []
    backdated: set[int] = set()
    left = list(gaps)
    found = 0
    for change in changed:
        if len(rows) >= reader.limits.page_rows_max:
            break
        gap = change.gap
        last = min(gap.hi, change.first + reader.limits.span_ids_max - 1)
        here = await reader.wanted(wanted, change.first - 1, last)
        if len(here) >= reader.limits.page_rows_max:
            last = here[-1][0]
        here = [row for row in here if holds(gap, row[0])]
        unready = await lacking([(row[0], row[11]) for row in here], now)
        here = [row for row in here if row[0] not in unready]
        schema = reader.database.schema
        begin = gap.lo - reader.limits.block_ids
        listed, ((before,),) = await reader.ask_all(
            [schema.query(_LISTED, change.first, last), schema.query(_WATER, begin, change.first, now)]
        )
        ids = [row[0] for row in listed]
        high = max(gap.high_water, before or 0)
        waters = list(accumulate((row[1] if row[1] <= now else 0 for row in listed), max, initial=high))
        for row in here:
            if row[11] < waters[bisect_left(ids, row[0])] - reader.backdated_after_s:
                backdated.add(row[0])
        rows.extend(here)
        there = [one for one in ids if holds(gap, one) and one not in unready]
        parts = remaining(gap, change.first, last, there, step)
        found += len(there)
        left.remove(gap)
        left.extend(_watered(parts, gap, ids, waters))
    return Filling(
        rows=sorted(rows, key=lambda row: int(row[0])), backdated=frozenset(backdated), found=found, gaps=tuple(left)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """A merged gap being read again from its beginning: the next id, how many ids were there, the newest time."""

    gap: Gap
    position: int
    present: int
    high_water: int

    def stands_for(self, gap: Gap) -> bool:
        """Whether ``gap`` is the one being read again; its patience may have ended meanwhile."""
        return (gap.lo, gap.hi, gap.present) == (self.gap.lo, self.gap.hi, self.gap.present)


async def read_again(
    reader: Reader, wanted: Filter, again: Again, *, now: int, lacking: Lacking
) -> tuple[list[Row], frozenset[int], Again | None, int]:
    """The next wanted rows of a merged gap, which are backdated, where to go on, and how many ids were there so far.

    Which of its ids had been missing is no longer known, so it is read whole; repeats are recognised by their keys.
    What is counted was there when it was read, so a row that comes later changes the count and is found next time.
    Call it inside a snapshot.
    """
    gap, first = again.gap, again.position
    last = min(gap.hi, first + reader.limits.span_ids_max - 1)
    rows = await reader.wanted(wanted, first - 1, last)
    if len(rows) >= reader.limits.page_rows_max:
        last = rows[-1][0]
    proof = await reader.prove(rows, first, last, again.high_water, now)
    unready = await lacking([(row[0], row[11]) for row in rows], now)
    rows = [row for row in rows if row[0] not in unready]
    present = again.present + (last - first + 1) - sum(hi - lo + 1 for lo, hi in proof.missing) - len(unready)
    rest = None if last >= gap.hi else replace(again, position=last + 1, present=present, high_water=proof.high_water)
    return rows, proof.backdated, rest, present


def _watered(parts: Sequence[Gap], gap: Gap, ids: Sequence[int], waters: Sequence[int]) -> list[Gap]:
    """What is left, each with the newest time of the ids before it."""
    return [
        part if part.lo == gap.lo else replace(part, high_water=waters[bisect_left(ids, part.lo)]) for part in parts
    ]
