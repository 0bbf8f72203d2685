"""What is known of whom: linked and waiting, by which tags, of which agent. Reads, inside the caller's transaction."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import and_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue.errors import RefusedError
from catalogue.people import judging
from catalogue.people.judging import Person
from catalogue.schema import link, link_apart, link_held, person_tag, wallet

PARAMETERS_MAX = 500


async def listed(conn: AsyncConnection, campus: str) -> list[dict[str, Any]]:
    """{purse, name, agent, account_of, linked_at, linked_by, why} of everybody who is linked, purse by purse."""
    table = link.c
    columns = (table.purse, table.name, table.agent, table.account_of, table.linked_at, table.linked_by, table.why)
    rows = await conn.execute(select(*columns).where(table.campus == campus).order_by(table.purse, table.name))
    return [dict(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name


async def held(conn: AsyncConnection, campus: str) -> list[dict[str, Any]]:
    """{name, agent, others, reason, held_at} of everybody whose link waits for somebody, the oldest first."""
    table = link_held.c
    columns = (table.name, table.agent, table.others, table.reason, table.held_at)
    rows = await conn.execute(select(*columns).where(table.campus == campus).order_by(table.held_at, table.name))
    return [dict(row._mapping) | {"others": json.loads(row.others)} for row in rows]  # noqa: SLF001 - its public name


async def lost(conn: AsyncConnection, campus: str) -> list[dict[str, Any]]:
    """{name, agent} of those beside whom links wait though they are nobody's any more (`judging.lost`), in order."""
    groups = [{row["name"], *row["others"]} for row in await held(conn, campus)]
    names = dict.fromkeys(sorted(set().union(*groups)), "")
    agents: dict[str, str] = {}
    moved: set[str] = set()
    for _, some in _by_agent(names):
        tags, wallets = person_tag.c, wallet.c
        told = select(tags.name, tags.agent).where(tags.campus == campus, tags.name.in_(some)).distinct()
        agents |= {row.name: row.agent for row in await conn.execute(told)}
        theirs = (wallets.campus == campus, wallets.learner.in_(some), wallets.last_no > 0)
        moved |= set(await conn.scalars(select(wallets.learner).where(*theirs)))
    found = set().union(*(judging.lost(group, agents, moved) for group in groups))
    return [{"name": name, "agent": agents[name]} for name in sorted(found)]


async def of(conn: AsyncConnection, campus: str, named: Iterable[tuple[str, str]]) -> dict[str, Person]:
    """Persons by name with everybody in their purses; of (name, agent) those too of whom nothing is known yet."""
    named = list(named)
    purses = select(link.c.purse).where(link.c.campus == campus, link.c.name.in_([name for name, _ in named]))
    rows = (await conn.execute(select(link).where(link.c.campus == campus, link.c.purse.in_(purses)))).all()
    found = {row.name: _person(row.name, row.agent, row.purse, row.account_of) for row in rows}
    for name, agent in named:
        found.setdefault(name, _person(name, agent, name, ""))
    return found


def _person(name: str, agent: str, purse: str, account_of: str) -> Person:
    return Person(name=name, agent=agent, purse=purse, account_of=account_of, tags={})


async def alike(conn: AsyncConnection, campus: str, agents: Mapping[str, str]) -> dict[str, Person]:
    """These names, everybody who has a tag of theirs of the same link key, and everybody in the purses of all these.

    ``agents`` has the agent of each name: keys begin with it.
    """
    named = dict(agents)
    mine, others = person_tag.alias("mine"), person_tag.alias("others")
    same = and_(*(mine.c[column] == others.c[column] for column in ("campus", "said_by", "tag", "key")))
    near = select(others.c.name, others.c.agent).select_from(mine.join(others, same)).distinct()
    for agent, some in _by_agent(agents):
        asked = (mine.c.campus == campus, mine.c.agent == agent, mine.c.name.in_(some))
        named |= {row.name: row.agent for row in await conn.execute(near.where(*asked))}
    found: dict[str, Person] = {}
    for _, some in _by_agent(dict.fromkeys(named, "")):
        found |= await of(conn, campus, [(name, named[name]) for name in some])
    tags: dict[str, dict[str, dict[str, bool]]] = {}
    table = person_tag.c
    for agent, some in _by_agent({name: one.agent for name, one in found.items()}):
        theirs = (table.campus == campus, table.agent == agent, table.name.in_(some))
        for row in await conn.execute(select(person_tag).where(*theirs)):
            tags.setdefault(row.name, {}).setdefault(row.said_by, {})[row.tag] = row.shared
    return {name: replace(one, tags=tags.get(name, {})) for name, one in found.items()}


def _by_agent(agents: Mapping[str, str]) -> Iterator[tuple[str, Sequence[str]]]:
    """The names of each agent, not too many at once."""
    names: dict[str, list[str]] = {}
    for name, agent in sorted(agents.items()):
        names.setdefault(agent, []).append(name)
    for agent, all_of_it in names.items():
        for start in range(0, len(all_of_it), PARAMETERS_MAX):
            yield agent, all_of_it[start : start + PARAMETERS_MAX]


async def apart(conn: AsyncConnection, campus: str, names: Collection[str]) -> set[frozenset[str]]:
    """Pairs with any of these names that somebody took apart: no tag links them again."""
    table = link_apart.c
    found: set[frozenset[str]] = set()
    for _, some in _by_agent(dict.fromkeys(names, "")):
        wanted = select(table.name, table.other).where(table.campus == campus, table.name.in_(some))
        found |= {frozenset((row.name, row.other)) for row in await conn.execute(wanted)}
    return found


async def owner(conn: AsyncConnection, campus: str, name: str) -> tuple[str, str]:
    """(name, the agent whose person it is).

    Raises:
        RefusedError: no agent told of such a person, and no wallet is theirs.
    """
    for table in (link, person_tag):
        agent = await conn.scalar(select(table.c.agent).where(table.c.campus == campus, table.c.name == name).limit(1))
        if agent is not None:
            return name, agent
    movement = await conn.scalar(select(wallet.c.learner).where(wallet.c.campus == campus, wallet.c.learner == name))
    if movement is None:
        raise RefusedError(
            404, "unknown-learner", f"no wallet is {name}'s: rewards-agent learner show names pseudonyms"
        )
    return name, await _agent_of(conn, campus, name)


async def _agent_of(conn: AsyncConnection, campus: str, name: str) -> str:
    """The agent whose entry came last into a wallet of somebody no agent told of."""
    told = text(
        "WITH RECURSIVE chain (no, kind, ref, prev_no) AS ("
        " SELECT m.no, m.kind, m.ref, m.prev_no FROM wallet w"
        " JOIN movement m ON m.campus = w.campus AND m.no = w.last_no"
        " WHERE w.campus = :campus AND w.learner = :name"
        " UNION ALL SELECT m.no, m.kind, m.ref, m.prev_no FROM chain c"
        " JOIN movement m ON m.campus = :campus AND m.no = c.prev_no"
        " WHERE c.kind IN ('spend', 'expiry', 'refund'))"
        " SELECT ref, no FROM chain WHERE kind NOT IN ('spend', 'expiry', 'refund')"
        " UNION ALL SELECT agent, no FROM carried_wallet WHERE campus = :campus AND learner = :name"
        " ORDER BY no DESC LIMIT 1"
    )
    ref = await conn.scalar(told, {"campus": campus, "name": name})
    return str(ref or "").partition("/")[0]
