"""The door of those who may know what learners are called: by pseudonym, or by a part of the name.

What is asked for is in the body, so that no log has it.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from catalogue.api.asked import answer, body_of, only, patient
from catalogue.api.guard import Guard
from catalogue.errors import RefusedError
from catalogue.people import names
from catalogue.people.names import Called
from wire.canonical import NAME_CHARS_MAX as PSEUDONYM_CHARS_MAX
from wire.people.names import NAME_CHARS_MAX

LOOK, FIND = "/api/names/look", "/api/names/find"
SCOPE = "names:read"
USERS_MAX = 200
"""Most pseudonyms of one request."""


class NamesDoor:
    """Handlers. Every other answer of the API has pseudonyms alone."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Make them known."""
        router.add_post(LOOK, patient(self.look))
        router.add_post(FIND, patient(self.find))

    async def look(self, request: web.Request) -> web.Response:
        """What these learners are called; who has no name here is left out."""
        reader = await self._guard.reader(request, SCOPE)
        only(request.query, set())
        body = await body_of(request)
        users = body.get("users")
        if set(body) != {"users"} or not isinstance(users, list) or not 1 <= len(users) <= USERS_MAX:
            raise RefusedError(400, "body", f"send users, a list of 1 to {USERS_MAX} pseudonyms")
        if not all(isinstance(one, str) and 1 <= len(one) <= PSEUDONYM_CHARS_MAX for one in users):
            raise RefusedError(400, "body", f"a pseudonym is a text of 1 to {PSEUDONYM_CHARS_MAX} characters")
        async with self._guard.store.reading() as conn:
            found = await names.of(conn, reader.campus, users)
        return answer({"names": [_told(found[learner]) for learner in sorted(found)]})

    async def find(self, request: web.Request) -> web.Response:
        """Learners in whose names a text stands."""
        reader = await self._guard.reader(request, SCOPE)
        only(request.query, set())
        body = await body_of(request)
        text = body.get("text")
        if set(body) != {"text"} or not isinstance(text, str) or not 1 <= len(text) <= NAME_CHARS_MAX:
            raise RefusedError(400, "body", f"send text, 1 to {NAME_CHARS_MAX} characters of a name")
        async with self._guard.store.reading() as conn:
            found, more = await names.find(conn, reader.campus, text)
        return answer({"names": [_told(one) for one in found], "more": more})


def _told(one: Called) -> dict[str, Any]:
    return {"user": one.learner, "name": one.name, "said_by": one.said_by, "told_at": one.told_at}
