"""`[[badge]]` and `[[tier]]`: what is shown of them, who gets them, and who may give them by hand."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, StrictBool, StrictStr, model_validator

from agent.config import grammar
from agent.config.document import MisfitError, quoted
from agent.config.rulefile.tables.criteria import Of, Wish, required, wishes
from agent.config.rulefile.types import Identifier, Limits, Model, Name, Total

CRITERIA = ("all_of", "any_of", "count", "balance", "programme", "level")
"""Keys of a badge that say when it is earned; `tags` is one of them where it is a table."""


class Assign(Model):
    """Who may give a badge by hand and to whom; what is left out is anybody.

    ``limit`` is for each giver, ``total`` for all givers together; both count how often it was given in a window.
    """

    by: Annotated[tuple[StrictStr, ...], Field(min_length=1)] | None = None
    to: Annotated[tuple[StrictStr, ...], Field(min_length=1)] | None = None
    limit: Limits = ()
    total: Limits = ()


def effective_days(value: Any) -> tuple[date | None, date | None]:
    """A date from which on, or `{ from = …, until = … }`, both days included."""
    if isinstance(value, Mapping) and value and value.keys() <= {"from", "until"}:
        begin, end = value.get("from"), value.get("until")
    else:
        begin, end = value, None
    first, last = (_day(one) for one in (begin, end))
    if first and last and last < first:
        raise MisfitError("ends before it begins", "until is the last day that counts")
    return first, last


def _day(value: Any) -> date | None:
    found = grammar.day(value)
    if found is None and value is not None:
        raise MisfitError(f"{quoted(value)} is no day", "2026-09-01, or { from = 2026-09-01, until = 2026-12-20 }")
    return found


def badge_tags(value: Any) -> tuple[str, ...] | Wish:
    """A list for people and reports; a table is a criterion."""
    if isinstance(value, Mapping):
        return wishes({"tags": value})
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise MisfitError("tags are a list of texts", 'or a criterion: { distinct = ["ai-1", "ai-2"] }')
    return tuple(value)


def criteria(value: Any) -> Any:
    """Criteria in a list, kept as written until the whole badge is read: `Badge.wanted` says what they mean."""
    return value


def criterion(value: Any) -> Any:
    """A criterion as a table, kept as written."""
    return value


def named(value: Any) -> Any:
    """A criterion as a name, kept as written."""
    return value


class Badge(Model):
    """A badge; without a criterion it is given by rules that name it, or by hand."""

    id: Identifier
    name: StrictStr = ""
    description: StrictStr = ""
    emoji: Annotated[StrictStr, Field(max_length=16)] = ""
    icon: StrictStr = ""
    message: Annotated[StrictStr, Field(max_length=500)] = ""
    category: StrictStr = ""
    type: StrictStr = ""
    group: Name | None = None
    tags: Annotated[tuple[str, ...] | Wish, PlainValidator(badge_tags)] = ()
    effective: Annotated[tuple[date | None, date | None], PlainValidator(effective_days)] = (None, None)
    mode: Literal["live", "off"] = "live"
    sticky: StrictBool = True
    all_of: Annotated[Any, PlainValidator(criteria)] = None
    any_of: Annotated[Any, PlainValidator(criteria)] = None
    count: Annotated[Any, PlainValidator(criterion)] = None
    balance: Annotated[Any, PlainValidator(criterion)] = None
    programme: Annotated[Any, PlainValidator(named)] = None
    level: Annotated[Any, PlainValidator(named)] = None
    assign: Assign = Assign()

    @model_validator(mode="after")
    def _means_something(self) -> Badge:
        self.wanted()
        return self

    def wanted(self) -> Wish | None:
        """What earns it; None where only rules and people give it."""
        asked = {key: value for key in CRITERIA if (value := getattr(self, key)) is not None}
        parts = (*((wishes(asked),) if asked else ()), *((self.tags,) if isinstance(self.tags, Wish) else ()))
        if not parts:
            return None
        return parts[0] if len(parts) == 1 else Wish(asked="all", parts=parts)

    @property
    def title(self) -> str:
        """As people read it: emoji and name, or the id."""
        return f"{self.emoji} {self.name or self.id}".strip()


class Tier(Model):
    """A step with gates: a total of a currency, and whatever ``requires`` asks besides.

    ``visible`` says to whom it is shown: everybody, those who have reached it, or those who have the one before.
    """

    name: Annotated[StrictStr, Field(min_length=1)]
    currency: Name = "points"
    from_: Total = Field(default=0, alias="from")
    of: Of = "lifetime"
    requires: Annotated[Wish | None, PlainValidator(required)] = None
    visible: Literal["always", "next", "reached"] = "always"
    perk: StrictStr = ""
    colour: StrictStr = ""
    description: StrictStr = ""
