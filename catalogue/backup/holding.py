"""What is done with books that are put back before they count: are they those that were copied, and what they note."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue.store import Store, unusable

Work = Callable[[AsyncConnection], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """``proves`` raises where books are not those that were copied; ``notes`` writes down that they were put back."""

    proves: Work
    notes: Work

    async def __call__(self, conn: AsyncConnection) -> None:
        """Both, in a transaction that writes."""
        await self.proves(conn)
        await self.notes(conn)


async def held(url: URL, hold: Hold) -> None:
    """Both, for a whole database.

    Raises:
        IntegrityError: they are not those that were copied.
        UnavailableError: the disk is full, or the database does not answer.
    """
    store = await Store.open(url, check_schema=False)
    try:
        async with store.reading() as conn:
            await hold.proves(conn)
        async with store.writing() as conn:
            await hold.notes(conn)
    except DBAPIError as exc:
        raise unusable(url.render_as_string(hide_password=True), exc) from None
    finally:
        await store.close()
