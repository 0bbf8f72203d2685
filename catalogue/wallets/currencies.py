"""What campuses say of their currencies and levels, as the newest batch of any of their agents has it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Any

from sqlalchemy import bindparam, delete, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue.schema import currency, level, tier
from wire import canonical
from wire.money import tiers as as_tier
from wire.money.terms import BADGE_PREFIX, Change, Currency, Level, Terms, in_force
from wire.money.tiers import Tier

LAST_SEQ = 2**63 - 1
"""Beyond every entry: terms in force at this seq hold for those to come."""

_APART = re.compile(r"[^a-z0-9._-]+")
_NAME_CHARS_MAX = 63

# Two agents of one campus may say the same at the same time.
_KEEP = text(
    "INSERT INTO currency (campus, currency, title, decimals, spendable, worth, expires_after, overdraw)"
    " VALUES (:campus, :currency, :title, :decimals, :spendable, :worth, :expires_after, :overdraw)"
    " ON CONFLICT (campus, currency) DO UPDATE SET title = excluded.title, decimals = excluded.decimals,"
    " spendable = excluded.spendable, worth = excluded.worth, expires_after = excluded.expires_after,"
    " overdraw = excluded.overdraw"
)
_KEEP_TIER = text(
    "INSERT INTO tier (campus, name, body) VALUES (:campus, :name, :body)"
    " ON CONFLICT (campus, name) DO UPDATE SET body = excluded.body"
)
_KEEP_LEVEL = text(
    "INSERT INTO level (campus, name, currency, least) VALUES (:campus, :name, :currency, :least)"
    " ON CONFLICT (campus, name) DO UPDATE SET currency = excluded.currency, least = excluded.least"
)


# Asked with every batch, and so put together once.
_CURRENCIES = select(currency).where(currency.c.campus == bindparam("campus")).order_by(currency.c.currency)
_LEVELS = (
    select(level.c.name, level.c.currency, level.c.least)
    .where(level.c.campus == bindparam("campus"))
    .order_by(level.c.currency, level.c.least)
)


async def learn(conn: AsyncConnection, campus: str, said: Terms) -> None:
    """Keep what a batch says; a currency that it does not name stays as it was. Writes only what is new."""
    if not said.currencies:
        return
    known = await of_campus(conn, campus)
    changed = {name: one for name, one in sorted(said.currencies.items()) if known.get(name) != _kept(one)}
    for name, one in changed.items():
        await conn.execute(_KEEP, {"campus": campus, "currency": name} | _values(one))
    if set(await levels(conn, campus)) != set(said.levels):
        await conn.execute(delete(level).where(level.c.campus == campus))
        for step in said.levels:
            await conn.execute(_KEEP_LEVEL, {"campus": campus} | step._asdict())
    if said.tiers is not None and (wanted := named(said.tiers)) != await tiers(conn, campus):
        await conn.execute(delete(tier).where(tier.c.campus == campus))
        for name, meant in wanted.items():
            await conn.execute(_KEEP_TIER, {"campus": campus, "name": name, "body": _body(meant)})


async def of_campus(conn: AsyncConnection, campus: str) -> dict[str, Currency]:
    """A campus's currencies by name; the one change of each holds for entries to come."""
    return {row.currency: _read(row) for row in await conn.execute(_CURRENCIES, {"campus": campus})}


async def decimals(conn: AsyncConnection, campus: str) -> dict[str, int]:
    """How many digits each of a campus's currencies has behind the point, for whoever reads sums of it."""
    return {name: one.decimals for name, one in (await of_campus(conn, campus)).items()}


async def one(conn: AsyncConnection, campus: str, name: str) -> Currency:
    """A currency; what nobody said anything of is spendable in whole units, and a badge is not."""
    row = (await conn.execute(select(currency).where(currency.c.campus == campus, currency.c.currency == name))).first()
    return Currency(spendable=not name.startswith(BADGE_PREFIX)) if row is None else _read(row)


async def levels(conn: AsyncConnection, campus: str) -> tuple[Level, ...]:
    """A campus's levels, by currency and from the lowest."""
    return tuple(Level(*row) for row in await conn.execute(_LEVELS, {"campus": campus}))


async def tiers(conn: AsyncConnection, campus: str) -> dict[str, Tier]:
    """The tiers that a campus's rules name, by the name that rewards have for them."""
    found = await conn.execute(select(tier.c.name, tier.c.body).where(tier.c.campus == campus).order_by(tier.c.name))
    return {name: as_tier.parse(canonical.load(body.encode(), what="a tier")) for name, body in found}


def named(said: Iterable[Tier]) -> dict[str, Tier]:
    """By the name that rewards have for each: `Gold Star` is `gold-star`; the first of one name, in order."""
    found: dict[str, Tier] = {}
    for one in said:
        plain = unicodedata.normalize("NFKD", one.name).encode("ascii", "ignore").decode().casefold()
        name = _APART.sub("-", plain).strip("-._")[:_NAME_CHARS_MAX]
        if name:
            found.setdefault(name, one)
    return dict(sorted(found.items()))


def _body(one: Tier) -> str:
    return canonical.dump(as_tier.encode(one)).decode()


def _values(one: Currency) -> dict[str, Any]:
    change = in_force(one.changes, LAST_SEQ)
    return {
        "title": one.title,
        "decimals": one.decimals,
        "spendable": one.spendable,
        "worth": one.worth,
        "expires_after": change.expires_after,
        "overdraw": change.overdraw,
    }


def _kept(one: Currency) -> Currency:
    """What `of_campus` gives back of it."""
    change = in_force(one.changes, LAST_SEQ)
    return Currency(
        title=one.title,
        decimals=one.decimals,
        spendable=one.spendable,
        worth=one.worth,
        changes=(Change(0, change.expires_after, change.overdraw),),
    )


def _read(row: Any) -> Currency:
    return Currency(
        title=row.title,
        decimals=row.decimals,
        spendable=bool(row.spendable),
        worth=row.worth,
        changes=(Change(0, row.expires_after, row.overdraw),),
    )
