"""Scheduled rewards on trial: carried out as soon as they have settled, by acts and awards of the same trial. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from agent.engine.evaluate import Verdict
from agent.engine.rulebook import Rulebook
from agent.engine.schedule.coming import Due, matters
from agent.engine.schedule.rehearsal import NEVER, Ran, Rehearsal
from agent.model import Decision, Event, HoldKey, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """What the runs of one scheduled reward came to.

    ``winners`` are those of all runs, before limits are asked. ``waiting`` are runs that would wait until somebody has
    decided what is held; here that paid nothing. ``drawn`` are winners whom chance picks, and ``chance`` what their
    prizes come to (account → smallest units): whose they are cannot be known.
    """

    count: int = 0
    winners: int = 0
    waiting: int = 0
    drawn: int = 0
    chance: Mapping[str, int] = field(default_factory=dict)

    def and_(self, ran: Ran, *, waits: bool) -> Runs:
        """With one run more."""
        draw, payees, chance = ran.due.timed.spec.draw, ran.due.timed.rule.payees, Counter(self.chance)
        many = 0 if draw is None else min(draw.winners, len(ran.found.tickets or ()))
        for place in range(many):
            for posting in payees[min(place, len(payees) - 1)].postings:
                chance[posting.currency] += posting.amount
        return Runs(
            count=self.count + 1,
            winners=self.winners + len(ran.found.winners),
            waiting=self.waiting + waits,
            drawn=self.drawn + many,
            chance=chance,
        )


class Timed:
    """What is due when, and what is held meanwhile."""

    def __init__(self, rulebook: Rulebook, absent: Container[str]) -> None:
        self._rulebook = rulebook
        self._rehearsal = Rehearsal(rulebook, absent)
        self._next = NEVER
        self._first = True
        self._held: dict[HoldKey, dict[bytes, tuple[int, frozenset[str]]]] = {}

    def coming(self) -> list[Due]:
        """The next run of each."""
        return self._rehearsal.coming()

    def is_due(self, at: int) -> bool:
        """Whether something can be decided once an act of this time is seen, or that is not known yet."""
        return self._first or at >= self._next

    def take(self, happened: Iterable[Event], decisions: Sequence[Decision], verdicts: Sequence[Verdict]) -> None:
        """See what happened and was decided about it."""
        past, events = self._rehearsal.past, {verdict.event.event_id: verdict.event for verdict in verdicts}
        for event in happened:
            past.happened(event)
        past.decided(decisions, events)
        for one in decisions:
            key = (one.rule_id, one.learner, one.scope)
            if one.outcome is Outcome.held:
                at = events[one.event_id].seen.occurred_at
                pays = frozenset(posting.currency for posting in one.postings)
                self._held.setdefault(key, {})[one.event_id] = at, pays
            elif one.supersedes:
                self._held.pop(key, None)
        self._first = past.first_act is None
        self._next = self._rehearsal.next_at()

    def next(self, now: int) -> Ran | None:
        """Carry out the first run that can be decided now, or None."""
        due = self._rehearsal.ready(now)
        return None if due is None else self._rehearsal.run(due)

    def would_wait(self, due: Due) -> bool:
        """Whether something is held that could change what this run compares."""
        return any(
            due.span.begin <= at < due.span.end and matters(due.timed, rule, currencies, self._rulebook)
            for (rule, _, _), waiting in self._held.items()
            for at, currencies in waiting.values()
        )
