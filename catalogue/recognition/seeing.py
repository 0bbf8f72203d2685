"""Who sees what: recognitions as a learner, everybody of the campus, or whoever looks after them may see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, case, exists, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import schema
from catalogue.recognition import records, tags
from catalogue.recognition.policy import ANONYMOUS, CAMPUS, NONE
from catalogue.recognition.records import ERASED, KUDOS, SHOWN, Recognition
from catalogue.schema import liking, recognition, remark

DAY_S = 86_400
TRENDS_MAX = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """Who looks: a ``learner``, everybody of the campus ('', what is open to all), or who looks after it (``all``)."""

    learner: str = ""
    all: bool = False

    def giver(self, one: Recognition) -> str:
        """The giver, where this viewer may know."""
        told = one.seen != ANONYMOUS or self.all or self.learner == one.giver
        return one.giver if told else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which ones; times are seconds UTC, ``until`` not included, ``before`` the number that the page comes before."""

    kind: str
    user: str | None = None
    giver: str | None = None
    receiver: str | None = None
    about: str | None = None
    since: int | None = None
    until: int | None = None
    before: int | None = None
    rows: int = 100


def open_to_all() -> ColumnElement[bool]:
    """Whether everybody of the campus may see it: learners who chose otherwise are in none.

    What an anonymous giver chose plays no part, or it would tell who that is.
    """
    table = recognition.c
    # Two questions, each with a key to look for: one for both is held against every choice of the campus.
    named = or_(table.seen != CAMPUS, ~_is_private(table.giver))
    return and_(table.state == SHOWN, table.seen != "pair", ~_is_private(table.receiver), named)


def _is_private(learner: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether a learner of a recognition chose that not everybody may see it."""
    chose = schema.recognition_choice.alias().c
    return exists().where(chose.campus == recognition.c.campus, chose.learner == learner)


def may_see(campus: str, viewer: Viewer) -> ColumnElement[bool]:
    """Whether somebody may see one of a campus."""
    table = recognition.c
    if viewer.all:
        return table.state != ERASED
    if not viewer.learner:
        return open_to_all()
    own = or_(*(_is(campus, column, viewer.learner) for column in (table.giver, table.receiver)))
    return or_(open_to_all(), and_(table.state == SHOWN, own))


def _is(campus: str, column: ColumnElement[Any], learner: str) -> ColumnElement[bool]:
    """Whether a learner of a recognition is this one, under any pseudonym of theirs."""
    this, other = schema.link.alias(), schema.link.alias()
    same = and_(other.c.campus == this.c.campus, other.c.purse == this.c.purse)
    mine = select(other.c.name).join(this, same).where(this.c.campus == campus, this.c.name == learner)
    return or_(column == learner, column.in_(mine))


def gave(learner: str, viewer: Viewer) -> ColumnElement[bool]:
    """Whether a learner gave it, as far as the viewer may know."""
    named = true() if viewer.all or viewer.learner == learner else recognition.c.seen != ANONYMOUS
    return and_(recognition.c.giver == learner, named)


async def listed(conn: AsyncConnection, campus: str, wanted: Wanted, viewer: Viewer) -> list[dict[str, Any]]:
    """The newest first, as `shown`."""
    table = recognition.c
    only = [table.campus == campus, table.kind == wanted.kind, may_see(campus, viewer)]
    only += [or_(table.receiver == wanted.user, gave(wanted.user, viewer))] if wanted.user is not None else []
    only += [gave(wanted.giver, viewer)] if wanted.giver is not None else []
    only += [table.receiver == wanted.receiver] if wanted.receiver is not None else []
    only += [table.about == wanted.about] if wanted.about is not None else []
    only += [table.given_at >= wanted.since] if wanted.since is not None else []
    only += [table.given_at < wanted.until] if wanted.until is not None else []
    only += [table.no < wanted.before] if wanted.before is not None else []
    found = await conn.execute(select(recognition).where(*only).order_by(table.no.desc()).limit(wanted.rows))
    return await shown(conn, campus, [records.read(row) for row in found], viewer)


async def need(conn: AsyncConnection, campus: str, no: int, viewer: Viewer, *, kind: str | None = None) -> Recognition:
    """The one of a number, if the viewer may see it.

    Raises:
        RefusedError: (404) not, or there is none.
    """
    one = await records.need(conn, campus, no, kind=kind)
    table = recognition.c
    seen = select(table.no).where(table.campus == campus, table.no == no, may_see(campus, viewer))
    if await conn.scalar(seen) is None:
        raise records.unknown(kind)
    return one


async def shown(
    conn: AsyncConnection, campus: str, some: Sequence[Recognition], viewer: Viewer
) -> list[dict[str, Any]]:
    """As the viewer is told of them.

    {id, kind, giver, receiver, tag or badge, seen, given_at, state, message, likes, comments}; who looks after them is
    told given_by, ended_at, ended_by and why besides.
    """
    numbers = [one.no for one in some]
    said = remark.c
    mine = (said.campus == campus, said.recognition.in_(numbers))
    first = select(said.recognition, said.text).where(*mine, said.no == 0, said.state == SHOWN)
    messages = {row.recognition: row.text for row in await conn.execute(first)}
    # Those of who takes no part any more are neither shown nor counted.
    comments = await _counts(conn, said.recognition, *mine, said.no > 0, said.state == SHOWN, takes_part(said.author))
    liked = liking.c
    likes = await _counts(
        conn, liked.recognition, liked.campus == campus, liked.recognition.in_(numbers), takes_part(liked.learner)
    )
    return [
        {
            "id": one.no,
            "kind": one.kind,
            "giver": viewer.giver(one),
            "receiver": one.receiver,
            "tag" if one.kind == KUDOS else "badge": one.about,
            "seen": one.seen,
            "given_at": one.given_at,
            "state": one.state,
            "message": messages.get(one.no, ""),
            "likes": likes.get(one.no, 0),
            "comments": comments.get(one.no, 0),
        }
        | (_ended(one) if viewer.all else {})
        for one in some
    ]


def takes_part(learner: Any) -> ColumnElement[bool]:
    """Whether the learner of a row of likes or remarks takes part."""
    chose = schema.recognition_choice.c
    return ~exists().where(chose.campus == learner.table.c.campus, chose.learner == learner, chose.shown == NONE)


def _ended(one: Recognition) -> dict[str, Any]:
    return {"given_by": one.given_by, "ended_at": one.ended_at, "ended_by": one.ended_by, "why": one.why}


async def _counts(conn: AsyncConnection, column: Any, *only: Any) -> dict[Any, int]:
    rows = await conn.execute(select(column, func.count()).where(*only).group_by(column))
    return {row[0]: row[1] for row in rows}


async def trends(conn: AsyncConnection, campus: str, *, days: int, now: int) -> list[dict[str, Any]]:
    """{tag, title, kudos, before} of the tags used most in the last ``days``, of kudos that everybody may see.

    ``before`` is how many there were in as many days before. Blocked tags are in none.
    """
    table, since = recognition.c, now - days * DAY_S
    recent = func.sum(case((table.given_at > since, 1), else_=0))
    earlier = func.count() - recent
    inside = table.given_at > since - days * DAY_S, table.given_at <= now
    used = (
        select(table.about, recent.label("kudos"), earlier.label("before"))
        .where(table.campus == campus, table.kind == KUDOS, *inside, open_to_all())
        .group_by(table.about)
        .order_by(recent.desc(), earlier.desc(), table.about)
        .limit(TRENDS_MAX + tags.TAGS_MAX)
    )
    known = await tags.of_campus(conn, campus)
    return [
        {"tag": tag, "title": _title(known, tag), "kudos": int(kudos), "before": int(before)}
        for tag, kudos, before in await conn.execute(used)
        if known.get(tag, ("", tags.OFFERED))[1] == tags.OFFERED
    ][:TRENDS_MAX]


def _title(known: Mapping[str, tuple[str, str]], tag: str) -> str:
    return known.get(tag, ("", ""))[0]


async def stats(
    conn: AsyncConnection, campus: str, learner: str, viewer: Viewer, *, days: int, now: int
) -> dict[str, Any]:
    """{user, days, given, received, likes, awards, tags} of a learner in the last ``days``, as the viewer may know.

    ``tags`` count by tag what was received.
    """
    table = recognition.c
    inside = (
        table.campus == campus,
        table.given_at > now - days * DAY_S,
        table.state == SHOWN,
        may_see(campus, viewer),
    )
    got = (*inside, table.receiver == learner)
    kudos = await _counts(conn, table.about, *got, table.kind == KUDOS)
    given = select(func.count()).where(*inside, table.kind == KUDOS, gave(learner, viewer))
    awards = select(func.count()).where(*got, table.kind != KUDOS)
    joined = and_(liking.c.campus == table.campus, liking.c.recognition == table.no)
    likes = select(func.count()).select_from(recognition).join(liking, joined).where(*got, takes_part(liking.c.learner))
    return {
        "user": learner,
        "days": days,
        "given": await conn.scalar(given) or 0,
        "received": sum(kudos.values()),
        "awards": await conn.scalar(awards) or 0,
        "likes": await conn.scalar(likes) or 0,
        "tags": dict(sorted(kudos.items(), key=lambda one: (-one[1], one[0]))),
    }
