"""What is wrong with an entry, and what the good ones move. Pure: a batch and balances in, rows and moves out."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from catalogue.store.rows import EntryRow, WalletMove
from wire import entry
from wire.batch import Batch
from wire.receipt import REASON_CHARS_MAX, Rejected

ENTRY_BYTES_MAX = 64 * 2**10
"""Longest entry that can move a wallet, in bytes; a longer one is kept and set aside."""
BALANCE_MAX = 10**18
"""No wallet goes beyond this in either direction; nine times more would still fit the column."""

WalletKey = tuple[str, str]
"""(learner, currency)."""

_KINDS = frozenset(("award", "reversal", "adjustment"))
_ENTRY_ID = re.compile(r"([1-9][0-9]{0,18})-([1-9][0-9]{0,18})")
_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,100}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """What one good entry does: ``amount`` onto ``wallet``."""

    seq: int
    wallet: WalletKey
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sifted:
    """A batch's entries told apart: movements in order, and by seq why the others move nothing."""

    movements: tuple[Movement, ...]
    rejected: Mapping[int, str]

    def wallets(self) -> list[WalletKey]:
        """Every wallet that would move, each once, in key order."""
        return sorted({movement.wallet for movement in self.movements})


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """What goes into the books: every entry's row, the wallets' moves in key order, and the rejected ones."""

    rows: list[EntryRow]
    moves: list[WalletMove]
    rejected: tuple[Rejected, ...]


def sift(batch: Batch) -> Sifted:
    """Look into each entry."""
    movements: list[Movement] = []
    rejected: dict[int, str] = {}
    for seq, body in enumerate(batch.entries, start=batch.header.first_seq):
        judged = judge(body, epoch=batch.header.epoch, seq=seq)
        if isinstance(judged, Movement):
            movements.append(judged)
        else:
            rejected[seq] = judged
    return Sifted(movements=tuple(movements), rejected=rejected)


def judge(body: bytes, *, epoch: int, seq: int) -> Movement | str:
    """The movement of one entry that stands at ``seq``, or why it has none."""
    if len(body) > ENTRY_BYTES_MAX:
        return f"{len(body)} bytes are more than an entry may have ({ENTRY_BYTES_MAX})"
    try:
        fields = entry.decode(body)
    except (entry.MalformedEntryError, TypeError, ValueError, RecursionError) as exc:
        return str(exc)[:REASON_CHARS_MAX] or "unreadable"
    fault = _fault(fields, epoch=epoch, seq=seq)
    if fault:
        return fault
    return Movement(seq=seq, wallet=(fields["learner"], fields["currency"]), amount=fields["amount"])


def post(batch: Batch, sifted: Sifted, balances: Mapping[WalletKey, int]) -> Posting:
    """Book the movements on top of ``balances`` (absent wallets are empty), setting aside what would burst one."""
    running = defaultdict(int, balances)
    totals: dict[WalletKey, int] = defaultdict(int)
    rejected = dict(sifted.rejected)
    for movement in sifted.movements:
        after = running[movement.wallet] + movement.amount
        if abs(after) > BALANCE_MAX:
            rejected[movement.seq] = f"the wallet would go beyond {BALANCE_MAX}"
            continue
        running[movement.wallet] = after
        totals[movement.wallet] += movement.amount
    numbered = enumerate(batch.entries, start=batch.header.first_seq)
    return Posting(
        rows=[EntryRow(seq, body, rejected.get(seq)) for seq, body in numbered],
        moves=[WalletMove(*wallet, amount) for wallet, amount in sorted(totals.items())],
        rejected=tuple(Rejected(seq=seq, reason=reason) for seq, reason in sorted(rejected.items())),
    )


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
