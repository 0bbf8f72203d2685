"""Faults of `[[check]]` that only the other tables show: rules and groups that do not exist, two of one name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from agent.config.document import Fault
from agent.config.kinds import KindTable
from agent.config.rulefile.check import on
from agent.config.rulefile.merged import Merged


def faults(merged: Merged, kinds: KindTable) -> Iterator[Fault]:
    """Every name that leads nowhere, with the nearest one that does."""
    rules = {name for rule in merged.written_rules() if isinstance(name := rule.it.get("id"), str)}
    groups = merged.groups()
    first: dict[str, str] = {}
    for check in merged.checks:
        it = check.it
        if it.id in first:
            yield check.fault(f"check {it.id!r} stands in {first[it.id]} already", "give it another id", at=("id",))
        first.setdefault(it.id, check.where)
        yield from on(check, it.on or (), kinds)
        for number, rule in enumerate(it.rules or ()):
            if rule not in rules:
                yield check.fault(f"there is no rule {rule!r}", _near(rule, rules), at=("rules", number))
        if it.group is not None and it.group not in groups:
            yield check.fault(f"no rule is in group {it.group!r}", _near(it.group, groups), at=("group",))


def _near(name: str, known: Iterable[str]) -> str:
    found = get_close_matches(name, sorted(known), n=1, cutoff=0.5)
    return f"did you mean {found[0]!r}?" if found else ""
