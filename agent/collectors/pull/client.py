"""HTTP to a system that is asked: paced, bounded, on one origin; a credential never leaves for another.

General: whoever asks a vendor's API over GET uses it. It judges nothing of what a body says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Self

from yarl import URL

from agent.clock import Clock
from agent.collectors.exchange import Exchange, Limits
from agent.errors import ConfigError, TransientError
from agent.retry import retry_after_s

ANSWER_BYTES_MAX = 16 * 2**20
"""A longer answer is not read to its end."""
ANSWER_S_MAX = 60.0
"""Longest one answer may take, all of it, in seconds."""
LOW_REMAINING = 100.0
"""Canvas tells how much may still be asked (`X-Rate-Limit-Remaining`); below this it is asked slowly."""
LOW_PAUSE_S = 5.0
_HINT = "nothing is lost: it is asked again from where it stood"
_BUSY = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})
_LIMITED = b"Rate Limit Exceeded"
"""Canvas answers 403 with these words where others answer 429."""


class LaterError(TransientError):
    """It asks to be left alone for ``after_s`` seconds; None where it does not say how long."""

    def __init__(self, message: str, *, after_s: int | None) -> None:
        super().__init__(message, hint=_HINT)
        self.after_s = after_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a system is asked, and how.

    ``url`` has no slash at its end. ``headers`` is called for each request, so that a credential can be changed while
    the agent runs; it may raise ConfigError. ``name`` is the source's, for messages. ``again`` is told of each answer
    (status and headers) and says whether to ask once more at once, with other ``headers``.
    """

    name: str
    url: str
    headers: Callable[[], Mapping[str, str]]
    requests_per_s: float
    proxy: str | None = None
    ca_file: Path | None = None
    answer_bytes_max: int = ANSWER_BYTES_MAX
    answer_s_max: float = ANSWER_S_MAX
    again: Callable[[int, Mapping[str, str]], bool] = lambda _, __: False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came: status 2xx, or a 4xx that is about what was asked; headers in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_good(self) -> bool:
        """Whether it is what was asked for."""
        return self.status < HTTPStatus.MULTIPLE_CHOICES


class Client:
    """One system. Made without a loop, connected at the first request, ended by `close`."""

    def __init__(
        self, address: Address, clock: Clock, *, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    ) -> None:
        self._address = address
        self._clock = clock
        limits = Limits(
            name=address.name,
            hint=_HINT,
            requests_per_s=address.requests_per_s,
            answer_s_max=address.answer_s_max,
            answer_bytes_max=address.answer_bytes_max,
            ca_file=address.ca_file,
            proxy=address.proxy,
        )
        self._exchange = Exchange(limits, clock, sleep=sleep)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of connections; may be called twice."""
        await self._exchange.close()

    async def get(self, target: str) -> Answer:
        """The answer to one request, after waiting for its turn.

        ``target`` is a path under the address, a path of its host (`/…`), or a whole URL of the same origin.

        Raises:
            LaterError: it asks to be left alone.
            TransientError: no whole answer came, or one that is too long.
            ConfigError: it does not let us in, answers from elsewhere, or the target leads elsewhere.
        """
        url = _on_origin(self._address, target)
        async with self._exchange.alone():
            came = await self._exchange.ask("GET", url, headers=self._headers())
            if self._address.again(came.status, came.headers):
                came = await self._exchange.ask("GET", url, headers=self._headers())
            return self._judged(came.status, came.headers, came.body)

    def _headers(self) -> dict[str, str]:
        # What is not packed cannot be larger than it looks.
        return {"Accept": "application/json", "Accept-Encoding": "identity", **self._address.headers()}

    def _judged(self, status: int, headers: Mapping[str, str], body: bytes) -> Answer:
        name = self._address.name
        self._heed(headers)
        if status in _BUSY or (status == HTTPStatus.FORBIDDEN and _LIMITED in body[:1_000]):
            after_s = retry_after_s(headers.get("retry-after"), self._clock.now())
            raise LaterError(f"{name}: asked too often (it answers {status})", after_s=after_s)
        if status == HTTPStatus.UNAUTHORIZED:
            raise ConfigError(
                f"{name}: it does not let us in (it answers 401)", hint="make a new credential and put it in its file"
            )
        if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            raise ConfigError(
                f"{name}: it answers from another address ({status})",
                hint="redirects are not followed: write the address that it has now",
            )
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            after_s = retry_after_s(headers.get("retry-after"), self._clock.now())
            raise LaterError(f"{name}: it answers {status}", after_s=after_s)
        return Answer(status=status, headers=headers, body=body)

    def _heed(self, headers: Mapping[str, str]) -> None:
        try:
            remaining = float(headers.get("x-rate-limit-remaining", "inf"))
        except ValueError:
            return
        if remaining < LOW_REMAINING:
            self._exchange.slow_down(LOW_PAUSE_S)


def _on_origin(address: Address, target: str) -> URL:
    """The whole URL of a target.

    Raises:
        ConfigError: it leads to another origin than the configured one.
    """
    base = URL(address.url + "/")
    url = base
    try:
        url = base.join(URL(target, encoded=True))
        same = url.origin() == base.origin() and url.user is None and url.password is None
    except ValueError:
        same = False
    if not same:
        raise ConfigError(
            f"{address.name}: its answer leads to another address", hint="only the configured one is asked: see url"
        )
    return url
