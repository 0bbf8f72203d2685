"""What learners' wallets must hold, folded anew from the lines of the catalogue's ledger; shares no code with it.

A credit is a purse of its own, which may be over one day. Who spends takes from what is over first; what was spent and
comes back goes where it came from; what is taken back and was spent is owed, or forgiven where the campus says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

EARNED = ("award", "reversal", "adjustment")
GRACE_S = 14 * 86_400
"""How much longer lives what was over when it came back, as the manual says."""


class Line(NamedTuple):
    """One movement as the catalogue keeps it; times in seconds UTC, ``posted_at`` by the catalogue's own clock."""

    learner: str
    kind: str
    amount: int
    ref: str
    about: str
    at: int
    posted_at: int
    ends: int | None
    owe: int


@dataclass(slots=True)
class Part:
    """One credit: what is ``left`` of it; ``ends`` is when it is over, ``gone`` what was let go of then.

    ``forgiven`` was spent of it, taken back, and is not owed: it is not given twice where the spend comes back.
    """

    left: int
    ends: int | None
    gone: int = 0
    forgiven: int = 0


@dataclass(slots=True)
class Purse:
    """What one learner has. ``spent`` are the spends by name, each with the credits that it took from."""

    parts: dict[str, Part] = field(default_factory=dict)
    spent: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    debt: int = 0

    @property
    def holds(self) -> int:
        """What there is, less what is owed."""
        return sum(part.left for part in self.parts.values()) - self.debt

    def move(self, line: Line) -> Iterator[str]:
        """Fold one line; tells what of it cannot be."""
        if line.kind == "spend":
            yield from self._spend(line)
        elif line.kind == "refund":
            yield from self._refund(line)
        elif line.kind == "expiry":
            yield from self._expire(line)
        elif line.kind not in EARNED:
            yield f"is a {line.kind}"
        elif line.amount > 0:
            self.parts[line.ref] = Part(0, line.ends)
            self._give(line.ref, line.amount)
        else:
            self._take_back(line)

    def _spend(self, line: Line) -> Iterator[str]:
        over = [ref for ref, part in self.parts.items() if part.left and _is_over(part, line.at)]
        if over:
            yield f"was spent at {line.at}, when {over} were over and there still"
        if line.ref in self.spent:
            yield f"{line.ref} was spent twice"
        if -line.amount > self.holds:
            yield f"{line.ref} spent {-line.amount}, there were {self.holds}"
        self.spent[line.ref] = self._take(-line.amount)

    def _refund(self, line: Line) -> Iterator[str]:
        wanted, taken = line.amount, self.spent.get(line.about, [])
        while wanted and taken:
            ref, amount = taken.pop()
            back = min(amount, wanted)
            wanted -= back
            if amount > back:
                taken.append((ref, amount - back))
            part = self.parts[ref]
            if _is_over(part, line.at):
                part.ends = line.at + GRACE_S
            less = min(part.forgiven, back)
            part.forgiven -= less
            self._give(ref, back - less)
        if wanted:
            yield f"{line.ref} gave {wanted} more back than {line.about} had spent"

    def _expire(self, line: Line) -> Iterator[str]:
        part = self.parts.get(line.about)
        if part is None or not _is_over(part, line.posted_at) or part.ends != line.at:
            yield f"{line.ref} was let go of at {line.posted_at}, dated {line.at}; it is {part}"
        elif part.left != -line.amount:
            yield f"{line.ref} let {-line.amount} go, there were {part.left}"
        if part is not None:
            part.left += line.amount
            part.gone -= line.amount

    def _take_back(self, line: Line) -> None:
        """From the credit itself, where that is here; what was let go of is nobody's to pay."""
        missing, part = -line.amount, self.parts.get(line.about)
        if part is not None:
            found = min(part.left, missing)
            part.left -= found
            missing -= found
            missing -= min(part.gone, missing)
            if not line.owe:
                part.forgiven += missing
                return
        taken = sum(amount for _, amount in self._take(missing))
        if line.owe:
            self.debt += missing - taken

    def _give(self, ref: str, amount: int) -> None:
        repaid = min(self.debt, amount)
        self.debt -= repaid
        self.parts[ref].left += amount - repaid

    def _take(self, amount: int) -> list[tuple[str, int]]:
        """Take at most so much, of what is over first; from which credits how much."""
        taken = []
        held = [(ref, part) for ref, part in self.parts.items() if part.left]
        for ref, part in sorted(held, key=lambda one: (one[1].ends is None, one[1].ends or 0)):
            found = min(part.left, amount)
            if found:
                part.left -= found
                amount -= found
                taken.append((ref, found))
        return taken


def _is_over(part: Part, at: int) -> bool:
    return part.ends is not None and part.ends <= at


def folded(lines: Iterable[Line]) -> tuple[dict[str, Purse], list[str]]:
    """(every learner's purse, what of the lines cannot be)."""
    purses: dict[str, Purse] = {}
    found = []
    for line in lines:
        purse = purses.setdefault(line.learner, Purse())
        found += [f"wallet {line.learner}: {said}" for said in purse.move(line)]
    return purses, found
