"""rules.toml as frozen models: every key, its default, and what can be checked without looking at another key."""

from __future__ import annotations

import re
from datetime import date
from difflib import get_close_matches
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    StrictBool,
    StrictInt,
    StrictStr,
    model_validator,
)

from agent.config import grammar
from agent.config.comparison import Comparison, comparison
from agent.config.document import MisfitError
from agent.config.grammar import Duration, Limit, Number
from agent.config.rulefile import later
from agent.config.rulefile.award import AwardPart, award_parts
from agent.config.rulefile.earning import EARNING, Momentum, Spaced, Streak, away, crossing, one_way
from agent.config.rulefile.later import Later
from agent.model import Role, Trust

ONCE_PER = ("ever", "lesson", "section", "course", "post", "badge", "day", "week", "month", "year", "subject", "event")
"""What a rule can be once per, besides the names of periods."""

_ALIASES = {
    r"\core\event\quiz_attempt_submitted": r"\mod_quiz\event\attempt_submitted",
    r"\core\event\assignment_submitted": r"\mod_assign\event\assessable_submitted",
    r"\core\event\user_login": r"\core\event\user_loggedin",
}
"""Names that guides use for events which Moodle calls otherwise."""

_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_LMS_NAME = re.compile(r"\\?[a-z0-9_]+\\event\\[a-z0-9_]+")
_KIND = re.compile(r"[a-z0-9_*]+(?:\.[a-z0-9_*]+)*")
_SELECTOR_HINT = 'a short name, "idnumber:…" or "id:7"'


class Model(BaseModel):
    """Frozen; a key it does not know is a fault."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, populate_by_name=False)


def _listed(value: Any) -> Any:
    """One value stands for a list of one."""
    return value if isinstance(value, list) else [value]


def _identifier(value: Any) -> str:
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise MisfitError(f"{value!r} is not an id", "small letters, digits, . _ and -, at most 64")
    return value


def _zone(value: Any) -> ZoneInfo:
    zones = available_timezones()
    if not isinstance(value, str) or value not in zones:
        near = get_close_matches(str(value), sorted(zones), n=1)
        raise MisfitError(f"{value!r} is not an IANA time zone", f"did you mean {near[0]!r}?" if near else "see tzdata")
    return ZoneInfo(value)


def _on(value: Any) -> str:
    """A kind, a wildcard over kinds, or a full LMS name (a missing first backslash is put there)."""
    if not isinstance(value, str) or not (_KIND.fullmatch(value) or _LMS_NAME.fullmatch(value)):
        hint = r"a kind such as quiz.submitted, a wildcard forum.*, or '\mod_quiz\event\attempt_submitted'"
        raise MisfitError(f"{value!r} is neither a kind nor an LMS event", hint)
    full = f"\\{value}" if "\\" in value and not value.startswith("\\") else value
    return _ALIASES.get(full, full)


def _kind(value: Any) -> str:
    """The name of a kind, without a wildcard."""
    if not isinstance(value, str) or not _KIND.fullmatch(value) or "*" in value or "." not in value:
        raise MisfitError(f"{value!r} is not a kind", "thing.happened, in small letters")
    return value


def _period(value: Any) -> str:
    if value in {*ONCE_PER, *later.IN_ONCE_PER, *grammar.CALENDAR_WINDOWS}:
        raise MisfitError(f"{value!r} is a scope or a window already", "give the period another name")
    return grammar.name(value)


def _currency(value: Any) -> str:
    if value in {"to", "awards", "badge", "per", "of"}:
        raise MisfitError(f"{value!r} means something else in an award or a limit", "give the currency another name")
    return grammar.name(value)


def _once(value: Any) -> str:
    if value in later.IN_ONCE_PER:
        raise later.not_yet(value)
    if value in ONCE_PER:
        return str(value)
    return grammar.name(value)


def _course(value: Any) -> str:
    if not isinstance(value, str) or not value.partition(":")[0] or value.endswith(":"):
        raise MisfitError(f"{value!r} names no course", _SELECTOR_HINT)
    return value


def _expiry(value: Any) -> int | None:
    return None if value == "never" else grammar.duration(value)


def _operand(value: Any) -> Number:
    found = grammar.toml_number(value)
    if found is not None:
        return found
    if not isinstance(value, str):
        raise MisfitError(f"{value!r} is neither a number nor a duration", 'such as 80 or "7d"')
    return grammar.quantity(value)


def _trust(value: Any) -> Trust:
    if not isinstance(value, str) or value not in Trust.__members__:
        raise MisfitError(f"{value!r} is not a trust", f"one of {', '.join(Trust.__members__)}")
    return Trust[value]


def _expected(value: Any) -> Number | str:
    found = grammar.toml_number(value)
    if found is None and not isinstance(value, str):
        raise MisfitError(f"{value!r} is no amount", 'such as points = 10, or badge = "quiz-ace"')
    return value if found is None else found


def _budget(value: Any) -> dict[str, Limit]:
    if not isinstance(value, dict):
        raise MisfitError("a budget is a table", '[budget] with points = "50000/week"')
    found: dict[str, Limit] = {}
    for currency, text in value.items():
        try:
            found[currency] = grammar.limit(text, unit=currency)
        except MisfitError as error:
            raise MisfitError(error.message, error.hint, at=(currency, *error.at)) from None
        if found[currency].unit != currency:
            raise MisfitError(f"a budget of {currency} counts {currency}", 'such as "50000/week"', at=(currency,))
    return found


Identifier = Annotated[str, PlainValidator(_identifier)]
Name = Annotated[str, PlainValidator(grammar.name)]
On = Annotated[tuple[Annotated[str, PlainValidator(_on)], ...], BeforeValidator(_listed), Field(min_length=1)]
Limits = Annotated[tuple[Annotated[Limit, PlainValidator(grammar.limit)], ...], BeforeValidator(_listed)]
Days = Annotated[tuple[date, date], PlainValidator(grammar.days)]
Span = Annotated[Duration, PlainValidator(grammar.written_duration)]
Zone = Annotated[ZoneInfo, PlainValidator(_zone)]
Texts = Annotated[tuple[StrictStr, ...], Field(min_length=1)]


class Conditions(Model):
    """Facts that must fit, all of them; ``any`` and ``none`` hold further tables. Other keys are names of facts."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Annotated[Comparison, PlainValidator(comparison)]]

    any: tuple[Conditions, ...] = ()
    none: tuple[Conditions, ...] = ()

    def facts(self) -> dict[str, Comparison]:
        """Name of the fact → what it is compared with, in written order."""
        return dict(self.__pydantic_extra__ or {})


class Active(Model):
    """When a rule applies, by the event's own time. Days are included, the end of the hours is not."""

    from_: date | None = Field(default=None, alias="from")
    until: date | None = None
    days: Annotated[tuple[Annotated[int, PlainValidator(grammar.weekday)], ...], Field(min_length=1)] | None = None
    hours: Annotated[tuple[int, int], PlainValidator(grammar.hours)] | None = None
    zone: Zone | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Active:
        if self.from_ and self.until and self.until < self.from_:
            raise MisfitError("ends before it begins", "until is the last day that counts", at=("until",))
        return self


class Audience(Model):
    """Whom a rule applies to; every key given must fit, and in a list one of its values."""

    courses: Annotated[tuple[Annotated[str, PlainValidator(_course)], ...], Field(min_length=1)] | None = None
    categories: Texts | None = None
    cohorts: Texts | None = None
    except_roles: Texts | None = None


class Example(Model):
    """One event and what its rule makes of it, checked when the file is loaded.

    ``expect`` is currency → amount in the units of `award`, and ``badge`` → its id; empty for nothing. ``because`` is
    how the reason begins.
    """

    event: dict[str, Any]
    expect: dict[str, Annotated[Number | str, PlainValidator(_expected)]] | None = None
    because: StrictStr | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Example:
        if self.expect is None and self.because is None:
            raise MisfitError("an example needs `expect` or `because`", "expect = { points = 10 }, or {} for nothing")
        return self


class Rule(Model):
    """One rule. ``award`` or ``badge`` is required; what is left out has the default written here."""

    id: Identifier
    on: On
    title: StrictStr = ""
    description: StrictStr = ""
    award: Annotated[tuple[AwardPart, ...], PlainValidator(award_parts)] = ()
    conditions: Conditions = Conditions()
    once_per: Annotated[tuple[Annotated[str, PlainValidator(_once)], ...], BeforeValidator(_listed)] | None = None
    frequency: Annotated[StrictInt, Field(ge=1, le=1_000_000)] = 1
    limit: Limits = ()
    cooldown: Span | None = None
    min_trust: Annotated[Trust, PlainValidator(_trust)] = Trust.trusted_source
    recipient: Role = "subject"
    reverse_on: Annotated[tuple[Annotated[str, PlainValidator(_on)], ...], BeforeValidator(_listed)] = ()
    mode: Literal["live", "shadow", "off"] = "live"
    active: Active | None = None
    audience: Audience | None = None
    badge: Identifier | None = None
    message: Annotated[StrictStr, Field(max_length=500)] = ""
    group: Name | None = None
    tags: tuple[StrictStr, ...] = ()
    example: tuple[Example, ...] = ()
    streak: Streak | None = None
    crosses: Annotated[tuple[str, Number], PlainValidator(crossing)] | None = None
    momentum: Momentum | None = None
    spaced: Spaced | None = None
    first: StrictBool = False
    comeback: Annotated[int, PlainValidator(away)] | None = None
    review: Later = None

    @model_validator(mode="after")
    def _pays_something(self) -> Rule:
        if not self.award and self.badge is None:
            raise MisfitError(f"rule {self.id!r} gives nothing", "it needs `award` or `badge`")
        if self.once_per is not None and (not self.once_per or len(set(self.once_per)) < len(self.once_per)):
            hint = 'such as ["lesson", "day"]'
            raise MisfitError("once_per names nothing, or something twice", hint, at=("once_per",))
        return self

    @model_validator(mode="after")
    def _earns_one_way(self) -> Rule:
        paid = {part.to or self.recipient for part in self.award} | ({self.recipient} if self.badge else set())
        one_way([key for key in EARNING if getattr(self, key)], self.once_per, self.frequency, recipients=len(paid))
        return self


class Deny(Model):
    """Behaviour that never earns: events under ``on`` whose conditions all fit, with the reason that is shown."""

    on: On
    reason: Annotated[StrictStr, Field(min_length=1, max_length=200)]
    conditions: Conditions = Conditions()


class Cap(Model):
    """A limit over all rules of a group (over all rules where ``group`` is left out), for each learner."""

    limit: Annotated[Limits, Field(min_length=1)]
    group: Name | None = None


class CaseExpectation(Model):
    """What a learner has got at the end of a case, from one rule or from all: amounts per currency."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Annotated[Number | str, PlainValidator(_expected)]]

    learner: StrictStr
    rule: StrictStr | None = None

    def amounts(self) -> dict[str, Number | str]:
        """Currency → amount."""
        return dict(self.__pydantic_extra__ or {})


class CaseRefusal(Model):
    """That an event (counted from 1) got nothing from a rule, and the reason that is recorded."""

    event: Annotated[StrictInt, Field(ge=1)]
    rule: StrictStr
    because: StrictStr


class Case(Model):
    """A story with time, run by `rules test`."""

    name: StrictStr
    events: Annotated[tuple[dict[str, Any], ...], Field(min_length=1)]
    expect: tuple[CaseExpectation, ...] = ()
    refused: tuple[CaseRefusal, ...] = ()
    held: tuple[CaseRefusal, ...] = ()


class Currency(Model):
    """A currency; whole units unless ``decimals`` says otherwise. ``expires_after`` None is never (seconds)."""

    title: StrictStr = ""
    spendable: StrictBool = True
    decimals: Annotated[StrictInt, Field(ge=0, le=6)] = 0
    expires_after: Annotated[int | None, PlainValidator(_expiry)] = None
    worth: StrictStr = ""
    overdraw: Literal["owe", "forgive"] = "owe"


class Level(Model):
    """A name for a lifetime total; worked out, never stored."""

    name: StrictStr
    currency: Name
    from_: Annotated[StrictInt, Field(ge=0)] = Field(alias="from")


class Period(Model):
    """A name for a span of days, both included."""

    from_: date = Field(alias="from")
    until: date

    @model_validator(mode="after")
    def _in_order(self) -> Period:
        if self.until < self.from_:
            raise MisfitError("ends before it begins", "until is the last day that counts", at=("until",))
        return self


class KindModel(Model):
    """A line more for the table of kinds."""

    kind: Annotated[str, PlainValidator(_kind)]
    lms_event: StrictStr
    when: Annotated[tuple[StrictStr, ...], BeforeValidator(_listed)] = ()
    suffix: StrictBool = False


class Defaults(Model):
    """What holds for every rule."""

    staff_earn: StrictBool = False


class ClosedDays(Model):
    """Days that neither count nor break anything."""

    closed: tuple[Days, ...] = ()


class RulesPart(Model):
    """One file of rules. ``schema`` and ``timezone`` must stand in one of the files, the same wherever they stand."""

    schema_: Literal[1] | None = Field(default=None, alias="schema")
    timezone: Zone | None = None
    day_starts_at: Annotated[int, PlainValidator(grammar.clock)] | None = None
    week_starts_on: Annotated[int, PlainValidator(grammar.weekday)] | None = None
    calendar: ClosedDays | None = None
    defaults: Defaults | None = None
    period: dict[Annotated[str, PlainValidator(_period)], Period] = {}
    currency: dict[Annotated[str, PlainValidator(_currency)], Currency] = {}
    value: dict[Name, dict[StrictStr, Annotated[Number, PlainValidator(_operand)]]] = {}
    level: tuple[Level, ...] = ()
    budget: Annotated[dict[str, Limit], PlainValidator(_budget)] = {}
    kind: tuple[KindModel, ...] = ()
    rule: tuple[Rule, ...] = ()
    cap: tuple[Cap, ...] = ()
    deny: tuple[Deny, ...] = ()
    case: tuple[Case, ...] = ()
    programme: Later = None
    badge: Later = None
    challenge: Later = None
    scheduled: Later = None
    person: Later = None
    safety: Later = None
    tier: Later = None
