"""What the rules contract names and this version does not do yet: recognised by name, refused clearly. The one list."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationInfo

from agent.config.document import MisfitError

IN_A_FILE = ("safety",)


def not_yet(name: str) -> MisfitError:
    """The fault of using ``name`` now."""
    return MisfitError(f"`{name}` is not supported by this version", "take it out, or wait for a version that has it")


def _refuse(_value: Any, info: ValidationInfo) -> Any:
    raise not_yet(info.field_name or "this")


Later = Annotated[Any, BeforeValidator(_refuse)]
"""The type of a key that only a later version understands: any value given to it is a fault."""
