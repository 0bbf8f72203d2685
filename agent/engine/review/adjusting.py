"""Amounts that somebody approves instead of those that were promised, inside the rule's guardrails. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

from agent.engine.explain import amounts
from agent.engine.rulebook import BADGE, Rulebook
from agent.errors import InvalidInputError
from agent.model import Decision, Posting


def adjusted(decision: Decision, held_under: Rulebook, wanted: Mapping[str, int]) -> Decision:
    """The promise with ``wanted`` amounts (smallest units by currency); ``reason`` says both where they differ.

    Raises:
        InvalidInputError: it promises no such currency, or the amount is outside the guardrails.
    """
    promised = {posting.currency: posting.amount for posting in decision.postings}
    for currency, amount in wanted.items():
        if currency not in promised or currency.startswith(BADGE):
            known = ", ".join(name for name in promised if not name.startswith(BADGE)) or "none"
            raise InvalidInputError(f"decision promises no {currency}", hint=f"its currencies: {known}")
        low, high = _guardrails(decision, held_under, currency, promised[currency])
        if not low <= amount <= high:
            least, most = (amounts([Posting(currency=currency, amount=end)], held_under) for end in (low, high))
            raise InvalidInputError(
                f"{amounts([Posting(currency=currency, amount=amount)], held_under)} is outside the guardrails",
                hint=f"rule {decision.rule_id} allows {least} to {most}",
            )
    changed = {currency: amount for currency, amount in wanted.items() if amount != promised[currency]}
    if not changed:
        return decision
    postings = tuple(
        replace(posting, amount=changed.get(posting.currency, posting.amount)) for posting in decision.postings
    )
    before = [posting for posting in decision.postings if posting.currency in changed]
    after = [posting for posting in postings if posting.currency in changed]
    said = f"approved {amounts(after, held_under)} of {amounts(before, held_under)} promised"
    return replace(decision, postings=postings, reason=said)


def _guardrails(decision: Decision, rulebook: Rulebook, currency: str, promised: int) -> tuple[int, int]:
    rule = rulebook.paying(decision.rule_id)
    review = rule.spec.review if rule is not None else None
    found = review.guardrails(currency) if review is not None else None
    if found is None:
        return 1, promised
    scale = 10 ** rulebook.decimals.get(currency, 0)
    low, high = (int(Fraction(end) * scale) for end in found)
    return low, high
