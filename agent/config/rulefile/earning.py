"""What a rule says where awards are decided from sets: streaks, crossings, momentum, spaced learning, comebacks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, StrictBool, StrictInt, model_validator

from agent.config import grammar
from agent.config.document import MisfitError, quoted
from agent.config.grammar import Duration, Number

EARNING = ("streak", "crosses", "momentum", "spaced", "first", "comeback")
"""Keys of a rule that decide from a set; a rule has one of them at most."""

StreakUnit = Literal["day", "week", "month"]
_UNITS: tuple[StreakUnit, ...] = ("day", "week", "month")
_WIDER = {"day": ("week", "month", "year", "ever"), "week": ("month", "year", "ever"), "month": ("year", "ever")}

Count = Annotated[StrictInt, Field(ge=1, le=1000)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, defer_build=True)


class Each(_Table):
    """What makes a week or month count: acts on so many days of it."""

    days: Annotated[StrictInt, Field(ge=1, le=31)] = 1


class Forgive(_Table):
    """How many missed days, weeks or months do not break a run, in each window or period ``per``."""

    days: Count | None = None
    weeks: Count | None = None
    months: Count | None = None
    per: Annotated[str, PlainValidator(grammar.name)]


class Streak(_Table):
    """So many days, weeks or months in a row; with ``in_`` so many within that window or period, in a row or not.

    ``repeat`` pays for every further such streak.
    """

    days: Count | None = None
    weeks: Count | None = None
    months: Count | None = None
    in_: Annotated[str, PlainValidator(grammar.name)] | None = Field(default=None, alias="in")
    each: Each = Each()
    forgive: Forgive | None = None
    repeat: StrictBool = False

    @property
    def unit(self) -> StreakUnit:
        """What is counted."""
        return next(unit for unit in _UNITS if getattr(self, f"{unit}s") is not None)

    @property
    def length(self) -> int:
        """How many of them."""
        return int(getattr(self, f"{self.unit}s"))

    @property
    def forgiven(self) -> int:
        """How many missed ones do not break a run."""
        return int(getattr(self.forgive, f"{self.unit}s")) if self.forgive is not None else 0

    @model_validator(mode="after")
    def _makes_sense(self) -> Streak:
        if sum(getattr(self, f"{unit}s") is not None for unit in _UNITS) != 1:
            raise MisfitError("a streak counts days, weeks or months", 'such as { days = 5, in = "week" }')
        if self.unit == "day" and self.each.days > 1:
            raise MisfitError("a day is one day", "`each` belongs to weeks and months", at=("each",))
        if self.in_ in {"day", *_UNITS} and self.in_ not in _WIDER[self.unit]:
            raise MisfitError(f"{self.unit}s are not counted in a {self.in_}", "name a wider window", at=("in",))
        self._fits()
        if self.forgive is None:
            return self
        if self.in_ is not None:
            raise MisfitError("there is nothing to forgive", "without `in` they are counted in a row", at=("forgive",))
        named = [unit for unit in _UNITS if getattr(self.forgive, f"{unit}s") is not None]
        if named != [self.unit]:
            hint = f'such as forgive = {{ {self.unit}s = 1, per = "year" }}'
            raise MisfitError(f"a streak of {self.unit}s forgives {self.unit}s", hint, at=("forgive",))
        per = self.forgive.per
        if self.forgiven >= LONGEST.get((self.unit, per), 1 if per == self.unit else self.forgiven + 1):
            told = f"every missed {self.unit} of a {per} is forgiven"
            raise MisfitError(told, "forgive fewer, or nothing ever breaks the streak", at=("forgive",))
        return self

    def _fits(self) -> None:
        """No window has more days, weeks or months than it can have."""
        if self.each.days > LONGEST.get(("day", self.unit), self.each.days):
            raise MisfitError(
                f"a {self.unit} has no {self.each.days} days", "such as each = { days = 3 }", at=("each",)
            )
        if self.in_ is not None and self.length > LONGEST.get((self.unit, self.in_), self.length):
            hint = f'such as {{ {self.unit}s = 5, in = "{self.in_}" }}'
            raise MisfitError(f"a {self.in_} has no {self.length} {self.unit}s", hint, at=(f"{self.unit}s",))


LONGEST = {
    ("day", "week"): 7,
    ("day", "month"): 31,
    ("day", "year"): 366,
    ("week", "month"): 6,
    ("week", "year"): 54,
    ("month", "year"): 12,
}
"""At most so many (of the first, in the second), the cut ones at both ends among them."""


class Momentum(_Table):
    """So many different lessons within a time, over midnight too."""

    lessons: Annotated[StrictInt, Field(ge=2, le=100)]
    within: Annotated[Duration, PlainValidator(grammar.written_duration)]
    repeat: StrictBool = False

    @model_validator(mode="after")
    def _within_a_day(self) -> Momentum:
        if self.within.seconds > grammar.UNIT_SECONDS["d"]:
            raise MisfitError("momentum is lessons within hours", "within at most 24h", at=("within",))
        return self


class Spaced(_Table):
    """Acts about the same thing on so many days, each at least ``apart`` days after the one before."""

    days: Annotated[StrictInt, Field(ge=2, le=1000)]
    of: Literal["lesson", "section", "course", "post"] = "course"
    apart: Annotated[StrictInt, Field(ge=1, le=366)] = 1


def crossing(value: Any) -> tuple[str, Number]:
    """A fact and the number it must be lifted to: `{ section_progress_pct = 80 }`."""
    if not isinstance(value, dict) or len(value) != 1:
        raise MisfitError("a crossing is one fact and a number", "crosses = { section_progress_pct = 80 }")
    ((fact, written),) = value.items()
    threshold = grammar.toml_number(written)
    if threshold is None:
        raise MisfitError(f"{quoted(written)} is not a number", "crosses = { section_progress_pct = 80 }", at=(fact,))
    return fact, threshold


def away(value: Any) -> int:
    """Whole days of `30d`."""
    days, rest = divmod(grammar.duration(value), grammar.UNIT_SECONDS["d"])
    if rest:
        raise MisfitError(f"{quoted(value)} is not a number of whole days", 'comeback = "30d"')
    return days


def one_way(given: Sequence[str], once_per: tuple[str, ...] | None, frequency: int, *, recipients: int) -> None:
    """Refuse what does not go together with the keys of `EARNING` that are ``given`` in a rule."""
    if not given:
        return
    first = given[0]
    if given[1:]:
        raise MisfitError(f"`{first}` and `{given[1]}` in one rule", "write a rule for each", at=(given[1],))
    if once_per is not None and first not in {"crosses", "first"}:
        raise MisfitError(f"`{first}` brings its own once_per", "leave once_per out", at=("once_per",))
    if frequency > 1:
        raise MisfitError(f"`{first}` is paid once", "leave frequency out", at=("frequency",))
    if recipients > 1:
        raise MisfitError(f"`{first}` pays one recipient", "write a rule for each", at=("award",))
