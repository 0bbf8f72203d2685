"""How texts are compared without being kept: a keyed digest, and a small keyed sketch of what words stand together.

Both are made where the text is seen and are all that leaves that place. Without the key nobody can find out by trying
what was written. Two sketches tell roughly how much two texts share; a few of its numbers (bands) are equal with near
certainty where texts are much alike, so that like texts are found by looking up equal numbers.
"""

from __future__ import annotations

import hashlib
import html
import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

BITS = 60
"""Bits of a sketch: the lowest bit of so many minima. Texts that share a part p agree on (1 + p) / 2 of them."""
BANDS, ROWS = 4, 3
TOGETHER = 3
"""So many words in a row are one piece of a text."""

_TAG = re.compile(r"<[^>]*>")
_WORD = re.compile(r"\w+")
_PERSON = b"rewards-text"
_MASK = (1 << 61) - 1

PIECES_MAX = 256
"""Of a long text those pieces are looked at whose numbers are lowest, which are the same in like texts."""


class Sketch(NamedTuple):
    """What is kept of a text: how many words, the numbers of its bands, and its bits."""

    words: int
    bands: tuple[str, ...]
    bits: int

    def written(self) -> str:
        """As the fact `text_sketch`."""
        return ".".join((str(self.words), *self.bands, f"{self.bits:x}"))


def facts(text: str, key: bytes) -> dict[str, str]:
    """What is kept of a text under the names of its facts; nothing of a text without words."""
    words = words_of(text)
    return {"text_digest": digest(words, key), "text_sketch": sketch(words, key).written()} if words else {}


def words_of(text: str) -> tuple[str, ...]:
    """The words of a text as they are compared: no markup, no case, no punctuation, one spelling of each letter."""
    plain = html.unescape(_TAG.sub(" ", text))
    return tuple(_WORD.findall(unicodedata.normalize("NFKC", plain).casefold()))


def digest(words: Sequence[str], key: bytes) -> str:
    """16 hexadecimal digits that only the same words under the same key give."""
    return hashlib.blake2b(" ".join(words).encode(), digest_size=8, key=key, person=_PERSON).hexdigest()


def sketch(words: Sequence[str], key: bytes) -> Sketch:
    """The sketch of a text under a key."""
    pieces = sorted({_hashed(piece, key) for piece in _pieces(words)})[:PIECES_MAX]
    minima = [min((a * piece + b) & _MASK for piece in pieces) for a, b in _turns(key)]
    bits = 0
    for minimum in minima[BANDS * ROWS :]:
        bits = bits << 1 | (minimum >> 7 & 1)
    bands = (_hashed(f"{band} {minima[band * ROWS : band * ROWS + ROWS]}", key) & 0xFFFFFFFFFF for band in range(BANDS))
    return Sketch(words=len(words), bands=tuple(f"{band:x}" for band in bands), bits=bits)


def read(written: str) -> Sketch | None:
    """A sketch as it was `written`; None where it is none."""
    parts = written.split(".")
    if len(parts) != BANDS + 2 or not parts[0].isdigit():
        return None
    try:
        bits = int(parts[-1], 16)
    except ValueError:
        return None
    return Sketch(words=int(parts[0]), bands=tuple(parts[1:-1]), bits=bits)


def alike(one: int, other: int) -> int:
    """How much two texts share by their bits, in per cent."""
    same = BITS - ((one ^ other) & ((1 << BITS) - 1)).bit_count()
    return max(0, (200 * same) // BITS - 100)


def _pieces(words: Sequence[str]) -> Iterator[str]:
    if len(words) < TOGETHER:
        yield " ".join(words)
    for at in range(len(words) - TOGETHER + 1):
        yield " ".join(words[at : at + TOGETHER])


def _hashed(piece: str, key: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(piece.encode(), digest_size=8, key=key, person=_PERSON).digest(), "big")


@lru_cache(maxsize=8)
def _turns(key: bytes) -> list[tuple[int, int]]:
    """Multipliers (odd) and offsets: each pair puts the pieces in another order."""
    found = []
    for number in range(BANDS * ROWS + BITS):
        drawn = hashlib.blake2b(number.to_bytes(2, "big"), digest_size=16, key=key, person=b"rewards-turns").digest()
        found.append((int.from_bytes(drawn[:8], "big") | 1, int.from_bytes(drawn[8:], "big")))
    return found
