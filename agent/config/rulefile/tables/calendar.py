"""`[period.…]` and `[calendar]`."""

from __future__ import annotations

from pydantic import Field, model_validator

from agent.config.document import MisfitError
from agent.config.rulefile.types import Day, Days, Model


class Period(Model):
    """A name for a span of days, both included."""

    from_: Day = Field(alias="from")
    until: Day

    @model_validator(mode="after")
    def _in_order(self) -> Period:
        if self.until < self.from_:
            raise MisfitError("ends before it begins", "until is the last day that counts", at=("until",))
        return self


class ClosedDays(Model):
    """Days that neither count nor break anything."""

    closed: tuple[Days, ...] = ()
