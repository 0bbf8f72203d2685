"""HTTP with one host that is asked: one request at a time, paced, bounded in size and time, no redirects, no cookies.

Whoever asks a system (a vendor's API, Moodle's web services) judges its answers; this only brings them.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from yarl import URL

from agent.clock import Clock
from agent.errors import ConfigError, TransientError
from machine import trusting
from machine.reaching.names import UnansweredError

CONNECT_S_MAX = 10.0
_PIECE_BYTES = 64 * 2**10


class LongAnswerError(TransientError):
    """An answer is longer than may be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """``name`` is the source's, for messages; ``hint`` what is said where it does not answer; times are seconds."""

    name: str
    hint: str
    requests_per_s: float
    answer_s_max: float
    answer_bytes_max: int
    ca_file: Path | None = None
    proxy: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """What came back, whatever it says; headers in small letters, one that came several times as a list."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Exchange:
    """One host. Made without a loop, connected at the first request, ended by `close`."""

    def __init__(
        self, limits: Limits, clock: Clock, *, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._sleep = sleep
        self._lock = asyncio.Lock()
        self._next_at = 0.0
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Let go of connections; may be called twice."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Nobody else asks while the block runs."""
        async with self._lock:
            yield

    def slow_down(self, seconds: float) -> None:
        """Ask nothing for so long."""
        self._next_at = self._clock.running() + seconds

    async def ask(
        self, method: str, url: URL | str, *, headers: Mapping[str, str], form: Mapping[str, str] | None = None
    ) -> Came:
        """One request in its turn, inside `alone`; its answer is whole.

        Raises:
            LongAnswerError: the answer is too long.
            TransientError: no whole answer came.
            ConfigError: the file of certificates cannot be used.
        """
        await self._pace()
        name, limits = self._limits.name, self._limits
        try:
            async with self._connected().request(
                method, url, headers=headers, data=form, proxy=limits.proxy, allow_redirects=False
            ) as response:
                headers = {name.lower(): ", ".join(response.headers.getall(name)) for name in response.headers}
                return Came(status=response.status, headers=headers, body=await self._bounded(response))
        except TimeoutError:
            raise TransientError(
                f"{name}: no whole answer within {limits.answer_s_max:g} s", hint=limits.hint
            ) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            unbelieved = trusting.unbelieved(error)
            if unbelieved is not None:
                raise TransientError(
                    f"{name}: its certificate is not believed: {unbelieved.verify_message}",
                    hint=trusting.cure(unbelieved, authority="ca_file", address="url"),
                    fault="certificate-untrusted",
                ) from None
            # What the error says may repeat the request; its sort says enough.
            said = type(error).__name__
            if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, UnansweredError):
                said = str(error.os_error.strerror)
            raise TransientError(f"{name}: cannot be reached ({said})", hint=limits.hint) from None

    async def _pace(self) -> None:
        wait = self._next_at - self._clock.running()
        if wait > 0:
            await self._sleep(wait)
        self._next_at = max(self._next_at, self._clock.running()) + 1 / self._limits.requests_per_s

    async def _bounded(self, response: aiohttp.ClientResponse) -> bytes:
        most = self._limits.answer_bytes_max
        came = bytearray()
        async for piece in response.content.iter_chunked(_PIECE_BYTES):
            came += piece
            if len(came) > most:
                response.close()
                raise LongAnswerError(
                    f"{self._limits.name}: an answer is longer than {most} bytes", hint="is url that of its API?"
                )
        return bytes(came)

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            limits = self._limits
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=1, ssl=_tls(limits.name, limits.ca_file)),
                timeout=aiohttp.ClientTimeout(
                    total=limits.answer_s_max, connect=min(limits.answer_s_max, CONNECT_S_MAX)
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session


def _tls(name: str, file: Path | None) -> ssl.SSLContext | bool:
    if file is None:
        return True
    try:
        return ssl.create_default_context(cafile=file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"{name}: {file} is no file of certificates", hint="see ca_file") from error
