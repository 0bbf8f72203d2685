"""Tags of kudos: those that every campus begins with, a campus's own, and those that it blocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import schema
from catalogue.errors import RefusedError
from catalogue.recognition import words
from catalogue.recognition.policy import Policy

PREDEFINED: Mapping[str, str] = {
    "creative": "Had an idea",
    "helpful": "Helped others",
    "leadership": "Took the lead",
    "persistent": "Did not give up",
    "teamwork": "Worked together",
    "thanks": "Thank you",
}
"""What every campus begins with; a campus may call them something else, or block them."""
OFFERED, BLOCKED = "offered", "blocked"
STATES = (OFFERED, BLOCKED)
TITLE_CHARS_MAX = 60
TAGS_MAX = 200
"""Tags of its own that a campus may keep."""

_KEEP = text(
    "INSERT INTO kudos_tag (campus, tag, title, state, changed_at) VALUES (:campus, :tag, :title, :state, :now)"
    " ON CONFLICT (campus, tag) DO UPDATE"
    " SET title = excluded.title, state = excluded.state, changed_at = excluded.changed_at"
)


async def of_campus(conn: AsyncConnection, campus: str) -> dict[str, tuple[str, str]]:
    """{tag: (title, offered | blocked)} by tag."""
    table = schema.kudos_tag.c
    rows = await conn.execute(select(table.tag, table.title, table.state).where(table.campus == campus))
    own = {row.tag: (row.title, row.state) for row in rows}
    return dict(sorted(({name: (title, OFFERED) for name, title in PREDEFINED.items()} | own).items()))


def listed(known: Mapping[str, tuple[str, str]]) -> list[dict[str, Any]]:
    """{tag, title, state, predefined} of each."""
    return [
        {"tag": name, "title": title, "state": state, "predefined": name in PREDEFINED}
        for name, (title, state) in known.items()
    ]


def check(name: str, known: Mapping[str, tuple[str, str]], policy: Policy) -> None:
    """Refuse a tag that may not be used.

    Raises:
        RefusedError: it is blocked, or a custom one where there are none.
    """
    if name in known:
        if known[name][1] == BLOCKED:
            raise RefusedError(409, "tag-blocked", f"#{name} is not used here")
        return
    if not policy.custom_tags:
        offered = ", ".join(f"#{tag}" for tag, (_, state) in known.items() if state == OFFERED)
        raise RefusedError(409, "tag-unknown", f"#{name} is not offered here; there are {offered}"[:300])


async def put(conn: AsyncConnection, campus: str, name: str, *, title: str, state: str, now: int) -> None:
    """Offer or block a tag.

    Raises:
        RefusedError: it cannot be, or there are too many.
    """
    name = words.tag(name)
    if state not in STATES:
        raise RefusedError(400, "tag", f"state is {' or '.join(STATES)}")
    known = await of_campus(conn, campus)
    if name not in known and len(known) >= TAGS_MAX:
        raise RefusedError(409, "tags", f"a campus keeps at most {TAGS_MAX} tags: remove one first")
    plain = words.text(title, most=TITLE_CHARS_MAX) or known.get(name, (name, ""))[0]
    await conn.execute(_KEEP, {"campus": campus, "tag": name, "title": plain, "state": state, "now": now})


async def remove(conn: AsyncConnection, campus: str, name: str) -> None:
    """Forget what a campus said of a tag: a predefined one is as it was, another one custom.

    Raises:
        RefusedError: nothing was said of it.
    """
    table = schema.kudos_tag.c
    gone = await conn.execute(
        delete(schema.kudos_tag).where(table.campus == campus, table.tag == words.tag(name)).returning(table.tag)
    )
    if gone.first() is None:
        raise RefusedError(404, "unknown-tag", "this campus keeps no such tag of its own")
