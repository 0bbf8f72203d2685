"""What is wrong with an entry, and what the good ones move. Pure: a batch and wallets in, rows and moves out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from catalogue.funding import issue
from catalogue.funding.issue import Room
from catalogue.store.rows import EntryRow, WalletKey, WalletState
from catalogue.wallets.moves import Move, as_movement
from wire import entry
from wire.batch import Batch
from wire.money import terms
from wire.money.lots import Account
from wire.money.terms import Terms
from wire.receipt import REASON_CHARS_MAX, Rejected

ENTRY_BYTES_MAX = 64 * 2**10
"""Longest entry that can move a wallet, in bytes; a longer one is kept and set aside."""
BALANCE_MAX = 10**18
"""No wallet goes beyond this in either direction; nine times more would still fit the column."""

TAKES_BACK = "it takes back an entry that is set aside"
"""Why a reversal of what moved nothing moves nothing."""

_KINDS = frozenset(("award", "reversal", "adjustment"))
_ENTRY_ID = re.compile(r"([1-9][0-9]{0,18})-([1-9][0-9]{0,18})")
_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,100}")


Numbered = tuple[int, Move]
"""A good entry's seq, and what it does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sifted:
    """A batch's entries told apart: moves in order, by seq why the others move nothing, and the batch's terms."""

    moves: tuple[Numbered, ...]
    rejected: Mapping[int, str]
    terms: Terms

    def wallets(self) -> set[WalletKey]:
        """Every wallet that would move."""
        return {move.key for _, move in self.moves}

    def taken_back(self) -> set[str]:
        """The names of the entries that are taken back."""
        return {move.about for _, move in self.moves if _takes_back(move)}

    def reversed(self) -> set[WalletKey]:
        """Those whose lots must be known, because part of what is taken back may be nobody's to pay."""
        return {move.key for _, move in self.moves if _takes_back(move)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """What goes into the books: every entry's row, the moves of the good ones, and the rejected ones."""

    rows: list[EntryRow]
    moves: list[Move]
    rejected: tuple[Rejected, ...]

    def given(self) -> Counter[str]:
        """What was given, by currency."""
        given: Counter[str] = Counter()
        for move in self.moves:
            given[move.currency] += max(move.amount, 0)
        return given


def sift(batch: Batch) -> Sifted:
    """Look into each entry.

    Raises:
        MalformedError: the batch's terms cannot be read.
    """
    moves: list[Numbered] = []
    rejected: dict[int, str] = {}
    said = terms.parse(batch.header.extra.get(terms.FIELD))
    writer = Author(agent=batch.header.agent, epoch=batch.header.epoch, terms=said)
    for seq, body in enumerate(batch.entries, start=batch.header.first_seq):
        judged = judge(body, writer, seq=seq)
        if isinstance(judged, Move):
            moves.append((seq, judged))
        else:
            rejected[seq] = judged
    return Sifted(moves=tuple(moves), rejected=rejected, terms=said)


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who wrote an entry, in which epoch it came, and the terms that came with it."""

    agent: str
    epoch: int
    terms: Terms


def judge(body: bytes, author: Author, *, seq: int) -> Move | str:
    """What one entry does that stands at ``seq``, or why it does nothing."""
    if len(body) > ENTRY_BYTES_MAX:
        return f"{len(body)} bytes are more than an entry may have ({ENTRY_BYTES_MAX})"
    try:
        fields = entry.decode(body)
    except (entry.MalformedEntryError, TypeError, ValueError, RecursionError) as exc:
        return str(exc)[:REASON_CHARS_MAX] or "unreadable"
    return _fault(fields, epoch=author.epoch, seq=seq) or _move(fields, author)


def _move(fields: Mapping[str, Any], author: Author) -> Move:
    currency, amount, seq, at = fields["currency"], fields["amount"], fields["seq"], fields["occurred_at"]
    return Move(
        fields["learner"],
        currency,
        fields["kind"],
        amount,
        f"{author.agent}/{fields['entry_id']}",
        at,
        f"{author.agent}/{fields['reverses']}" if fields["reverses"] else "",
        author.terms.ends_at(currency, seq, at) if amount > 0 else None,
        author.terms.under(currency, seq).overdraw == "owe",
        fields["rule"],
        fields["source"],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of a batch's campus, held until it is booked: wallets, and the lots of `Sifted.reversed`.

    ``accounts`` without lots are left out. ``rooms`` is what may still be issued today, by currency, ``aside`` which of
    `Sifted.taken_back` move nothing here.
    """

    held: Mapping[WalletKey, WalletState]
    accounts: Mapping[WalletKey, Account] = field(default_factory=dict)
    rooms: Mapping[str, Room] = field(default_factory=dict)
    aside: Collection[str] = ()


def post(batch: Batch, sifted: Sifted, known: Known) -> Posting:
    """Book the moves onto the wallets that are held, setting aside what would burst one or is more than may be issued.

    The lots of ``known`` fold what is booked.
    """
    running = {key: state.balance for key, state in known.held.items()}
    folding = {key: known.accounts.get(key) or Account() for key in sifted.reversed()}
    gate = _Gate(known) if known.rooms or folding else None
    rejected = dict(sifted.rejected)
    moves: list[Move] = []
    for seq, move in sifted.moves:
        key = move.key
        after = running[key] + move.amount
        why = f"the wallet would go beyond {BALANCE_MAX}" if abs(after) > BALANCE_MAX else ""
        if gate is not None:
            why = gate.stops(move, why)
        if why:
            rejected[seq] = why
            continue
        account = folding.get(key)
        if account is not None:
            move = move._replace(waived=account.move(as_movement(move)))  # noqa: PLW2901 - the same, known better
        running[key] = after + move.waived
        moves.append(move)
    numbered = enumerate(batch.entries, start=batch.header.first_seq)
    return Posting(
        rows=[EntryRow(seq, body, rejected.get(seq)) for seq, body in numbered],
        moves=moves,
        rejected=tuple(Rejected(seq=seq, reason=reason) for seq, reason in sorted(rejected.items())),
    )


class _Gate:
    """What may be issued today as a batch uses it up, and what was set aside so far."""

    def __init__(self, known: Known) -> None:
        self._aside = set(known.aside)
        self._rooms = known.rooms
        self._left = {currency: room.left for currency, room in known.rooms.items()}

    def stops(self, move: Move, why: str) -> str:
        """Why a move must wait for somebody, ``why`` at first, or nothing; then its amount is used up."""
        left = self._left.get(move.currency)
        if not why and move.about in self._aside and _takes_back(move):
            why = TAKES_BACK
        elif not why and left is not None and move.amount > max(left, 0):
            why = issue.refusal(self._rooms[move.currency], move.currency)
        if why:
            self._aside.add(move.ref)
        elif left is not None and move.amount > 0:
            self._left[move.currency] = left - move.amount
        return why


def _takes_back(move: Move) -> bool:
    return move.kind == "reversal" and move.amount < 0


def _fault(fields: Mapping[str, Any], *, epoch: int, seq: int) -> str:
    """Why an entry that can be read must not be posted, or nothing."""
    return _misplaced(fields, epoch=epoch, seq=seq) or _meaningless(fields)


def _misplaced(fields: Mapping[str, Any], *, epoch: int, seq: int) -> str:
    if fields["v"] != entry.FORMAT:
        return f"format version {fields['v']} is not known here"
    if fields["seq"] != seq:
        return f"it says seq {fields['seq']} and stands at {seq}"
    named = _ENTRY_ID.fullmatch(fields["entry_id"])
    if named is None or int(named[2]) != seq or int(named[1]) > epoch:
        return "its entry_id is not <epoch>-<seq> of where it stands"
    return ""


def _meaningless(fields: Mapping[str, Any]) -> str:
    if fields["kind"] not in _KINDS:
        return "its kind is not known here"
    if fields["kind"] == "reversal" and not fields["reverses"]:
        return "a reversal that names no entry"
    if not _NAME.fullmatch(fields["learner"]) or not _NAME.fullmatch(fields["currency"]):
        return "learner and currency must have 1 to 100 characters and no control characters"
    return ""
