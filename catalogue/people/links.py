"""Links in the database: told, made, held, taken apart, forgotten. Inside the caller's transaction.

Whoever changes anything holds the campus's `link_head` first: two agents' messages are judged one after another.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, insert, or_, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import schema
from catalogue.errors import RefusedError
from catalogue.people import judging, knowing
from catalogue.people.judging import Person, Word
from catalogue.schema import link, link_apart, link_change, link_held, person_tag, wallet
from catalogue.tenants import Sender
from wire.people.known import People, Told

BY_TAG = "tag"
BY_AGENT = "agent"
"""Who links: what two agents told alike, or an agent that made one of two accounts."""


class How(NamedTuple):
    """When (seconds UTC), by whom and why something is changed, and the number of the change."""

    now: int
    by: str
    why: str
    no: int


_NEXT = text(
    "INSERT INTO link_head (campus, no) VALUES (:campus, 1)"
    " ON CONFLICT (campus) DO UPDATE SET no = link_head.no + 1 RETURNING no"
)


async def tell(conn: AsyncConnection, sender: Sender, message: People, *, now: int) -> list[str]:
    """Keep what an agent knows its persons by, and link those who are one; agents that use another link key."""
    no = await _next(conn, sender.campus)
    mine = await _own(conn, sender, message.people)
    await _keep(conn, sender, message.key, mine)
    await _accounts(conn, sender, mine, now=now, no=no)
    agents = {one.name: sender.agent for one in mine if not one.into}
    await _judge(conn, sender.campus, agents, now=now, no=no)
    if not message.key:
        return []
    table = person_tag.c
    others = select(table.agent).where(table.campus == sender.campus, table.agent != sender.agent)
    return sorted(await conn.scalars(others.where(table.key != message.key).distinct()))


async def forget(conn: AsyncConnection, sender: Sender, names: Sequence[str]) -> None:
    """Let go of everything that ties erased persons of an agent to others; their wallets are nobody's."""
    await _forget(conn, sender.campus, sender.agent, names, no=await _next(conn, sender.campus))


async def lose(conn: AsyncConnection, campus: str, name: str, *, now: int) -> None:
    """Let go of a person whom an agent lost with its ledger; those who waited beside it are looked at again.

    Raises:
        RefusedError: no agent told of it, or it has a wallet.
    """
    no = await _next(conn, campus)
    tags, wallets = person_tag.c, wallet.c
    agent = await conn.scalar(select(tags.agent).where(tags.campus == campus, tags.name == name).limit(1))
    if agent is None:
        raise RefusedError(404, "not-told", f"no agent told by what {name} is known: there is nothing to let go of")
    theirs = (wallets.campus == campus, wallets.learner == name, wallets.last_no > 0)
    if await conn.scalar(select(wallets.learner).where(*theirs).limit(1)) is not None:
        raise RefusedError(
            409, "has-wallet", f"{name} has a wallet and so is somebody's: wallet show names what is in it"
        )
    beside = await knowing.alike(conn, campus, {name: agent})
    await _forget(conn, campus, agent, [name], no=no)
    left = {each.name: each.agent for each in beside.values() if each.name != name}
    await _judge(conn, campus, left, now=now, no=no)


async def unite(conn: AsyncConnection, campus: str, one: str, other: str, *, now: int, by: str, why: str) -> None:
    """Link two persons by hand, whatever their tags say; again changes nothing.

    Raises:
        RefusedError: nobody has such a wallet, or both are of one agent.
    """
    no = await _next(conn, campus)
    owners = [await knowing.owner(conn, campus, name) for name in (one, other)]
    known = await knowing.of(conn, campus, owners)
    mine, theirs = known[one], known[other]
    if mine.purse == theirs.purse and mine.name != theirs.name:
        return
    refused = judging.against(mine.purse, theirs.purse, known, ())
    if refused or mine.name == theirs.name:
        message = (
            f"{refused or 'they are one'}: accounts of one agent are made one there, with rewards-agent learner merge"
        )
        raise RefusedError(409, "one-agent", message)
    ours, others = (judging.members(each.purse, known) for each in (mine, theirs))
    for pair in ((a.name, b.name) for a in ours for b in others):
        first, second = sorted(pair)
        same = (link_apart.c.campus == campus, link_apart.c.name == first, link_apart.c.other == second)
        await conn.execute(delete(link_apart).where(*same))
    await _link(conn, campus, mine.purse, theirs.purse, known, How(now, by, why, no))


async def take_apart(conn: AsyncConnection, campus: str, name: str, *, now: int, by: str, why: str) -> list[str]:
    """Let a person's wallets be their own again, and never link them by tags; those that they were linked with.

    Raises:
        RefusedError: they are linked with nobody.
    """
    no = await _next(conn, campus)
    row = (await conn.execute(select(link).where(link.c.campus == campus, link.c.name == name))).first()
    if row is None:
        raise RefusedError(404, "not-linked", f"{name} is linked with nobody")
    if row.account_of:
        raise RefusedError(409, "account", f"{name} is {row.account_of}'s account at {row.agent}: they stay together")
    accounts = link.c.account_of == name
    theirs = await conn.scalars(select(link.c.name).where(link.c.campus == campus, link.c.purse == row.purse, accounts))
    own = {name, *theirs}
    left = await _leave(conn, campus, name, no=no, along=own)
    said = {"campus": campus, "apart_at": now, "apart_by": by, "why": why}
    pairs = [sorted((each, mate)) for each in sorted(own) for mate in left]
    upsert = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    for first, second in pairs:
        row_of = said | {"name": first, "other": second}
        await conn.execute(upsert(link_apart).values(row_of).on_conflict_do_nothing())
    await _judge(conn, campus, {name: row.agent}, now=now, no=no)
    return left


async def _forget(conn: AsyncConnection, campus: str, agent: str, names: Sequence[str], *, no: int) -> None:
    owned = (link.c.campus == campus, link.c.agent == agent, link.c.name.in_(names))
    for name in (await conn.scalars(select(link.c.name).where(*owned))).all():
        await _leave(conn, campus, name, no=no)
    for table in (person_tag, link_held, link_change):
        mine = (table.c.campus == campus, table.c.agent == agent, table.c.name.in_(names))
        await conn.execute(delete(table).where(*mine))
    either = or_(link_apart.c.name.in_(names), link_apart.c.other.in_(names))
    await conn.execute(delete(link_apart).where(link_apart.c.campus == campus, either))


async def _own(conn: AsyncConnection, sender: Sender, people: Sequence[Told]) -> list[Told]:
    """Those that no other agent told of: a pseudonym is one agent's."""
    names = [one.name for one in people]
    foreign: set[str] = set()
    every = schema.agent.c
    agents = select(every.agent).where(every.campus == sender.campus, every.agent != sender.agent)
    for table in (person_tag, link):
        others = (table.c.campus == sender.campus, table.c.agent.in_(agents), table.c.name.in_(names))
        foreign |= set(await conn.scalars(select(table.c.name).where(*others)))
    return [one for one in people if one.name not in foreign]


async def _keep(conn: AsyncConnection, sender: Sender, key: str, people: Sequence[Told]) -> None:
    mine = {"campus": sender.campus, "agent": sender.agent}
    table = person_tag.c
    names = [one.name for one in people]
    owned = (table.campus == sender.campus, table.agent == sender.agent, table.name.in_(names))
    await conn.execute(delete(person_tag).where(*owned))
    rows = [
        mine | {"name": one.name, "said_by": tag.said_by, "tag": tag.tag, "shared": tag.shared, "key": key}
        for one in people
        for tag in {(each.said_by, each.tag): each for each in one.tags}.values()
    ]
    if rows:
        await conn.execute(insert(person_tag), rows)


async def _accounts(conn: AsyncConnection, sender: Sender, people: Sequence[Told], *, now: int, no: int) -> None:
    """Whose account each is now, as their agent says; what it took apart again is apart here too."""
    table = link.c
    named = table.name.in_([one.name for one in people])
    rows = await conn.execute(select(table.name, table.account_of).where(table.campus == sender.campus, named))
    before = {row.name: row.account_of for row in rows}
    for one in people:
        if before.get(one.name) and one.into != before[one.name]:
            await _leave(conn, sender.campus, one.name, no=no)
        if one.into and one.into != one.name and one.into != before.get(one.name):
            await _one_of_two(conn, sender, one, now=now, no=no)


async def _one_of_two(conn: AsyncConnection, sender: Sender, told: Told, *, now: int, no: int) -> None:
    """An agent made ``told.name`` an account of ``told.into``: what stands on its wallets is that person's."""
    known = await knowing.of(conn, sender.campus, [(told.name, sender.agent), (told.into, sender.agent)])
    first, into = known[told.name], known[told.into]
    if into.agent != sender.agent:
        return
    if first.purse != into.purse and judging.against(first.purse, into.purse, _but(known, told.name), ()):
        # Each is linked with somebody else of one more agent: the account alone goes over.
        await _leave(conn, sender.campus, told.name, no=no)
        known = await knowing.of(conn, sender.campus, [(told.name, sender.agent), (told.into, sender.agent)])
    why = "accounts of one person at their agent"
    pair = (known[told.name].purse, known[told.into].purse)
    await _link(conn, sender.campus, *pair, known, How(now, BY_AGENT, why, no))
    ours = (link.c.campus == sender.campus, link.c.name == told.name)
    await conn.execute(update(link).where(*ours).values(account_of=told.into))


def _but(known: Mapping[str, Person], name: str) -> dict[str, Person]:
    return {each: one for each, one in known.items() if each != name}


async def _judge(conn: AsyncConnection, campus: str, agents: Mapping[str, str], *, now: int, no: int) -> None:
    """Link who is one by what was told, or say why not; those too who wait because of one of these.

    ``agents`` has the agent of each name.
    """
    waits = {row["name"]: row for row in await knowing.held(conn, campus)}
    because = {name: row["agent"] for name, row in waits.items() if not agents.keys().isdisjoint(row["others"])}
    concerned = {**agents, **because}
    known = await knowing.alike(conn, campus, concerned)
    apart = await knowing.apart(conn, campus, known)
    changed: dict[str, Person] = {}
    made: dict[str, str] = {}
    alone = {name for name, one in known.items() if len(judging.members(one.purse, known)) == 1}
    for name in concerned:
        if known[name].account_of:
            continue
        word = judging.decide(name, known, apart)
        if word.into:
            for one in judging.joined(known[name].purse, word.into, known):
                made.setdefault(one.name, f"the same {word.by}")
                known[one.name] = one
                waits.pop(one.name, None)
                changed.pop(one.name, None)
            continue
        before = waits.get(name)
        said = None if before is None else (tuple(before["others"]), before["reason"])
        if said != ((word.others, word.reason) if word.reason else None):
            changed[name] = known[name]
            await _hold(conn, campus, known[name], word, now)
    rows = [(known[name], name in alone, why) for name, why in made.items()]
    await _written(conn, campus, rows, How(now, BY_TAG, "", no))
    await _changed(conn, campus, changed.values(), no)


async def _hold(conn: AsyncConnection, campus: str, one: Person, word: Word, now: int) -> None:
    """Let a link wait for somebody; without a reason none waits any longer."""
    await conn.execute(delete(link_held).where(link_held.c.campus == campus, link_held.c.name == one.name))
    if word.reason:
        said = {"others": json.dumps(word.others), "reason": word.reason, "held_at": now}
        await conn.execute(insert(link_held), {"campus": campus, "name": one.name, "agent": one.agent, **said})


async def _link(
    conn: AsyncConnection, campus: str, one: str, other: str, known: Mapping[str, Person], how: How
) -> None:
    """Make two purses one; everybody in them waits no longer."""
    together = judging.joined(one, other, known)
    alone = {purse for purse in (one, other) if len(judging.members(purse, known)) == 1}
    rows = [(each, known[each.name].purse in alone, how.why) for each in together]
    await _written(conn, campus, rows, how)


async def _written(conn: AsyncConnection, campus: str, people: Sequence[tuple[Person, bool, str]], how: How) -> None:
    """Write persons with the purse that they are in now: each with whether they were in none, and why they are."""
    if not people:
        return
    said = {"account_of": "", "linked_at": how.now, "linked_by": how.by}
    rows = [
        said | {"campus": campus, "name": one.name, "agent": one.agent, "purse": one.purse, "why": why}
        for one, alone, why in people
        if alone
    ]
    if rows:
        await conn.execute(insert(link), rows)
    moved = [{"of": campus, "who": one.name, "into": one.purse} for one, alone, _ in people if not alone]
    if moved:
        ours = (link.c.campus == bindparam("of"), link.c.name == bindparam("who"))
        await conn.execute(update(link).where(*ours).values(purse=bindparam("into")), moved)
    waited = (link_held.c.campus == campus, link_held.c.name.in_([one.name for one, _, _ in people]))
    await conn.execute(delete(link_held).where(*waited))
    await _changed(conn, campus, [one for one, _, _ in people], how.no)


async def _leave(conn: AsyncConnection, campus: str, name: str, *, no: int, along: Collection[str] = ()) -> list[str]:
    """Take a person out of their purse, with their accounts ``along``; who is left in it."""
    purse = select(link.c.purse).where(link.c.campus == campus, link.c.name == name).scalar_subquery()
    rows = (await conn.execute(select(link).where(link.c.campus == campus, link.c.purse == purse))).all()
    gone = {name, *along}
    left = [row for row in rows if row.name not in gone]
    stays = gone if len(gone) > 1 else set()
    for together in (stays, {row.name for row in left} if len(left) > 1 else set()):
        ours = (link.c.campus == campus, link.c.name.in_(together))
        if together:
            await conn.execute(update(link).where(*ours).values(purse=min(together)))
    alone = {row.name for row in rows} - stays - ({row.name for row in left} if len(left) > 1 else set())
    await conn.execute(delete(link).where(link.c.campus == campus, link.c.name.in_(alone)))
    await _changed(conn, campus, [Person(name=row.name, agent=row.agent, purse="") for row in rows], no)
    return sorted(row.name for row in left)


async def _changed(conn: AsyncConnection, campus: str, people: Iterable[Person], no: int) -> None:
    """What holds of these persons is news to their agents."""
    upsert = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    statement: Any = upsert(link_change)
    rows = [{"campus": campus, "name": one.name, "agent": one.agent, "no": no} for one in people]
    if rows:
        again = {"no": statement.excluded.no}
        await conn.execute(statement.on_conflict_do_update(index_elements=["campus", "name"], set_=again), rows)


async def _next(conn: AsyncConnection, campus: str) -> int:
    """The number of what is about to change, held until the transaction ends."""
    return int((await conn.execute(_NEXT, {"campus": campus})).scalar_one())
