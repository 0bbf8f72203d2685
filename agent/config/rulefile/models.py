"""rules.toml as frozen models: every key, its default, and what can be checked without looking at another key."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PlainValidator, StrictBool, StrictInt, StrictStr, model_validator

from agent.config import grammar
from agent.config.document import MisfitError
from agent.config.grammar import Number
from agent.config.rulefile.award import AwardPart, award_parts
from agent.config.rulefile.earning import EARNING, Momentum, Spaced, Streak, away, crossing, one_way
from agent.config.rulefile.experiment.table import Experiment
from agent.config.rulefile.tables.badge import Badge, Tier
from agent.config.rulefile.tables.calendar import ClosedDays, Period
from agent.config.rulefile.tables.challenge import Challenge
from agent.config.rulefile.tables.check import FairCheck
from agent.config.rulefile.tables.condition import Active, Audience, Conditions
from agent.config.rulefile.tables.criteria import Wish, required
from agent.config.rulefile.tables.currency import Currency, Level
from agent.config.rulefile.tables.person import Person
from agent.config.rulefile.tables.programme import Programme
from agent.config.rulefile.tables.review import Review, Reviewing, Safety, reviewed
from agent.config.rulefile.tables.scheduled import Scheduled
from agent.config.rulefile.tables.story import Case, Example
from agent.config.rulefile.types import (
    Budget,
    CurrencyName,
    Event,
    Identifier,
    Kind,
    Limits,
    ListOf,
    Model,
    Name,
    On,
    Operand,
    OwnBudget,
    PeriodName,
    SchemaNumber,
    Scope,
    Span,
    TrustName,
    ValuedCourse,
    Zone,
)
from agent.model import Role, Trust


class Rule(Model):
    """One rule. ``award`` or ``badge`` is required; what is left out has the default written here."""

    id: Identifier
    on: On
    title: StrictStr = ""
    description: StrictStr = ""
    award: Annotated[tuple[AwardPart, ...], PlainValidator(award_parts)] = ()
    conditions: Conditions = Conditions()
    once_per: Annotated[tuple[Scope, ...], ListOf] | None = None
    frequency: Annotated[StrictInt, Field(ge=1, le=1_000_000)] = 1
    limit: Limits = ()
    budget: OwnBudget = ()
    cooldown: Span | None = None
    min_trust: TrustName = Trust.trusted_source
    recipient: Role = "subject"
    reverse_on: Annotated[tuple[Event, ...], ListOf] = ()
    reverse_when: Literal["no longer true"] | None = None
    mode: Literal["live", "shadow", "off"] = "live"
    active: Active | None = None
    audience: Audience | None = None
    badge: Identifier | None = None
    requires: Annotated[Wish | None, PlainValidator(required)] = None
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
    review: Annotated[Review | None, PlainValidator(reviewed)] = None

    @model_validator(mode="after")
    def _pays_something(self) -> Rule:
        if not self.award and self.badge is None:
            raise MisfitError("the rule gives nothing", "it needs `award` or `badge`", at=("award",))
        if self.once_per is not None and (not self.once_per or len(set(self.once_per)) < len(self.once_per)):
            hint = 'such as ["lesson", "day"]'
            raise MisfitError("once_per names nothing, or something twice", hint, at=("once_per",))
        return self

    @model_validator(mode="after")
    def _stays_true(self) -> Rule:
        if self.reverse_when is not None:
            set_by = next((key for key in EARNING if getattr(self, key)), None)
            if set_by is not None:
                hint = "what was reached once stays reached: take one of the two out"
                raise MisfitError(f"`reverse_when` and `{set_by}` in one rule", hint, at=("reverse_when",))
            if self.conditions == Conditions():
                raise MisfitError("nothing that could be no longer true", "write conditions", at=("reverse_when",))
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
    """A limit over all rules of a group (over all rules where ``group`` is left out), for each learner.

    ``source`` names those sources whose acts count in it, as in `config.toml`; left out, every act does.
    """

    limit: Annotated[Limits, Field(min_length=1)]
    group: Name | None = None
    source: Annotated[tuple[Name, ...], Field(min_length=1), ListOf] | None = None


class KindModel(Model):
    """A line more for the table of kinds. Without ``lms_event`` only posts tell of it."""

    kind: Kind
    lms_event: StrictStr = ""
    when: Annotated[tuple[StrictStr, ...], ListOf] = ()
    suffix: StrictBool = False

    @model_validator(mode="after")
    def _of_an_event(self) -> KindModel:
        if not self.lms_event and (self.when or self.suffix):
            hint = r"name it: lms_event = '\mod_x\event\y_done'"
            raise MisfitError("`when` and `suffix` are about an LMS event", hint)
        return self


class Defaults(Model):
    """What holds for every rule."""

    staff_earn: StrictBool = False


class RulesPart(Model):
    """One file of rules. ``schema`` and ``timezone`` must stand in one of the files, the same wherever they stand."""

    schema_: SchemaNumber | None = Field(default=None, alias="schema")
    timezone: Zone | None = None
    day_starts_at: Annotated[int, PlainValidator(grammar.clock)] | None = None
    week_starts_on: Annotated[int, PlainValidator(grammar.weekday)] | None = None
    calendar: ClosedDays | None = None
    defaults: Defaults | None = None
    period: dict[PeriodName, Period] = Field(default_factory=dict)
    currency: dict[CurrencyName, Currency] = Field(default_factory=dict)
    value: dict[Name, dict[ValuedCourse, Operand]] = Field(default_factory=dict)
    level: tuple[Level, ...] = ()
    badge: tuple[Badge, ...] = ()
    tier: tuple[Tier, ...] = ()
    budget: Budget = Field(default_factory=dict)
    kind: tuple[KindModel, ...] = ()
    rule: tuple[Rule, ...] = ()
    cap: tuple[Cap, ...] = ()
    deny: tuple[Deny, ...] = ()
    check: tuple[FairCheck, ...] = ()
    case: tuple[Case, ...] = ()
    programme: dict[Name, Programme] = Field(default_factory=dict)
    challenge: tuple[Challenge, ...] = ()
    scheduled: tuple[Scheduled, ...] = ()
    experiment: dict[Name, Experiment] = Field(default_factory=dict)
    person: Person | None = None
    safety: Safety | None = None
    review: Reviewing | None = None
