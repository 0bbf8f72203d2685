"""`wallet find`: whose wallet it is, where a campus lets names leave it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from catalogue.cli.common import Answer, Campus, Centre, iso

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection


def find(
    campus: Campus,
    text: Annotated[str, typer.Argument(help="A part of the name, in whatever case.")],
    centre: Centre,
    answer: Answer,
) -> None:
    """Find learners by what they are called, where their campus lets that leave it ([privacy] identity).

    Example: rewards-catalogue wallet find uni-example ann
    """

    async def look(conn: AsyncConnection) -> dict[str, Any]:
        from catalogue.people import names

        found, more = await names.find(conn, campus, text)
        return {"names": [one._asdict() for one in found], "more": more}

    found = centre.look(look, campus=campus)
    answer.show(found, lines=lambda: _lines(found))


def _lines(found: dict[str, Any]) -> list[str]:
    lines = [
        f"{row['learner']:26} {row['name']:32} {row['said_by']:8} {row['agent']:12} told {iso(row['told_at'])}"
        for row in found["names"]
    ]
    more = ["there are more: type more of the name"] if found["more"] else []
    return [*lines, *more] or ["nobody is called that here, or their campus tells no names"]
