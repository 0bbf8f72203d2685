"""`[[challenge]]`: several steps that make one thing, with a deadline, repeats, enrolment, and what comes next."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, StrictInt, StrictStr, model_validator

from agent.config import grammar
from agent.config.document import MisfitError, quoted
from agent.config.grammar import Duration
from agent.config.rulefile.award import AwardPart, Computed, award_parts
from agent.config.rulefile.tables.condition import Active, Audience, Conditions
from agent.config.rulefile.types import Identifier, Limits, ListOf, Model, Name, On, Scope, Texts, TrustName
from agent.model import Role, Trust

STEPS_MAX = 15
COUNT_MAX = 1_000

Enrolment = Literal["automatic", "by hand"]


class EnrolCohorts(Model):
    """Whoever is in one of these cohorts is enrolled."""

    cohorts: Texts


def until_when(value: Any) -> Duration | date:
    """`"14d"`, or the last day that counts."""
    day = grammar.day(value)
    if day is not None:
        return day
    try:
        return grammar.written_duration(value)
    except MisfitError as error:
        raise MisfitError(error.message, f"{error.hint}; or the last day that counts: 2026-12-20") from None


def how_often(value: Any) -> bool | str:
    """True for again and again, or the window or period in which it can be done once more."""
    return value if isinstance(value, bool) else grammar.name(value)


def how_enrolled(value: Any) -> Enrolment | EnrolCohorts:
    """How a learner comes to it."""
    if value == "automatic":
        return "automatic"
    if value == "by hand":
        return "by hand"
    cohorts = value.get("cohorts") if isinstance(value, dict) and len(value) == 1 else None
    if isinstance(cohorts, list) and cohorts and all(isinstance(name, str) for name in cohorts):
        return EnrolCohorts(cohorts=tuple(cohorts))
    hint = '"automatic", "by hand", or { cohorts = ["pilot"] }'
    raise MisfitError(f"{quoted(value)} is no way to enrol", hint)


class Step(Model):
    """One step: ``count`` acts about different things (``per``; left out, the default of the kind)."""

    on: On
    id: Identifier | None = None
    title: StrictStr = ""
    count: Annotated[StrictInt, Field(ge=1, le=COUNT_MAX)] = 1
    per: Annotated[tuple[Scope, ...], ListOf] | None = None
    conditions: Conditions = Conditions()


class Challenge(Model):
    """Steps that are awarded as one. ``award``, ``badge`` and ``next`` may all be left out: progress is kept anyway."""

    id: Identifier
    step: Annotated[tuple[Step, ...], Field(min_length=1, max_length=STEPS_MAX)]
    title: StrictStr = ""
    description: StrictStr = ""
    message: Annotated[StrictStr, Field(max_length=500)] = ""
    order: Literal["free", "strict"] = "free"
    deadline: Annotated[Duration | date, PlainValidator(until_when)] | None = None
    repeat: Annotated[bool | str, PlainValidator(how_often)] = False
    enrol: Annotated[Enrolment | EnrolCohorts, PlainValidator(how_enrolled)] = "automatic"
    award: Annotated[tuple[AwardPart, ...], PlainValidator(award_parts)] = ()
    badge: Identifier | None = None
    next: Identifier | None = None
    limit: Limits = ()
    min_trust: TrustName = Trust.trusted_source
    recipient: Role = "subject"
    mode: Literal["live", "shadow", "off"] = "live"
    active: Active | None = None
    audience: Audience | None = None
    group: Name | None = None
    tags: tuple[StrictStr, ...] = ()

    @property
    def by_hand(self) -> bool:
        """Whether only those count who were enrolled."""
        return self.enrol == "by hand"

    @property
    def whom(self) -> Audience | None:
        """The audience, the cohorts that enrol among it."""
        if not isinstance(self.enrol, EnrolCohorts):
            return self.audience
        return (self.audience or Audience()).model_copy(update={"cohorts": self.enrol.cohorts})

    @model_validator(mode="after")
    def _makes_sense(self) -> Challenge:
        for part in self.award:
            if part.to is not None:
                raise MisfitError("a challenge pays who did it", "leave `to` out", at=("award", *part.at, "to"))
            for currency, amount in part.amounts:
                if isinstance(amount, Computed):
                    hint = "what one event says cannot pay for all steps: write a number"
                    raise MisfitError("a challenge awards a fixed amount", hint, at=("award", *part.at, currency))
        if isinstance(self.enrol, EnrolCohorts) and self.audience is not None and self.audience.cohorts is not None:
            raise MisfitError("cohorts are named twice", "in `enrol` or in `audience`", at=("audience", "cohorts"))
        return self
