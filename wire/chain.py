"""The hash chain over stored entry bytes; both ends compute it."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

GENESIS = b"\0" * 32
"""The hash before the first entry of an agent's chain."""


def step(previous: bytes, body: bytes) -> bytes:
    """SHA-256(previous hash, length of body as 8 bytes big-endian, body): 32 bytes."""
    return sha256(previous + len(body).to_bytes(8, "big") + body).digest()


def head(previous: bytes, bodies: Iterable[bytes]) -> bytes:
    """The hash after all of ``bodies``, given the hash before them."""
    for body in bodies:
        previous = step(previous, body)
    return previous
