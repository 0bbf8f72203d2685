"""Rows that go into the books in bulk."""

from __future__ import annotations

from typing import NamedTuple


class EntryRow(NamedTuple):
    """One entry's stored bytes; ``rejected`` is why it moved no wallet, or None."""

    seq: int
    body: bytes
    rejected: str | None


class WalletMove(NamedTuple):
    """``amount`` more (or less) on one learner's wallet."""

    learner: str
    currency: str
    amount: int
