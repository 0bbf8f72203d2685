"""The door of tills: a voucher that a learner shows is looked at, and used once."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from catalogue.api.asked import answer, body_of, only, patient
from catalogue.api.guard import Guard
from catalogue.errors import RefusedError
from catalogue.redemption import tokens, voucher
from wire.canonical import NAME_CHARS_MAX
from wire.money.spending import TOKEN_CHARS_MAX

LOOK, USE = "/api/vouchers/look", "/api/vouchers/use"
SCOPE = "vouchers:use"


class VouchersDoor:
    """Handlers. A token uses the vouchers of its own campus; what is shown is in the body, so that no log has it."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Make them known."""
        router.add_post(LOOK, patient(self.look))
        router.add_post(USE, patient(self.use))

    async def look(self, request: web.Request) -> web.Response:
        """What a voucher is good for; changes nothing."""
        reader = await self._guard.reader(request, SCOPE)
        said = _said(await body_of(request), {"token"})
        only(request.query, set())
        found = await tokens.look(self._guard.store, said["token"], now=self._guard.now(), campus=reader.campus)
        return answer(voucher.good_for(found))

    async def use(self, request: web.Request) -> web.Response:
        """Use it, once; under the same key the same voucher is used once, however often that is asked for."""
        reader = await self._guard.reader(request, SCOPE)
        said = _said(await body_of(request), {"token", "key"})
        only(request.query, set())
        asked = {"campus": reader.campus, "by": f"token {reader.name}", "key": said.get("key", "")}
        used = await tokens.use(self._guard.store, said["token"], now=self._guard.now(), **asked)
        return answer(voucher.good_for(used))


def _said(body: dict[str, Any], known: set[str]) -> dict[str, str]:
    if set(body) - known or "token" not in body:
        raise RefusedError(400, "body", f"send {' and '.join(sorted(known))}; token is what the learner shows")
    for name, most in (("token", TOKEN_CHARS_MAX), ("key", NAME_CHARS_MAX)):
        value = body.get(name, "-")
        if not isinstance(value, str) or not 1 <= len(value) <= most or not value.isprintable():
            raise RefusedError(400, "body", f"{name} is 1 to {most} printable characters")
    return body
