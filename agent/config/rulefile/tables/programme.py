"""`[programme.NAME]`: courses that together are one thing to complete."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, StrictStr, model_validator

from agent.config import grammar
from agent.config.document import MisfitError, quoted
from agent.config.grammar import Number
from agent.config.rulefile.types import Course, Model

_PERCENT_MAX = 100


def passing(value: Any) -> Number | Literal["completed"]:
    """A percentage of the course total, or `completed`."""
    if value == "completed":
        return "completed"
    found = grammar.toml_number(value)
    if found is None or not 0 <= found <= _PERCENT_MAX:
        hint = 'a percentage of the course total such as 80, or "completed"'
        raise MisfitError(f"{quoted(value)} is no pass mark", hint)
    return found


class Programme(Model):
    """``mark`` is what passes a course: a percentage of its total grade, or that it is completed."""

    courses: Annotated[tuple[Course, ...], Field(min_length=1, max_length=200)]
    mark: Annotated[Number | Literal["completed"], PlainValidator(passing)] = Field(default="completed", alias="pass")
    title: StrictStr = ""

    @model_validator(mode="after")
    def _each_course_once(self) -> Programme:
        if len(set(self.courses)) < len(self.courses):
            raise MisfitError("a course stands in it twice", "name each course once", at=("courses",))
        return self
