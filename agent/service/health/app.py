"""`/livez`, `/readyz` and `/metrics` on a listener of their own, apart from the door."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from pathlib import Path

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from agent.errors import ConfigError
from agent.service.health.figures import unready


class Health:
    """Answers at ``listen`` (host and port; 0 takes any that is free) what ``registry`` counts."""

    def __init__(self, listen: tuple[str, int], data_dir: Path, registry: CollectorRegistry) -> None:
        self._listen = listen
        self._data_dir = data_dir
        self._registry = registry
        self._runner: web.AppRunner | None = None
        self.port = 0
        """Where it listens, once it does."""

    async def open(self) -> None:
        """Listen.

        Raises:
            ConfigError: the address cannot be listened at.
        """
        app = web.Application()
        app.router.add_get("/livez", self._alive)
        app.router.add_get("/readyz", self._ready)
        app.router.add_get("/metrics", self._figures)
        runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await runner.setup()
        host, port = self._listen
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            await runner.cleanup()
            raise ConfigError(
                f"[http] status_listen = {host}:{port} cannot be listened at: {error.strerror or error}",
                hint="another program may have the port: choose another, or stop it",
            ) from error
        self._runner = runner
        self.port = int(runner.addresses[0][1])

    async def close(self) -> None:
        """Stop listening. May be called twice."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _alive(self, _: web.Request) -> web.Response:
        return web.json_response({"alive": True})

    async def _ready(self, _: web.Request) -> web.Response:
        reasons = await asyncio.to_thread(unready, self._data_dir)
        status = HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK
        return web.json_response({"ready": not reasons, "reasons": reasons}, status=status)

    async def _figures(self, _: web.Request) -> web.Response:
        body = await asyncio.to_thread(generate_latest, self._registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})
