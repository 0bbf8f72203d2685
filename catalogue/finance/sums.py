"""What a month comes to: opening + issued - spent - expired - reversed = closing. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One currency in one month, in smallest units. All sums are of the centre's own dates of posting.

    ``adjusted`` is what hands gave and took; ``reversed`` is what was taken back without what nobody owes; ``spent``
    is before refunds, and what of a refund expired meanwhile and is not given twice is not in ``refunded``.
    """

    opening: int = 0
    awarded: int = 0
    adjusted: int = 0
    spent: int = 0
    refunded: int = 0
    expired: int = 0
    reversed: int = 0

    @property
    def issued(self) -> int:
        """What agents gave."""
        return self.awarded + self.adjusted

    @property
    def closing(self) -> int:
        """What all wallets together hold at the end; what is owed counts against it."""
        return self.opening + self.issued - (self.spent - self.refunded) - self.expired - self.reversed

    def step(self, kind: str, moved: int) -> Line:
        """With what movements of one kind moved together: their amounts and what was waived of them."""
        match kind:
            case "award":
                return replace(self, awarded=self.awarded + moved)
            case "adjustment":
                return replace(self, adjusted=self.adjusted + moved)
            case "spend":
                return replace(self, spent=self.spent - moved)
            case "refund":
                return replace(self, refunded=self.refunded + moved)
            case "expiry":
                return replace(self, expired=self.expired - moved)
            case "reversal":
                return replace(self, reversed=self.reversed - moved)
            case _:
                raise ValueError(f"{kind} is no kind of movement")


Lines = Mapping[str, Line]
"""By currency."""
SUMS = tuple(field.name for field in fields(Line))


def fold(opening: Lines, moved: Iterable[tuple[str, str, int]]) -> dict[str, Line]:
    """The month that begins where ``opening`` ended, with (currency, kind, moved) of what was posted in it."""
    lines = {currency: Line(opening=line.closing) for currency, line in opening.items()}
    for currency, kind, amount in moved:
        lines[currency] = lines.get(currency, Line()).step(kind, amount)
    return dict(sorted(lines.items()))
