"""What is ordered of a partner, and what can come of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One voucher, please. ``redemption`` is the order's name at both ends, ``attempt`` counts from 1.

    ``token`` is the one-time token that the learner shows where the partner makes no code of its own.
    """

    campus: str
    redemption: str
    reward: str
    partner: str
    url: str
    cost: str
    token: str
    expires_at: int | None
    repeatable: bool
    attempt: int
    timeout_s: int


class Issued(NamedTuple):
    """The partner made a voucher; ``code`` may be empty: then our token is it."""

    code: str
    expires_at: int | None


class Declined(NamedTuple):
    """The partner says that it made none and will make none."""

    why: str


class NotSent(NamedTuple):
    """The order surely did not arrive; ``retry_after_s`` is what the partner asked for."""

    why: str
    retry_after_s: int | None = None


class Lost(NamedTuple):
    """The order may have arrived: nobody knows."""

    why: str


Outcome = Issued | Declined | NotSent | Lost


class Adapter(Protocol):
    """A way to a partner."""

    async def order(self, order: Order, *, now: int) -> Outcome:
        """Order one voucher. Never raises for anything that the partner or the network does."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
