"""`[[check]]`: what is not fair play, and whether it is refused, held for review or only noted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, StrictBool, StrictInt, StrictStr, model_validator

from agent.config import grammar
from agent.config.document import MisfitError, quoted
from agent.config.grammar import Duration
from agent.config.rulefile.types import Identifier, ListOf, Model, Name, On, Span

PATTERNS = (
    "velocity", "identical", "toggling", "duplicate_text", "empty", "reciprocal", "self_rating", "suspicion",
)  # fmt: skip
"""What a check can look for; each has exactly one of them."""

DEFAULT_ON: Mapping[str, tuple[str, ...]] = {
    "duplicate_text": ("forum.posted", "assignment.submitted"),
    "empty": ("forum.posted", "assignment.submitted"),
    "reciprocal": ("forum.posted", "forum.rated", "forum.tagged"),
    "self_rating": ("forum.rated", "forum.tagged"),
}
"""The events of a check that names none; the others look at every event."""

RATE_MAX = 10_000
_RATE = re.compile(r"(\d{1,6}) */ *(\d{1,8}[smhdw])")
_RATE_HINT = 'so many within a time, such as "20/10m"'

Object = Literal["lesson", "section", "course", "post", "object"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """``most`` within ``within``, as `20/10m`: one more is too many."""

    most: int
    within: Duration

    @property
    def text(self) -> str:
        """As it was written."""
        return f"{self.most}/{self.within.text}"


def rate(value: Any) -> Rate:
    """`20/10m`.

    Raises:
        MisfitError: something else, none at all, or more than 10,000.
    """
    found = _RATE.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise MisfitError(f"{quoted(value)} is not a rate", _RATE_HINT)
    most = int(found[1])
    if not 0 < most <= RATE_MAX:
        raise MisfitError(f"{most} is no number of acts to count to", f"1 to {RATE_MAX}")
    return Rate(most=most, within=grammar.written_duration(found[2]))


class Identical(Model):
    """The same act about the same thing again, ``within`` a time."""

    within: Span


class DuplicateText(Model):
    """A text that is like another one, at least ``alike`` per cent, written ``within`` a time (before or after).

    ``of`` is whose other texts count, ``in_`` where they stand. Texts under ``min_words`` are too short to judge.
    """

    within: Span = Duration(seconds=30 * 86_400, text="30d")
    of: Literal["own", "anyone"] = "anyone"
    in_: Literal["forum", "course", "site"] = Field(default="course", alias="in")
    alike: Annotated[StrictInt, Field(ge=60, le=100)] = 90
    min_words: Annotated[StrictInt, Field(ge=1, le=1000)] = 5


class Empty(Model):
    """Less than so much was written and handed in: of what is named, all that is known is too little."""

    words: Annotated[StrictInt, Field(ge=1, le=100_000)] | None = None
    characters: Annotated[StrictInt, Field(ge=1, le=1_000_000)] | None = None
    files: Annotated[StrictInt, Field(ge=1, le=1000)] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Empty:
        if not self.model_fields_set:
            raise MisfitError("it names nothing that could be empty", "such as { words = 3 }, or empty = true")
        return self


class Reciprocal(Model):
    """Two learners who did it to each other ``times`` times each (rated, answered) ``within`` a time."""

    within: Span
    times: Annotated[StrictInt, Field(ge=1, le=1000)] = 1


class FairCheck(Model):
    """One check: what it looks for, at which events of which rules, and what follows.

    ``rules`` and ``group`` choose the rules it stands before (all of them where both are left out); ``by`` whose acts
    are counted: those of the recipient, or of whoever acted. ``about`` is what makes acts the same (left out: what the
    kind is once per). ``weight`` is what a flag adds to the suspicion.
    """

    id: Identifier
    on: On | None = None
    rules: Annotated[tuple[Identifier, ...], ListOf, Field(min_length=1)] | None = None
    group: Name | None = None
    by: Literal["recipient", "actor"] = "recipient"
    about: Object | None = None
    then: Literal["refuse", "hold", "flag"] = "refuse"
    reason: Annotated[StrictStr, Field(max_length=200)] = ""
    weight: Annotated[StrictInt, Field(ge=1, le=1000)] = 1
    if_unknown: Literal["pass", "hold"] = "pass"
    velocity: Annotated[Rate, PlainValidator(rate)] | None = None
    identical: Identical | None = None
    toggling: Annotated[Rate, PlainValidator(rate)] | None = None
    duplicate_text: DuplicateText | None = None
    empty: Empty | StrictBool = False
    reciprocal: Reciprocal | None = None
    self_rating: StrictBool = False
    suspicion: Annotated[Rate, PlainValidator(rate)] | None = None

    @model_validator(mode="after")
    def _looks_for_one_thing(self) -> FairCheck:
        given = [name for name in PATTERNS if getattr(self, name)]
        if len(given) != 1:
            told = f"looks for {' and '.join(given)}" if given else "looks for nothing"
            raise MisfitError(f"check {self.id!r} {told}", f"a check has one of {', '.join(PATTERNS)}")
        if self.about is not None and self.identical is None and self.toggling is None:
            raise MisfitError("`about` belongs to identical and toggling", "leave it out", at=("about",))
        if self.suspicion is not None and self.then == "flag":
            raise MisfitError("a flag about flags changes nothing", 'then = "hold"', at=("then",))
        return self

    @property
    def pattern(self) -> str:
        """Which of `PATTERNS` it looks for."""
        return next(name for name in PATTERNS if getattr(self, name))

    @property
    def events(self) -> tuple[str, ...]:
        """Kinds, wildcards and LMS names that it looks at."""
        return self.on or DEFAULT_ON.get(self.pattern, ("*",))
