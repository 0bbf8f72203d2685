"""What each learner comes to by a measure: acts added up, in whatever order they come. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from agent.config.grammar import Number, whole
from agent.config.rulefile.tables.scheduled import How, Measure, Scheduled
from agent.engine import evaluate
from agent.engine.conditions import fact_of
from agent.engine.rulebook import Rulebook, Timed
from agent.model import Event, Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What an act comes to for its ``learner``: an ``amount``, on a day or in a week (``under``) where those count.

    Without a learner it is so many acts that would count if they were believed or known better.
    """

    learner: str
    under: str
    amount: Number


_DOUBTED = Counted(learner="", under="", amount=1)


def measure_of(spec: Scheduled) -> Measure | None:
    """What acts are counted by; None where no acts are."""
    if spec.attendance is not None:
        how: How = "days" if spec.attendance.days is not None else "weeks"
        return Measure(how=how, what=spec.attendance.of, text=f"{how} with {spec.attendance.of}")
    return spec.among.by if spec.among is not None and spec.among.by.how != "earned" else None


def counted(event: Event, measure: Measure, timed: Timed, rulebook: Rulebook) -> Counted | None:
    """What an act comes to; None where it does not count."""
    verdict = evaluate.of_rule(event, timed.acts, rulebook)
    if verdict.hold is not None:
        return _DOUBTED
    if verdict.reason:
        return None
    if measure.how in {"days", "weeks"}:
        moment = rulebook.calendar.moment(event.seen.occurred_at)
        return Counted(learner=verdict.learner, under=moment.windows[measure.how.removesuffix("s")], amount=1)
    amount = 1 if measure.how == "acts" else _number(fact_of(event.seen, measure.fact))
    return None if amount is None else Counted(learner=verdict.learner, under="", amount=amount)


def together(rows: Iterable[Counted], measure: Measure) -> Iterator[Counted]:
    """The same in few rows: one for each learner, and for each of their days or weeks where those count."""
    found: dict[tuple[str, str], Number] = {}
    for one in rows:
        key = one.learner, one.under
        if key not in found:
            found[key] = one.amount
        elif one.learner and measure.how in {"best", "days", "weeks"}:
            found[key] = max(found[key], one.amount)
        else:
            found[key] += one.amount
    return (Counted(learner=learner, under=under, amount=amount) for (learner, under), amount in found.items())


def values(rows: Iterable[Counted], measure: Measure) -> tuple[dict[str, Number], int]:
    """Learner → what they come to, and how many acts would count if they were believed or known better."""
    found: defaultdict[str, Number] = defaultdict(int)
    for one in together(rows, measure):
        found[one.learner] += 1 if one.under else one.amount
    waiting = int(found.pop("", 0))
    return {learner: whole(Fraction(amount)) for learner, amount in found.items()}, waiting


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
