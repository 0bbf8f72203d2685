"""One connection of somebody who may be slow, broken or hostile: time for a head, and no word about us or of theirs."""

from __future__ import annotations

import asyncio
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from http import HTTPStatus
from ipaddress import IPv6Address
from typing import Any

import structlog
from aiohttp import web

HEAD_S = 10.0
"""Time to send the head of a request, from its first byte, or from the connection for the first request."""
LAST_S = 1.0
"""Beyond it, for what has arrived to be read: the machine may have stood still all that time."""
UNREAD_S = 30.0
"""How long somebody may read nothing of what we answer."""
CONNECTIONS_MAX = 512
"""Open at the same time; a process may have 1,024 files on many machines, and the ledger needs some of them."""
CONNECTIONS_PER_ADDRESS_MAX = 128
"""Of these, from one address (of IPv6: from one network) that is no proxy of ours."""
_HOST_BITS = 64
"""The end of an IPv6 address, which one machine may choose as it likes."""
log = structlog.get_logger()


def origin_of(address: str) -> str:
    """Whose connection it is: who has one IPv6 address has all of its network, and may come from another each time."""
    try:
        found = IPv6Address(address)
    except ValueError:
        return address
    return str(found.ipv4_mapped or IPv6Address(int(found) >> _HOST_BITS << _HOST_BITS))


class Connections:
    """How many connections there are, and from where; ``exempt`` says whose number is not limited.

    ``server`` is the header that says who we are, instead of the names and versions of what we are built with.
    """

    def __init__(self, exempt: Callable[[str], bool], server: Mapping[str, str]) -> None:
        self._exempt = exempt
        self.server = server
        self._open: Counter[str] = Counter()
        self.turned_away = 0

    def enter(self, address: str) -> bool:
        """Count one more; False where it is too many, and then it is not counted."""
        origin = origin_of(address)
        mine = 0 if self._exempt(address) else self._open[origin]
        if self._open.total() >= CONNECTIONS_MAX or mine >= CONNECTIONS_PER_ADDRESS_MAX:
            self.turned_away += 1
            return False
        self._open[origin] += 1
        return True

    def leave(self, address: str) -> None:
        """One of these is gone."""
        origin = origin_of(address)
        self._open[origin] -= 1
        if not self._open[origin]:
            del self._open[origin]


class Connection(web.RequestHandler):
    """aiohttp's connection, with a time for heads and answers that tell nothing."""

    __slots__ = ("_address", "_among", "_busy", "_head_since", "_is_last", "_look", "_unread")

    def __init__(self, among: Connections, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._among = among
        self._address: str | None = None
        self._head_since: float | None = None
        self._look: asyncio.TimerHandle | None = None
        self._is_last = False
        self._busy = False
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take it, unless there are too many."""
        peer = transport.get_extra_info("peername")
        address = str(peer[0]) if peer else ""
        super().connection_made(transport)
        if self._among.enter(address):
            self._address = address
            self._wait_for_head()
        else:
            self.force_close()

    def connection_lost(self, exc: BaseException | None) -> None:
        """It is gone."""
        if self._address is not None:
            self._among.leave(self._address)
            self._address = None
        if self._look is not None:
            self._look.cancel()
            self._look = None
        self._is_read()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """They do not read what we answer: for a while they may."""
        super().pause_writing()
        if self.transport is not None:
            self._unread = asyncio.get_running_loop().call_later(UNREAD_S, self.transport.abort)

    def resume_writing(self) -> None:
        """They read again."""
        self._is_read()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        """Bytes of a head, or of a body that a handler reads."""
        if not self._busy and self._head_since is None:
            self._wait_for_head()
        super().data_received(data)

    def begun(self) -> None:
        """A head is whole, its request is being answered."""
        self._busy = True
        self._head_since = None

    def ended(self) -> None:
        """The answer stands."""
        self._busy = False

    def handle_error(
        self,
        request: web.BaseRequest,  # noqa: ARG002 - aiohttp's signature
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - it repeats what was sent
    ) -> web.StreamResponse:
        """What is no HTTP, and what we did wrong: neither is repeated to anybody."""
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR and exc is not None:
            self.log_exception(exc_info=exc)
        told = "bad_request" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "failed"
        answer = web.json_response({"error": told}, status=status, headers=self._among.server)
        answer.force_close()
        return answer

    def log_exception(self, *_: object, **more: Any) -> None:
        """Where a fault of ours is, without its message: that may repeat a header, and a header may be a secret."""
        fault = more.get("exc_info")
        if isinstance(fault, BaseException):
            last = [f"{step.filename}:{step.lineno}" for step in traceback.extract_tb(fault.__traceback__)[-3:]]
            log.error("request_failed", fault=type(fault).__name__, at=last)

    def _is_read(self) -> None:
        unread, self._unread = self._unread, None
        if unread is not None:
            unread.cancel()

    def _wait_for_head(self) -> None:
        """From now on; one look at a time is on its way, since heads come and go faster than that."""
        loop = asyncio.get_running_loop()
        self._head_since = loop.time()
        self._is_last = False
        if self._look is None:
            self._look = loop.call_later(HEAD_S, self._look_for_head)

    def _look_for_head(self) -> None:
        self._look = None
        if self._head_since is None:
            return
        loop = asyncio.get_running_loop()
        left_s = self._head_since + HEAD_S - loop.time()
        if left_s > 0:
            self._look = loop.call_later(left_s, self._look_for_head)
        elif not self._is_last:
            self._is_last = True
            self._look = loop.call_later(LAST_S, self._look_for_head)
        else:
            self.force_close()
