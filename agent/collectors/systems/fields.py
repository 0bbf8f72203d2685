"""Reading what vendors write: parts inside parts, ids, exact numbers, and times with fractions of a second."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from agent.collectors import numbers
from agent.collectors.systems.base import epoch_of, invalid, missing, text_in
from agent.model import Fact

ID_MAX = 500
"""Characters of an id; in xAPI they are whole addresses."""
_NUMBER = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?")


def part(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The object under ``name``; empty where it is absent or null.

    Raises:
        RefusedPostError: it is something else.
    """
    value = data.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise invalid(name, "an object")
    return value


def id_in(data: Mapping[str, Any], name: str) -> str | None:
    """An id as text; None where it is absent, empty or null.

    Raises:
        RefusedPostError: it is no text and no number, or too long.
    """
    return text_in(data, name, most=ID_MAX)


def needed(data: Mapping[str, Any], name: str, told: str) -> str:
    """An id that must be there; ``told`` is how its place is named to the sender.

    Raises:
        RefusedPostError: it is not there, or no id.
    """
    found = id_in(data, name)
    if found is None:
        raise missing(told)
    return found


def exact(data: Mapping[str, Any], name: str) -> int | Fraction | None:
    """A number as it was written, `"33.3"` being 333/10; None where it is absent, empty or null.

    Raises:
        RefusedPostError: it is no number, or none that fits.
    """
    value = data.get(name)
    if value is None or value == "":
        return None
    written = not isinstance(value, str) or _NUMBER.fullmatch(value.strip())
    number = numbers.exact(value) if written else None
    if number is None:
        raise invalid(name, "a number")
    return number


def per_cent(share: Fraction | int) -> int | Fraction:
    """A share of one as per cent."""
    return numbers.whole(Fraction(share) * 100)


def moment(data: Mapping[str, Any], names: tuple[str, ...], received_at: int) -> int | None:
    """The first of the named times that is there, as whole seconds since 1970.

    Raises:
        RefusedPostError: as `epoch_of`.
    """
    for name in names:
        value = data.get(name)
        if value is None or value == "":
            continue
        return epoch_of(value, name, received_at)
    return None


def known(facts: Mapping[str, Fact | None]) -> dict[str, Fact]:
    """The facts that are known."""
    return {name: value for name, value in facts.items() if value is not None}


def by_email(address: str) -> str:
    """A learner of whom only the address is told: the same for the same address, which is not kept."""
    return "email-" + hashlib.sha256(address.strip().lower().removeprefix("mailto:").encode()).hexdigest()[:32]
