"""`[experiment.NAME]` as it is written: which rules, what share, which days, and what is looked at."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any

from pydantic import Field, PlainValidator, StrictBool, StrictStr, model_validator

from agent.config.document import MisfitError, quoted
from agent.config.rulefile.types import Day, Identifier, ListOf, Model

_PERCENT = re.compile(r"\s*(\d{1,3}(?:\.\d{1,3})?) *%\s*")
_COUNTED = re.compile(r"[a-z0-9_*]+(?:\.[a-z0-9_*]+)+")
_MEAN = re.compile(r"([a-z][a-z0-9_]*) in (\S+)")
_MEASURE_HINT = '"lesson.completed" for how often, "score_pct in quiz.submitted" for a mean'


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What the two groups are compared by: how often acts of a ``kind`` were, or the mean of a ``fact`` in them."""

    kind: str
    fact: str = ""

    @property
    def text(self) -> str:
        """As it is written."""
        return f"{self.fact} in {self.kind}" if self.fact else self.kind


def held_share(value: Any) -> Fraction:
    """`"10%"` as a part of one, exactly."""
    found = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    share = Fraction(found[1]) / 100 if found is not None else None
    if share is None or share > 1:
        raise MisfitError(f"{quoted(value)} is no share of the learners", 'write "10%"; "0%" to "100%"')
    return share


def looked_by(value: Any) -> Looked:
    """`lesson.completed`, or `score_pct in quiz.submitted`."""
    text = " ".join(value.split()) if isinstance(value, str) else ""
    mean = _MEAN.fullmatch(text)
    kind = mean[2] if mean is not None else text
    if not _COUNTED.fullmatch(kind):
        raise MisfitError(f"{quoted(value)} is nothing that groups are compared by", _MEASURE_HINT)
    return Looked(kind=kind, fact=mean[1] if mean is not None else "")


class Experiment(Model):
    """``rules`` are ids of rules and challenges, ``held_out`` the share that gets nothing by them, both days included.

    ``measure`` left out counts what the rules stand on. ``seed`` goes into who is in which group; ``pay_after`` lets a
    backfill pay, once it is over, what the held-out ones missed.
    """

    rules: Annotated[tuple[Identifier, ...], Field(min_length=1), ListOf]
    held_out: Annotated[Fraction, PlainValidator(held_share)]
    from_: Day = Field(alias="from")
    until: Day
    measure: Annotated[Looked | None, PlainValidator(looked_by)] = None
    seed: Annotated[StrictStr, Field(max_length=200)] = ""
    pay_after: StrictBool = False
    title: StrictStr = ""

    @model_validator(mode="after")
    def _in_order(self) -> Experiment:
        if self.until < self.from_:
            raise MisfitError("ends before it begins", "until is the last day that counts", at=("until",))
        if len(set(self.rules)) < len(self.rules):
            raise MisfitError("a rule stands in it twice", "name each rule once", at=("rules",))
        return self
