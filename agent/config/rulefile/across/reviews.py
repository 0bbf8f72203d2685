"""What rules say about their review must fit what they pay."""

from __future__ import annotations

from collections.abc import Iterator

from agent.config.document import Fault
from agent.config.rulefile.merged import Merged


def faults(merged: Merged) -> Iterator[Fault]:
    """Guardrails of currencies that a rule does not pay, or that do not say of which."""
    for rule in merged.rules:
        paid = {name for part in rule.it.award for name, _ in part.amounts}
        for name in rule.it.review.adjust if rule.it.review is not None else ():
            if name and name not in paid:
                listed = ", ".join(sorted(paid)) or "no currency"
                yield rule.fault(f"the rule pays no {name}", f"it pays {listed}", at=("review", "adjust", name))
            elif not name and len(paid) != 1:
                hint = 'name them: adjust = { points = "30..60" }'
                yield rule.fault("adjust does not say of which currency", hint, at=("review", "adjust"))
