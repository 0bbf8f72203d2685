"""`[[scheduled]]`: what is decided at a time and not by an act: rankings, attendance, anniversaries, absence, draws."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, StrictBool, StrictInt, StrictStr, model_validator

from agent.config import grammar
from agent.config.document import MisfitError, quoted
from agent.config.grammar import Duration, Number, Window
from agent.config.rulefile.award import AwardPart, Computed, award_parts
from agent.config.rulefile.tables.condition import Audience, Conditions
from agent.config.rulefile.types import ID, Course, Identifier, Kind, Limits, Model, Name, OwnBudget, Span, TrustName
from agent.model import Role, Trust

FORMS = ("rank", "attendance", "anniversary", "inactivity", "draw")
"""What a `[[scheduled]]` can be; it is one of them."""

Ties = Literal["share-place", "split", "all"]
How = Literal["earned", "acts", "days", "weeks", "sum", "best"]

DAY_S = 86_400
_EARNED = re.compile(r"([A-Za-z][A-Za-z0-9_-]{0,63}) earned")
_COUNTED = re.compile(r"(acts|days|weeks) with (\S+)")
_ADDED = re.compile(r"(sum|best) of (\S+) in (\S+)")
_BY_HINT = '"points earned", "acts with KIND", "days with KIND", "weeks with KIND", "sum (or best) of FACT in KIND"'
_CRON_FIELDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """What learners are compared by. ``what`` is a currency (`earned`) or a kind; ``fact`` is added up or the best."""

    how: How
    what: str
    fact: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prize:
    """What one place gets: ``amounts`` per currency in written order, and a badge or nothing."""

    amounts: tuple[tuple[str, Number], ...]
    badge: str | None = None


def _measure(value: Any) -> Measure:
    """`points earned`, `acts with lesson.completed`, `sum of amount in sale.made` and so on."""
    text = " ".join(value.split()) if isinstance(value, str) else ""
    if found := _EARNED.fullmatch(text):
        return Measure(how="earned", what=found[1], text=text)
    if found := _COUNTED.fullmatch(text):
        how: How = "acts" if found[1] == "acts" else "days" if found[1] == "days" else "weeks"
        return Measure(how=how, what=_kind(found[2]), text=text)
    if found := _ADDED.fullmatch(text):
        return Measure(how="sum" if found[1] == "sum" else "best", what=_kind(found[3]), fact=found[2], text=text)
    raise MisfitError(f"{quoted(value)} is nothing to compare by", f"one of {_BY_HINT}")


_KIND = re.compile(r"[a-z0-9_]+(?:\.[a-z0-9_]+)+")


def _kind(text: str) -> str:
    if not _KIND.fullmatch(text):
        raise MisfitError(f"{quoted(text)} is not a kind", "such as lesson.completed")
    return text


def _places(value: Any) -> tuple[Prize, ...]:
    """`[50, 30, 10]`, or tables of currencies and badges: `[{ points = 50, badge = "gold" }, { points = 30 }]`."""
    if not isinstance(value, list) or not value:
        raise MisfitError("places are a list with a prize for each", "such as places = [50, 30, 10]")
    return tuple(_prize(each, number) for number, each in enumerate(value))


def _prize(value: Any, number: int) -> Prize:
    badge = None
    if isinstance(value, dict):
        badge = value.get("badge")
        value = {key: amount for key, amount in value.items() if key != "badge"}
    if badge is not None and (not isinstance(badge, str) or not re.fullmatch(ID, badge)):
        raise MisfitError(f"{quoted(badge)} is not an id", "letters, digits, . _ and -", at=(number, "badge"))
    if badge is not None and not value:
        return Prize(amounts=(), badge=badge)
    try:
        return Prize(amounts=fixed(award_parts(value)), badge=badge)
    except MisfitError as error:
        raise MisfitError(error.message, error.hint, at=(number, *error.at)) from None


def fixed(parts: tuple[AwardPart, ...]) -> tuple[tuple[str, Number], ...]:
    """The amounts of an award that nothing has to be worked out for, and that goes to one person."""
    if len(parts) != 1 or parts[0].to is not None:
        raise MisfitError("what is scheduled pays the one who reached it", "leave the recipients out")
    found: list[tuple[str, Number]] = []
    for currency, amount in parts[0].amounts:
        if isinstance(amount, Computed):
            raise MisfitError("a prize is a number", "there is no act whose facts it could be worked out from")
        found.append((currency, amount))
    return tuple(found)


def _fixed_award(value: Any) -> tuple[tuple[str, Number], ...]:
    return fixed(award_parts(value))


def _over(value: Any) -> Window:
    """What a run looks at: `week`, a period, a rolling `7d`, `ever`."""
    if not isinstance(value, str):
        raise MisfitError(f"{quoted(value)} is not a window", 'such as "week", "30d" or the name of a period')
    return grammar.window(value)


def _every(value: Any) -> str:
    """The window at whose end it is decided."""
    if value == "ever" or not isinstance(value, str):
        raise MisfitError(f"{quoted(value)} never ends", "day, week, month, year, or the name of a period")
    return grammar.name(value)


def _cron(value: Any) -> str:
    """Five fields: minute, hour, day of the month, month, day of the week. What they mean is checked later."""
    if not isinstance(value, str) or len(value.split()) != _CRON_FIELDS:
        hint = 'five fields such as "0 18 * * FRI" (fridays at 18:00)'
        raise MisfitError(f"{quoted(value)} is not a cron line", hint)
    return " ".join(value.split())


def _above_zero(value: Any) -> Number:
    """A number above 0."""
    found = grammar.number(value) if isinstance(value, str) else grammar.toml_number(value)
    if found is None or found <= 0:
        raise MisfitError(f"{quoted(value)} is not a number above 0", "such as 20")
    return found


Count = Annotated[StrictInt, Field(ge=1, le=10_000)]
_By = Annotated[Measure, PlainValidator(_measure)]
_EARNED_POINTS = Measure(how="earned", what="points", text="points earned")


class Rank(Model):
    """Learners in the order of a measure; who has less than ``at_least`` (or nothing) has no place."""

    by: _By = _EARNED_POINTS
    at_least: Annotated[Number, PlainValidator(_above_zero)] | None = None
    group: Name | None = None
    course: Course | None = None


class Among(Model):
    """Who takes part in a draw."""

    by: _By = _EARNED_POINTS
    at_least: Annotated[Number, PlainValidator(_above_zero)] | None = None
    group: Name | None = None
    course: Course | None = None


class Attendance(Model):
    """So many different days or weeks with an act of a kind."""

    of: Kind
    days: Count | None = None
    weeks: Count | None = None

    @model_validator(mode="after")
    def _counts_one_thing(self) -> Attendance:
        if (self.days is None) == (self.weeks is None):
            raise MisfitError("attendance counts days or weeks", 'such as { of = "user.logged_in", days = 5 }')
        return self


class Anniversary(Model):
    """Whole years since the first act that is known, or the first enrolment; ``years`` left out is every one."""

    of: Literal["first act", "enrolment"] = "first act"
    years: Annotated[tuple[Count, ...], Field(min_length=1)] = ()


class Inactivity(Model):
    """No act for so long, told once for each absence. ``of`` left out is any act."""

    for_: Span = Field(alias="for")
    of: Kind | None = None


class Draw(Model):
    """Winners drawn at random. ``tickets`` is how much of the measure brings one ticket; left out: one for each.

    ``seed = "chain"`` does without a catalogue's signature: whoever runs the agent could then try until it pleases.
    """

    winners: Count
    among: Among = Among()
    tickets: Annotated[Number, PlainValidator(_above_zero)] | None = None
    announce: Annotated[StrictStr, Field(max_length=300)] = ""
    seed: Literal["receipt", "chain"] = "receipt"


class Scheduled(Model):
    """One scheduled reward; what is left out has the default written here. ``over`` left out is what has just ended."""

    id: Identifier
    title: StrictStr = ""
    description: StrictStr = ""
    every: Annotated[str, PlainValidator(_every)] | None = None
    cron: Annotated[str, PlainValidator(_cron)] | None = None
    over: Annotated[Window, PlainValidator(_over)] | None = None
    settle: Span = Duration(seconds=36 * 3600, text="36h")
    rank: Rank | None = None
    attendance: Attendance | None = None
    anniversary: Anniversary | None = None
    inactivity: Inactivity | None = None
    draw: Draw | None = None
    places: Annotated[tuple[Prize, ...], PlainValidator(_places)] = ()
    ties: Ties = "share-place"
    award: Annotated[tuple[tuple[str, Number], ...], PlainValidator(_fixed_award)] = ()
    badge: Identifier | None = None
    counts: StrictBool = False
    conditions: Conditions = Conditions()
    min_trust: TrustName = Trust.trusted_source
    recipient: Role = "subject"
    audience: Audience | None = None
    limit: Limits = ()
    budget: OwnBudget = ()
    cooldown: Span | None = None
    mode: Literal["live", "shadow", "off"] = "live"
    message: Annotated[StrictStr, Field(max_length=500)] = ""
    group: Name | None = None
    tags: tuple[StrictStr, ...] = ()

    @property
    def form(self) -> str:
        """Which of `FORMS` it is."""
        return next(form for form in FORMS if getattr(self, form) is not None)

    @property
    def looked_at(self) -> Window | None:
        """``over``, where runs may look at the same time again: absences and anniversaries are told as they come."""
        return None if self.inactivity is not None or self.anniversary is not None else self.over

    @property
    def among(self) -> Rank | Among | None:
        """Who is compared, and by what, where somebody is."""
        return self.rank if self.rank is not None else self.draw.among if self.draw is not None else None

    @property
    def badges(self) -> tuple[str, ...]:
        """Those that it gives."""
        given = (self.badge, *(prize.badge for prize in self.places))
        return tuple(badge for badge in given if badge is not None)

    @model_validator(mode="after")
    def _is_one_thing(self) -> Scheduled:
        given = [form for form in FORMS if getattr(self, form) is not None]
        if len(given) != 1:
            raise MisfitError(f"scheduled {self.id!r} needs one of {', '.join(FORMS)}", "a [[scheduled]] for each")
        if self.every is not None and self.cron is not None:
            raise MisfitError(f"scheduled {self.id!r} has `every` and `cron`", "take one of the two out", at=("cron",))
        if self.every is None and self.cron is None:
            raise MisfitError(f"scheduled {self.id!r} needs `every` or `cron`", 'such as every = "week"')
        return self

    @model_validator(mode="after")
    def _pays_in_one_way(self) -> Scheduled:
        fixed_prize = bool(self.award) or self.badge is not None
        if self.rank is not None and (fixed_prize or not self.places):
            raise MisfitError(f"scheduled {self.id!r}: a ranking has `places`", "places = [50, 30, 10]", at=("rank",))
        if self.draw is not None and fixed_prize == bool(self.places):
            raise MisfitError(f"scheduled {self.id!r}: a draw has `award` or `places`", "one of the two", at=("draw",))
        if self.draw is not None and self.places and len(self.places) != self.draw.winners:
            raise MisfitError("a place for each winner", f"winners = {len(self.places)}", at=("places",))
        if self.places and self.rank is None and self.draw is None:
            raise MisfitError("places belong to a ranking or a draw", "here it is `award` or `badge`", at=("places",))
        if not (self.places or fixed_prize or self.inactivity is not None):
            raise MisfitError(f"scheduled {self.id!r} gives nothing", "it needs `award` or `badge`")
        return self
