"""`[[rule.example]]` and `[[case]]`: documentation that is checked."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field, StrictInt, StrictStr, model_validator

from agent.config.document import MisfitError
from agent.config.grammar import Number
from agent.config.rulefile.types import Expected, Model


class Example(Model):
    """One event and what its rule makes of it, checked when the file is loaded.

    ``expect`` is currency → amount in the units of `award`, and ``badge`` → its id; empty for nothing. ``because`` is
    how the reason begins.
    """

    event: dict[str, Any]
    expect: dict[str, Expected] | None = None
    because: StrictStr | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Example:
        if self.expect is None and self.because is None:
            raise MisfitError("an example needs `expect` or `because`", "expect = { points = 10 }, or {} for nothing")
        return self


class CaseExpectation(Model):
    """What a learner has got at the end of a case, from one rule or from all: amounts per currency."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Expected]

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
    """A story with time, run by `rules test`.

    Among the ``events`` `{ approve = 2 }`, `{ approve = 2, points = 30 }` and `{ reject = 2, rule = "…" }` settle what
    was held of the second, and `{ at = 2026-09-16T12:00:00, run = "week-champion" }` carries out a
    `[[scheduled]]`; `{ assign = "helper", learner = "ann", by = "tom" }` gives a badge by hand.
    """

    name: StrictStr
    events: Annotated[tuple[dict[str, Any], ...], Field(min_length=1)]
    expect: tuple[CaseExpectation, ...] = ()
    refused: tuple[CaseRefusal, ...] = ()
    held: tuple[CaseRefusal, ...] = ()
