"""The shelf: rewards and the names they are sorted by, kept, changed, approved, listed.

Every function works inside the caller's transaction.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError
from sqlalchemy import delete, func, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import schema
from catalogue.errors import CatalogueError
from catalogue.rewards import gates, times
from catalogue.rewards.model import SHARED, USUAL, Label, Reward, told
from catalogue.rewards.text import readable
from catalogue.store.order import Bytewise
from catalogue.wallets import currencies

Kept = TypeVar("Kept", bound=BaseModel)

PAGE_ROWS = 500
TIER = "tier"
RULES = ""
"""The owner of tiers that a campus's rules name: changed there."""
LABELS_MAX = 10_000
"""Most names of one kind that one owner has."""
LAST = {"valid_from": times.LATEST - 1, "valid_until": times.LATEST}
"""The moments of a reward, and the last that each can be."""
REWARDS_READ_MAX = 1000
"""Rewards that a process remembers having read."""

_KEEP = text(
    "INSERT INTO reward (campus, reward, state, body, changed_at, type, category)"
    " VALUES (:campus, :reward, :state, :body, :now, :type, :category)"
    " ON CONFLICT (campus, reward) DO UPDATE SET state = excluded.state, body = excluded.body,"
    " changed_at = excluded.changed_at, type = excluded.type, category = excluded.category"
)
_KEEP_LABEL = text(
    "INSERT INTO label (campus, kind, name, body) VALUES (:campus, :kind, :name, :body)"
    " ON CONFLICT (campus, kind, name) DO UPDATE SET body = excluded.body"
)
_KEEP_OFFER = text(
    "INSERT INTO offer (campus, owner, reward, approved, approved_at, taken)"
    " VALUES (:campus, :owner, :reward, :approved, :now, 0)"
    " ON CONFLICT (campus, owner, reward) DO UPDATE SET approved = excluded.approved,"
    " approved_at = excluded.approved_at"
)

_TAKE = text(
    "UPDATE offer SET taken = taken + :count WHERE campus = :campus AND owner = :owner AND reward = :reward"
    " RETURNING approved, taken"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """A reward as one campus has it. ``taken`` is how many of the stock are gone."""

    owner: str
    reward: Reward
    approved: bool
    taken: int


class Owned(NamedTuple):
    """A name with whose it is: a campus's, everybody's (`SHARED`, the usual ones too), or the campus's rules'."""

    owner: str
    label: Label


_USUAL = tuple(Owned(SHARED, one) for one in USUAL)


def described(fields: Mapping[str, Any]) -> Reward:
    """A reward from what somebody wrote.

    Raises:
        CatalogueError: something in it is wrong; every fault is told.
    """
    try:
        return Reward.model_validate(fields)
    except ValidationError as exc:
        raise CatalogueError(
            f"this is no reward:{told(exc)}", hint="see: rewards-catalogue reward add --help"
        ) from None


def named(fields: Mapping[str, Any]) -> Label:
    """A name from what somebody wrote.

    Raises:
        CatalogueError: something in it is wrong; every fault is told.
    """
    try:
        return Label.model_validate(fields)
    except ValidationError as exc:
        raise CatalogueError(
            f"this is no name:{told(exc)}", hint="see: rewards-catalogue reward label --help"
        ) from None


@lru_cache(maxsize=REWARDS_READ_MAX)
def read(body: str) -> Reward:
    """A reward as it is kept; the same text is the same reward, which nothing changes."""
    return _read(Reward, body)


def _read(model: type[Kept], body: str) -> Kept:
    """What is kept, also from before it was held to what can be shown, and to times that a calendar has."""
    try:
        return model.model_validate_json(body)
    except ValidationError:
        said = readable(json.loads(body))
        dated = {
            name: min(times.bounded(said[name]), last) for name, last in LAST.items() if said.get(name) is not None
        }
        return model.model_validate(said | dated)


def listing(owner: str) -> str:
    """Which command says what rewards an owner has."""
    return "see: rewards-catalogue reward " + ("export '*'" if owner == SHARED else f"list {owner}")


async def unpayable(conn: AsyncConnection, owner: str, rewards: Iterable[Reward]) -> list[str]:
    """The currencies of prices that a campus's rules do not name, in order; none where no rules were told yet."""
    known = {} if owner == SHARED else await currencies.of_campus(conn, owner)
    return sorted({name for one in rewards for name in one.price if known and name not in known})


async def put(conn: AsyncConnection, owner: str, reward: Reward, *, now: int, new: bool = False) -> None:
    """Keep a reward, in place of the one of its id.

    Raises:
        CatalogueError: it names what is not there, or is to be ``new`` and is not.
    """
    if new and await find(conn, owner, reward.id) is not None:
        raise CatalogueError(f"reward {reward.id} is there already", hint="change it: rewards-catalogue reward change")
    unknown = [f"{kind} {name}" for kind, name in await unknown_names(conn, owner, reward)]
    if unknown:
        hint = f"make it first: rewards-catalogue reward label {owner} {unknown[0]} --title TITLE"
        raise CatalogueError(f"reward {reward.id} names what is not there: {', '.join(unknown)}", hint=hint)
    await _keep(conn, owner, reward, now)


async def put_all(conn: AsyncConnection, owner: str, rewards: Sequence[tuple[int, Reward]], *, now: int) -> None:
    """Keep (line, reward)s of a sheet, all or none.

    Raises:
        CatalogueError: some name what is not there; all of them are told.
    """
    wrong = []
    for line, reward in rewards:
        unknown = await unknown_names(conn, owner, reward)
        wrong += [f"line {line}, {kind}: there is no {kind} {name}" for kind, name in unknown]
    if wrong:
        hint = f"make them first: rewards-catalogue reward label {owner} KIND NAME --title TITLE"
        raise CatalogueError("nothing was imported:\n  " + "\n  ".join(wrong[:100]), hint=hint)
    for _, reward in rewards:
        await _keep(conn, owner, reward, now)


async def find(conn: AsyncConnection, owner: str, name: str) -> Reward | None:
    """The reward of an owner by its id."""
    table = schema.reward.c
    body = await conn.scalar(select(table.body).where(table.campus == owner, table.reward == name))
    return None if body is None else read(body)


async def remove(conn: AsyncConnection, owner: str, name: str) -> None:
    """Take a reward off the shelf that nobody ever redeemed; others are retired by changing their state.

    Raises:
        CatalogueError: there is none, or somebody redeemed it.
    """
    table, used = schema.reward.c, schema.redemption.c
    if await find(conn, owner, name) is None:
        raise CatalogueError(f"{owner} has no reward {name}", hint=listing(owner))
    mine = select(used.redemption).where(used.owner == owner, used.reward == name)
    if await conn.scalar((mine if owner == SHARED else mine.where(used.campus == owner)).limit(1)) is not None:
        hint = f"retire it: rewards-catalogue reward change {owner} {name} --state retired"
        raise CatalogueError(f"reward {name} was redeemed: it stays in the books", hint=hint)
    await conn.execute(delete(schema.reward).where(table.campus == owner, table.reward == name))
    offers = schema.offer.c
    gone = delete(schema.offer).where(offers.owner == owner, offers.reward == name)
    # What is everybody's may be on offer at each campus, what is a campus's own there alone.
    await conn.execute(gone if owner == SHARED else gone.where(offers.campus == owner))


async def approve(conn: AsyncConnection, campus: str, owner: str, name: str, *, approved: bool, now: int) -> None:
    """Let a campus's learners have a reward, or no longer.

    Raises:
        CatalogueError: there is no such reward.
    """
    if await find(conn, owner, name) is None:
        raise CatalogueError(f"{owner} has no reward {name}", hint=listing(owner))
    values = {"campus": campus, "owner": owner, "reward": name, "approved": approved, "now": now}
    await conn.execute(_KEEP_OFFER, values)


async def meant(conn: AsyncConnection, campus: str, name: str) -> tuple[str, Reward] | None:
    """(owner, reward) that a campus means by an id: its own, else the shared one."""
    table = schema.reward.c
    wanted = select(table.campus, table.body).where(table.campus.in_({campus, SHARED}), table.reward == name)
    row = (await conn.execute(wanted.order_by(table.campus == SHARED).limit(1))).first()
    return None if row is None else (row.campus, read(row.body))


async def offered(conn: AsyncConnection, campus: str, name: str) -> Offered | None:
    """A reward as a campus has it; None where there is none of that id."""
    found = await meant(conn, campus, name)
    if found is None:
        return None
    owner, reward = found
    table = schema.offer.c
    mine = (table.campus == campus, table.owner == owner, table.reward == name)
    row = (await conn.execute(select(table.approved, table.taken).where(*mine))).first()
    approved, taken = (False, 0) if row is None else row
    return Offered(owner=owner, reward=reward, approved=bool(approved), taken=taken)


async def take(conn: AsyncConnection, campus: str, owner: str, reward: Reward) -> Offered:
    """Take one of a campus's stock: the offer as it was before. It is held until the transaction ends.

    Those who want the same wait in a line here, so stock and limits are counted exactly.
    """
    row = (await conn.execute(_TAKE, {"campus": campus, "owner": owner, "reward": reward.id, "count": 1})).first()
    if row is None:
        return Offered(owner=owner, reward=reward, approved=False, taken=0)
    return Offered(owner=owner, reward=reward, approved=bool(row.approved), taken=row.taken - 1)


async def put_back(conn: AsyncConnection, campus: str, owner: str, name: str) -> None:
    """One that was taken is there again."""
    await conn.execute(_TAKE, {"campus": campus, "owner": owner, "reward": name, "count": -1})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which rewards: those of a state, a type, a category; None is any."""

    state: str | None = None
    type: str | None = None
    category: str | None = None


ANY = Asked()
FIRST = ("", "")
"""The place before every reward."""


async def page(
    conn: AsyncConnection, campus: str, *, rows: int, after: tuple[str, str] = FIRST, asked: Asked = ANY
) -> list[Offered]:
    """The next ``rows`` of what a campus may offer, its own and the shared, in the order of (id, owner)."""
    table, offers = schema.reward, schema.offer
    joined = table.outerjoin(
        offers,
        (offers.c.campus == campus) & (offers.c.owner == table.c.campus) & (offers.c.reward == table.c.reward),
    )
    columns = (table.c.campus, table.c.reward, table.c.body, offers.c.approved, offers.c.taken)
    mine = select(*columns).select_from(joined).where(table.c.campus.in_({campus, SHARED}))
    for column, wanted in (
        (table.c.state, asked.state),
        (table.c.type, asked.type),
        (table.c.category, asked.category),
    ):
        mine = mine if wanted is None else mine.where(column == wanted)
    place = (Bytewise(table.c.reward), Bytewise(table.c.campus))
    found = await conn.execute(mine.where(tuple_(*place) > tuple_(*after)).order_by(*place).limit(rows))
    return [
        Offered(owner=row.campus, reward=read(row.body), approved=bool(row.approved), taken=row.taken or 0)
        for row in found
    ]


async def shelf(conn: AsyncConnection, campus: str, asked: Asked = ANY) -> AsyncIterator[Offered]:
    """All of it, page after page."""
    found = await page(conn, campus, rows=PAGE_ROWS, asked=asked)
    while found:
        for one in found:
            yield one
        after = (found[-1].reward.id, found[-1].owner)
        full = len(found) == PAGE_ROWS
        found = await page(conn, campus, rows=PAGE_ROWS, after=after, asked=asked) if full else []


async def put_label(conn: AsyncConnection, owner: str, label: Label) -> None:
    """Keep a name, in place of the one that is there.

    Raises:
        CatalogueError: it is a tier that the campus's own rules name, or there are too many of its kind.
    """
    if label.kind == TIER and label.name in await currencies.tiers(conn, owner):
        raise CatalogueError(
            f"the rules of {owner} say what {label.name} is", hint="change [[tier]] in the campus's rules.toml"
        )
    table = schema.label.c
    others = select(func.count()).where(table.campus == owner, table.kind == label.kind, table.name != label.name)
    if (await conn.scalar(others) or 0) >= LABELS_MAX:
        raise CatalogueError(f"{owner} has {LABELS_MAX} names of this kind", hint="remove what no reward has")
    row = {"campus": owner, "kind": label.kind, "name": label.name, "body": label.model_dump_json()}
    await conn.execute(_KEEP_LABEL, row)


async def remove_label(conn: AsyncConnection, owner: str, kind: str, name: str) -> None:
    """Forget a name that no reward has, or that is there without its owner too.

    Raises:
        CatalogueError: there is none, or a reward has it.
    """
    if not await _is_anothers(conn, owner, kind, name):
        async for one in shelf(conn, owner):
            if (kind, name) in names_of(one.reward):
                raise CatalogueError(f"reward {one.reward.id} has {kind} {name}", hint="change that first")
    table = schema.label.c
    mine = (table.campus == owner, table.kind == kind, table.name == name)
    if not (await conn.execute(delete(schema.label).where(*mine))).rowcount:
        raise CatalogueError(f"{owner} has no {kind} {name}", hint=f"see: rewards-catalogue reward labels {owner}")


async def _is_anothers(conn: AsyncConnection, owner: str, kind: str, name: str) -> bool:
    """Whether a name is there without its owner too: shared, usual, or a tier of the campus's rules."""
    if any((one.kind, one.name) == (kind, name) for one in USUAL):
        return True
    if kind == TIER and name in await currencies.tiers(conn, owner):
        return True
    table = schema.label.c
    shared = select(table.name).where(table.campus == SHARED, table.kind == kind, table.name == name)
    return owner != SHARED and await conn.scalar(shared) is not None


async def labels(conn: AsyncConnection, campus: str) -> dict[tuple[str, str], Label]:
    """Every name that a campus's rewards may have, by (kind, name): its own before the shared, and the usual ones.

    A tier is what the campus's rules say of it, where they name it: that is what its learners are told.
    """
    return {key: one.label for key, one in (await owned(conn, campus)).items()}


async def owned(conn: AsyncConnection, campus: str) -> dict[tuple[str, str], Owned]:
    """The same with whose each is."""
    table = schema.label.c
    rows = await conn.execute(
        select(table.campus, table.body).where(table.campus.in_({campus, SHARED})).order_by(table.campus != SHARED)
    )
    found = [*_USUAL, *(Owned(row.campus, _read(Label, row.body)) for row in rows)]
    found += [Owned(RULES, gates.told(name, one)) for name, one in (await currencies.tiers(conn, campus)).items()]
    return {(one.label.kind, one.label.name): one for one in found}


def names_of(reward: Reward) -> list[tuple[str, str]]:
    """(kind, name) of every name a reward has."""
    named = [("type", reward.type), ("category", reward.category), ("brand", reward.brand), ("tier", reward.tier)]
    return [(kind, name) for kind, name in [*named, *(("group", group) for group in reward.groups)] if name]


async def _keep(conn: AsyncConnection, owner: str, reward: Reward, now: int) -> None:
    row = {"campus": owner, "reward": reward.id, "state": reward.state, "body": reward.model_dump_json(), "now": now}
    await conn.execute(_KEEP, row | {"type": reward.type, "category": reward.category})


async def unknown_names(conn: AsyncConnection, owner: str, reward: Reward) -> list[tuple[str, str]]:
    """(kind, name) of the names and the partner of a reward that are not there."""
    known = await labels(conn, owner)
    unknown = [name for name in names_of(reward) if name not in known]
    if reward.partner:
        table = schema.partner.c
        mine = select(func.count()).where(table.campus.in_({owner, SHARED}), table.partner == reward.partner)
        if not await conn.scalar(mine):
            unknown.append(("partner", reward.partner))
    return unknown
