"""The version in the address: every path of the API is served under `/api/v1`, and by its older name without it."""

from __future__ import annotations

from typing import Any

from aiohttp import web

PREFIX = "/api/"
VERSIONED = "/api/v1/"


def add_to(router: web.UrlDispatcher) -> None:
    """Serve what is known so far under the version too, by the same handlers."""
    for route in list(router.routes()):
        path = "" if route.resource is None else route.resource.canonical
        if path.startswith(PREFIX):
            router.add_route(route.method, _versioned(path), route.handler)


def both(paths: dict[str, Any]) -> dict[str, Any]:
    """The document's paths under either name."""
    return {_versioned(path): said for path, said in paths.items()} | paths


def _versioned(path: str) -> str:
    return VERSIONED + path.removeprefix(PREFIX)
