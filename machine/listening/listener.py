"""A listener: an address, what it answers with, and its limits. The agent's door and a status address are two."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from machine.listening.address import site_at
from machine.listening.connection import Connection, Connections
from machine.listening.handshake import Handshake
from machine.listening.unfinished import Unfinished

HEADER_BYTES_MAX = 8_190
HEADERS_MAX = 64
IDLE_S = 75.0
"""How long a connection may rest between two posts: longer than a proxy before us keeps it, which reuses it."""
SHUTDOWN_S = 10.0
"""How long a request that came whole and is under way at the end may take."""

Handler = Callable[[web.BaseRequest], Awaitable[web.Response]]


class CannotListenError(Exception):
    """An address cannot be listened at; says so in words, and ``hint`` what to do."""

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Listener:
    """Answers with ``handler`` at ``listen`` (host and port; 0 takes any that is free).

    ``program`` is who we say we are; ``setting`` names the address in the configuration; ``exempt`` says from which
    addresses (proxies of ours) any number of connections may come.
    """

    def __init__(
        self,
        handler: Handler,
        listen: tuple[str, int],
        *,
        program: str,
        setting: str,
        tls: ssl.SSLContext | None = None,
        exempt: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._handler = handler
        self._listen = listen
        self._setting = setting
        self._tls = tls
        self._runner: web.ServerRunner | None = None
        self._handshakes: set[asyncio.Task[None]] = set()
        self._unfinished = Unfinished()
        self.connections = Connections(exempt, {"Server": program})
        self.port = 0
        """Where it listens, once it does."""

    async def open(self) -> None:
        """Listen.

        Raises:
            CannotListenError: the address is taken, or not ours.
        """
        server = _Server(
            self.connections,
            self._answer,
            tls=self._tls,
            handshakes=self._handshakes,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=IDLE_S,
            max_line_size=HEADER_BYTES_MAX,
            max_field_size=HEADER_BYTES_MAX,
            max_headers=HEADERS_MAX,
        )
        runner = _Runner(server, self._unfinished, handle_signals=False, shutdown_timeout=SHUTDOWN_S)
        await runner.setup()
        host, port = self._listen
        try:
            await site_at(runner, host, port).start()
        except OSError as error:
            await runner.cleanup()
            raise CannotListenError(
                f"{self._setting} = {host}:{port} cannot be listened at: {error.strerror or error}",
                hint="another program may have the port: choose another, or stop it",
            ) from error
        self._runner = runner
        self.port = int(runner.addresses[0][1])

    async def close(self) -> None:
        """Take no more, and answer what is under way. May be called twice."""
        runner, self._runner = self._runner, None
        for handshake in self._handshakes:
            handshake.cancel()
        if runner is not None:
            await runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        connection = request.protocol
        if isinstance(connection, Connection):
            connection.begun()
        try:
            with self._unfinished.one(request):
                answer = await self._handler(request)
        finally:
            if isinstance(connection, Connection):
                connection.ended()
        answer.headers.update(self.connections.server)
        return answer


class _Runner(web.ServerRunner):
    """aiohttp's, which waits at the end for nobody who does not finish their request."""

    def __init__(self, server: web.Server, unfinished: Unfinished, **options: Any) -> None:
        super().__init__(server, **options)
        self._unfinished = unfinished

    async def shutdown(self) -> None:
        """Nothing is listened to any more, and what is under way has its last moments."""
        await self._unfinished.hang_up()


class _Server(web.Server):
    """aiohttp's, making connections of ours."""

    def __init__(
        self,
        connections: Connections,
        handler: Handler,
        *,
        tls: ssl.SSLContext | None,
        handshakes: set[asyncio.Task[None]],
        **options: Any,
    ) -> None:
        super().__init__(handler, **options)
        self._among = connections
        self._tls = tls
        self._handshakes = handshakes
        self._options = options

    def __call__(self) -> Any:
        """A connection for somebody who knocks, or what becomes one."""
        if self._tls is None:
            return self._connection()
        return Handshake(self._among, self._tls, self._connection, self._handshakes)

    def _connection(self) -> Connection:
        return Connection(self._among, self, loop=asyncio.get_running_loop(), **self._options)
