"""`conditions`, `active` and `audience`: which events of which people, and when."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, PlainValidator, model_validator

from agent.config import grammar
from agent.config.comparison import Comparison, comparison
from agent.config.document import MisfitError
from agent.config.rulefile.types import Course, Day, Model, Texts, Zone


class Conditions(Model):
    """Facts that must fit, all of them; ``any`` and ``none`` hold further tables. Other keys are names of facts."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Annotated[Comparison, PlainValidator(comparison)]]

    any: tuple[Conditions, ...] = ()
    none: tuple[Conditions, ...] = ()

    def facts(self) -> dict[str, Comparison]:
        """Name of the fact → what it is compared with, in written order."""
        return dict(self.__pydantic_extra__ or {})

    def names(self) -> frozenset[str]:
        """Every fact that is named, also inside `any` and `none`."""
        return frozenset(self.facts()).union(*(inner.names() for inner in (*self.any, *self.none)))


class Active(Model):
    """When a rule applies, by the event's own time. Days are included, the end of the hours is not."""

    from_: Day | None = Field(default=None, alias="from")
    until: Day | None = None
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

    courses: Annotated[tuple[Course, ...], Field(min_length=1)] | None = None
    categories: Texts | None = None
    cohorts: Texts | None = None
    except_roles: Texts | None = None
