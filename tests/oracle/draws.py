"""A plain reading of a draw, by the steps that the manual tells for sha256sum and a pocket calculator."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

BELOW = 4_294_967_296


def tickets(has: Mapping[str, int], *, at_least: int | None, each: int | None) -> dict[str, int]:
    """Who takes part, by what they earned, with how many tickets: one, or one for each so many points."""
    part = {who: points for who, points in has.items() if (points > 0 if at_least is None else points >= at_least)}
    counted = {who: 1 if each is None else points // each for who, points in part.items()}
    return {who: count for who, count in counted.items() if count}


def winners(told: Mapping[str, Any], to_win: int) -> list[str]:
    """The winners of an exported draw in order, once its list and its chain are what was announced."""
    digest = sha256(told["list"].encode()).hexdigest()
    assert f"list sha256 {digest}" in told["entries"][0]
    head = bytes.fromhex(told["before"])
    for line in told["entries"]:
        head = sha256(head + len(line.encode()).to_bytes(8, "big") + line.encode()).digest()
    assert head.hex() == told["head"]
    signed = b""
    if "receipt" in told:
        signed = b64decode(told["receipt_headers"]["signature"].partition("=:")[2].rstrip(":"))
    return _rounds(sha256(head + signed).hexdigest(), told["list"].splitlines(), to_win)


def _rounds(seed: str, lines: Sequence[str], to_win: int) -> list[str]:
    left = [line.split()[0] for line in lines for _ in range(int(line.split()[1]))]
    won: list[str] = []
    number = 0
    while left and len(won) < to_win:
        number += 1
        value = int(sha256(f"{seed}:{number}".encode()).hexdigest()[:8], 16)
        if value < BELOW // len(left) * len(left):
            won.append(left[value % len(left)])
            left = [name for name in left if name != won[-1]]
    return won
