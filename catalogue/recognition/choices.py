"""What learners choose for themselves: everybody may see who recognised them, the two alone, or they take no part."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import delete, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import schema
from catalogue.errors import RefusedError
from catalogue.recognition.policy import CAMPUS, NONE, PAIR

SHOWN = (CAMPUS, PAIR, NONE)

_KEEP = text(
    "INSERT INTO recognition_choice (campus, learner, shown, at) VALUES (:campus, :learner, :shown, :now)"
    " ON CONFLICT (campus, learner) DO UPDATE SET shown = excluded.shown, at = excluded.at"
    " WHERE recognition_choice.shown <> excluded.shown"
)


async def choose(conn: AsyncConnection, campus: str, learner: str, shown: str, *, now: int) -> None:
    """Keep what a learner chose.

    Raises:
        RefusedError: it is no choice.
    """
    if shown not in SHOWN:
        raise RefusedError(400, "choice", f"a choice is {', '.join(SHOWN)}")
    table = schema.recognition_choice.c
    if shown == CAMPUS:
        await conn.execute(delete(schema.recognition_choice).where(table.campus == campus, table.learner == learner))
        return
    await conn.execute(_KEEP, {"campus": campus, "learner": learner, "shown": shown, "now": now})


async def of(conn: AsyncConnection, campus: str, learners: Iterable[str]) -> dict[str, str]:
    """What each of these learners chose."""
    table, asked = schema.recognition_choice.c, list(learners)
    rows = await conn.execute(
        select(table.learner, table.shown).where(table.campus == campus, table.learner.in_(asked))
    )
    said = {row.learner: row.shown for row in rows}
    return {learner: said.get(learner, CAMPUS) for learner in asked}


async def need_part(conn: AsyncConnection, campus: str, *learners: str) -> None:
    """See that all of these take part.

    Raises:
        RefusedError: one does not.
    """
    for learner, shown in (await of(conn, campus, filter(None, learners))).items():
        if shown == NONE:
            raise RefusedError(409, "takes-no-part", f"{learner} takes no part in recognition")
