"""Likes and comments: by whoever may see what they are about. Every function works in the caller's transaction.

One person may have a pseudonym at each agent of the campus: what holds of one holds of all.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue.errors import RefusedError
from catalogue.recognition import answers, choices, policy, records, seeing, words
from catalogue.recognition.answers import Asked
from catalogue.recognition.giving import NAME_CHARS_MAX
from catalogue.recognition.records import HIDDEN, SHOWN
from catalogue.recognition.seeing import Viewer
from catalogue.schema import liking, remark
from catalogue.store import Store
from catalogue.wallets import purse

COMMENTS_MAX = 500
"""Comments on one recognition, those too that were taken away."""
WITHDRAWN = "withdrawn"
"""How a comment is told that its author took away: no words are left, and no other has its number or its key."""

_LIKE = text(
    "INSERT INTO liking (campus, recognition, learner, at) VALUES (:campus, :recognition, :learner, :now)"
    " ON CONFLICT (campus, recognition, learner) DO NOTHING"
)


async def like(conn: AsyncConnection, campus: str, no: int, learner: str, *, now: int) -> None:
    """Like one, once; again changes nothing.

    Raises:
        RefusedError: it cannot be seen, or is the learner's own doing.
    """
    names = await purse.names(conn, campus, learner)
    one = await _seen(conn, campus, no, learner, names)
    if one.giver in names:
        raise RefusedError(409, "self", "nobody likes what they gave themselves")
    table = liking.c
    mine = (table.campus == campus, table.recognition == no, table.learner.in_(names))
    if await conn.scalar(select(table.learner).where(*mine).limit(1)) is None:
        await conn.execute(_LIKE, {"campus": campus, "recognition": no, "learner": learner, "now": now})


async def unlike(conn: AsyncConnection, campus: str, no: int, learner: str) -> None:
    """Like it no longer, under whichever pseudonym it was; again changes nothing."""
    table = liking.c
    mine = table.learner.in_(await purse.names(conn, campus, learner))
    await conn.execute(delete(liking).where(table.campus == campus, table.recognition == no, mine))


async def likes(
    conn: AsyncConnection, campus: str, no: int, viewer: Viewer, *, after: str, rows: int
) -> list[dict[str, Any]]:
    """{user, at} of who likes it, by pseudonym.

    Raises:
        RefusedError: the viewer may not see it.
    """
    await seeing.need(conn, campus, no, viewer)
    table = liking.c
    only = (table.campus == campus, table.recognition == no, table.learner > after, seeing.takes_part(table.learner))
    found = await conn.execute(select(table.learner, table.at).where(*only).order_by(table.learner).limit(rows))
    return [{"user": row.learner, "at": row.at} for row in found]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a learner says of one, as it was typed; ``key`` is the asker's own name for it."""

    campus: str
    no: int
    learner: str
    key: str
    typed: str


async def asked(
    store: Store, said: Said, *, now: int, need: Callable[[AsyncConnection], Awaitable[None]] | None = None
) -> tuple[dict[str, Any], bool]:
    """As `comment`, in a transaction of its own; a no, of ``need`` too, is kept and stays the answer under its key.

    Raises:
        RefusedError: something stands against it, or stood when it was asked first.
    """

    async def doing(conn: AsyncConnection) -> tuple[dict[str, Any], bool]:
        if need is not None:
            await need(conn)
        return await comment(conn, said, now=now)

    what = f"comment {said.no} {said.learner}"  # two learners may have one key
    named = Asked(campus=said.campus, what=what, key=said.key, said=(said.typed,))
    return await answers.once(store, named, doing, now=now)


async def comment(conn: AsyncConnection, said: Said, *, now: int) -> tuple[dict[str, Any], bool]:
    """Say something about one, and whether it is new; the same key again is the same comment, withdrawn or not.

    Raises:
        RefusedError: it cannot be seen, there are too many, or what is said cannot be.
    """
    campus, no, learner, key = said.campus, said.no, said.learner, said.key
    plain = words.text(said.typed, most=words.COMMENT_CHARS_MAX)
    if not plain:
        raise RefusedError(400, "text", "a comment says something")
    await records.hold(conn, campus)
    names = await purse.names(conn, campus, learner)
    await _seen(conn, campus, no, learner, names)
    table = remark.c
    here = (table.campus == campus, table.recognition == no, table.no > 0)
    known = (await conn.execute(select(remark).where(*here, table.author == learner, table.key == key))).first()
    if known is not None:
        return _told(known), False
    rules = await policy.of_campus(conn, campus)
    if not rules.words:
        raise RefusedError(409, "no-words", "comments are not written here")
    since = (table.campus == campus, table.author.in_(names), table.at > now - rules.comments.seconds, table.no > 0)
    if await conn.scalar(select(func.count()).select_from(remark).where(*since)) >= rules.comments.most:  # type: ignore[operator]
        raise RefusedError(409, "limit-comments", f"{rules.comments} comments are written")
    last = await conn.scalar(select(func.max(table.no)).where(*here)) or 0
    if last >= COMMENTS_MAX:
        raise RefusedError(409, "comments", f"there are {COMMENTS_MAX} comments already")
    row = {"campus": campus, "recognition": no, "no": last + 1, "key": key, "author": learner, "at": now}
    await conn.execute(insert(remark), row | {"state": SHOWN, "text": plain})
    return {"id": last + 1, "user": learner, "at": now, "text": plain, "state": SHOWN}, True


async def comments(
    conn: AsyncConnection, campus: str, no: int, viewer: Viewer, *, after: int, rows: int
) -> list[dict[str, Any]]:
    """{id, user, at, text, state} of comments in their order; who looks after them sees the hidden ones too.

    Raises:
        RefusedError: the viewer may not see it.
    """
    await seeing.need(conn, campus, no, viewer)
    table = remark.c
    only = [table.campus == campus, table.recognition == no, table.no > after, table.text != ""]
    only += [] if viewer.all else [table.state == SHOWN, seeing.takes_part(table.author)]
    found = await conn.execute(select(remark).where(*only).order_by(table.no).limit(rows))
    return [_told(row) for row in found]


async def withdraw(conn: AsyncConnection, campus: str, no: int, comment: int, learner: str) -> None:
    """Take the words of one's own comment away for good; again changes nothing."""
    table = remark.c
    own = table.author.in_(await purse.names(conn, campus, learner))
    mine = (table.campus == campus, table.recognition == no, table.no == comment, table.no > 0, own)
    await conn.execute(update(remark).where(*mine).values(state=HIDDEN, text=""))


async def moderate(conn: AsyncConnection, campus: str, no: int, comment: int, *, hidden: bool) -> None:
    """Hide a comment, or the message (0), or show it again.

    Raises:
        RefusedError: there is none.
    """
    table = remark.c
    mine = (table.campus == campus, table.recognition == no, table.no == comment, table.text != "")
    found = await conn.execute(
        update(remark).where(*mine).values(state=HIDDEN if hidden else SHOWN).returning(table.no)
    )
    if found.first() is None:
        raise RefusedError(404, "unknown-comment", "there is no such comment")


async def _seen(conn: AsyncConnection, campus: str, no: int, learner: str, names: Sequence[str]) -> records.Recognition:
    """The one of a number, for a learner who takes part under all of their ``names`` and may see it."""
    if not 1 <= len(learner) <= NAME_CHARS_MAX or not learner.isprintable():
        raise RefusedError(400, "user", f"user is 1 to {NAME_CHARS_MAX} printable characters")
    await choices.need_part(conn, campus, *names)
    return await seeing.need(conn, campus, no, Viewer(learner=learner))


def _told(row: Any) -> dict[str, Any]:
    return {
        "id": row.no,
        "user": row.author,
        "at": row.at,
        "text": row.text,
        "state": row.state if row.text else WITHDRAWN,
    }
