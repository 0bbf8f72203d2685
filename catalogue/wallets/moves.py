"""Movements before they have a number, and what they make of wallets. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from catalogue.store.rows import MovementRow, WalletKey, WalletRow, WalletState
from wire.money.lots import Account, Movement

EARNED = frozenset(("award", "reversal", "adjustment"))
"""The kinds that agents write; the others are the centre's."""

_BALANCE, _EARNED, _LAST_NO, _DUE_AT, _LAST_AT = range(len(WalletState._fields))
_row_of = MovementRow._make


def author(ref: str) -> str:
    """The agent that wrote the entry of this name."""
    return ref.partition("/")[0]


class Move(NamedTuple):
    """One movement as it is to be posted; `catalogue.schema.movement` says what each is."""

    learner: str
    currency: str
    kind: str
    amount: int
    ref: str
    occurred_at: int
    about: str = ""
    expires_at: int | None = None
    owe: bool = True
    rule: str = ""
    source: str = ""
    waived: int = 0

    @property
    def key(self) -> WalletKey:
        """Whose wallet."""
        return self.learner, self.currency


def as_movement(move: Move | MovementRow) -> Movement:
    """What an account folds: a line of the ledger as it was booked, a move as it would be."""
    waived = move.waived if isinstance(move, MovementRow) else None
    return Movement(move.kind, move.amount, move.ref, move.about, move.occurred_at, move.expires_at, move.owe, waived)


def folded(rows: Iterable[MovementRow], carried: Mapping[WalletKey, Account]) -> dict[WalletKey, Account]:
    """Accounts by wallet, from movements in order and what was carried over from before them."""
    accounts = dict(carried)
    for row in rows:
        account = accounts.get((row.learner, row.currency))
        if account is None:
            account = accounts[row.learner, row.currency] = Account()
        account.move(as_movement(row))
    return accounts


def expiries(key: WalletKey, account: Account, now: int) -> list[Move]:
    """What lets go of every lot that is over ``now``; the account has let go of it.

    A lot that came back lives on and may be over again, so its end is part of the name.
    """
    gone = []
    for lot in list(account.due(now)):
        at = lot.expires_at or 0
        ref = f"expiry:{lot.ref}:{at}"
        gone.append(Move(*key, "expiry", -lot.left, ref, at, about=lot.ref))
        account.expire(lot.ref, lot.left)
    return gone


def next_due(account: Account) -> int | None:
    """When the first of an account's lots is over."""
    return min((lot.expires_at for lot in account.lots if lot.expires_at is not None), default=None)


def number(
    moves: Sequence[Move], held: Mapping[WalletKey, WalletState], *, first_no: int, posted_at: int
) -> tuple[list[MovementRow], dict[WalletKey, WalletState]]:
    """The lines of the ledger from ``first_no`` on, each with its wallet's one before, and where wallets then stand.

    Numbers below zero count back from the newest that is to be (`catalogue.store.numbers`).
    """
    rows: list[MovementRow] = []
    standing: dict[WalletKey, list[Any]] = {}
    for no, move in enumerate(moves, start=first_no):
        learner, currency, kind, amount, ref, occurred_at, about, expires_at, owe, rule, source, waived = move
        at = standing.get((learner, currency))
        if at is None:
            at = standing[learner, currency] = list(held[learner, currency])
        said = (kind, amount, waived, ref, about, occurred_at, expires_at, owe, rule, source)
        rows.append(_row_of((no, posted_at, learner, currency, *said, at[_LAST_NO], at[_LAST_AT])))
        # As `after` has it, in place: a batch has a thousand of these.
        at[_BALANCE] += amount + waived
        at[_EARNED] += amount if kind in EARNED else 0
        at[_LAST_NO] = no
        at[_LAST_AT] = posted_at
        if expires_at is not None and amount > 0 and (at[_DUE_AT] is None or expires_at < at[_DUE_AT]):
            at[_DUE_AT] = expires_at
    return rows, {key: WalletState(*at) for key, at in standing.items()}


def after(before: WalletState, move: Move | MovementRow, no: int, posted_at: int) -> WalletState:
    """Where a wallet stands after one more movement. Only a credit can bring the day nearer on which a lot is over."""
    due_at = before.due_at
    if move.expires_at is not None and move.amount > 0 and (due_at is None or move.expires_at < due_at):
        due_at = move.expires_at
    return WalletState(
        balance=before.balance + move.amount + move.waived,
        earned=before.earned + move.amount if move.kind in EARNED else before.earned,
        last_no=no,
        due_at=due_at,
        last_at=posted_at,
    )


def as_rows(states: Mapping[WalletKey, WalletState]) -> list[WalletRow]:
    """Where wallets are to stand."""
    return [WalletRow(*key, state) for key, state in sorted(states.items())]
