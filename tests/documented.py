"""Whether what the catalogue answers is what its document says of that path: every test that runs one looks."""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
from aiohttp import web

from catalogue.api.document import document


@functools.cache
def _whole() -> dict[str, Any]:
    return document()


@functools.cache
def _validator(path: str, way: str, status: str) -> jsonschema_rs.Validator | None:
    """What an answer in JSON has to fit; None where the document leaves it open."""
    told = _whole()["paths"][path][way]["responses"][status].get("content", {}).get("application/json")
    if told is None:
        return None
    return jsonschema_rs.Draft202012Validator({**told["schema"], "components": _whole()["components"]})


def astray(path: str, way: str, answer: web.StreamResponse) -> str:
    """What of an answer the document does not say; "" where it does, and of a path that it does not tell."""
    told = _whole()["paths"].get(path, {}).get(way)
    if told is None:
        return ""
    status = str(answer.status)
    if status not in told["responses"]:
        return f"the document knows no {status} of {way.upper()} {path}"
    if answer.content_type != "application/json" or not isinstance(answer, web.Response) or not answer.body:
        return ""
    validator = _validator(path, way, status)
    if validator is None:
        return f"the document knows no JSON of {way.upper()} {path}, {status}"
    assert isinstance(answer.body, bytes)
    faults = [fault.message for fault in validator.iter_errors(json.loads(answer.body))]
    return f"{way.upper()} {path}, {status}: {'; '.join(faults)}" if faults else ""


@contextlib.contextmanager
def watched(app: web.Application) -> Iterator[None]:
    """Fail at the end with every answer of ``app``, which is not frozen yet, that its document does not say."""
    found: set[str] = set()

    async def look(request: web.Request, answer: web.StreamResponse) -> None:
        resource = request.match_info.route.resource
        if resource is not None:
            found.add(astray(resource.canonical, request.method.lower(), answer))

    app.on_response_prepare.append(look)
    yield
    assert not found - {""}, sorted(found - {""})
