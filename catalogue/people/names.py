"""The register of names in the database: told, replaced, withdrawn, erased, looked for. In the caller's transaction.

What is taken away leaves its pseudonym for as long as an older message may still come that would put it back; then
nothing says that there was a name. Backups leave the register out: an erasure need not reach them, and agents tell it
anew where there is none.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import and_, case, delete, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue.schema import name_register, person_name
from catalogue.store import scrubbing
from catalogue.tenants import Sender
from wire.canonical import WHOLE_MAX
from wire.people.names import Names

FOR_EVER = WHOLE_MAX
"""When a name of somebody erased was told: later than any."""
GONE_KEPT_S = 3600
"""How long a name that was taken away keeps older messages out, in seconds: their signatures are too old by then."""
AHEAD_MAX_S = 86_400
"""How far ahead of our clock a name may have been told: what says more counts as told then."""
REGISTER_BYTES = 8
NAMED = (person_name,)
"""In whose files a name may be left."""
PARAMETERS_MAX = 500
FOUND_MAX = 50
"""Most learners that a search tells."""


class Called(NamedTuple):
    """What a learner is called, what kind of name that is, whose agent told it, and when (seconds UTC)."""

    learner: str
    name: str
    said_by: str
    agent: str
    told_at: int


_COLUMNS = (
    person_name.c.learner,
    person_name.c.name,
    person_name.c.said_by,
    person_name.c.agent,
    person_name.c.told_at,
)


async def register_of(conn: AsyncConnection, sender: Sender) -> str:
    """An agent's register, or nothing where it has none yet."""
    return await conn.scalar(select(name_register.c.register).where(*_own(sender))) or ""


async def tell(conn: AsyncConnection, sender: Sender, message: Names, *, now: int) -> str:
    """Keep what an agent tells; the register that it is in, made where there was none. Again changes nothing.

    Names for another register are not kept: they are of before it. An agent that takes back what it never told leaves
    nothing behind.
    """
    if message.withdrawn and not message.names and not await register_of(conn, sender):
        return secrets.token_hex(REGISTER_BYTES)
    upsert = _upsert(conn)
    row = {"campus": sender.campus, "agent": sender.agent, "withdrawn_at": message.withdrawn}
    opened = upsert(name_register).values(row | {"register": secrets.token_hex(REGISTER_BYTES)})
    # Held until the transaction ends: messages of one agent are kept one after another.
    kept = opened.on_conflict_do_update(
        index_elements=["campus", "agent"],
        set_={"withdrawn_at": _later(name_register.c.withdrawn_at, opened.excluded.withdrawn_at)},
    ).returning(name_register.c.register, name_register.c.withdrawn_at)
    register, withdrawn_at = (await conn.execute(kept)).one()
    table = person_name.c
    if message.withdrawn:
        until = table.told_at <= message.withdrawn
        await conn.execute(delete(person_name).where(table.campus == sender.campus, table.agent == sender.agent, until))
    rows = [
        {
            "learner": one.learner,
            "name": one.name,
            "folded": one.name.casefold(),
            "said_by": message.said_by if one.name else "",
            "told_at": min(one.told_at, now + AHEAD_MAX_S),
            "gone_at": None if one.name else now,
        }
        for one in message.names
        if message.register == register and one.told_at > withdrawn_at
    ]
    await _put(conn, sender, rows)
    await forget_traces(conn, sender.campus, now=now)
    if takes_back(message):
        await scrubbing.note(conn, sender.campus, *NAMED, now=now)
    return str(register)


def takes_back(message: Names) -> bool:
    """Whether somebody is no longer to be called anything here."""
    return bool(message.withdrawn) or not all(one.name for one in message.names)


async def erase(conn: AsyncConnection, sender: Sender, learners: Sequence[str], *, now: int) -> None:
    """Take away what these learners of an agent are called, for good; a message that is under way tells it no more."""
    if not learners or not await register_of(conn, sender):
        return
    nobody = {"name": "", "folded": "", "said_by": "", "told_at": FOR_EVER, "gone_at": now}
    await _put(conn, sender, [{"learner": learner} | nobody for learner in learners])
    await forget_traces(conn, sender.campus, now=now)


async def drop(conn: AsyncConnection, campus: str, agent: str = "", *, now: int) -> int:
    """Take away all that a campus, or one agent of it, told; how many names that were."""
    count = 0
    for table in (person_name, name_register):
        mine = [table.c.campus == campus, *([table.c.agent == agent] if agent else [])]
        if table is person_name:
            named = select(func.count()).select_from(table).where(*mine, table.c.name != "")
            count = await conn.scalar(named) or 0
        await conn.execute(delete(table).where(*mine))
    await scrubbing.note(conn, campus, *NAMED, now=now)
    return count


async def forget_traces(conn: AsyncConnection, campus: str, *, now: int) -> None:
    """Let go of the pseudonyms of names that were taken away long enough ago."""
    table = person_name.c
    await conn.execute(
        delete(person_name).where(table.campus == campus, table.gone_at.is_not(None), table.gone_at < now - GONE_KEPT_S)
    )


async def of(conn: AsyncConnection, campus: str, learners: Iterable[str]) -> dict[str, Called]:
    """What those of these learners are called who have a name here."""
    table, wanted = person_name.c, sorted(set(learners))
    found: dict[str, Called] = {}
    for start in range(0, len(wanted), PARAMETERS_MAX):
        some = table.learner.in_(wanted[start : start + PARAMETERS_MAX])
        rows = await conn.execute(select(*_COLUMNS).where(table.campus == campus, some, table.name != ""))
        found |= {row.learner: Called(*row) for row in rows}
    return found


async def find(conn: AsyncConnection, campus: str, text: str, most: int = FOUND_MAX) -> tuple[list[Called], bool]:
    """(learners in whose names ``text`` stands, in whatever case, by name; whether there are more than ``most``)."""
    table = person_name.c
    within = table.folded.contains(text.casefold(), autoescape=True)
    wanted = select(*_COLUMNS).where(table.campus == campus, table.name != "", within)
    rows = [Called(*row) for row in await conn.execute(wanted.order_by(table.folded, table.learner).limit(most + 1))]
    return rows[:most], len(rows) > most


async def told(conn: AsyncConnection, campus: str, rows: Collection[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows, each with what its ``learner`` is ``called`` where that has a name."""
    called = await of(conn, campus, (row["learner"] for row in rows))
    return [row | ({"called": called[row["learner"]].name} if row["learner"] in called else {}) for row in rows]


async def _put(conn: AsyncConnection, sender: Sender, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows where they say something later; of two of one second the greater, so that no order matters.

    A learner is of one agent: what another tells of them changes nothing.
    """
    if not rows:
        return
    statement = _upsert(conn)(person_name)
    new, old = statement.excluded, person_name.c
    later = or_(new.told_at > old.told_at, and_(new.told_at == old.told_at, new.name > old.name))
    again = {column: new[column] for column in ("name", "folded", "said_by", "told_at", "gone_at")}
    kept = statement.on_conflict_do_update(
        index_elements=["campus", "learner"], set_=again, where=and_(old.agent == new.agent, later)
    )
    owner = {"campus": sender.campus, "agent": sender.agent}
    await conn.execute(kept, [owner | row for row in sorted(rows, key=lambda row: str(row["learner"]))])


def _later(one: Any, other: Any) -> Any:
    return case((other > one, other), else_=one)


def _own(sender: Sender) -> tuple[Any, Any]:
    return name_register.c.campus == sender.campus, name_register.c.agent == sender.agent


def _upsert(conn: AsyncConnection) -> Any:
    """Both databases spell this alike, and SQLAlchemy has a class for each."""
    return sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
