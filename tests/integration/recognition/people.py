"""Learners, and the LMS that speaks for them with a token."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
from sqlalchemy import insert

from catalogue.api import tokens
from catalogue.app import wall_clock
from catalogue.schema import link, wallet
from tests.contract.catalogues import RealCatalogue

ANN, BEN, CAT, DAN = LEARNERS = ("ann", "ben", "cat", "dan")
KUDOS = "/api/user_kudos"
LIKES, COMMENTS = "/api/rewards_likes", "/api/rewards_comments"


async def open_campus(real: RealCatalogue, campus: str) -> str:
    """A campus with four learners."""
    await real.add_tenant(campus)
    empty = {"campus": campus, "currency": "points", "balance": 0, "earned": 0, "last_no": 0, "last_at": 0}
    async with real.store.writing() as conn:
        await conn.execute(insert(wallet), [empty | {"learner": learner} for learner in LEARNERS])
    return campus


async def linked(real: RealCatalogue, campus: str, *names: str) -> None:
    """These pseudonyms are one person's, at several agents of the campus."""
    one = {
        "campus": campus,
        "agent": "",
        "purse": names[0],
        "account_of": "",
        "linked_at": 5,
        "linked_by": "",
        "why": "",
    }
    async with real.store.writing() as conn:
        await conn.execute(insert(link), [one | {"name": name} for name in names])


class Program:
    """An LMS with one token."""

    def __init__(self, real: RealCatalogue, session: aiohttp.ClientSession, campus: str) -> None:
        self.real = real
        self.campus = campus
        self.token = ""
        self.given = 0
        self._session = session

    async def enter(self, *scopes: str, name: str = "lms") -> None:
        async with self.real.store.writing() as conn:
            wanted = list(scopes or [scope for scope in tokens.SCOPES if scope.startswith("recognition:")])
            self.token = await tokens.add(
                conn, self.campus, name, wanted, expires_at=2**40, by="a test", now=wall_clock(), per_minute=10_000
            )

    async def does(self, method: str, path: str, body: Any = None, **query: str) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.token}"}
        data = None if body is None else json.dumps(body).encode()
        if data is not None:
            headers["Content-Type"] = "application/json"
        url = f"{self.real.url}{path}"
        async with self._session.request(method, url, params=query, data=data, headers=headers) as answer:
            return answer.status, await answer.json() if answer.content_type == "application/json" else None

    async def gives(self, giver: str = ANN, receiver: str = BEN, **fields: Any) -> tuple[int, Any]:
        """Kudos under a key of their own."""
        self.given += 1
        said = {"key": f"k{self.given}", "giver": giver, "receiver": receiver}
        return await self.does("POST", KUDOS, said | ({} if "say" in fields else {"tag": "helpful"}) | fields)

    async def gave(self, giver: str = ANN, receiver: str = BEN, **fields: Any) -> int:
        """The id of new kudos."""
        status, told = await self.gives(giver, receiver, **fields)
        assert status == 201, told
        return int(told["id"])

    async def sees(self, viewer: str = "", **query: str) -> list[tuple[int, str]]:
        """(id, giver) of the kudos that somebody sees."""
        asked = query | ({"viewer": viewer} if viewer else {})
        status, told = await self.does("GET", KUDOS, **asked)
        assert status == 200, told
        return [(row["id"], row["giver"]) for row in told["rows"]]

    async def refused(self, code: str, answered: tuple[int, Any]) -> None:
        """It was refused for this."""
        assert answered[1]["error"] == code, answered
