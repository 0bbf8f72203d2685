"""`[currency.…]` and `[[level]]`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictInt, StrictStr

from agent.config.rulefile.types import Expiry, Model, Name


class Currency(Model):
    """A currency; whole units unless ``decimals`` says otherwise. ``expires_after`` None is never (seconds)."""

    title: StrictStr = ""
    spendable: StrictBool = True
    decimals: Annotated[StrictInt, Field(ge=0, le=6)] = 0
    expires_after: Expiry = None
    worth: StrictStr = ""
    overdraw: Literal["owe", "forgive"] = "owe"


class Level(Model):
    """A name for a lifetime total; worked out, never stored. ``perk``, ``colour`` and ``description`` are shown."""

    name: StrictStr
    currency: Name
    from_: Annotated[StrictInt, Field(ge=0)] = Field(alias="from")
    perk: StrictStr = ""
    colour: StrictStr = ""
    description: StrictStr = ""
