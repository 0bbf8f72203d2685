"""The door of the statement: an agent asks what it has not heard yet, and gets a page that stays provable for ever."""

from __future__ import annotations

from aiohttp import web

from catalogue.proving import Proves
from catalogue.statement import pages
from wire import signing, statement
from wire.canonical import HASH_BYTES, MalformedError

_DIGITS_MAX = 18


class StatementDoor:
    """Handlers; every request is signed by an agent, every page by the catalogue."""

    def __init__(self, door: Proves) -> None:
        self._door = door

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Make them known."""
        router.add_get("/v1/statement/{after}/{head}", self.page)

    async def page(self, request: web.Request) -> web.Response:
        """The lines after a number, where the agent's chain has this head."""
        sender, _ = await self._door.prove(request, await request.read(), tag=signing.ASK_TAG)
        sender.check()
        after, head = _position(request.match_info["after"], request.match_info["head"])
        body = await pages.page(self._door.store, sender, after, head, now=self._door.clock())
        return self._door.dated(body, tag=signing.STATEMENT_TAG, content_type=statement.CONTENT_TYPE)


def _position(after: str, head: str) -> tuple[int, bytes]:
    if not (after.isascii() and after.isdecimal() and len(after) <= _DIGITS_MAX):
        raise MalformedError("a statement is asked for after a whole number")
    try:
        found = bytes.fromhex(head)
    except ValueError:
        found = b""
    if len(found) != HASH_BYTES:
        raise MalformedError(f"a head has {2 * HASH_BYTES} hex digits")
    return int(after), found
