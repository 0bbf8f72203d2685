"""`/livez`, `/readyz`, `/metrics` and `/openapi.json` on a listener of their own, apart from the door."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from agent.listening.listener import Handler, Listener
from agent.service.health.figures import unready


class Health:
    """Answers at ``listen`` (host and port; 0 takes any that is free) what ``registry`` counts.

    ``document`` describes the door in OpenAPI: it names the paths at which posts are taken, which the door itself tells
    nobody.
    """

    def __init__(
        self, listen: tuple[str, int], data_dir: Path, registry: CollectorRegistry, document: Mapping[str, Any]
    ) -> None:
        self._data_dir = data_dir
        self._registry = registry
        self._document = dict(document)
        self._answers: Mapping[str, Handler] = {
            "/livez": self._alive,
            "/readyz": self._ready,
            "/metrics": self._figures,
            "/openapi.json": self._described,
        }
        self._listener = Listener(self._answer, listen, setting="status_listen")

    @property
    def port(self) -> int:
        """Where it listens, once it does."""
        return self._listener.port

    async def open(self) -> None:
        """Listen.

        Raises:
            ConfigError: the address cannot be listened at.
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
        reasons = await asyncio.to_thread(unready, self._data_dir)
        status = HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK
        return web.json_response({"ready": not reasons, "reasons": reasons}, status=status)

    async def _figures(self, _: web.BaseRequest) -> web.Response:
        body = await asyncio.to_thread(generate_latest, self._registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _described(self, _: web.BaseRequest) -> web.Response:
        return web.json_response(self._document)
