"""What every door for programs does: parameters and bodies that are bounded, answers that are not kept."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from aiohttp import web

from catalogue.api import reading
from catalogue.api.guard import FRESH, TooOftenError
from catalogue.api.reading import PAGE_ROWS, PAGE_ROWS_MAX
from catalogue.errors import RefusedError
from wire.canonical import NUL

BODY_BYTES_MAX = 64 * 2**10
HALVES = ("\ud800", "\udfff")
"""Surrogates: JSON can write one by itself, and no database can keep it."""

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def patient(handler: Answer) -> Answer:
    """With an answer for who asks too often."""

    async def answered(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except TooOftenError as exc:
            return exc.answer()

    return answered


async def body_of(request: web.Request) -> dict[str, Any]:
    """The object that was sent.

    Raises:
        RefusedError: (400, 413, 415) it is none, too large, or no JSON.
    """
    if request.content_type != "application/json":
        raise RefusedError(415, "body", "send application/json")
    body = await request.read()
    if len(body) > BODY_BYTES_MAX:
        raise RefusedError(413, "body", f"more than {BODY_BYTES_MAX} bytes")
    try:
        said = json.loads(body, object_pairs_hook=_once)
    except (ValueError, RecursionError) as exc:
        raise RefusedError(400, "body", f"this is no JSON: {str(exc)[:100]}") from None
    if not isinstance(said, dict):
        raise RefusedError(400, "body", "send an object")
    if not all(map(_can_be_kept, _texts(said))):
        raise RefusedError(400, "body", "there is a text in it with the character NUL, or with half a character")
    return said


def _texts(said: Any) -> Iterator[str]:
    """Every text in what was sent, the names of fields too."""
    left = [said]
    while left:
        one = left.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            left += [*one, *one.values()]
        elif isinstance(one, list):
            left += one


def _can_be_kept(text: str) -> bool:
    return NUL not in text and not any(HALVES[0] <= one <= HALVES[1] for one in text)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def only(query: Mapping[str, str], known: set[str]) -> Mapping[str, str]:
    """The parameters of a path that knows these.

    Raises:
        RefusedError: (400) there are others, or what they say cannot be read.
    """
    if unknown := set(query) - known:
        raise RefusedError(400, "parameter", f"no parameter of this path: {len(unknown)} of those sent")
    for name in query:
        reading.text_of(query, name)
    return query


def limit_of(query: Mapping[str, str]) -> int:
    """How many rows a page is to have.

    Raises:
        RefusedError: (400) too many, or none.
    """
    limit = reading.whole(query, "limit", PAGE_ROWS)
    if not 1 <= limit <= PAGE_ROWS_MAX:
        raise RefusedError(400, "parameter", f"limit is 1 to {PAGE_ROWS_MAX}")
    return limit


def answer(said: Any, *, status: int = 200) -> web.Response:
    """An answer in JSON, which nobody keeps."""
    return web.json_response(said, status=status, headers=FRESH)
