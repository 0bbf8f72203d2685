"""How much may be issued on a day before it is held: so many times what is usual. Pure.

The usual is the median of what was issued on the days with awards among the last ones, by the time of the acts. What
was reversed does not count, what is approved does.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from functools import lru_cache

from agent.engine.quota import Places, Uses, Usual
from agent.model import UseKey

UNBOUND = 2**62
"""The maximum while the usual is not known, and of an approval, which is above the brake."""


def ask(places: Places, prefix: str, totals: set[UseKey]) -> None:
    """Add the days that the usual of these places is made of."""
    for quota, bucket in places:
        if quota.usual is not None:
            totals.update(_days(prefix + quota.meter, bucket, quota.usual.days))


def resolved(places: Places, prefix: str, uses: Uses) -> Places:
    """The places with the maximum of each brake as the days before have it."""
    found = []
    for quota, bucket in places:
        usual = quota.usual
        most = None if usual is None else _most(usual, _days(prefix + quota.meter, bucket, usual.days), uses)
        found.append((quota if most is None else replace(quota, maximum=most), bucket))
    return tuple(found)


@lru_cache(maxsize=4096)
def _days(meter: str, bucket: str, days: int) -> tuple[UseKey, ...]:
    """Where the days before one are counted."""
    day = date.fromisoformat(bucket)
    before = range(1, min(days, day.toordinal() - 1) + 1)
    return tuple((meter, (day - timedelta(days=number)).isoformat(), "") for number in before)


def _most(usual: Usual, days: tuple[UseKey, ...], uses: Uses) -> int:
    issued = sorted(found for key in days if (found := uses.totals.get(key, 0)) > 0)
    if len(issued) < usual.at_least:
        return usual.floor or UNBOUND
    half, odd = divmod(len(issued), 2)
    doubled = 2 * issued[half] if odd else issued[half - 1] + issued[half]
    return max(usual.floor, int(usual.factor * doubled / 2))
