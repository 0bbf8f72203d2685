"""Sends one signed message to one receiver, and reads no more of the answer than it must.

Signed as Standard Webhooks has it: HMAC-SHA256 over ``id.timestamp.body``, in base64, behind ``v1,``; several secrets
give several signatures.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ssl
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from yarl import URL

from agent import retry
from agent.config.secrets import Secret
from agent.errors import ConfigError, TransientError
from agent.outbox.callbacks.message import Message
from machine import trusting

ANSWER_S_MAX = 10.0
"""Longest one message may take, the answer included, in seconds."""
CONNECT_S_MAX = 5.0
ANSWER_BYTES_MAX = 4 * 2**10
_PREFIX = "whsec_"
_TAKEN = range(200, 300)


class RefusedError(TransientError):
    """The receiver did not take a message; ``retry_after`` is how many seconds it asked to wait (None: not said)."""

    def __init__(self, message: str, *, hint: str = "", retry_after: int | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a callback goes. ``url`` is a secret for chat systems, and is never told."""

    url: Secret
    secrets: tuple[Secret, ...]
    proxy: str | None = None
    ca_file: Path | None = None


def key_of(secret: str) -> bytes:
    """The key that a secret's text stands for: of `whsec_…` the bytes behind it, else the text itself.

    Raises:
        ConfigError: what stands behind `whsec_` is not base64.
    """
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ConfigError("a callback's secret is not base64 behind whsec_", hint="openssl rand -base64 32") from None


def signature(key: bytes, number: str, timestamp: int, body: bytes) -> str:
    """`v1,` and the base64 of the HMAC-SHA256 over ``id.timestamp.body``."""
    signed = f"{number}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


class Post:
    """A connection to one receiver. Made without a loop, connected at the first message, ended by `close`.

    Raises:
        ConfigError: a secret or `ca_file` cannot be used.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self._keys = tuple(key_of(secret.reveal()) for secret in address.secrets)
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Let go of the connection; may be called twice."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(self, message: Message, *, now: int, limit_s: float = ANSWER_S_MAX) -> None:
        """Send a message; when this returns the receiver has taken it (an answer of 2xx).

        Raises:
            RefusedError: it did not take it, or did not answer in time. Neither the address nor its answer is told.
        """
        headers = {"Content-Type": "application/json", "webhook-id": message.id, "webhook-timestamp": str(now)}
        if self._keys:
            signed = (signature(key, message.id, now, message.body) for key in self._keys)
            headers["webhook-signature"] = " ".join(signed)
        try:
            async with self._connected().post(
                URL(self._address.url.reveal(), encoded=True),
                data=message.body,
                headers=headers,
                proxy=self._address.proxy,
                timeout=aiohttp.ClientTimeout(total=limit_s, connect=min(limit_s, CONNECT_S_MAX)),
                allow_redirects=False,
            ) as response:
                await response.content.read(ANSWER_BYTES_MAX)
                status, asked = response.status, response.headers.get("Retry-After")
        except TimeoutError:
            raise RefusedError(f"no answer within {limit_s:.0f} s", hint=_HINT) from None
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            unbelieved = trusting.unbelieved(exc)
            cure = unbelieved and trusting.cure(unbelieved, authority="[[callback]] ca_file", address="its url")
            raise RefusedError(f"it cannot be reached: {_said(exc)}", hint=cure or _HINT) from None
        if status not in _TAKEN:
            told = "it answered with a redirect, which is not followed" if 300 <= status < 400 else "it answered"  # noqa: PLR2004
            raise RefusedError(f"{told} ({status})", hint=_HINT, retry_after=retry.retry_after_s(asked, now))

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            tls: ssl.SSLContext | bool = True
            if self._address.ca_file is not None:
                try:
                    tls = ssl.create_default_context(cafile=self._address.ca_file)
                except (OSError, ssl.SSLError) as exc:
                    told = f"{self._address.ca_file} is not a file of certificates: {exc}"
                    raise ConfigError(told, hint="[[callback]] ca_file") from None
            connector = aiohttp.TCPConnector(limit=1, ssl=tls)
            self._session = aiohttp.ClientSession(connector=connector, auto_decompress=False)
        return self._session


_HINT = "nothing is lost: it is sent again, later; try it: rewards-agent callback test NAME"


def _said(exc: Exception) -> str:
    """What went wrong, without the address: that may be a secret."""
    cause = getattr(exc, "os_error", None) or exc
    told = getattr(cause, "strerror", None)
    return f"{type(exc).__name__}{f' ({told})' if told else ''}"
