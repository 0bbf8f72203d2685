"""A plain reading of what an account is made of: every single unit apart, with what became of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

GRACE = 14 * 86_400
"""How much longer a lot lives that was over when some of it came back, in seconds."""
THERE, OVER, USED, SPENT, LOST = "there", "over", "used", "spent ", "lost "


@dataclass(slots=True)
class Lot:
    """Units that were earned together: what became of each (there, over, used, or spent or lost with a spend)."""

    name: str
    ends: int | None
    units: list[str]

    def those(self, was: str) -> Sequence[int]:
        """Which of them are so."""
        return [number for number, unit in enumerate(self.units) if unit == was]

    def turn(self, was: str, into: str, most: int | None = None) -> int:
        """Let units that are so become something else, at most so many; how many did."""
        found = self.those(was)[:most]
        for number in found:
            self.units[number] = into
        return len(found)

    def left(self) -> int:
        """What is there."""
        return len(self.those(THERE))


@dataclass(slots=True)
class Pocket:
    """One currency of one learner, and how many units are owed."""

    lots: list[Lot] = field(default_factory=list)
    owed: int = 0
    drawn: dict[str, list[Lot]] = field(default_factory=dict)
    by_hand: dict[str, int] = field(default_factory=dict)

    def has(self, now: int = 0) -> int:
        """What is there, and not over by now, less what is owed."""
        return sum(lot.left() for lot in self.lots if lot.ends is None or lot.ends > now) - self.owed

    def seen(self) -> list[tuple[int, int | None]]:
        """(what is left, when it is over) of each lot with anything left, the first to be used first."""
        return [(lot.left(), lot.ends) for lot in self._soonest() if lot.left()]

    def earn(self, name: str, amount: int, ends: int | None) -> None:
        """Units come; what is owed is repaid."""
        self.lots.append(Lot(name, ends, [THERE] * amount))
        self._repay(self.lots[-1])

    def let_go(self, now: int) -> None:
        """What is over by now goes."""
        for lot in self.lots:
            if lot.ends is not None and lot.ends <= now:
                lot.turn(THERE, OVER)

    def spend(self, name: str, amount: int) -> bool:
        """Units go, unless there are fewer."""
        if amount > self.has():
            return False
        self.drawn[name] = list(self._soonest())
        self._draw(amount, SPENT + name)
        return True

    def refund(self, name: str, now: int) -> None:
        """What went comes back into its lots, last used first; what nobody owed for it does not."""
        for lot in reversed(self.drawn.pop(name)):
            if lot.those(SPENT + name):
                if lot.ends is not None and lot.ends <= now:
                    lot.ends = now + GRACE
                lot.turn(SPENT + name, THERE)
                self._repay(lot)
            lot.turn(LOST + name, USED)

    def take(self, name: str, amount: int, *, owe: bool) -> None:
        """Units are taken by hand; what is not there is owed, or nobody's to pay."""
        self.by_hand[name] = amount if owe else min(amount, sum(lot.left() for lot in self.lots))
        self._owe(amount, owe=owe)

    def give_back(self, taken: str, name: str, ends: int | None) -> None:
        """What was taken by hand is given back: as much as somebody paid."""
        self.earn(name, self.by_hand.pop(taken), ends)

    def undo(self, name: str, *, owe: bool) -> None:
        """What was earned is taken back: what is left of it, nothing of what is over, the rest as far as it is owed."""
        lot = next(lot for lot in self.lots if lot.name == name)
        missing = len(lot.units) - len(lot.those(OVER)) - lot.turn(THERE, USED)
        self._owe(missing if owe else 0, owe=True)
        for number, unit in enumerate(lot.units):
            if unit.startswith(SPENT) and not owe:
                lot.units[number] = LOST + unit.removeprefix(SPENT)

    def _owe(self, amount: int, *, owe: bool) -> None:
        missing = amount - self._draw(amount, USED)
        self.owed += missing if owe else 0

    def _repay(self, lot: Lot) -> None:
        self.owed -= lot.turn(THERE, USED, self.owed)

    def _draw(self, amount: int, into: str) -> int:
        """So many units become something else, those that are over first before the rest; how many there were."""
        drawn = 0
        for lot in self._soonest():
            drawn += lot.turn(THERE, into, amount - drawn)
        return drawn

    def _soonest(self) -> Iterator[Lot]:
        yield from sorted(self.lots, key=lambda lot: (lot.ends is None, lot.ends or 0))
