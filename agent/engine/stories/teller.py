"""A story under way: what happened and was decided so far, on a ledger that begins empty. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from agent.engine import evaluate
from agent.engine.challenge import completing
from agent.engine.derived import fold
from agent.engine.evaluate import Verdict
from agent.engine.rulebook import Rulebook
from agent.engine.schedule.rehearsal import Rehearsal
from agent.engine.whatif.memory import Memory
from agent.model import Decision, Event, Outcome


def what(decision: Decision) -> tuple[bytes, str, str, str]:
    """What a decision is about: event, rule, role and learner."""
    return decision.event_id, decision.rule_id, decision.role, decision.learner


class Teller:
    """``told`` has the decisions of each entry of the story, in order; ``events`` all that they are about, by id.

    ``holds`` are the numbers of what was held, by event, rule, role and learner.
    """

    def __init__(self, rulebook: Rulebook) -> None:
        self.rulebook = rulebook
        self._memory = Memory()
        self.state = self._memory.state
        self.rehearsal = Rehearsal(rulebook)
        self.told: list[Sequence[Decision]] = []
        self.events: dict[bytes, Event] = {}
        self.newest: int | None = None
        self.holds: dict[tuple[bytes, str, str, str], int] = {}

    def happens(self, event: Event) -> list[Decision]:
        """What is decided about an act, and about what it brings about."""
        rulebook, uses = self.rulebook, self.state.uses
        brought = fold.fold([event], rulebook, uses).events
        judged = [verdict for each in brought for verdict in evaluate.judge(each, rulebook)]
        if (wanted := completing.wants(judged, rulebook)) is not None:
            judged = completing.fold(judged, rulebook, uses.copied(wanted.rows), shadow=False).verdicts
        for each in {one.event_id: one for one in (*brought, *(verdict.event for verdict in judged))}.values():
            self.events[each.event_id] = each
            self.rehearsal.past.happened(each)
        at = event.seen.occurred_at
        self.newest = at if self.newest is None else max(at, self.newest)
        return self.decided(self.book(judged))

    def book(self, verdicts: Sequence[Verdict]) -> list[Decision]:
        """One decision for each verdict; what they hold is known by a number of its own from here on."""
        first = self._memory.last + 1
        decisions = self._memory.book(verdicts)
        for number, one in enumerate(decisions, first):
            if one.outcome is Outcome.held:
                self.holds[what(one)] = number
        return decisions

    def decided(self, decisions: list[Decision]) -> list[Decision]:
        """The same; what they pay counts into rankings from here on."""
        self.rehearsal.past.decided(decisions, self.events)
        return decisions

    def open(self) -> list[tuple[int, Decision]]:
        """What waits for somebody, each with the number of its entry: nobody settled it, no award took its place."""
        found: dict[tuple[bytes, str, str], tuple[int, Decision]] = {}
        for number, decisions in enumerate(self.told, 1):
            for one in decisions:
                key = (one.event_id, one.rule_id, one.role)
                found.pop(key, None)
                if one.outcome is Outcome.held:
                    found[key] = (number, one)
                for other in [k for k, (_, held) in found.items() if self._number_of(held) in one.supersedes]:
                    del found[other]
        return list(found.values())

    def _number_of(self, held: Decision) -> int:
        return self.holds[what(held)]
