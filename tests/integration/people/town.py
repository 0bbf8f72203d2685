"""A campus with several agents in a test's hand: what they tell of persons, and what the centre makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import insert

from catalogue import schema
from catalogue.people import elsewhere, knowing, links
from catalogue.tenants import Sender
from tests.integration.redemption.shop import CAMPUS, Shop
from wire.people.known import FIRST, Page, People, Place, Tag, Told

KEY = "0123456789abcdef"


def a_tag(of: str, *, by: str = "email", shared: bool = False) -> Tag:
    """A tag of something readable."""
    return Tag(said_by=by, tag=of.encode().hex().ljust(32, "0")[:32], shared=shared)


class Town:
    """A shop's campus with agents `a`, `b` and `c`."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop

    async def open(self) -> None:
        row = {"campus": CAMPUS, "epoch": 1, "seq": 0, "head": bytes(32), "state": "active", "created_at": 0}
        async with self.shop.store.writing() as conn:
            await conn.execute(insert(schema.agent), [row | {"agent": name} for name in ("a", "b", "c")])

    async def tell(self, agent: str, *people: Told, key: str = KEY) -> list[str]:
        message = People(campus=CAMPUS, agent=agent, key=key, people=people)
        async with self.shop.store.writing() as conn:
            return await links.tell(conn, sender(agent), People.parse(message.encode()), now=self.shop.at)

    async def says(self, agent: str, name: str, *tags: Tag, into: str = "") -> list[str]:
        return await self.tell(agent, Told(name=name, tags=tags, into=into))

    async def unite(self, one: str, other: str) -> None:
        async with self.shop.store.writing() as conn:
            await links.unite(conn, CAMPUS, one, other, now=self.shop.at, by="operator desk", why="one person")

    async def take_apart(self, name: str) -> None:
        async with self.shop.store.writing() as conn:
            await links.take_apart(conn, CAMPUS, name, now=self.shop.at, by="operator desk", why="her brother")

    async def forget(self, agent: str, *names: str) -> None:
        async with self.shop.store.writing() as conn:
            await links.forget(conn, sender(agent), names)

    async def lose(self, name: str) -> None:
        async with self.shop.store.writing() as conn:
            await links.lose(conn, CAMPUS, name, now=self.shop.at)

    async def lost(self) -> list[str]:
        async with self.shop.store.reading() as conn:
            return [row["name"] for row in await knowing.lost(conn, CAMPUS)]

    async def purses(self) -> list[list[str]]:
        """The names that are one person's, purse by purse."""
        found: dict[str, list[str]] = {}
        async with self.shop.store.reading() as conn:
            for row in await knowing.listed(conn, CAMPUS):
                found.setdefault(row["purse"], []).append(row["name"])
        return sorted(found.values())

    async def held(self) -> dict[str, str]:
        async with self.shop.store.reading() as conn:
            return {row["name"]: row["reason"] for row in await knowing.held(conn, CAMPUS)}

    async def hears(self, agent: str, since: Place = (0, 0)) -> tuple[dict[str, Any], Place]:
        """What an agent hears, page after page: {name: (balance elsewhere, mates, why held)}, and up to where."""
        found: dict[str, Any] = {}
        after, place, first = FIRST, since, None
        while True:
            async with self.shop.store.reading() as conn:
                told = await elsewhere.page(conn, sender(agent), place, after, now=self.shop.at)
            page = Page.parse(told.encode())
            first = first or page.upto
            for one in page.people:
                found[one.name] = (one.wallets.get("points", (0, 0))[0], [mate for _, mate in one.mates], one.held)
                after = one.name
            if page.since == (0, 0):
                place = (0, 0)
            else:
                place = first = page.upto
            if not page.more:
                return found, first


def sender(agent: str) -> Sender:
    """Who signed a message."""
    return Sender(
        campus=CAMPUS,
        agent=agent,
        environment="production",
        public=bytes(32),
        tenant_state="active",
        agent_state="active",
        key_state="active",
        replaced_by=None,
    )


def names(purses: Sequence[Sequence[str]]) -> list[str]:
    """Purses as one reads them."""
    return ["+".join(purse) for purse in purses]
