"""Everything that limits is a quota: once_per, frequency, limit, cooldown, cap, budget, a badge's uniqueness. Pure.

One property holds for all of them: in no window that an award falls into are there ever more uses than the maximum,
whatever the order in which the awards arrive.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from enum import Enum
from fractions import Fraction
from typing import Any, Literal

from agent.engine.calendar import Calendar, Moment
from agent.model import Use, UseKey

AWARDS = ""
"""The unit of a quota that counts awards; any other unit is a currency (or `badge:<id>`)."""

SHADOW = "shadow/"
"""Before the meter of what only would have been paid: it limits itself and touches nothing that is live."""


class Span(Enum):
    """What a quota counts in."""

    scope = "scope"  # once_per: the bucket is the scope
    calendar = "calendar"  # a calendar window or a named period: the bucket is its name
    rolling = "rolling"  # so many seconds: buckets are that long, so that neighbours hold all that counts


COOLDOWN = "cooldown:"
"""How the meters begin that count on after a reversal."""


def is_cooldown(meter: str) -> bool:
    """Whether a reversed award still counts for this meter."""
    return meter.removeprefix(SHADOW).startswith(COOLDOWN)


# Members of an enum are slow to look up, and these are asked for several times in each decision.
SCOPE, CALENDAR, ROLLING = Span.scope, Span.calendar, Span.rolling


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """A maximum of ``factor`` times the median of the days with awards among the last ``days`` (see `past.brake`).

    It is known from ``at_least`` such days on; ``floor`` (smallest units, 0 for none) is the least maximum.
    """

    factor: Fraction
    days: int
    at_least: int
    floor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """At most ``maximum`` of ``unit`` in any one span.

    ``meter`` names its uses and says what it counts in, but not how many are allowed: another maximum keeps its
    history. ``windows`` are the calendar windows (all of a scope's), ``window_s`` the length of a rolling span.
    ``everyone`` counts all learners together; ``keeps_reversed`` counts reversed awards too. ``label`` is the reason.
    Where there is a ``usual``, the maximum is worked out from the days before. ``sources`` are those (as configured)
    whose acts it counts, empty for all.
    """

    meter: str
    span: Span
    maximum: int
    label: str
    unit: str = AWARDS
    windows: tuple[str, ...] = ()
    window_s: int = 0
    over: Literal["refuse", "trim", "hold"] = "refuse"
    everyone: bool = False
    keeps_reversed: bool = False
    usual: Usual | None = None
    sources: frozenset[str] = frozenset()

    def bucket(self, at: int, moment: Moment, scope: str) -> str | None:
        """Where a use at ``at`` is counted; None where this quota does not apply (outside its period)."""
        if self.span is CALENDAR:
            return moment.windows.get(self.windows[0])
        return scope if self.span is SCOPE else str(at // self.window_s)

    def keys(self, bucket: str, learner: str, prefix: str) -> tuple[UseKey, ...]:
        """What must be known of the past to judge a use in ``bucket``."""
        meter, _, who = self.key(bucket, learner, prefix)
        if self.span is not ROLLING:
            return ((meter, bucket, who),)
        number = int(bucket)
        return tuple((meter, str(each), who) for each in (number - 1, number, number + 1))

    def key(self, bucket: str, learner: str, prefix: str) -> UseKey:
        """Where a use in ``bucket`` is counted."""
        return (f"{prefix}{self.meter}" if prefix else self.meter, bucket, "" if self.everyone else learner)

    def use(self, bucket: str, learner: str, at: int, amount: int) -> Use:
        """What an award would take; its slot is found when it is booked."""
        meter, _, who = self.key(bucket, learner, "")
        return Use(meter=meter, bucket=bucket, learner=who, at=at, amount=amount)


Places = tuple[tuple[Quota, str], ...]
"""Quotas that an award takes from, each with the bucket it falls into, in the order in which they are asked."""


class Uses:
    """All uses that a page knows of: those read from the ledger and those the page has added.

    ``totals`` are what counts under each key. ``answers`` remember what sets came to: key and newest member → size of
    the set then, and what was due.
    """

    __slots__ = ("_generations", "_rows", "_sets", "answers", "totals")

    def __init__(self, uses: Iterable[Use] = ()) -> None:
        self._rows: defaultdict[UseKey, list[Use]] = defaultdict(list)
        self.totals: dict[UseKey, int] = {}
        self._generations: dict[UseKey, int] = {}
        self._sets: dict[UseKey, dict[int, int]] = {}
        self.answers: dict[tuple[UseKey, int], tuple[int, Any]] = {}
        self.learn(uses)

    def learn(self, uses: Iterable[Use]) -> None:
        """Take more of what the ledger knows, under keys of which nothing is known yet."""
        for use in uses:
            key = (use.meter, use.bucket, use.learner)
            if not use.freed:
                self.totals[key] = self.totals.get(key, 0) + use.amount
            self._generations[key] = max(self._generations.get(key, 0), use.slot + 1)
            self._rows[key].append(use)

    def copied(self, keys: Collection[UseKey]) -> Uses:
        """What is known under these keys, to be tried out without leaving anything here."""
        found = Uses(use for key in keys for use in self._rows.get(key, ()))
        for key in keys:
            for slot, at in self._sets.get(key, {}).items():
                found.note(Use(meter=key[0], bucket=key[1], learner=key[2], at=at, amount=1, slot=slot))
        return found

    def book(self, use: Use, key: UseKey, span: Span) -> None:
        """Make a use of this page visible to everything that follows."""
        self.totals[key] = self.totals.get(key, 0) + use.amount
        if span is SCOPE:
            self._generations[key] = use.slot + 1
        elif span is ROLLING:
            self._rows[key].append(use)

    def mark(self, use: Use) -> None:
        """Make a use that limits nothing visible to everything that follows."""
        self._rows[use.meter, use.bucket, use.learner].append(use)

    def marks(self, key: UseKey) -> list[Use]:
        """The uses under a key, one by one."""
        return self._rows.get(key, [])

    def free(self, use: Use) -> None:
        """Give back a use of an award that was reversed; its generation stays used, and so does its cooldown."""
        if is_cooldown(use.meter):
            return
        key = (use.meter, use.bucket, use.learner)
        if key in self.totals:
            self.totals[key] -= use.amount
        rows = self._rows.get(key, [])
        for number, row in enumerate(rows):
            if not row.freed and (row.at, row.amount, row.slot) == (use.at, use.amount, use.slot):
                rows[number] = replace(row, freed=True)
                break

    def release(self, use: Use) -> None:
        """Give back what a hold had reserved, its cooldown too; its generation stays used."""
        key = (use.meter, use.bucket, use.learner)
        if key in self.totals:
            self.totals[key] -= use.amount
        rows = self._rows.get(key, [])
        for number, row in enumerate(rows):
            if (row.at, row.amount, row.slot, row.freed) == (use.at, use.amount, use.slot, False):
                del rows[number]
                break

    def until(self, key: UseKey, at: int) -> None:
        """Know nothing more under a key of what came after ``at``, unless it was given back."""
        later = [use for use in self._rows.get(key, ()) if use.at > at and not use.freed]
        if later:
            self._rows[key] = [use for use in self._rows[key] if use.at <= at or use.freed]
            self.totals[key] -= sum(use.amount for use in later)

    def members(self, key: UseKey) -> dict[int, int]:
        """The set under a key: slot → time."""
        found = self._sets.get(key)
        if found is None:
            found = self._sets[key] = {use.slot: use.at for use in self._rows.get(key, ()) if not use.freed}
        return found

    def note(self, use: Use) -> bool:
        """Put a member into its set; False where it was there."""
        members = self.members((use.meter, use.bucket, use.learner))
        if use.slot in members:
            return False
        members[use.slot] = use.at
        return True

    def forget(self, use: Use) -> None:
        """Take a member out of its set again, where it is this one."""
        self.release(use)
        key = (use.meter, use.bucket, use.learner)
        members = self._sets.get(key, {})
        if members.get(use.slot) == use.at:
            del members[use.slot]
            self.answers.pop((key, use.slot), None)

    def generation(self, key: UseKey) -> int:
        """How often a scope has been used, freed uses included: what the next one is called."""
        return self._generations.get(key, 0)

    def room(self, quota: Quota, key: UseKey, at: int) -> int:
        """How much more of the quota's unit fits at ``at`` without any window going over; never below 0."""
        if quota.span is ROLLING:
            return max(0, quota.maximum - _fullest(self._near(quota, key, at), quota.window_s, at))
        return max(0, quota.maximum - self.totals.get(key, 0))

    def free_at(self, quota: Quota, key: UseKey, at: int, amount: int) -> int | None:
        """The first time after ``at`` when ``amount`` would fit a rolling quota; None where none is known."""
        near = self._near(quota, key, at)
        for candidate in sorted(when + quota.window_s for when, _ in near):
            if candidate > at and quota.maximum - _fullest(near, quota.window_s, candidate) >= amount:
                return candidate
        return None

    def _near(self, quota: Quota, key: UseKey, at: int) -> list[tuple[int, int]]:
        """Time and amount of every use that shares a window with ``at``."""
        reach, rows = quota.window_s, self._rows
        number = int(key[1])
        return [
            (use.at, use.amount)
            for bucket in (number - 1, number, number + 1)
            for use in rows.get((key[0], str(bucket), key[2]), ())
            if -reach < use.at - at < reach and (quota.keeps_reversed or not use.freed)
        ]


def _fullest(near: list[tuple[int, int]], window_s: int, at: int) -> int:
    """The most that any window of ``window_s`` around ``at`` holds already; windows are (end − window_s, end].

    The windows to look at end at ``at`` or at a later use less than a window away: any other that contains ``at`` holds
    no more than one of these.
    """
    most = 0
    for end in (at, *(when for when, _ in near if at < when < at + window_s)):
        held = sum(amount for when, amount in near if end - window_s < when <= end)
        most = max(most, held)
    return most


def until(quota: Quota, calendar: Calendar, at: int) -> int | None:
    """When the calendar windows that refused are over (the earliest); None where it is for ever."""
    ends = [end for name in quota.windows if (end := calendar.ends(name, at)) is not None]
    return min(ends, default=None)
