"""A cron line as the wall clock times at which it fires. Pure: it reads no clock."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from apscheduler.triggers.cron import CronTrigger

from agent.config.document import MisfitError

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")
_NUMBER = re.compile(r"(?<![/\d])\d+")


class Cron:
    """Minute, hour, day of the month, month, day of the week (0 and 7 are sunday); all five must fit.

    It counts on the wall clock alone, so that a clock change neither skips a time nor repeats it: what a time on the
    wall means in seconds is the calendar's to say.
    """

    __slots__ = ("_trigger", "text")

    def __init__(self, text: str) -> None:
        minute, hour, day, month, weekday = text.split()
        self.text = text
        try:
            self._trigger = CronTrigger(
                minute=minute, hour=hour, day=day, month=month, day_of_week=_by_name(weekday), timezone=UTC
            )
        except (ValueError, KeyError, IndexError) as error:
            raise MisfitError(f"{text!r} is not a cron line: {error}", 'such as "0 18 * * FRI"') from None

    def after(self, wall: datetime) -> datetime | None:
        """The first time after ``wall`` (both without a zone); None where it never fires again."""
        before = wall.replace(tzinfo=UTC)
        found = self._trigger.get_next_fire_time(before, before)
        return None if found is None else found.replace(tzinfo=None)


def _by_name(weekday: str) -> str:
    """Numbers as names: the library counts from monday, cron from sunday."""

    def named(found: re.Match[str]) -> str:
        number = int(found[0])
        return _DAYS[number] if number < len(_DAYS) else found[0]

    return _NUMBER.sub(named, weekday)
