"""`[person]`: where roles come from that no event tells."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import PlainValidator

from agent.config.document import MisfitError
from agent.config.rulefile.types import Model

_FIELD = re.compile(r"[A-Za-z0-9_]{1,255}")


def field_name(value: Any) -> str:
    """The short name of a custom profile field, as Moodle allows it."""
    if not isinstance(value, str) or not _FIELD.fullmatch(value):
        raise MisfitError(f"{value!r} is no short name of a profile field", "letters, digits and _, as in Moodle")
    return value


class Referrer(Model):
    """``profile_field`` is the short name of a custom user profile field that holds who referred somebody."""

    profile_field: Annotated[str, PlainValidator(field_name)]


class Person(Model):
    """Roles that are looked up per person."""

    referrer: Referrer | None = None
