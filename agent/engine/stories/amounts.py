"""What is expected beside what was given: amounts by account, and as `expect` is written. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from fractions import Fraction

from agent.config.grammar import Number, shown_number
from agent.engine.rulebook import BADGE
from agent.model import Decision, Outcome


def paid(decisions: Iterable[Decision], *, badges: bool) -> dict[str, int]:
    """What is left of all awards, per account that is not empty; badges only where they are spoken of."""
    found: defaultdict[str, int] = defaultdict(int)
    for decision in decisions:
        if decision.outcome in {Outcome.awarded, Outcome.reversed}:
            for posting in decision.postings:
                if badges or not posting.currency.startswith(BADGE):
                    found[posting.currency] += posting.amount
    return {name: amount for name, amount in found.items() if amount}


def wanted(expected: Mapping[str, Number | str], decimals: Mapping[str, int]) -> dict[str, int | Fraction]:
    """The same shape from what is expected, in smallest units; zeros are nothing."""
    found: dict[str, int | Fraction] = {}
    for name, amount in expected.items():
        if isinstance(amount, str):
            found[f"{BADGE}{amount}" if name == "badge" else name] = 1
        elif amount:
            found[name] = Fraction(amount) * 10 ** decimals.get(name, 0)
    return found


def shown(units: Mapping[str, Number], decimals: Mapping[str, int]) -> str:
    """As `expect` is written, not in smallest units."""
    written = {name: Fraction(amount) / 10 ** decimals.get(name, 0) for name, amount in units.items()}
    return ", ".join(f"{name} {shown_number(amount)}" for name, amount in written.items()) or "nothing"
