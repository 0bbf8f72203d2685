"""Keys below a header that takes any name, and that belong to a table above: TOML hung them there without a word."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from agent.config.document import Document, Fault, KeyPath, hung, known_keys
from agent.config.facts import FactTable
from agent.config.kinds import KindTable
from agent.config.rulefile.models import RulesPart
from agent.config.rulefile.warn import free, kinds_of

_HEAD = ("schema", "timezone", "day_starts_at", "week_starts_on")
"""Keys at the top of the file; all else there is tables."""


def faults(document: Document, kinds: KindTable, facts: FactTable) -> Iterator[Fault]:
    """Each such key. What may be meant where it stands (a fact, a currency, a course) is left alone."""
    for path, place in document.places.items():
        found = _above(document, path, kinds, facts) if place.headed else None
        if found is not None:
            above, theirs = found
            for key in document.value(path):
                if key in theirs:
                    yield hung((*path, key), above, document)


def _above(
    document: Document, path: KeyPath, kinds: KindTable, facts: FactTable
) -> tuple[KeyPath, Collection[str]] | None:
    """The table above one that takes any name, and the keys that only that one can mean; None for other tables."""
    if path[0] in {"budget", "value"}:
        return (), _HEAD
    above = path[:-1]
    known = known_keys(RulesPart, above) if above else ()
    match path:
        case ("rule" | "deny" | "challenge", *_, "conditions"):
            written = document.value(above).get("on", ())
            patterns = written if isinstance(written, list) else [written]
            stood_on = kinds_of((one for one in patterns if isinstance(one, str)), kinds)
            told = () if free(stood_on, kinds, facts) else known
            return above, [key for key in told if facts.get(key) is None]
        case ("rule" | "challenge", int(), "award"):
            currencies = document.data.get("currency", {})
            return above, [key for key in known if key not in currencies]
        case ("rule", int(), "example", int(), "event"):
            return above, [key for key in known if key != "event"]
    return None
