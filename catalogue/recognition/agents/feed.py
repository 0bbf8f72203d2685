"""What was given and taken back, in one numbered order: what a campus reads to let rules look at kudos."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue.recognition.records import ERASED, KUDOS, REVOKED
from catalogue.schema import recognition, recognition_head


async def lines(conn: AsyncConnection, campus: str, after: int, rows: int) -> tuple[list[dict[str, Any]], int, bool]:
    """({no, what, of, giver, receiver, tag, at} after a number, the number to go on after, whether there is more).

    ``what`` is given or revoked, ``of`` the kudos. Numbers are given out and committed in their order, so nothing comes
    in behind what was read.
    """
    table = recognition.c
    head = await conn.scalar(select(recognition_head.c.no).where(recognition_head.c.campus == campus)) or 0
    own = (table.campus == campus, table.kind == KUDOS)
    given = select(recognition).where(*own, table.no > after, table.no <= head, table.state != ERASED)
    ended = select(recognition).where(*own, table.state == REVOKED, table.ended_no > after, table.ended_no <= head)
    some = given.order_by(table.no).limit(rows)
    found = [_line(row, row.no, "given", row.given_at) for row in await conn.execute(some)]
    back = ended.order_by(table.ended_no).limit(rows)
    found += [_line(row, row.ended_no, "revoked", row.ended_at) for row in await conn.execute(back)]
    found.sort(key=lambda line: line["no"])
    if len(found) < rows:
        return found, head, False
    return found[:rows], found[rows - 1]["no"], True


def _line(row: Any, no: int, what: str, at: int) -> dict[str, Any]:
    names = {"giver": row.giver, "receiver": row.receiver, "tag": row.about}
    return {"no": no, "what": what, "of": row.no, "at": at} | names
