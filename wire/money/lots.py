"""Lots: what one account is made of, which part of it expires when, and what is owed. Exact, pure, for both ends.

Every credit opens a lot with an expiry of its own. What leaves takes the lots that expire first; a refund goes back
into the lots its spend came from. Amounts are whole smallest units, times seconds UTC. An account folds what happened
in order; folding it again from the first movement gives the same account.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Self

GRACE_S = 14 * 86_400
"""How much longer a lot lives, in seconds, that was over when what was spent of it came back."""


class Movement(NamedTuple):
    """One movement of one account as it is kept: signed ``amount``, ``at`` seconds UTC.

    ``kind`` is award, reversal or adjustment (of an agent's chain), spend, expiry or refund (the other book). ``ref``
    is its name, ``about`` the name of the lot or the spend it concerns. ``owe`` tells of what is taken back whose loss
    it is where it is not there any more. ``waived`` is by how much a movement that is booked changed what nobody owes;
    None where that is still to be worked out.
    """

    kind: str
    amount: int
    ref: str
    about: str
    at: int
    expires_at: int | None
    owe: bool
    waived: int | None = None


class OverspentError(ValueError):
    """A spend of more than there is: nobody gets below zero by spending."""


class Lot:
    """One credit: ``left`` of its ``amount``. ``expires_at`` None is never.

    ``waived`` is what was spent of it, was taken back and is not owed: a refund of that spend gives nothing of it.
    ``reversed`` is how much of its amount was taken back.
    """

    __slots__ = ("amount", "expired", "expires_at", "left", "order", "ref", "reversed", "waived")

    def __init__(self, ref: str, amount: int, expires_at: int | None, order: int) -> None:
        self.ref = ref
        self.amount = amount
        self.expires_at = expires_at
        self.order = order
        self.left = self.expired = self.waived = self.reversed = 0


class Taken(NamedTuple):
    """What was taken by hand, how much of it nobody paid, and how much was given back since."""

    amount: int
    waived: int
    given_back: int = 0


class Account:
    """One currency of one person. ``debt`` is what was taken back beyond what was there; the next credits repay it.

    While there is a debt there is nothing left in any lot. ``waived`` in all is what was taken back and nobody owes,
    because it had expired or was forgiven: `balance` is the sum of all movements plus that.
    """

    def __init__(self) -> None:
        self.debt = 0
        self._waived = 0
        self._lots: dict[str, Lot] = {}
        self._spends: dict[str, list[tuple[str, int]]] = {}
        self._taken: dict[str, Taken] = {}

    def dump(self) -> list[Any]:
        """All that was folded, for JSON: `load` goes on from there as if it had folded it itself."""
        lots = [
            [one.ref, one.amount, one.expires_at, one.left, one.expired, one.waived, one.reversed]
            for one in self._lots.values()
        ]
        spends = [[ref, parts] for ref, parts in self._spends.items() if parts]
        return [self.debt, self._waived, lots, spends, [[ref, *taken] for ref, taken in self._taken.items()]]

    @classmethod
    def load(cls, dumped: list[Any]) -> Self:
        """What `dump` gave; an older one does not know what was taken back already."""
        account = cls()
        account.debt, account._waived, lots, spends, *taken = dumped
        for ref, amount, expires_at, left, expired, waived, *more in lots:
            lot = account._lots[ref] = Lot(ref, amount, expires_at, order=len(account._lots))
            lot.left, lot.expired, lot.waived = left, expired, waived
            lot.reversed = more[0] if more else 0
        account._spends = {ref: [(name, part) for name, part in parts] for ref, parts in spends}
        account._taken = {ref: Taken(*one) for ref, *one in (taken[0] if taken else ())}
        return account

    @property
    def lots(self) -> tuple[Lot, ...]:
        """The lots with anything left, the first to be used first."""
        return tuple(self._in_order())

    @property
    def available(self) -> int:
        """What can be spent."""
        return sum(lot.left for lot in self._lots.values())

    @property
    def balance(self) -> int:
        """What there is less what is owed."""
        return self.available - self.debt

    @property
    def waived(self) -> int:
        """What was taken back and nobody owes."""
        return self._waived

    def move(self, movement: Movement) -> int:
        """Fold one movement; by how much `waived` grew (or shrank).

        Raises:
            OverspentError: it spends or refunds more than there is.
        """
        before = self._waived
        kind, amount, ref, about, at, expires_at, owe, waived = movement
        match kind:
            case "expiry":
                self.expire(about, -amount)
            case "spend":
                self.spend(ref, -amount)
            case "refund":
                self.refund(about, amount, at=at, waived=waived)
            case "reversal" if amount > 0:
                self.credit(ref, amount - self._unpaid(about, amount, waived), expires_at)
            case _ if amount > 0:
                self.credit(ref, amount, expires_at)
            case "reversal":
                self.reverse(about, -amount, owe=owe)
            case _:
                self.take(-amount, owe=owe)
                self._taken[ref] = Taken(-amount, self._waived - before)
        return self._waived - before

    def answerable(self, ref: str) -> int | None:
        """How much of a credit, or of what was taken by hand, was not taken back yet; None of what is not known."""
        if (lot := self._lots.get(ref)) is not None:
            return lot.amount - lot.reversed
        if (taken := self._taken.get(ref)) is not None:
            return taken.amount - taken.given_back
        return None

    def credit(self, ref: str, amount: int, expires_at: int | None) -> None:
        """Open a lot; what is owed is repaid from it first."""
        lot = Lot(ref, amount, expires_at, order=len(self._lots))
        self._lots[ref] = lot
        self._give(lot, amount)

    def take(self, amount: int, *, owe: bool = True) -> None:
        """Take back by hand; what is not there is owed, or nobody's to pay."""
        missing = amount - sum(part for _, part in self._draw(amount))
        if owe:
            self.debt += missing
        else:
            self._waived += missing

    def reverse(self, ref: str, amount: int, *, owe: bool) -> None:
        """Take a credit back: what is left of its lot, and what was spent of it where that is owed.

        What had expired is gone already. One that this account never saw is taken like `take`.
        """
        lot = self._lots.get(ref)
        if lot is None:
            self.take(amount, owe=owe)
            return
        lot.reversed += amount
        found = min(lot.left, amount)
        lot.left -= found
        gone = min(lot.expired, amount - found)
        missing = amount - found - gone
        self._waived += gone
        if owe:
            self.take(missing)
        else:
            self._waive(lot, missing)

    def spend(self, ref: str, amount: int) -> None:
        """Use the lots that expire first.

        Raises:
            OverspentError: there is less than that.
        """
        if amount > self.available:
            raise OverspentError(f"{amount} of {self.available}")
        self._spends[ref] = self._draw(amount)

    def refund(self, ref: str, amount: int, *, at: int, waived: int | None = None) -> None:
        """Give back of a spend, last used first; a lot that is over ``at`` then lives `GRACE_S` more.

        One that is booked gave back no more than it was booked with: ``waived`` is what was less, a number below zero.

        Raises:
            OverspentError: more than was spent and not refunded yet.
        """
        given = self._undrawn(ref, amount)
        forgiven = [min(max(lot.waived, 0), back) for lot, back in given]  # what nobody owed is not given twice
        beyond = 0 if waived is None else max(-waived - sum(forgiven), 0)
        for (lot, back), usual in zip(given, forgiven, strict=True):
            less = usual + min(beyond, back - usual)
            beyond -= less - usual
            self._waive(lot, -less)
            if lot.expires_at is not None and lot.expires_at <= at:
                lot.expires_at = at + GRACE_S
            self._give(lot, back - less)

    def _undrawn(self, ref: str, amount: int) -> list[tuple[Lot, int]]:
        """Take so much off a spend, last used first: of which lots how much."""
        parts = self._spends.get(ref, [])
        if amount > sum(part for _, part in parts):
            raise OverspentError(f"refund of {amount}, more than {ref} spent")
        found = []
        while amount:
            name, part = parts.pop()
            back = min(part, amount)
            amount -= back
            if part > back:
                parts.append((name, part - back))
            found.append((self._lots[name], back))
        return found

    def expire(self, ref: str, amount: int) -> None:
        """Let what is left of a lot go, at most ``amount``."""
        lot = self._lots.get(ref)
        if lot is not None:
            gone = min(lot.left, amount)
            lot.left -= gone
            lot.expired += gone

    def due(self, now: int) -> Iterator[Lot]:
        """The lots whose time is over and that still hold something."""
        return (lot for lot in self._in_order() if lot.expires_at is not None and lot.expires_at <= now)

    def _unpaid(self, ref: str, amount: int, waived: int | None) -> int:
        """How much less than ``amount`` is given back of what was taken by hand, because nobody had paid it.

        One that is booked was less by -``waived``.
        """
        taken = self._taken.get(ref, Taken(amount, 0))
        less = min(taken.waived, amount) if waived is None else -waived
        self._taken[ref] = Taken(taken.amount, taken.waived - less, taken.given_back + amount)
        self._waived -= less
        return less

    def _waive(self, lot: Lot, amount: int) -> None:
        lot.waived += amount
        self._waived += amount

    def _give(self, lot: Lot, amount: int) -> None:
        repaid = min(self.debt, amount)
        self.debt -= repaid
        lot.left += amount - repaid

    def _draw(self, amount: int) -> list[tuple[str, int]]:
        """Take up to ``amount``, the first to expire first; which lots it came from."""
        parts: list[tuple[str, int]] = []
        for lot in self._in_order():
            if not amount:
                break
            part = min(lot.left, amount)
            lot.left -= part
            amount -= part
            parts.append((lot.ref, part))
        return parts

    def _in_order(self) -> list[Lot]:
        held = [lot for lot in self._lots.values() if lot.left]
        return sorted(held, key=lambda lot: (lot.expires_at is None, lot.expires_at or 0, lot.order))
