"""`[person]`: what custom profile fields say of a learner: who referred them, whose report they are, and facts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, PlainValidator

from agent.config.document import MisfitError, quoted
from agent.config.factentry import PERSON
from agent.config.rulefile.types import Model

_FIELD = re.compile(r"[A-Za-z0-9_]{1,255}")
_FACT = re.compile(r"[a-z][a-z0-9_]{0,31}")
FACTS_MAX = 12


def field_name(value: Any) -> str:
    """The short name of a custom profile field, as Moodle allows it."""
    if not isinstance(value, str) or not _FIELD.fullmatch(value):
        raise MisfitError(f"{quoted(value)} is no short name of a profile field", "letters, digits and _, as in Moodle")
    return value


def fact_names(value: Any) -> dict[str, str]:
    """`{ department = "dept" }`: facts `person_department`, each with the profile field that it is read from."""
    if not isinstance(value, Mapping) or not value:
        raise MisfitError("facts name profile fields", 'such as facts = { department = "dept" }')
    if len(value) > FACTS_MAX:
        raise MisfitError(f"{len(value)} facts of a person are too many", f"at most {FACTS_MAX}: what rules look at")
    for name in value:
        if not _FACT.fullmatch(name):
            hint = "small letters, digits and _, at most 32"
            raise MisfitError(f"{quoted(name)} is no name of a fact", hint, at=(name,))
    return {f"{PERSON}{name}": field_name(field) for name, field in value.items()}


class ProfileField(Model):
    """``profile_field`` is the short name of a custom user profile field that names somebody."""

    profile_field: Annotated[str, PlainValidator(field_name)]


class Person(Model):
    """Roles and facts that are looked up per person."""

    referrer: ProfileField | None = None
    supervisor: ProfileField | None = None
    facts: Annotated[dict[str, str], PlainValidator(fact_names)] = Field(default_factory=dict)

    @property
    def profile(self) -> dict[str, str]:
        """Role or fact → the profile field that it is read from."""
        roles = {"referrer": self.referrer, "supervisor": self.supervisor}
        return {role: field.profile_field for role, field in roles.items() if field is not None} | self.facts
