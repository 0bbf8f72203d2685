"""What a catalogue is told anew that was put back from an older copy: it may know nothing of people any more."""

from __future__ import annotations

from agent.ledger.centre import called
from agent.ledger.delivery import Unit, both
from agent.ledger.merging import untold
from agent.ledger.recovery import persons


def all_again() -> Unit:
    """A unit that lets sealed persons, the erased and their marks, links and names be told again."""
    return both(both(persons.none_kept(), untold.all_again()), called.all_again())
