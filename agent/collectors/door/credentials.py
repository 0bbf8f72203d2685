"""What a post shows to be let in, and what that is worth as evidence. Comparing takes as long whatever is sent."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from agent.collectors.door.addresses import Address, Network, within
from agent.collectors.systems.base import Signature
from agent.config.secrets import Secret
from agent.model import Evidence

_BEARER = "bearer "

Lacking = Literal["address", "credential"]
"""Why somebody is not let in: who posts from elsewhere, or shows nothing that fits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What one source asks for: everything that is configured must fit.

    ``tokens`` and ``secrets`` are all valid at once, so that they can be changed without a gap; ``allowed`` empty lets
    every address in; ``signature`` is how its system signs, None where it does not, ``signed_in`` the header (in small
    letters) that every signed post of it shows, empty where the body alone may.
    """

    tokens: tuple[Secret, ...] = ()
    secrets: tuple[Secret, ...] = ()
    allowed: tuple[Network, ...] = ()
    signature: Signature | None = field(default=None)
    signed_in: str = ""
    _digests: tuple[bytes, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Tokens as they are compared."""
        object.__setattr__(self, "_digests", tuple(_digest(token.reveal().strip()) for token in self.tokens))

    @property
    def proves_by_body(self) -> bool:
        """Whether nothing is shown before the body is read: only its signature is a credential."""
        return bool(self.secrets) and not self.tokens

    def may_prove(self, headers: Mapping[str, str]) -> bool:
        """Whether the body could still be the proof: it is not read for those that lack the header beside it."""
        return self.proves_by_body and (not self.signed_in or self.signed_in in headers)

    def before_the_body(self, headers: Mapping[str, str], client: Address | None) -> Lacking | None:
        """What of bearer token and address does not let it in, None where both do; for those the body is read.

        The token is looked at first, so that `address` is said of senders that are proven to be ours, where tokens can
        prove it.
        """
        if self.tokens and not self._has_token(headers):
            return "credential"
        return "address" if self.allowed and not within(client, self.allowed) else None

    def evidence(self, headers: Mapping[str, str], body: bytes) -> Evidence | None:
        """What a post that got past `before_the_body` is worth; None where its signature does not fit."""
        if self.secrets:
            if self.signature is None or not self._is_signed(headers, body):
                return None
            return Evidence.signature
        if self.tokens:
            return Evidence.bearer_token
        return Evidence.address if self.allowed else Evidence.nothing

    def _has_token(self, headers: Mapping[str, str]) -> bool:
        given = headers.get("authorization", "")
        shown = given[len(_BEARER) :].strip() if given[: len(_BEARER)].lower() == _BEARER else ""
        # Digests have one length, and every token is compared: neither length nor place shows in the time it takes.
        seen = _digest(shown)
        fits = [hmac.compare_digest(seen, token) for token in self._digests]
        return any(fits)

    def _is_signed(self, headers: Mapping[str, str], body: bytes) -> bool:
        signed = self.signature
        if signed is None:
            return False
        fits = [signed(body, headers, secret.reveal().strip().encode()) for secret in self.secrets]
        return any(fits)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
