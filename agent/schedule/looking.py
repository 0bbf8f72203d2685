"""What a run comes to by the ledger, read in bulk. Nothing is written."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from agent.config.grammar import shown_number
from agent.config.rulefile.tables.scheduled import Measure
from agent.engine.filters import Whom
from agent.engine.rulebook import Rulebook, Timed
from agent.engine.schedule import looking, measuring
from agent.engine.schedule.deciding import Winner
from agent.engine.schedule.looking import Look
from agent.engine.schedule.measuring import Counted
from agent.engine.timing.timetable import Span
from agent.ledger.record import agreed, erased
from agent.ledger.record.agreed import Absent
from agent.ledger.schedule import datasets, runs
from agent.ledger.schedule.datasets import AsOf
from agent.model import Event


def look(connection: sqlite3.Connection, timed: Timed, rulebook: Rulebook, of: AsOf) -> Look:
    """What the acts and earnings of the span come to, as of an entry and an event."""
    absent = agreed.absent(connection, erased.out_now(connection))
    past = _Kept(connection=connection, of=of, absent=absent)
    return looking.look(past, Span(begin=of.begins, end=of.ends), timed, rulebook)


def told(winner: Winner) -> dict[str, Any]:
    """A winner as JSON can carry it."""
    found: dict[str, Any] = {"learner": winner.learner, "value": shown_number(winner.value)}
    if winner.place:
        found["place"] = winner.place
    found["postings"] = {posting.currency: posting.amount for posting in winner.postings}
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """The ledger as a `looking.Past`."""

    connection: sqlite3.Connection
    of: AsOf
    absent: Absent

    def earned(self, currency: str, whom: Whom | None) -> Iterable[tuple[str, str, int]]:
        if whom is None:
            return datasets.earned(self.connection, self.of, currency)
        return (
            (learner, rule, amount)
            for learner, rule, amount, event in datasets.earned_by_act(self.connection, self.of, currency)
            if whom(event.seen, learner.partition(":")[2]) is None
        )

    def uncounted(self) -> frozenset[str]:
        return runs.uncounted(self.connection)

    def counted(self, timed: Timed, measure: Measure, rulebook: Rulebook) -> Iterable[Counted]:
        acts = datasets.acts(self.connection, self.of, measure.what)
        return (one for act in acts if (one := measuring.counted(act, measure, timed, rulebook)) is not None)

    def outermost(
        self, which: Literal["first", "last"], *, role: str, kind: str, since: int
    ) -> Iterable[tuple[str, Event]]:
        return datasets.outermost(self.connection, self.of, which=which, role=role, kind=kind, since=since)
