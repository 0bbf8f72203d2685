"""What commands about kudos and awards share: who looks, who moderates, how a recognition is printed."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from catalogue.cli.common import Answer, Centre, days, iso, now, operator

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from catalogue.recognition.giving import Wish
    from catalogue.recognition.moderating import Moderator
    from catalogue.store import Store

KUDOS, AWARD = "kudos", "award"
_ROLES = ("giver", "receiver", "user")

Number = Annotated[int, typer.Argument(metavar="ID", help="As the list has it.", min=1)]
Reason = Annotated[str, typer.Option("--reason", help="Why: it is written down. Write no names into it.")]
ViewerOption = Annotated[
    str | None, typer.Option("--as", metavar="PSEUDONYM", help="As this learner sees it; '' is what everybody may see.")
]
KeyOption = Annotated[str, typer.Option(help="Your own name for it: given again under one key, it is the same one.")]
SinceOption = Annotated[str, typer.Option("--from", help="The first day (UTC): 2026-09-01.")]
UntilOption = Annotated[str, typer.Option(help="The last day (UTC), included.")]
LimitOption = Annotated[int, typer.Option(min=1, max=1000, help="At most so many, the newest.")]


def moderates(centre: Centre, campus: str, do: Callable[[Moderator], Coroutine[Any, Any, Any]]) -> Any:
    """Let the operator do something for a campus that is there."""

    async def work(store: Store) -> Any:
        from catalogue.recognition.moderating import Moderator

        return await do(Moderator(store=store, campus=campus, by=operator(), now=now()))

    return centre.do(work, campus=campus)


def wish(campus: str, kind: str, *, giver: str, receiver: str, about: str, message: str, seen: str, key: str) -> Wish:
    """What an operator wishes for."""
    from catalogue.recognition.giving import Wish

    return Wish(
        campus=campus,
        key=f"cli:{key or secrets.token_hex(8)}",
        kind=kind,
        giver=giver,
        receiver=receiver,
        about=about,
        message=message,
        seen=seen,
        by=operator(),
    )


def print_listed(
    centre: Centre,
    answer: Answer,
    campus: str,
    kind: str,
    *,
    viewer: str | None,
    since: str,
    until: str,
    **only: Any,
) -> None:
    """Print recognitions, the newest first."""
    (begin, end), rows = days(since, until), only.pop("limit")

    async def look(conn: AsyncConnection) -> list[dict[str, Any]]:
        from catalogue.recognition import seeing
        from catalogue.recognition.seeing import Viewer, Wanted

        wanted = Wanted(kind=kind, since=begin, until=end, rows=rows, **only)
        sees = Viewer(all=True) if viewer is None else Viewer(learner=viewer)
        return await called(conn, campus, await seeing.listed(conn, campus, wanted, sees))

    found = centre.look(look, campus=campus)
    answer.show(found, lines=lambda: [line for one in found for line in lines(one)] or ["none"])


def print_one(centre: Centre, answer: Answer, campus: str, no: int, kind: str) -> None:
    """Print one with who likes it and what was said of it."""

    async def look(conn: AsyncConnection) -> dict[str, Any]:
        from catalogue.recognition import remarks, seeing
        from catalogue.recognition.seeing import Viewer

        sees = Viewer(all=True)
        one = await seeing.need(conn, campus, no, sees, kind=kind)
        told = (await seeing.shown(conn, campus, [one], sees))[0]
        liked = await remarks.likes(conn, campus, no, sees, after="", rows=1000)
        said = await remarks.comments(conn, campus, no, sees, after=0, rows=remarks.COMMENTS_MAX)
        (one_called,) = await called(conn, campus, [told])
        return one_called | {
            "liked_by": [like["user"] for like in liked],
            "said": await called(conn, campus, said),
        }

    found = centre.look(look, campus=campus)
    answer.show(found, lines=lambda: [*lines(found), *_more(found)])


async def called(conn: AsyncConnection, campus: str, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows, each with what those are called whom it tells of, where their campus lets names leave it."""
    from catalogue.people import names

    people = await names.of(conn, campus, {row[role] for row in rows for role in _ROLES if row.get(role)})
    return [
        row | {f"{role}_called": people[row[role]].name for role in _ROLES if row.get(role) in people} for row in rows
    ]


def named(row: dict[str, Any], role: str) -> str:
    """A pseudonym, and behind it what it is called."""
    name = row.get(f"{role}_called")
    return f"{row[role]} ({name})" if name else str(row[role])


def lines(one: dict[str, Any]) -> list[str]:
    """One recognition as people read it."""
    about = f"#{one['tag']}" if one["kind"] == KUDOS else f"award {one['badge']}"
    seen = "" if one["seen"] == "campus" else f"  ({one['seen']})"
    state = "" if one["state"] == "shown" else f"  {one['state']}: {one.get('why', '')}"
    giver, receiver = named(one, "giver") or "-", named(one, "receiver")
    told = [f"{one['id']:>6}  {iso(one['given_at'])}  {giver} → {receiver}  {about}{seen}{state}"]
    if one["message"]:
        told += [f"        {line}" for line in one["message"].split("\n")]
    if one["likes"] or one["comments"]:
        told.append(f"        {one['likes']} likes, {one['comments']} comments")
    return told


def _more(found: dict[str, Any]) -> list[str]:
    told = [f"        liked by {', '.join(found['liked_by'])}"] if found["liked_by"] else []
    for said in found["said"]:
        hidden = "" if said["state"] == "shown" else f" ({said['state']})"
        told.append(f"    {said['id']:>3} {iso(said['at'])}  {named(said, 'user')}{hidden}: {said['text']}")
    return told
