"""`/livez`, `/readyz`, `/metrics` and what a program adds, on a listener apart from its other ones. Nobody is named."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus

from aiohttp import web
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from machine.listening.listener import Handler, Listener


class Status:
    """Answers at ``listen`` (host and port; 0 takes any that is free).

    ``unready`` tells why the program is not ready, in sentences, none where it is; ``figures`` makes what Prometheus
    reads; ``more`` are other addresses of the program's own.
    """

    def __init__(
        self,
        listen: tuple[str, int],
        *,
        program: str,
        setting: str,
        unready: Callable[[], Awaitable[Sequence[str]]],
        figures: Callable[[], Awaitable[bytes]],
        more: Mapping[str, Handler] | None = None,
    ) -> None:
        self._unready = unready
        self._made = figures
        self._answers: Mapping[str, Handler] = {
            "/livez": self._alive,
            "/readyz": self._ready,
            "/metrics": self._figures,
            **(more or {}),
        }
        self._listener = Listener(self._answer, listen, program=program, setting=setting)

    @property
    def port(self) -> int:
        """Where it listens, once it does."""
        return self._listener.port

    async def open(self) -> None:
        """Listen.

        Raises:
            CannotListenError: the address is taken, or not ours.
        """
        await self._listener.open()

    async def close(self) -> None:
        """Stop listening. May be called twice."""
        await self._listener.close()

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        answer = self._answers.get(request.path)
        if answer is None:
            return web.json_response({"error": "not_found"}, status=HTTPStatus.NOT_FOUND)
        if request.method not in {"GET", "HEAD"}:
            return web.json_response({"error": "only_get"}, status=HTTPStatus.METHOD_NOT_ALLOWED)
        return await answer(request)

    async def _alive(self, _: web.BaseRequest) -> web.Response:
        return web.json_response({"alive": True})

    async def _ready(self, _: web.BaseRequest) -> web.Response:
        reasons = list(await self._unready())
        status = HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK
        return web.json_response({"ready": not reasons, "reasons": reasons}, status=status)

    async def _figures(self, _: web.BaseRequest) -> web.Response:
        return web.Response(body=await self._made(), headers={"Content-Type": CONTENT_TYPE_LATEST})
