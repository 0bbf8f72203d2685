"""Groups of learners, and which of them are too small to be shown: those are told together, or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

SMALL = "(smaller groups)"
LEAST = 5
"""A figure of fewer learners says something of one of them."""


def joined(members: Mapping[str, Iterable[str]]) -> dict[str, frozenset[str]]:
    """Groups by name; several names of the very same learners are one group: a cohort has an idnumber and a name."""
    names: dict[frozenset[str], list[str]] = {}
    for name, learners in sorted(members.items()):
        names.setdefault(frozenset(learners), []).append(name)
    return {" / ".join(alike): learners for learners, alike in names.items() if learners}


def shown(groups: Mapping[str, frozenset[str]], least: int = LEAST) -> dict[str, frozenset[str]]:
    """Groups of ``least`` learners or more, in order of their names; the others together as one, last.

    Where that one is too small itself, the next larger group joins it, so that nobody is left by subtraction; where all
    of them together are too few, nothing is shown.
    """
    by_size = sorted(groups.items(), key=lambda group: (len(group[1]), group[0]))
    small: frozenset[str] = frozenset()
    while by_size and (len(by_size[0][1]) < least or 0 < len(small) < least):
        small |= by_size.pop(0)[1]
    found = dict(sorted(by_size))
    return found | {SMALL: small} if len(small) >= least else found
