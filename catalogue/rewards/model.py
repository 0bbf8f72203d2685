"""A reward as its owner describes it. Checked whole: every fault of a description is found at once."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictInt,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from catalogue.rewards import times
from catalogue.rewards.money import Money, Sum
from machine.words import plain
from wire.entry import AMOUNT_MAX

SHARED = "*"
"""The owner of rewards, names and partners that every campus may use; a campus still approves what it offers."""
PRICES_MAX = 10
NAMES_MAX = 50
LIMITS_MAX = 10

SLUG = re.compile(r"^[a-z0-9][a-z0-9._-]{0,62}$")
_TITLE = r"^[^\x00-\x1f\x7f]{1,120}$"
_TEXT = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]{0,4000}$"
_LEVEL = r"^[^\x00-\x1f\x7f]{0,100}$"
_IMAGE = r"^(https://[^\s\x00-\x1f\x7f]{1,480})?$"

Slug = Annotated[str, StringConstraints(pattern=SLUG.pattern)]
Title = Annotated[str, StringConstraints(pattern=_TITLE)]
Text = Annotated[str, StringConstraints(pattern=_TEXT)]
Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
Image = Annotated[str, StringConstraints(pattern=_IMAGE)]
Name = Annotated[str, StringConstraints(pattern=r"^[^;\x00-\x1f]{1,100}$")]
Level = Annotated[str, StringConstraints(pattern=_LEVEL)]
Amount = Annotated[StrictInt, Field(ge=1, le=AMOUNT_MAX)]
Count = Annotated[StrictInt, Field(ge=1, le=10**9)]
Moment = Annotated[
    int | None,
    BeforeValidator(times.moment),
    WithJsonSchema({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "integer"}, {"type": "null"}]}),
]
Per = Literal["ever", "year", "month", "week", "day"]
State = Literal["draft", "active", "paused", "retired"]
Funding = Literal["institution", "discount", "hybrid"]
Handing = Literal["display", "codes", "partner"]


class Model(BaseModel):
    """Unknown keys are faults, and nothing changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class Limit(Model):
    """At most ``count`` redemptions in each day, week, month, year, or ever."""

    count: Count
    per: Per = "ever"


class Gate(Model):
    """What a learner must have first. ``earned`` is a lifetime total in smallest units, by currency.

    ``badges`` are all needed, of ``any_of`` at least ``any_count``; ``level`` is one that the campus's rules name.
    """

    badges: Annotated[tuple[Name, ...], Field(max_length=NAMES_MAX)] = ()
    any_of: Annotated[tuple[Name, ...], Field(max_length=NAMES_MAX)] = ()
    any_count: Annotated[StrictInt, Field(ge=1, le=NAMES_MAX)] = 1
    level: Level = ""
    earned: Annotated[dict[Name, Amount], Field(max_length=PRICES_MAX)] = {}

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.any_of and self.any_count > len(set(self.any_of)):
            raise ValueError(f"any_count {self.any_count} is more than the {len(set(self.any_of))} of any_of")
        return self


class Window(Model):
    """When a reward may be redeemed, besides from and until: on which days, in which hours, of which time zone."""

    days: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...] = ()
    hours: Annotated[str, StringConstraints(pattern=r"^(|([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d)$")] = ""
    timezone: Annotated[str, BeforeValidator(times.zone_name)] = "UTC"


class Reward(Model):
    """One reward. ``price`` is what it costs, in smallest units of whichever currency the learner pays with.

    ``cost`` is what it costs the institution, ``learner_pays`` what the learner pays besides the price, and ``value``
    what it is worth: the rest is the partner's. ``institution`` pays all, a ``discount`` is the partner's alone, of a
    ``hybrid`` the institution pays a part, so that points buy more than the discount that everybody gets.

    ``stock`` is how many each campus has (None: as many as are asked for; of codes, as many as there are).
    ``valid_from`` and ``valid_until`` bound when it may be redeemed, seconds UTC; a voucher is good for
    ``voucher_days``. No ``countries`` and no ``cohorts`` is everywhere and everybody.
    """

    id: Slug
    title: Title
    description: Text = ""
    type: Slug = "benefit"
    category: Slug = "general"
    groups: Annotated[tuple[Slug, ...], Field(max_length=NAMES_MAX)] = ()
    brand: Slug | Literal[""] = ""
    countries: Annotated[tuple[Country, ...], Field(max_length=250)] = ()
    image: Image = ""
    price: Annotated[dict[Name, Amount], Field(min_length=1, max_length=PRICES_MAX)]
    cost: Money | None = None
    value: Money | None = None
    learner_pays: Money | None = None
    funding: Funding = "institution"
    state: State = "active"
    handing: Handing = "display"
    partner: Slug | Literal[""] = ""
    stock: Annotated[StrictInt | None, Field(ge=0, le=10**9)] = None
    valid_from: Moment = None
    valid_until: Moment = None
    window: Window = Window()
    voucher_days: Annotated[StrictInt, Field(ge=1, le=3650)] = 90
    per_learner: Annotated[tuple[Limit, ...], Field(max_length=LIMITS_MAX)] = ()
    in_all: Annotated[tuple[Limit, ...], Field(max_length=LIMITS_MAX)] = ()
    tier: Slug | Literal[""] = ""
    gate: Gate = Gate()
    cohorts: Annotated[tuple[Name, ...], Field(max_length=NAMES_MAX)] = ()

    @property
    def saving(self) -> Sum | None:
        """What the learner saves of its value, where both are known."""
        if self.value is None:
            return None
        return self.value._replace(minor=self.value.minor - (self.learner_pays.minor if self.learner_pays else 0))

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.handing == "partner") != bool(self.partner):
            raise ValueError("handing = partner needs a partner, and a partner needs handing = partner")
        if fault := _who_pays(self):
            raise ValueError(fault)
        if self.handing == "codes" and self.stock is not None:
            raise ValueError("the stock of codes is how many were imported: leave stock empty")
        if None not in {self.valid_from, self.valid_until} and (self.valid_from or 0) >= (self.valid_until or 0):
            raise ValueError("valid_from must be before valid_until")
        return self


def _who_pays(reward: Reward) -> str:
    """What is wrong with how a reward is paid for, or nothing."""
    sums = [one for one in (reward.cost, reward.learner_pays, reward.value) if one is not None]
    if len({one.code for one in sums}) > 1:
        return "cost, value and learner_pays must be in one currency"
    if reward.funding == "discount" and reward.cost is not None:
        return "funding = discount costs the institution nothing: leave cost empty, or make it hybrid"
    if reward.funding == "hybrid" and reward.cost is None:
        return "funding = hybrid needs a cost: the part that the institution pays"
    if reward.funding == "institution" and reward.learner_pays is not None:
        return "funding = institution leaves the learner nothing to pay: make it hybrid or discount"
    parts = sum(one.minor for one in (reward.cost, reward.learner_pays) if one is not None)
    if reward.value is not None and parts > reward.value.minor:
        return "cost and learner_pays are more than the value"
    return ""


class Label(Model):
    """A name that rewards are sorted by. ``gate`` is for tiers: what a learner must have to be of it.

    A tier that the campus's own rules name may ask for a balance too (``current``, by currency), and for what only the
    campus can judge (``on_campus``, in words): nobody is let past that here.
    """

    kind: Literal["type", "category", "group", "brand", "tier"]
    name: Slug
    title: Title
    description: Text = ""
    gate: Gate = Gate()
    current: Annotated[dict[Name, Amount], Field(max_length=NAMES_MAX)] = {}
    on_campus: Annotated[tuple[str, ...], Field(max_length=NAMES_MAX)] = ()


_TIERS = (("bronze", 50), ("silver", 200), ("gold", 500))
_TYPES = ("benefit", "discount", "giftcard", "item", "voucher")

USUAL = (
    *(Label(kind="type", name=name, title=name.capitalize()) for name in _TYPES),
    Label(kind="category", name="general", title="General"),
    *(
        Label(kind="tier", name=name, title=name.capitalize(), gate=Gate(earned={"points": least}))
        for name, least in _TIERS
    ),
)
"""The names that are there without anybody making them; a campus's own of the same name takes their place."""


_FORMS = {
    SLUG.pattern: "small letters, digits, '.', '_' and '-', at most 63",
    r"^[A-Z]{2}$": "a country is two capital letters, such as GB",
    r"^[^;\x00-\x1f]{1,100}$": "a name has 1 to 100 characters and no semicolon",
    _TITLE: "a title is one line of 1 to 120 characters that can be shown",
    _TEXT: "a text has at most 4000 characters that can be shown",
    _LEVEL: "a level is one line of at most 100 characters that can be shown",
    _IMAGE: "an image is an address that begins with https://",
}


def sentence(error: Any) -> str:
    """What pydantic found, as people say it."""
    form = _FORMS.get((error.get("ctx") or {}).get("pattern", ""))
    if form is not None:
        return form
    if error["type"] == "string_pattern_mismatch":
        return "hours are written as 08:00-18:00"
    return plain(str(error["msg"]))


def faults(exc: ValidationError) -> list[tuple[tuple[str, ...], str]]:
    """(place, what is wrong there) of everything that pydantic found."""
    errors = exc.errors(include_url=False, include_input=False)
    return [(tuple(str(part) for part in error["loc"]), sentence(error)) for error in errors]


def told(exc: ValidationError) -> str:
    """All of it, a line each."""
    return "".join(f"\n  {'.'.join(place)}: {why}" if place else f"\n  {why}" for place, why in faults(exc))
