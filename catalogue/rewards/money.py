"""Amounts of real money, exactly: "4.50 GBP" is 450 hundredths of a pound."""

from __future__ import annotations

import re
from typing import Annotated, Any, NamedTuple

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_FORM = re.compile(r"(0|[1-9][0-9]{0,11})(?:\.([0-9]{1,2}))? ?([A-Z]{3})")


class Sum(NamedTuple):
    """``minor`` hundredths of a unit of ``code`` (ISO 4217)."""

    minor: int
    code: str

    def __str__(self) -> str:
        """As it is written."""
        return f"{self.minor // 100}.{self.minor % 100:02} {self.code}"


def parse(text: str) -> Sum:
    """Read an amount.

    Raises:
        ValueError: it is none.
    """
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no amount of money, such as 4.50 GBP")
    whole, part, code = found.groups()
    return Sum(int(whole) * 100 + int((part or "0").ljust(2, "0")), code)


def _read(value: Any) -> Sum | None:
    if value is None or isinstance(value, Sum):
        return value
    if not isinstance(value, str):
        raise ValueError("an amount of money is written as 4.50 GBP")  # noqa: TRY004 - pydantic takes no other
    return parse(value)


Money = Annotated[
    Sum,
    BeforeValidator(_read),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": f"^{_FORM.pattern}$"}),
]
"""A field of a model: written and kept as its text."""
