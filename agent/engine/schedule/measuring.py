"""What each learner comes to by a measure: a sum over acts that does not depend on their order. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from fractions import Fraction

from agent.config.grammar import Number, whole
from agent.config.rulefile.tables.scheduled import Measure
from agent.engine import evaluate
from agent.engine.conditions import fact_of
from agent.engine.rulebook import Rulebook, Timed
from agent.model import Event, Fact


class Acts:
    """Acts as they are counted. ``waiting`` are those that would count if they were believed or known better."""

    def __init__(self, measure: Measure, timed: Timed, rulebook: Rulebook) -> None:
        self.waiting = 0
        self._measure = measure
        self._timed = timed
        self._rulebook = rulebook
        self._seen: defaultdict[str, dict[object, Number]] = defaultdict(dict)

    def add(self, event: Event) -> None:
        """Count an act for whom it belongs to, if it counts."""
        verdict = evaluate.of_rule(event, self._timed.acts, self._rulebook)
        if verdict.hold is not None:
            self.waiting += 1
        elif not verdict.reason:
            self._count(verdict.learner, event)

    def _count(self, learner: str, event: Event) -> None:
        seen, how = event.seen, self._measure.how
        if how in {"days", "weeks"}:
            moment = self._rulebook.calendar.moment(seen.occurred_at)
            self._seen[learner][moment.windows["day" if how == "days" else "week"]] = 1
        elif how == "acts":
            self._seen[learner][event.event_id] = 1
        else:
            amount = _number(fact_of(seen, self._measure.fact))
            if amount is not None:
                self._seen[learner][event.event_id] = amount

    def values(self) -> dict[str, Number]:
        """Learner → what they come to."""
        best = self._measure.how == "best"
        return {
            learner: max(amounts.values()) if best else _added(amounts.values())
            for learner, amounts in self._seen.items()
        }


def _added(amounts: Iterable[Number]) -> Number:
    return whole(sum((Fraction(amount) for amount in amounts), Fraction(0)))


def _number(fact: Fact | None) -> Number | None:
    return fact if isinstance(fact, (int, Fraction)) and not isinstance(fact, bool) else None


def earned(
    rows: Iterable[tuple[str, str, int]], counted: frozenset[str] | None, left_out: frozenset[str], decimals: int
) -> dict[str, Number]:
    """Learner → units of a currency, from (learner, rule, smallest units).

    ``counted`` are the rules of a group (None: every rule counts), ``left_out`` those whose prizes do not count.
    """
    found: defaultdict[str, int] = defaultdict(int)
    for learner, rule, amount in rows:
        if rule not in left_out and (counted is None or rule in counted):
            found[learner] += amount
    return {learner: whole(Fraction(amount, 10**decimals)) for learner, amount in found.items() if amount}
