"""What is taken away when learners are erased: their words and what was said to them, their likes, their names here.

No act tells of it: it would say for ever who was erased, and when.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Text, cast, delete, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import schema
from catalogue.recognition import records
from catalogue.recognition.records import ERASED
from catalogue.schema import liking, recognition, remark


async def erase(conn: AsyncConnection, campus: str, learners: Sequence[str]) -> int:
    """Take these pseudonyms out of a campus's recognition; how many recognitions there were. Again changes nothing."""
    if not learners:
        return 0
    await records.hold(conn, campus)
    table = recognition.c
    theirs = (table.campus == campus, or_(table.giver.in_(learners), table.receiver.in_(learners)))
    about = select(table.no).where(*theirs)

    # One question for each way in which a row is theirs: each has an index of its own.
    for words, learner in ((remark, remark.c.author), (liking, liking.c.learner)):
        for is_theirs in (learner.in_(learners), words.c.recognition.in_(about)):
            await conn.execute(delete(words).where(words.c.campus == campus, is_theirs))
    chose = schema.recognition_choice.c
    await conn.execute(delete(schema.recognition_choice).where(chose.campus == campus, chose.learner.in_(learners)))
    gone = {"state": ERASED, "about": "", "why": "", "key": literal("erased ") + cast(table.no, Text)}
    both = await conn.execute(update(recognition).where(*theirs).values(**gone).returning(table.no))
    count = len(both.all())
    for column in (table.giver, table.receiver):
        await conn.execute(
            update(recognition).where(table.campus == campus, column.in_(learners)).values({column.name: ""})
        )
    return count
