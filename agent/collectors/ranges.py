"""Arithmetic of missing ids, pure: runs and progressions, filling, merging, bounding, giving up."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import replace

from agent.model import Gap, GapState

MERGED_IDS_MAX = 1_000_000
"""A gap with a stride is looked at by a scan, which must stay short."""

Progression = tuple[int, int, int]
"""(lo, hi, step): lo, lo+step, … hi."""


def missing_runs(lo: int, hi: int, present: Iterable[int]) -> list[tuple[int, int]]:
    """The runs of ids in lo…hi that are not in ``present`` (ascending)."""
    runs = []
    expected = lo
    for found in present:
        if found > expected:
            runs.append((expected, found - 1))
        expected = found + 1
    if expected <= hi:
        runs.append((expected, hi))
    return runs


def joined(runs: Iterable[tuple[int, int]], near: int = 1) -> list[tuple[int, int]]:
    """Runs in order, those as one of which one begins at most ``near`` after another's end: by default that touch."""
    found: list[tuple[int, int]] = []
    for lo, hi in sorted(runs):
        if found and lo <= found[-1][1] + near:
            found[-1] = (found[-1][0], max(hi, found[-1][1]))
        else:
            found.append((lo, hi))
    return found


def progressions(runs: Sequence[tuple[int, int]], step: int) -> list[Progression]:
    """The ids of ``runs`` as few progressions: where ids grow by ``step``, two runs a row become two in all."""
    if step == 1:
        return [(lo, hi, 1) for lo, hi in runs]
    found: list[Progression] = []
    open_classes: dict[int, tuple[int, int]] = {}
    for lo, hi in runs:
        if hi - lo + 1 >= 2 * step:  # a hole, not the sequence's own stride
            found.append((lo, hi, 1))
            continue
        for missing in range(lo, hi + 1):
            first, last = open_classes.get(missing % step, (missing, missing))
            if missing not in (last, last + step):
                found.append((first, last, step))
                first = missing
            open_classes[missing % step] = (first, missing)
    found.extend((first, last, step) for first, last in open_classes.values())
    return sorted(found)


def holds(gap: Gap, position: int) -> bool:
    """Whether ``position`` is one of the gap's ids."""
    return gap.lo <= position <= gap.hi and (position - gap.lo) % gap.step == 0


def remaining(gap: Gap, lo: int, hi: int, present: Sequence[int], step: int) -> list[Gap]:
    """What is left of a gap once lo…hi was looked at again and ``present`` (ascending) were there.

    Outside of lo…hi it stays missing as it was.
    """
    first, last = max(lo, gap.lo), min(hi, gap.hi)
    if first > last:
        return [gap]
    parts: list[Gap] = []
    before, after = _at_most(gap, first - 1), _at_least(gap, last + 1)
    if before is not None:
        parts.append(before)
    inside = present[bisect_left(present, first) : bisect_right(present, last)]
    if gap.step == 1:
        found = progressions(missing_runs(first, last, inside), step)
    else:
        start = _at_least(gap, first)
        gone = set(inside)
        ids = [] if start is None else [one for one in range(start.lo, last + 1, gap.step) if one not in gone]
        found = _strided(ids, gap.step)
    parts.extend(replace(gap, lo=a, hi=b, step=s, present=0) for a, b, s in found)
    if after is not None:
        parts.append(after)
    return parts


def _at_most(gap: Gap, bound: int) -> Gap | None:
    """The gap's ids up to ``bound``; what a merged range knew to be present is not known of a part of it."""
    if bound < gap.lo:
        return None
    return replace(gap, hi=bound - (bound - gap.lo) % gap.step, present=0)


def _at_least(gap: Gap, bound: int) -> Gap | None:
    """The gap's ids from ``bound`` on."""
    if bound <= gap.lo:
        return gap
    lo = bound + (gap.lo - bound) % gap.step
    return replace(gap, lo=lo, present=0) if lo <= gap.hi else None


def _strided(ids: Sequence[int], step: int) -> list[Progression]:
    found: list[Progression] = []
    for one in ids:
        if found and one == found[-1][1] + step:
            found[-1] = (found[-1][0], one, step)
        else:
            found.append((one, one, step))
    return found


def merged(gaps: Iterable[Gap], merge_s: float) -> list[Gap]:
    """Adjacent gaps of one step and state, opened in the same ``merge_s`` (or both given up), as one."""
    found: list[Gap] = []
    last: dict[tuple[GapState, int, int], int] = {}
    for gap in sorted(gaps, key=lambda one: (one.lo, one.hi)):
        key = (gap.state, gap.step, gap.lo % gap.step)
        index = last.get(key)
        if index is not None and _touches(found[index], gap, merge_s):
            opened = max(found[index].opened_running_s, gap.opened_running_s)
            found[index] = replace(found[index], hi=gap.hi, opened_running_s=opened)
        else:
            last[key] = len(found)
            found.append(gap)
    return found


def _touches(left: Gap, right: Gap, merge_s: float) -> bool:
    # By the clock's slots and not by distance, or a busy log would merge for ever and never give anything up.
    near = left.state == "given_up" or left.opened_running_s // merge_s == right.opened_running_s // merge_s
    small = left.step == 1 or right.hi - left.lo < MERGED_IDS_MAX
    return near and small and not left.present and not right.present and left.hi + left.step == right.lo


def bounded(gaps: Sequence[Gap], ranges_max: int) -> list[Gap]:
    """At most ``ranges_max`` gaps: the nearest neighbours are merged into ranges that know how many ids are there.

    Reading such a range again repeats rows, and keys make repeats no-ops.
    """
    found = sorted(gaps, key=lambda one: (one.lo, one.hi))
    while len(found) > ranges_max:
        room = [(max(0, found[i + 1].lo - found[i].hi), i) for i in range(len(found) - 1)]
        excess = len(found) - ranges_max
        chosen = {index for _, index in sorted(room)[:excess]}
        kept: list[Gap] = []
        for index, gap in enumerate(found):
            if index - 1 in chosen:
                kept[-1] = _cover(kept[-1], gap)
            else:
                kept.append(gap)
        found = kept
    return found


def _cover(left: Gap, right: Gap) -> Gap:
    """One range over both; the younger's patience, the older's high water; open if either is."""
    lo, hi = min(left.lo, right.lo), max(left.hi, right.hi)
    return Gap(
        lo=lo,
        hi=hi,
        step=1,
        present=max(0, hi - lo + 1 - left.missing - right.missing),
        opened_running_s=max(left.opened_running_s, right.opened_running_s),
        high_water=min(left.high_water, right.high_water),
        state="given_up" if left.state == right.state == "given_up" else "open",
    )


def expired(gaps: Iterable[Gap], running_s: float, patience_s: float) -> tuple[list[Gap], int, int]:
    """The gaps with those given up that waited ``patience_s`` of running time; how many ranges and ids these were."""
    kept: list[Gap] = []
    ranges = ids = 0
    for gap in gaps:
        if gap.state == "open" and running_s - gap.opened_running_s >= patience_s:
            kept.append(replace(gap, state="given_up"))
            ranges += 1
            ids += gap.missing
        else:
            kept.append(gap)
    return kept, ranges, ids
