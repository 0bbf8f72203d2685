"""What the rules ask and the configured sources cannot give: a trust above every ceiling."""

from __future__ import annotations

from collections.abc import Iterator

from agent.config.document import Fault, FaultsError
from agent.config.rulefile.merged import RuleFile
from agent.config.settings import Settings


def require_reachable(rules: RuleFile, settings: Settings) -> None:
    """Refuse rules that could only ever hold.

    Raises:
        FaultsError: a rule's `min_trust` is above what any configured source may claim; every such rule at once.
    """
    faults = tuple(_beyond(rules, settings))
    if faults:
        raise FaultsError(faults)


def _beyond(rules: RuleFile, settings: Settings) -> Iterator[Fault]:
    if not settings.sources:
        return
    most = max(source.trust for source in settings.sources)
    for rule in rules.rules:
        # What is left out may be meant: a source whose every award a person approves.
        written = "min_trust" in rule.it.model_fields_set
        if written and rule.it.mode != "off" and rule.it.min_trust > most:
            yield rule.fault(
                f"no configured source reaches min_trust {rule.it.min_trust.name}: all would be held for ever",
                f"the highest is {most.name}; lower min_trust, or raise `trust` in a [[source]] of {settings.path}",
                at=("min_trust",),
            )
