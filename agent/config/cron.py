"""A cron line as the wall clock times at which it fires. Pure: it reads no clock."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from apscheduler.triggers.cron import CronTrigger

from agent.config.document import MisfitError, quoted

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FIELDS: Mapping[str, tuple[str, str]] = {
    "minute": ("minute", "0 to 59"),
    "hour": ("hour", "0 to 23"),
    "day": ("day", "1 to 31"),
    "month": ("month", "1 to 12, or JAN to DEC"),
    "day_of_week": ("weekday", "0 to 7, or SUN to SAT"),
}
"""By the library's name of each field what it is called and can be; `*`, `*/5`, `1-5` and lists besides."""
_NUMBER = re.compile(r"(?<![/\d])\d+")


class Cron:
    """Minute, hour, day of the month, month, day of the week (0 and 7 are sunday); all five must fit.

    It counts on the wall clock alone, so that a clock change neither skips a time nor repeats it: what a time on the
    wall means in seconds is the calendar's to say.
    """

    __slots__ = ("_trigger", "text")

    def __init__(self, text: str) -> None:
        written = dict(zip(_FIELDS, text.split(), strict=True))
        self.text = text
        for field, value in written.items():
            if _trigger({field: value}) is None:
                told, can_be = _FIELDS[field]
                wrong = f"{quoted(text)} is not a cron line: the {told} cannot be {quoted(value)}"
                raise MisfitError(wrong, f"it is {can_be}")
        trigger = _trigger(written)
        if trigger is None:
            raise MisfitError(f"{quoted(text)} is not a cron line", 'such as "0 18 * * FRI"')
        self._trigger = trigger

    def after(self, wall: datetime) -> datetime | None:
        """The first time after ``wall`` (both without a zone); None where it never fires again."""
        before = wall.replace(tzinfo=UTC)
        found = self._trigger.get_next_fire_time(before, before)
        return None if found is None else found.replace(tzinfo=None)


def _trigger(fields: Mapping[str, str]) -> CronTrigger | None:
    """The library's trigger; None where it cannot be one."""
    named = {field: _by_name(value) if field == "day_of_week" else value for field, value in fields.items()}
    try:
        return CronTrigger(**named, timezone=UTC)
    except (ValueError, KeyError, IndexError):
        return None


def _by_name(weekday: str) -> str:
    """Numbers as names: the library counts from monday, cron from sunday."""

    def named(found: re.Match[str]) -> str:
        number = int(found[0])
        return _DAYS[number] if number < len(_DAYS) else found[0]

    return _NUMBER.sub(named, weekday)
