"""HTTP to the catalogue: signs at the moment of sending, reads a bounded answer, judges nothing."""

from __future__ import annotations

import asyncio
import io
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import aiohttp
from yarl import URL

from agent.clock import Clock
from agent.errors import ConfigError, TransientError
from agent.outbox.key_file import load_key
from machine import trusting
from wire import batch, enrolment, receipt, signing
from wire.keys import Key
from wire.signing import Headers, Request

CONNECT_S_MAX = 10.0
ANSWER_S_MAX = 60.0
"""Longest one delivery may take, the answer included, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the catalogue is and how to get there."""

    url: str
    proxy: str | None = None
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back, unproven: status, header lines, bytes, and the request it claims to answer."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    request: Request

    def header(self, name: str) -> str | None:
        """The first line of a header, whatever its case."""
        return next((value for mine, value in self.headers if mine.lower() == name), None)

    def signed(self, *, bound: bool) -> signing.Response:
        """The answer as signatures look at it."""
        return signing.Response(
            status_code=self.status, headers=Headers(self.headers), request=self.request if bound else None
        )


class Client:
    """A connection to one catalogue. Made without a loop, connected at the first request, ended by `close`."""

    def __init__(self, place: Place, *, key_file: Path, clock: Clock) -> None:
        self._place = place
        self._key_file = key_file
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of connections, for good: whoever asks or waits for an answer is told so. May be called twice."""
        self._closed = True
        if self._session is not None:
            await self._session.close()
            self._session = None

    def key(self) -> Key:
        """The signing key, read anew each time: `key rotate` may just have replaced it.

        Raises:
            ConfigError: it is missing or others may read it.
        """
        return load_key(self._key_file)

    async def post_batch(self, body: bytes, *, campus: str, agent: str, limit_s: float = ANSWER_S_MAX) -> Answer:
        """Send one sealed batch.

        Raises:
            TransientError: no whole answer came.
            ConfigError: the key cannot be used.
        """
        key = self.key()
        key_id = enrolment.agent_key_id(campus, agent, key.fingerprint)
        sign = _signer(key, key_id, signing.BATCH_TAG)
        return await self._send("POST", "/v1/batches", body, sign, content_type=batch.CONTENT_TYPE, limit_s=limit_s)

    async def get_stand(
        self, *, campus: str, agent: str, key: Key | None = None, limit_s: float = ANSWER_S_MAX
    ) -> Answer:
        """Ask where the catalogue stands with us.

        Raises:
            TransientError: no whole answer came.
            ConfigError: the key cannot be used.
        """
        key = key or self.key()
        sign = _signer(key, enrolment.agent_key_id(campus, agent, key.fingerprint), signing.ASK_TAG)
        return await self._send("GET", "/v1/stand", b"", sign, content_type="", limit_s=limit_s)

    async def get_signed(
        self,
        path: str,
        *,
        campus: str,
        agent: str,
        bytes_max: int = receipt.ANSWER_BYTES_MAX,
        limit_s: float = ANSWER_S_MAX,
    ) -> Answer:
        """Ask for something of this agent's own; the answer may have ``bytes_max`` bytes.

        Raises:
            TransientError: no whole answer came.
            ConfigError: the key cannot be used.
        """
        key = self.key()
        sign = _signer(key, enrolment.agent_key_id(campus, agent, key.fingerprint), signing.ASK_TAG)
        return await self._send("GET", path, b"", sign, content_type="", limit_s=limit_s, bytes_max=bytes_max)

    async def get_keys(self) -> Answer:
        """Ask how the catalogue's key came to be another one; what comes proves itself.

        Raises:
            TransientError: no whole answer came.
        """
        return await self._send("GET", "/v1/keys", b"", lambda *_: {}, content_type="", limit_s=CONNECT_S_MAX)

    async def post_signed(self, path: str, body: bytes, *, key: Key, key_id: str, tag: str) -> Answer:
        """Send a small message of enrolment or rotation.

        Raises:
            TransientError: no whole answer came.
        """
        sign = _signer(key, key_id, tag)
        return await self._send("POST", path, body, sign, content_type=enrolment.CONTENT_TYPE, limit_s=CONNECT_S_MAX)

    async def _send(
        self,
        method: str,
        path: str,
        body: bytes,
        sign: _Sign,
        *,
        content_type: str,
        limit_s: float,
        bytes_max: int = receipt.ANSWER_BYTES_MAX,
    ) -> Answer:
        url = URL(self._place.url.rstrip("/") + path)
        lines = {"Content-Type": content_type} if content_type else {}
        request = Request(method=method, url=str(url), headers=Headers(lines.items()))
        headers = lines | sign(request, body, self._clock.now())
        timeout = aiohttp.ClientTimeout(total=limit_s, connect=min(limit_s, CONNECT_S_MAX))
        try:
            async with self._connected().request(
                method,
                url,
                data=io.BytesIO(body) if body else None,
                headers=headers,
                proxy=self._place.proxy,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                came = await _bounded(response, bytes_max)
                return Answer(
                    status=response.status, headers=tuple(response.headers.items()), body=came, request=request
                )
        except asyncio.CancelledError:
            if not self._closed or _wanted(asyncio.current_task()):
                raise
            raise _ending() from None
        except TimeoutError:
            raise TransientError(
                f"the catalogue did not answer within {limit_s:.0f} s", hint=_HINT, fault=_AWAY
            ) from None
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            raise (_ending() if self._closed else _unreached(exc)) from None

    def _connected(self) -> aiohttp.ClientSession:
        if self._closed:
            raise _ending()
        if self._session is None:
            tls: ssl.SSLContext | bool = True
            if self._place.ca_file is not None:
                tls = _tls(self._place.ca_file)
            connector = aiohttp.TCPConnector(limit=1, ssl=tls)
            self._session = aiohttp.ClientSession(connector=connector, auto_decompress=False)
        return self._session


_HINT = (
    "is [catalogue] url right, and may this machine reach it (by a proxy: [catalogue] proxy)? entries are kept and"
    " delivered later"
)
_AWAY = "catalogue-unreachable"
_ENDING = "try again once it runs: its log says why it ended; what was under way is settled with the next delivery"
_Sign = Callable[[Request, bytes, int], dict[str, str]]


def _signer(key: Key, key_id: str, tag: str) -> _Sign:
    def sign(request: Request, body: bytes, created: int) -> dict[str, str]:
        return signing.sign_request(request, body, key=key, key_id=key_id, created=created, tag=tag)

    return sign


async def _bounded(response: aiohttp.ClientResponse, bytes_max: int) -> bytes:
    came = bytearray()
    async for piece in response.content.iter_chunked(64 * 2**10):
        came += piece
        if len(came) > bytes_max:
            raise TransientError(f"the catalogue's answer is longer than {bytes_max} bytes", hint=_HINT)
    return bytes(came)


_CA_FILE = "[catalogue] ca_file names a PEM file with the authority of the catalogue's certificate"


def _tls(ca_file: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as exc:
        raise ConfigError(
            f"{ca_file} is not a file of certificates: {exc}", hint=_CA_FILE, fault="certificate-unusable"
        ) from None


def _wanted(task: asyncio.Task[object] | None) -> bool:
    """Whether somebody wants this task to end: who waits for a connection is cancelled where that is closed, too."""
    return task is None or task.cancelling() > 0


def _ending() -> TransientError:
    return TransientError("the agent is ending: the catalogue is not asked any more", hint=_ENDING)


def _unreached(exc: Exception) -> TransientError:
    """Why no connection came about, and what cures it."""
    unbelieved = trusting.unbelieved(exc)
    if unbelieved is not None:
        return TransientError(
            f"the catalogue's certificate is not believed: {unbelieved.verify_message}",
            hint=trusting.cure(unbelieved, authority="[catalogue] ca_file", address="[catalogue] url"),
            fault="certificate-untrusted",
        )
    hint = (
        "no TLS is spoken there: write http://, or the port of the proxy that speaks it" if trusting.plain(exc) else ""
    )
    return TransientError(f"the catalogue cannot be reached: {_said(exc)}", hint=hint or _HINT, fault=_AWAY)


def _said(exc: Exception) -> str:
    """What went wrong, in one line; never a header or a body."""
    return (str(exc).splitlines() or [type(exc).__name__])[0] or type(exc).__name__
