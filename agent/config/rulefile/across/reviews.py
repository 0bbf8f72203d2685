"""What rules say about their review must fit what they pay, and the brake what there is."""

from __future__ import annotations

from collections.abc import Iterator

from agent.config.document import Fault
from agent.config.rulefile.check import nearest
from agent.config.rulefile.merged import Merged
from agent.config.rulefile.tables.review import Safety


def faults(merged: Merged) -> Iterator[Fault]:
    """Guardrails of currencies that a rule does not pay, or that do not say of which."""
    for _, value, placed in merged.settings():
        for name in value.floor if isinstance(value, Safety) else ():
            if name not in merged.currency_names():
                yield placed.fault(
                    f"unknown currency {name!r}", nearest(name, merged.currency_names()), at=("floor", name)
                )
    for rule in merged.rules:
        paid = {name for part in rule.it.award for name, _ in part.amounts}
        for name in rule.it.review.adjust if rule.it.review is not None else ():
            if name and name not in paid:
                listed = ", ".join(sorted(paid)) or "no currency"
                yield rule.fault(f"the rule pays no {name}", f"it pays {listed}", at=("review", "adjust", name))
            elif not name and len(paid) != 1:
                hint = 'name them: adjust = { points = "30..60" }'
                yield rule.fault("adjust does not say of which currency", hint, at=("review", "adjust"))
