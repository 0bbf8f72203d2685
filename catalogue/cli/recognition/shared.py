"""What commands about kudos and awards share: who looks, who moderates, how a recognition is printed."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from catalogue.cli.common import day, iso, now, operator, settings, show, with_reading, with_store

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from catalogue.recognition.giving import Wish
    from catalogue.recognition.moderating import Moderator
    from catalogue.store import Store

DAY_S = 86_400
KUDOS, AWARD = "kudos", "award"

Number = Annotated[int, typer.Argument(metavar="ID", help="As the list has it.", min=1)]
Reason = Annotated[str, typer.Option("--reason", help="Why: it is written down. Write no names into it.")]
ViewerOption = Annotated[
    str | None, typer.Option("--as", metavar="PSEUDONYM", help="As this learner sees it; '' is what everybody may see.")
]
KeyOption = Annotated[str, typer.Option(help="Your own name for it: given again under one key, it is the same one.")]
SinceOption = Annotated[str, typer.Option("--from", help="The first day (UTC): 2026-09-01.")]
UntilOption = Annotated[str, typer.Option(help="The last day (UTC), included.")]
LimitOption = Annotated[int, typer.Option(min=1, max=1000, help="At most so many, the newest.")]


def moderates(
    campus: str, config: Path | None, data_dir: Path | None, do: Callable[[Moderator], Coroutine[Any, Any, Any]]
) -> Any:
    """Let the operator do something for a campus that is there."""

    async def work(store: Store) -> Any:
        from catalogue.recognition.moderating import Moderator

        return await do(Moderator(store=store, campus=campus, by=operator(), now=now()))

    return with_store(settings(config, data_dir), work, campus=campus)


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
    campus: str,
    kind: str,
    config: Path | None,
    data_dir: Path | None,
    *,
    viewer: str | None,
    since: str,
    until: str,
    as_json: bool,
    **only: Any,
) -> None:
    """Print recognitions, the newest first."""
    end, rows = day(until, "--until"), only.pop("limit")
    begin = day(since, "--from")

    async def look(conn: AsyncConnection) -> list[dict[str, Any]]:
        from catalogue.recognition import seeing
        from catalogue.recognition.seeing import Viewer, Wanted

        wanted = Wanted(kind=kind, since=begin, until=None if end is None else end + DAY_S, rows=rows, **only)
        sees = Viewer(all=True) if viewer is None else Viewer(learner=viewer)
        return await seeing.listed(conn, campus, wanted, sees)

    found = with_reading(settings(config, data_dir), look, campus=campus)
    show(found, as_json=as_json, lines=lambda: [line for one in found for line in lines(one)] or ["none"])


def print_one(campus: str, no: int, kind: str, config: Path | None, data_dir: Path | None, *, as_json: bool) -> None:
    """Print one with who likes it and what was said of it."""

    async def look(conn: AsyncConnection) -> dict[str, Any]:
        from catalogue.recognition import remarks, seeing
        from catalogue.recognition.seeing import Viewer

        sees = Viewer(all=True)
        one = await seeing.need(conn, campus, no, sees, kind=kind)
        told = (await seeing.shown(conn, campus, [one], sees))[0]
        liked = await remarks.likes(conn, campus, no, sees, after="", rows=1000)
        said = await remarks.comments(conn, campus, no, sees, after=0, rows=remarks.COMMENTS_MAX)
        return told | {"liked_by": [like["user"] for like in liked], "said": said}

    found = with_reading(settings(config, data_dir), look, campus=campus)
    show(found, as_json=as_json, lines=lambda: [*lines(found), *_more(found)])


def lines(one: dict[str, Any]) -> list[str]:
    """One recognition as people read it."""
    about = f"#{one['tag']}" if one["kind"] == KUDOS else f"award {one['badge']}"
    seen = "" if one["seen"] == "campus" else f"  ({one['seen']})"
    state = "" if one["state"] == "shown" else f"  {one['state']}: {one.get('why', '')}"
    giver = one["giver"] or "-"
    told = [f"{one['id']:>6}  {iso(one['given_at'])}  {giver} → {one['receiver']}  {about}{seen}{state}"]
    if one["message"]:
        told += [f"        {line}" for line in one["message"].split("\n")]
    if one["likes"] or one["comments"]:
        told.append(f"        {one['likes']} likes, {one['comments']} comments")
    return told


def _more(found: dict[str, Any]) -> list[str]:
    told = [f"        liked by {', '.join(found['liked_by'])}"] if found["liked_by"] else []
    for said in found["said"]:
        hidden = "" if said["state"] == "shown" else f" ({said['state']})"
        told.append(f"    {said['id']:>3} {iso(said['at'])}  {said['user']}{hidden}: {said['text']}")
    return told
