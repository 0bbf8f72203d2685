"""Rows that go into the books in bulk, and what a wallet's row says."""

from __future__ import annotations

from typing import NamedTuple

WalletKey = tuple[str, str]
"""(learner, currency)."""


class BatchPlace(NamedTuple):
    """What all entries of one batch have in common; ``posted_at`` is the centre's date of it, seconds UTC."""

    campus: str
    agent: str
    epoch: int
    posted_at: int


class BatchRow(NamedTuple):
    """A batch as it is kept, without its entries; `catalogue.schema.batch` says what each is."""

    campus: str
    agent: str
    epoch: int
    first_seq: int
    last_seq: int
    digest: bytes
    header: bytes
    previous: bytes
    head: bytes
    receipt: bytes
    signature: str
    received_at: int


class EntryRow(NamedTuple):
    """One entry's stored bytes; ``rejected`` is why it moved no wallet, or None."""

    seq: int
    body: bytes
    rejected: str | None


class MovementRow(NamedTuple):
    """One line of the central ledger; `catalogue.schema.movement` says what each is."""

    no: int
    posted_at: int
    learner: str
    currency: str
    kind: str
    amount: int
    waived: int
    ref: str
    about: str
    occurred_at: int
    expires_at: int | None
    owe: bool
    rule: str
    source: str
    prev_no: int
    prev_at: int


class WalletState(NamedTuple):
    """Where a wallet stands; `catalogue.schema.wallet` says what each is."""

    balance: int = 0
    earned: int = 0
    last_no: int = 0
    due_at: int | None = None
    last_at: int = 0


class WalletRow(NamedTuple):
    """Where a wallet is to stand."""

    learner: str
    currency: str
    state: WalletState
