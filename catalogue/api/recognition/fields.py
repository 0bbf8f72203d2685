"""What a request about recognition says: its fields checked, for whom it looks, and who asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select, union
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue.api import reading
from catalogue.api.guard import Guard
from catalogue.api.tokens import Reader
from catalogue.errors import RefusedError
from catalogue.recognition.giving import NAME_CHARS_MAX
from catalogue.recognition.moderating import Moderator
from catalogue.recognition.seeing import Viewer
from catalogue.schema import sealed_person, wallet

MODERATE = "recognition:moderate"


def field(said: Mapping[str, Any], name: str, *, most: int = NAME_CHARS_MAX, default: str | None = None) -> str:
    """A text of a body; where it is not there, ``default``.

    Raises:
        RefusedError: (400) it is missing, no text, or too long.
    """
    value = said.get(name, default)
    if not isinstance(value, str) or len(value) > most or (name in said and not value):
        raise RefusedError(400, "body", f"{name} is text of 1 to {most} characters")
    return value


def only_these(said: Mapping[str, Any], known: set[str]) -> None:
    """See that a body says nothing that would be passed over.

    Raises:
        RefusedError: (400) it does.
    """
    if unknown := set(said) - known:
        raise RefusedError(400, "body", f"{len(unknown)} of the fields sent are not known: {', '.join(sorted(known))}")


def number(text: str) -> int:
    """A number in a path or a parameter.

    Raises:
        RefusedError: (400) it is none.
    """
    return reading.whole({"id": text}, "id", 0)


def days_of(query: Mapping[str, str], default: int) -> int:
    """How many days back.

    Raises:
        RefusedError: (400) none, or more than a year.
    """
    days = reading.whole(query, "days", default)
    if not 1 <= days <= reading.YEAR_DAYS:
        raise RefusedError(400, "parameter", f"days is 1 to {reading.YEAR_DAYS}")
    return days


def viewer_of(reader: Reader, query: Mapping[str, str]) -> Viewer:
    """For whom a token looks: a learner of its campus, everybody, or, with the right to moderate, without bounds.

    Raises:
        RefusedError: (400, 403) it cannot be.
    """
    if query.get("all", "false") not in {"true", "false"}:
        raise RefusedError(400, "parameter", "all is true or false")
    everything = query.get("all") == "true"
    if everything and MODERATE not in reader.scopes:
        raise RefusedError(403, "scope", f"all=true is for tokens with {MODERATE}")
    return Viewer(learner=query.get("viewer", ""), all=everything)


def moderator(guard: Guard, reader: Reader) -> Moderator:
    """The token as who looks after its campus."""
    return Moderator(store=guard.store, campus=reader.campus, by=f"token {reader.name}", now=guard.now())


async def need_known(conn: AsyncConnection, campus: str, *learners: str) -> None:
    """See that these are learners of the campus, by a wallet or by the copy that is kept for it.

    Raises:
        RefusedError: (404) one is not.
    """
    named = [learner for learner in learners if learner]
    kept, has = sealed_person.c, wallet.c
    found = union(
        select(has.learner).where(has.campus == campus, has.learner.in_(named)),
        select(kept.name).where(kept.campus == campus, kept.name.in_(named)),
    )
    if set(named) - set((await conn.scalars(found)).all()):
        raise RefusedError(404, "unknown-learner", "no learner of this campus has that pseudonym")
