"""Which posts came a moment ago, byte for byte: a sender that tries again learns that it had arrived the first time."""

from __future__ import annotations

from hashlib import blake2b

POSTS_MAX = 10_000
"""Posts that are remembered, since the start, of all sources together."""


class Recent:
    """The digests of the newest posts, with their numbers."""

    __slots__ = ("_numbers",)

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}

    def kept(self, source: str, body: bytes, number: int) -> int:
        """A post got ``number``: that which the same bytes of the same source had first, 0 where they are new."""
        digest = blake2b(body, digest_size=16, key=source.encode()[:64]).digest()
        first = self._numbers.setdefault(digest, number)
        if len(self._numbers) > POSTS_MAX:
            del self._numbers[next(iter(self._numbers))]
        return 0 if first == number else first
