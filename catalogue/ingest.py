"""What is wrong with an entry, and what the good ones move. Pure: a batch and wallets in, rows and moves out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import repeat

from catalogue.funding import issue
from catalogue.funding.issue import Room
from catalogue.store.rows import EntryRow, WalletKey, WalletState
from catalogue.wallets.moves import Move, as_movement
from wire import canonical, entry
from wire.batch import Batch
from wire.money import terms
from wire.money.lots import Account
from wire.money.terms import Change, Terms
from wire.receipt import REASON_CHARS_MAX, Rejected

ENTRY_BYTES_MAX = 64 * 2**10
"""Longest entry that can move a wallet, in bytes; a longer one is kept and set aside."""
BALANCE_MAX = 10**18
"""No wallet goes beyond this in either direction, in what is there or in what was earned; nine times more would fit."""

TAKES_BACK = "it takes back an entry that is set aside"
"""Why a reversal of what moved nothing moves nothing."""
TAKEN_BACK = "what it takes back was taken back already"
"""Why a second reversal moves nothing."""

_KINDS = frozenset(("award", "reversal", "adjustment"))
_ENTRY_ID = re.compile(r"([1-9][0-9]{0,18})-([1-9][0-9]{0,18})")
_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,100}")
# A named tuple's own constructor costs three times as much as this, and each entry makes two of them.
_move_of = tuple.__new__
_row_of = EntryRow._make


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
        return {move[:2] for _, move in self.moves}

    def taken_back(self) -> set[str]:
        """The names of the entries that are taken back."""
        return {move.about for _, move in self.moves if _takes_back(move)}

    def aside(self) -> set[str]:
        """Those of `taken_back` that move nothing here: they stand in the same batch."""
        seqs = {str(seq) for seq in self.rejected}
        return {ref for ref in self.taken_back() if ref.rpartition("-")[2] in seqs} if seqs else set()

    def reversed(self) -> set[WalletKey]:
        """Those whose lots must be known: some of it may be nobody's to pay, or taken back already."""
        return {move.key for _, move in self.moves if may_waive(move)}


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
    judge = Judge(Author(agent=batch.header.agent, epoch=batch.header.epoch, terms=said))
    for seq, body in enumerate(batch.entries, start=batch.header.first_seq):
        judged = judge(body, seq=seq)
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


class Judge:
    """Judges one author's entries. Names that were sound once, and terms that never change, are known."""

    __slots__ = ("_author", "_begins", "_sound", "_steady")

    def __init__(self, author: Author) -> None:
        self._author = author
        self._begins = f"{author.epoch}-"
        self._sound: set[tuple[str, str, str, str]] = set()
        self._steady: dict[str, Change] = {}

    def __call__(self, body: bytes, *, seq: int) -> Move | str:
        """What an entry does that stands at ``seq``, or why it does nothing. A batch has a thousand of these."""
        if len(body) > ENTRY_BYTES_MAX:
            return f"{len(body)} bytes are more than an entry may have ({ENTRY_BYTES_MAX})"
        try:
            said = entry.required(body)
        except (entry.MalformedEntryError, TypeError, ValueError, RecursionError) as exc:
            return str(exc)[:REASON_CHARS_MAX] or "unreadable"
        entry_id, kind, learner, currency, rule, _, source, _, _, reverses, version, own_seq, amount, at, _ = said
        why = ""
        if version != entry.FORMAT or own_seq != seq or entry_id != f"{self._begins}{seq}":
            why = self._misplaced(version, own_seq, entry_id, seq)
        if not why and (kind != "award" or at > canonical.WHOLE_MAX or at < -canonical.WHOLE_MAX):
            why = _meaningless(kind, reverses, at)
        names = (learner, currency, rule, source)
        if not why and names not in self._sound:
            why = _unnameable(*names)
            if not why:
                self._sound.add(names)
        if why:
            return why
        agent = self._author.agent
        change = self._steady.get(currency) or self._under(currency, seq)
        return _move_of(
            Move,
            (
                learner,
                currency,
                kind,
                amount,
                f"{agent}/{entry_id}",
                at,
                f"{agent}/{reverses}" if reverses else "",
                self._author.terms.ends_at(change, seq, at) if amount > 0 else None,
                self._author.terms.is_owed(change, seq),
                rule,
                source,
                0,
            ),
        )

    def _misplaced(self, version: int, own_seq: int, entry_id: str, seq: int) -> str:
        """Why an entry that can be read must not stand where it does, or nothing."""
        if version != entry.FORMAT:
            return f"format version {version} is not known here"
        if own_seq != seq:
            return f"it says seq {own_seq} and stands at {seq}"
        named = _ENTRY_ID.fullmatch(entry_id)
        if named is None or int(named[2]) != seq or int(named[1]) > self._author.epoch:
            return "its entry_id is not <epoch>-<seq> of where it stands"
        return ""

    def _under(self, currency: str, seq: int) -> Change:
        """The terms that an entry of a currency was written under; kept where they hold for all of its entries."""
        change = self._author.terms.under(currency, seq)
        known = self._author.terms.currencies.get(currency)
        if known is None or len(known.changes) <= 1:
            self._steady[currency] = change
        return change


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of a batch's campus, held until it is booked: wallets, and the lots of `Sifted.reversed`.

    ``accounts`` without lots are left out. ``rooms`` is what may still be issued today, by currency, ``aside`` which of
    `Sifted.taken_back` were set aside before.
    """

    held: Mapping[WalletKey, WalletState]
    accounts: Mapping[WalletKey, Account] = field(default_factory=dict)
    rooms: Mapping[str, Room] = field(default_factory=dict)
    aside: Collection[str] = ()


def post(batch: Batch, sifted: Sifted, known: Known) -> Posting:
    """Book the moves onto the wallets that are held, setting aside what would burst one or is more than may be issued.

    The lots of ``known`` fold what is booked.
    """
    running = {key: state[:2] for key, state in known.held.items()}
    folding = {key: known.accounts.get(key) or Account() for key in sifted.reversed()}
    gate = _Gate(known, sifted.aside()) if known.rooms or folding else None
    rejected = dict(sifted.rejected)
    moves: list[Move] = []
    for seq, move in sifted.moves:
        key = move[:2]
        balance, earned = running[key]
        why = bursts(balance, earned, move.amount)
        if not why and key in folding and is_taken_back(folding[key], move):
            why = TAKEN_BACK
        if gate is not None:
            why = gate.stops(move, why)
        if why:
            rejected[seq] = why
            continue
        if key in folding:
            move = move._replace(waived=folding[key].move(as_movement(move)))  # noqa: PLW2901 - the same, known better
            balance += move.waived
        running[key] = balance + move.amount, earned + move.amount
        moves.append(move)
    seqs = range(batch.header.first_seq, batch.header.last_seq + 1)
    reasons = map(rejected.get, seqs) if rejected else repeat(None)
    return Posting(
        rows=[*map(_row_of, zip(seqs, batch.entries, reasons, strict=False))],
        moves=moves,
        rejected=tuple(Rejected(seq=seq, reason=reason) for seq, reason in sorted(rejected.items())),
    )


class _Gate:
    """What may be issued today as a batch uses it up, and what was set aside so far."""

    def __init__(self, known: Known, aside: Collection[str]) -> None:
        self._aside = {*known.aside, *aside}
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


def bursts(balance: int, earned: int, amount: int) -> str:
    """Why an entry of so much is too much for a wallet, or nothing. One that brings it nearer to nothing never is."""
    if abs(balance + amount) > BALANCE_MAX and abs(balance + amount) > abs(balance):
        return f"the wallet would go beyond {BALANCE_MAX}"
    if abs(earned + amount) > BALANCE_MAX and abs(earned + amount) > abs(earned):
        return f"what the wallet earned in all would go beyond {BALANCE_MAX}"
    return ""


def may_waive(move: Move) -> bool:
    """Whether some of a move may be nobody's to pay, or be paid already: a reversal, or by hand where none is owed."""
    return move.kind == "reversal" or (move.amount < 0 and not move.owe)


def is_taken_back(account: Account, move: Move) -> bool:
    """Whether a move takes back what was taken back from its account before."""
    left = account.answerable(move.about) if move.kind == "reversal" else None
    return left is not None and abs(move.amount) > left


def _meaningless(kind: str, reverses: str, at: int) -> str:
    """Why an entry cannot be posted wherever it stands and whatever it names, or nothing."""
    if kind not in _KINDS:
        return "its kind is not known here"
    if kind == "reversal" and not reverses:
        return "a reversal that names no entry"
    if not -canonical.WHOLE_MAX <= at <= canonical.WHOLE_MAX:
        return "its time is beyond what can be kept"
    return ""


def _unnameable(learner: str, currency: str, rule: str, source: str) -> str:
    """Why nothing can be kept under these names, or nothing."""
    if not (_NAME.fullmatch(learner) and _NAME.fullmatch(currency)):
        return "learner and currency must have 1 to 100 characters and no control characters"
    return "its rule or source holds the character NUL" if canonical.NUL in rule + source else ""


def _takes_back(move: Move) -> bool:
    return move.kind == "reversal" and move.amount < 0
