"""The small languages inside rules.toml: numbers, durations, windows, limits, clock times. Texts in, exact values out.

Everything here raises `MisfitError` with what is wrong and what was meant.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal, cast, get_args

from agent.config.document import MisfitError, meant, quoted
from agent.model import ROLES, Role

Number = int | Fraction
"""An exact number: int where it is whole."""

Over = Literal["refuse", "trim"]
"""What happens to an award that would exceed a limit."""

CalendarWindow = Literal["day", "week", "month", "year", "ever"]
CALENDAR_WINDOWS: tuple[CalendarWindow, ...] = get_args(CalendarWindow)

UNIT_SECONDS: Mapping[str, int] = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

DIGITS_MAX = 15
_NUMBER = re.compile(r"-?\d{1,15}(?:\.\d{1,9})?")
_DIGITS = re.compile(r"-?\d+(?:\.\d+)?")
_DIGITS_TOLD = f"{DIGITS_MAX} digits before and 9 after the point"
_DURATION = re.compile(r"(\d{1,8})([smhdw])")
_LIMIT = re.compile(r"(\S+)(?: +(\S+))? */ *(\S+)")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")

_NUMBER_HINT = "write a number such as 80 or 79.5"
_DURATION_HINT = "write a whole number and s, m, h, d or w, such as 30m or 7d"
_LIMIT_HINT = 'write "3/day", "20 points/ever", "5/7d" (rolling) or "2/NAME" with a [period.NAME]'


@dataclass(frozen=True, slots=True, kw_only=True)
class Duration:
    """A span of time as it was written: ``text`` is `7d`."""

    seconds: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What a limit counts in: a calendar window, a named period, or the last so many seconds.

    ``name`` is as written (`day`, `sem1`, `7d`); ``seconds`` is only set for rolling windows.
    """

    kind: Literal["calendar", "period", "rolling"]
    name: str
    seconds: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """At most ``maximum`` awards (``unit`` empty) or units of a currency in a window; ``for_role`` None is everyone."""

    maximum: Number
    unit: str
    window: Window
    over: Over = "refuse"
    for_role: Role | None = None

    @property
    def text(self) -> str:
        """As a person writes it: `3/day`, `20 points/ever`."""
        unit = f" {self.unit}" if self.unit else ""
        return f"{shown_number(self.maximum)}{unit}/{self.window.name}"


def whole(value: Fraction) -> Number:
    """The number as int where it is whole."""
    return value.numerator if value.denominator == 1 else value


def is_number(text: str) -> bool:
    """Whether `number` would read it."""
    return _NUMBER.fullmatch(text) is not None


def number(text: str) -> Number:
    """An exact decimal: at most 15 digits before and 9 after the point."""
    if not is_number(text):
        raise MisfitError(f"{quoted(text)} is not a number", _as_written(text) or _too_long(text) or _NUMBER_HINT)
    return whole(Fraction(text))


def _as_written(text: str) -> str:
    """How a number is written here that was written as elsewhere, with a comma or marks between its thousands."""
    plain = meant.number(text)
    return f"write {plain}" if plain else "write it without %" if is_number(text.removesuffix("%")) else ""


def _too_long(text: str) -> str:
    return f"at most {_DIGITS_TOLD}" if _DIGITS.fullmatch(text) else ""


def toml_number(value: Any) -> Number | None:
    """The exact value of a TOML integer or float, None for anything else (booleans included)."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        if len(str(abs(value))) > DIGITS_MAX:
            raise MisfitError(f"{value} is too large", f"at most {DIGITS_MAX} digits")
        return value
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise MisfitError(f"{value} is not a number", _NUMBER_HINT)
        if not is_number(format(value, "f")):
            raise MisfitError(f"{value} is too long", f"at most {_DIGITS_TOLD}")
        return whole(Fraction(value))
    return None


def shown_number(value: Number) -> str:
    """A number for people: exact where it has few decimals, else rounded to five."""
    if isinstance(value, int):
        return str(value)
    rounded = round(value * 100_000)
    sign, digits = ("-" if rounded < 0 else ""), f"{abs(rounded):06d}"
    return f"{sign}{digits[:-5]}.{digits[-5:]}".rstrip("0").rstrip(".")


def shown_duration(seconds: Number) -> str:
    """A length of time for people, as rules write it, every unit that there is: `14d`, `15m 39s`, `-2h` for early."""
    if isinstance(seconds, Fraction):
        seconds = round(seconds)
    left, said = abs(seconds), []
    for unit in "dhms":
        count, left = divmod(left, UNIT_SECONDS[unit])
        said.append(f"{count}{unit}" if count else "")
    return ("-" if seconds < 0 else "") + (" ".join(part for part in said if part) or "0s")


def is_duration(text: str) -> bool:
    """Whether `duration` would read it."""
    return _DURATION.fullmatch(text) is not None


def duration(value: Any) -> int:
    """Seconds of `30m`, `12h`, `7d`, `2w`; always more than none."""
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise MisfitError(f"{quoted(value)} is not a duration", _DURATION_HINT)
    seconds = int(found[1]) * UNIT_SECONDS[found[2]]
    if not seconds:
        hint = "the least is 1s; a key that is left out has its default"
        raise MisfitError(f"{quoted(value)} is no time at all", hint)
    return seconds


def written_duration(value: Any) -> Duration:
    """As `duration`, with the text it was written in."""
    return Duration(seconds=duration(value), text=str(value))


def is_length(text: str) -> bool:
    """Whether `length` would read it."""
    return is_duration(text.removeprefix("-"))


def length(text: str) -> int:
    """As `duration`, and `0d` is 0 and `-2h` before: what facts are compared with."""
    found = _DURATION.fullmatch(text.removeprefix("-"))
    if found is None:
        wanted = _as_written(text) or f"{_NUMBER_HINT}, or a duration such as 7d"
        raise MisfitError(f"{quoted(text)} is neither a number nor a duration", wanted)
    return (-1 if text.startswith("-") else 1) * int(found[1]) * UNIT_SECONDS[found[2]]


def quantity(text: str) -> Number:
    """A number, or a duration in seconds."""
    return number(text) if is_number(text) else length(text)


def name(value: Any) -> str:
    """A name that can stand in a limit or a table header: letters, digits, - and _."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        wanted = "letters, digits, - and _, beginning with a letter, at most 64"
        raise MisfitError(f"{quoted(value)} is not a name", wanted)
    return value


def window(text: str) -> Window:
    """`day`, `week`, `month`, `year`, `ever`, a rolling `7d` or `12h`, or the name of a period (checked later)."""
    if text in CALENDAR_WINDOWS:
        return Window(kind="calendar", name=text)
    if text[:1].isdigit():
        return Window(kind="rolling", name=text, seconds=duration(text))
    if not _NAME.fullmatch(text):
        raise MisfitError(f"{quoted(text)} is not a window", _LIMIT_HINT)
    return Window(kind="period", name=text)


def limit(value: Any, *, unit: str = "") -> Limit:
    """`3/day`, `20 points/ever`, or `{ of = "60 points/30d", over = "trim", for = "referrer" }`.

    ``unit`` is what a bare number counts: awards, or in a budget its currency.
    """
    if isinstance(value, Mapping):
        return _limit_table(value, unit)
    found = _LIMIT.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise MisfitError(f"{quoted(value)} is not a limit", _LIMIT_HINT)
    named = found[2] or unit
    if named and not _NAME.fullmatch(named):
        raise MisfitError(
            f"{quoted(named)} is not the name of a currency", _as_written(f"{found[1]} {named}") or _LIMIT_HINT
        )
    maximum = number(found[1])
    if maximum <= 0:
        raise MisfitError("a limit of nothing never pays", 'to switch a rule off write mode = "off"')
    if not named and not isinstance(maximum, int):
        raise MisfitError(f"{found[1]} awards cannot be counted", "awards are whole; name a currency for amounts")
    return Limit(maximum=maximum, unit=named, window=window(found[3]))


def _limit_table(value: Mapping[str, Any], unit: str) -> Limit:
    for key in value:
        if key not in {"of", "over", "for"}:
            raise MisfitError(f"unknown key {quoted(key)}", "a limit has of, over and for", at=(key,))
    if "of" not in value:
        raise MisfitError("a limit needs `of`", 'such as { of = "60 points/30d", over = "trim" }')
    bare = limit(value["of"], unit=unit) if isinstance(value["of"], str) else None
    if bare is None:
        raise MisfitError(f"{quoted(value['of'])} is not a limit", _LIMIT_HINT, at=("of",))
    over, role = value.get("over", "refuse"), value.get("for")
    if over not in get_args(Over):
        raise MisfitError(f"{quoted(over)} is not a way to go over", 'over is "refuse" or "trim"', at=("over",))
    if over == "trim" and not bare.unit:
        raise MisfitError("an award cannot be trimmed to a part of itself", "trim works on amounts", at=("over",))
    if role is not None and role not in ROLES:
        raise MisfitError(f"{quoted(role)} is not a recipient", f"one of {', '.join(ROLES)}", at=("for",))
    return Limit(
        maximum=bare.maximum,
        unit=bare.unit,
        window=bare.window,
        over=cast("Over", over),
        for_role=cast("Role | None", role),
    )


def clock(value: Any) -> int:
    """Seconds after midnight of `HH:MM`."""
    found = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise MisfitError(f"{quoted(value)} is not a time of day", 'write it in quotes, two digits each: "08:00"')
    return int(found[1]) * 3600 + int(found[2]) * 60


def hours(value: Any) -> tuple[int, int]:
    """Begin and end of `08:00-18:00` in seconds after midnight; the end is excluded and may lie after midnight."""
    begin, dash, end = value.partition("-") if isinstance(value, str) else ("", "", "")
    if not dash:
        raise MisfitError(f"{quoted(value)} is not a span of hours", 'write "08:00-18:00"')
    span = clock(begin.strip()), 86_400 if end.strip() == "24:00" else clock(end.strip())
    if span[0] == span[1]:
        raise MisfitError(f"{quoted(value)} is no time at all", "leave hours out for the whole day")
    return span


def weekday(value: Any) -> int:
    """0 for monday or mon, to 6 for sunday or sun."""
    short = value.lower()[:3] if isinstance(value, str) else ""
    full = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    if short not in WEEKDAYS or value.lower() not in {short, full[WEEKDAYS.index(short)]}:
        raise MisfitError(f"{quoted(value)} is not a day of the week", f"one of {', '.join(WEEKDAYS)}")
    return WEEKDAYS.index(short)


def day(value: Any) -> date | None:
    """A TOML date, its text, or its midnight without a zone; None for anything else."""
    if isinstance(value, datetime):
        return value.date() if value == datetime.combine(value.date(), time()) else None
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value) if isinstance(value, str) and _DAY.fullmatch(value) else None
    except ValueError:
        return None


def days(value: Any) -> tuple[date, date]:
    """First and last day of `2026-12-24..2027-01-05`, of a single day, or of a TOML date."""
    begin, dots, end = value.partition("..") if isinstance(value, str) else (value, "", "")
    first, last = (day(each.strip() if isinstance(each, str) else each) for each in (begin, end if dots else begin))
    if first is None or last is None:
        raise MisfitError(f"{quoted(value)} is not a span of days", 'write "2026-12-24..2027-01-05"')
    if last < first:
        raise MisfitError(f"{quoted(value)} ends before it begins", "the earlier day stands first")
    return first, last
