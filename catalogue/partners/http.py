"""Orders by HTTP: one signed POST, and a small answer that says what it means. All else means nothing certain.

The request is signed with the catalogue's key (RFC 9421, Ed25519, tag `rewards-order`) over method, path, content type
and digest of the body; `Idempotency-Key` is the redemption. A partner answers 2xx with
`{"status": "issued", "code": "…", "expires_at": "2027-01-31T00:00:00Z"}`, or any status with
`{"status": "declined", "reason": "…"}`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import aiohttp
import orjson
from yarl import URL

from catalogue.partners.orders import Declined, Issued, Lost, NotSent, Order, Outcome
from catalogue.redemption.pool import CODE_CHARS_MAX
from catalogue.rewards import times
from catalogue.rewards.text import readable
from wire import canonical, signing
from wire.keys import Key
from wire.signing import Headers, Request

TAG = "rewards-order"
CONNECT_S_MAX = 5.0
ANSWER_BYTES_MAX = 64 * 2**10
REASON_CHARS_MAX = 200
RETRY_AFTER_S_MAX = 86_400
DIGITS_MAX = 18


class HttpAdapter:
    """Posts orders. Made without a loop, connected at the first order, ended by `close`."""

    def __init__(self, key: Key | Callable[[], Key]) -> None:
        self._key = key
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Let go of connections; may be called twice."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def order(self, order: Order, *, now: int) -> Outcome:
        """Order one voucher."""
        body = canonical.dump(
            {
                "redemption": order.redemption,
                "campus": order.campus,
                "reward": order.reward,
                "cost": order.cost,
                "token": order.token,
                "expires_at": order.expires_at,
                "attempt": order.attempt,
            }
        )
        headers = {"Content-Type": "application/json", "Idempotency-Key": order.redemption}
        request = Request(method="POST", url=order.url, headers=Headers(headers.items()))
        key = self._key() if callable(self._key) else self._key
        signed = signing.sign_request(request, body, key=key, key_id=key.fingerprint, created=now, tag=TAG)
        wait = aiohttp.ClientTimeout(total=order.timeout_s, connect=min(order.timeout_s, CONNECT_S_MAX))
        try:
            async with self._connected().post(
                URL(order.url, encoded=True), data=body, headers=headers | signed, timeout=wait, allow_redirects=False
            ) as response:
                answer = await _limited(response)
                return meant(response.status, response.headers, answer)
        except aiohttp.ConnectionTimeoutError:
            return NotSent("no connection in time")
        except (aiohttp.ClientConnectorError, aiohttp.InvalidURL) as exc:
            return NotSent(f"no connection: {type(exc).__name__}")
        except TimeoutError:
            return Lost(f"no answer within {order.timeout_s} s")
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            return Lost(f"the connection broke: {type(exc).__name__}")

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        return self._session


def meant(status: int, headers: Mapping[str, str], body: bytes) -> Outcome:
    """What an answer means. Only what says so is certain: a 404 may be a proxy's, a 500 may come after the deed."""
    said = _said(body)
    match said.get("status"):
        case "issued" if status in range(200, 300):
            return _issued(said)
        case "declined":
            return Declined(readable(str(said.get("reason") or "no reason given"))[:REASON_CHARS_MAX])
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return NotSent("it takes no more for now (429)", _retry_after(headers.get("Retry-After", "")))
    return Lost(f"it answered {status} and did not say what became of the order")


def _issued(said: Mapping[str, Any]) -> Outcome:
    code = said.get("code", "")
    if not isinstance(code, str) or len(code) > CODE_CHARS_MAX:
        return Lost("it issued a voucher whose code cannot be read")
    try:
        return Issued(code, times.moment(said.get("expires_at")))
    except ValueError:
        return Issued(code, None)


def _said(body: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _retry_after(text: str) -> int | None:
    if not (text.isascii() and text.isdecimal()):
        return None
    return RETRY_AFTER_S_MAX if len(text) > DIGITS_MAX else min(int(text), RETRY_AFTER_S_MAX)


async def _limited(response: aiohttp.ClientResponse) -> bytes:
    """The answer's body, or nothing where it is longer than anything it could mean."""
    body = b""
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > ANSWER_BYTES_MAX:
            return b""
    return body
