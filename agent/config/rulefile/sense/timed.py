"""Time that is over, and scheduled rewards whose runs look at the same time again, or never at any."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import islice

from agent.config.cron import Cron
from agent.config.document import Fault
from agent.config.grammar import CALENDAR_WINDOWS, WEEKDAYS
from agent.config.rulefile.earning import LONGEST
from agent.config.rulefile.merged import Merged, Placed, RuleFile
from agent.config.rulefile.models import Rule
from agent.config.rulefile.tables.challenge import Challenge
from agent.config.rulefile.tables.scheduled import Scheduled

_ROLLING = {"day": "1d", "week": "7d", "month": "30d", "year": "365d"}
_FIRES_MAX = 400
_ANY_DAY = datetime(2026, 1, 1)  # noqa: DTZ001 - a wall clock, which has no zone


def warnings(merged: Merged) -> Iterator[Fault]:
    """Nights that are no night, what each `over` comes to beside `every` or `cron`, and attendance that cannot be."""
    yield from _nights(merged)
    for placed in merged.scheduled:
        spec = placed.it
        if spec.mode != "off":
            yield from _never_attended(placed)
        if spec.mode == "off" or spec.over is None:
            continue
        if spec.looked_at is None:
            hint = f"each {'absence' if spec.inactivity is not None else 'anniversary'} is told once, as it comes"
            yield placed.fault("`over` can never act", hint, at=("over",))
        elif spec.over.kind == "period":
            yield from _too_early(placed, spec.over.name, merged)
        elif spec.draw is None and _again(spec):
            rolling = f'leave `over` out for all since the run before, or write over = "{_ROLLING[spec.over.name]}"'
            yield placed.fault(f"the same {spec.over.name} is decided and paid by several runs", rolling, at=("over",))


def _nights(merged: Merged) -> Iterator[Fault]:
    """Hours past midnight on some days of the week, where a day does not begin after them: that is no night as one."""
    starts = next((value for key, value, _ in merged.settings() if key == "day_starts_at"), 0)
    paying: list[Placed[Rule] | Placed[Challenge]] = [*merged.rules, *merged.challenges]
    for placed in paying:
        active = placed.it.active
        if placed.it.mode == "off" or active is None or active.hours is None or active.days is None:
            continue
        begin, end = active.hours
        if begin < end or not isinstance(starts, int) or starts >= end or len({*active.days}) == len(WEEKDAYS):
            continue
        named, until = WEEKDAYS[active.days[0]], f"{end // 3600:02d}:{end // 60 % 60:02d}"
        told = f"{placed.it.id} is active on {named} before {until} too, and no more when {named} is over at midnight"
        hint = f'a night is one day with day_starts_at = "{until}" or later; where this is meant, nothing is wrong'
        yield placed.fault(told, hint, at=("active", "hours"))


def over(rules: RuleFile, today: date) -> Iterator[Fault]:
    """Rules and challenges that were for a time before ``today``: mostly the year is wrong."""
    paying: list[Placed[Rule] | Placed[Challenge]] = [*rules.rules, *rules.challenges]
    for placed in paying:
        active = placed.it.active
        if placed.it.mode != "off" and active is not None and active.until is not None and active.until < today:
            hint = 'it earns nothing any more: write another until, or mode = "off"'
            yield placed.fault(f"{placed.it.id} ended on {active.until}", hint, at=("active", "until"))
    for challenge in rules.challenges:
        last = challenge.it.deadline
        if challenge.it.mode != "off" and isinstance(last, date) and last < today:
            hint = 'nobody completes it any more: write another day, or mode = "off"'
            yield challenge.fault(f"the deadline of {challenge.it.id} was {last}", hint, at=("deadline",))


def _too_early(placed: Placed[Scheduled], over: str, merged: Merged) -> Iterator[Fault]:
    """The end of one period, over another one that only begins then or later."""
    looked_at, ends = merged.periods.get(over), merged.periods.get(placed.it.every or "")
    if looked_at is not None and ends is not None and looked_at.it.from_ > ends.it.until:
        told = f"{over} begins on {looked_at.it.from_}, after {placed.it.every} is over"
        yield placed.fault("this looks at no time at all", told, at=("over",))


def _never_attended(placed: Placed[Scheduled]) -> Iterator[Fault]:
    """No calendar window has more days or weeks than it can have."""
    asked, window = placed.it.attendance, placed.it.over.name if placed.it.over is not None else placed.it.every
    for unit, often in () if asked is None else (("day", asked.days or 0), ("week", asked.weeks or 0)):
        if often > LONGEST.get((unit, window or ""), 1 if window in {unit, "day"} else often):
            told = f"a {window} has no {often} {unit}s: nobody ever attends so often"
            yield placed.fault(told, "ask for fewer, or look over more", at=("attendance", f"{unit}s"))


def _again(spec: Scheduled) -> bool:
    """Whether several runs find the same calendar window to be the last that was over."""
    over = spec.over.name if spec.over is not None else ""
    if over not in _ROLLING:
        return False
    if spec.every is not None:
        return spec.every in CALENDAR_WINDOWS and CALENDAR_WINDOWS.index(spec.every) < CALENDAR_WINDOWS.index(over)
    runs = Counter(_window(over, day) for day in islice(_fires(spec.cron or ""), _FIRES_MAX))
    return any(count > 1 for count in runs.values())


def _fires(cron: str) -> Iterator[date]:
    line, wall = Cron(cron), _ANY_DAY
    while (found := line.after(wall)) is not None:
        wall = found
        yield wall.date()


def _window(name: str, day: date) -> date:
    """The first day of the calendar window that a day is in."""
    match name:
        case "week":
            return day - timedelta(days=day.weekday())
        case "month":
            return day.replace(day=1)
        case "year":
            return day.replace(month=1, day=1)
    return day
