"""Scheduled rewards over a past in memory: what is due by when, in which order, and what each run says. Pure."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from agent.engine.evaluate import Verdict
from agent.engine.rulebook import Rulebook
from agent.engine.schedule import deciding
from agent.engine.schedule.coming import Due, due_at, first_of_all, settled_by_nothing
from agent.engine.schedule.looking import Look, look
from agent.engine.schedule.remembered import Remembered

NEVER = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A run that was carried out: what it found, and what that says for each winner before limits are asked.

    Of a draw there are no verdicts: `Rehearsal.drawn` has those of who is drawn.
    """

    due: Due
    found: Look
    verdicts: list[Verdict]


class Rehearsal:
    """Which runs are carried out when, as the agent would that reads everything at once; without who is ``absent``."""

    def __init__(self, rulebook: Rulebook, absent: Container[str] = frozenset()) -> None:
        self.past = Remembered(rulebook, absent)
        self._rulebook = rulebook
        self._newest: dict[str, int] = {}
        self._coming: dict[str, Due | None] = {}
        self._first: int | None = None

    def coming(self) -> list[Due]:
        """The next run of each scheduled reward, the first to be decided first; none before the first act."""
        first = self.past.first_act
        if first is None:
            return []
        if first != self._first:
            self._first, self._coming = first, {}
        for timed in self._rulebook.scheduled:
            name = timed.spec.id
            if name not in self._coming:
                nominal = timed.timetable.after(self._newest.get(name, first))
                self._coming[name] = None if nominal is None else due_at(timed, nominal)
        return sorted((each for each in self._coming.values() if each is not None), key=lambda each: each.at)

    def next_at(self) -> int:
        """When the next one can be decided (seconds UTC); far away where there is none."""
        return min((due.at for due in self.coming()), default=NEVER)

    def ready(self, now: int) -> Due | None:
        """The first that can be decided at ``now``, or None."""
        coming = self.coming()
        return next((due for due in coming if due.at <= now and not first_of_all(due, coming)), None)

    def run(self, due: Due) -> Ran:
        """Carry out a run: the next of its reward is the one to come."""
        name = due.timed.spec.id
        empty = settled_by_nothing(due.timed) and self.past.is_empty(due.span)
        found = Look() if empty else look(self.past.over(due.span), due.span, due.timed, self._rulebook)
        self._newest[name] = due.nominal
        self._coming.pop(name, None)
        self.past.settle([(each.timed, each.span) for each in self.coming()])
        verdicts = deciding.verdicts(found.winners, due.timed, due.nominal, self._rulebook)
        return Ran(due=due, found=found, verdicts=verdicts)

    def drawn(self, ran: Ran, learners: list[str]) -> list[Verdict]:
        """What a draw says for those who are drawn, in their order."""
        winners = deciding.drawn(learners, ran.found.tickets or {}, ran.due.timed)
        return deciding.verdicts(winners, ran.due.timed, ran.due.nominal, self._rulebook)
