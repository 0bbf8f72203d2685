"""Lines that rules add to the table of kinds and that no row is ever of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from agent.config.document import Fault
from agent.config.kinds import MOODLE, KindEntry
from agent.config.rulefile.merged import Merged


def warnings(merged: Merged) -> Iterator[Fault]:
    """Each line whose rows are of another kind already, or whose `when` is about a word that no row has."""
    added = merged.kind_entries()
    for number, (placed, entry) in enumerate(zip(merged.kinds, added, strict=True)):
        before = [one for one in (*MOODLE, *added[:number]) if _takes(one, entry)]
        others = [one for one in before if one.kind != entry.kind]
        if others and _takes_all(before, entry):
            hint = "name that kind in the rules, or the event itself"
            yield placed.fault(f"rows of {entry.lms_event} are {others[0].kind} already", hint, at=("lms_event",))
        elif entry.when and not any(one.when and one.names(entry.lms_event) for one in MOODLE):
            told = f"rows of {entry.lms_event} have no state: none is ever {entry.kind}"
            yield placed.fault(told, "leave `when` out", at=("when",))


def _takes(one: KindEntry, entry: KindEntry) -> bool:
    """Whether rows of an entry, of whatever name they are, are of another where their word fits."""
    named = one.names(entry.lms_event) and (one.suffix or not entry.suffix)
    return named and not (one.when and entry.when and set(one.when).isdisjoint(entry.when))


def _takes_all(before: Iterable[KindEntry], entry: KindEntry) -> bool:
    """Whether none of its rows is left for it: the first line that fits a row says what it is."""
    if any(not one.when for one in before):
        return True
    return bool(entry.when) and set(entry.when) <= {word for one in before for word in one.when}
