"""What an effect is worked out from: the acts that the ledger knows, of who takes part, by who they are now."""

from __future__ import annotations

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from agent.cli.tuning import history
from agent.config.kinds import KindTable
from agent.config.rulefile import load_rules_text
from agent.config.rulefile.experiment.table import Experiment as Written
from agent.engine.evaluate import NEVER_PEOPLE, WAIVED_BY_STAFF_EARN
from agent.engine.experiment import verdict
from agent.engine.experiment.effect import Did, Effect, effect
from agent.engine.experiment.groups import Experiment
from agent.engine.rulebook import Rulebook
from agent.errors import ConfigError
from agent.ledger.merging import aliases
from agent.ledger.privacy import retention
from agent.ledger.record import agreed, erased
from agent.ledger.tally import acts
from agent.ledger.tally.acts import Done, Span
from agent.model import PersonMark

_NOT_YET: frozenset[PersonMark] = frozenset({"not_agreed", "deleted_before"})
"""What was known of somebody at an act that does not count, while others of theirs may."""
_BEHIND_S = 7 * 86_400
STAFF, NO_PART, BOTH = "staff or no learner", "takes no part", "in both groups by a merge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """An experiment with what it showed; ``before_from`` is the first day before it that is compared.

    ``left_out`` counts who is in neither group, by why.
    """

    experiment: Experiment
    effect: Effect
    before_from: date
    left_out: Mapping[str, int]
    verdict: str
    remarks: tuple[str, ...]


def looked(connection: sqlite3.Connection, one: Experiment, rulebook: Rulebook, now: int) -> Looked:
    """What the ledger shows at ``now`` (seconds UTC).

    Raises:
        ConfigError: nothing says what the groups are compared by.
    """
    kinds = one.kinds or frozenset[str]().union(*(rulebook.needs[r].kinds for r in one.rules if r in rulebook.needs))
    if not kinds:
        raise ConfigError(
            f"nothing says what the groups of {one.name} are compared by",
            hint='its rules are off, or stand on names of the LMS: write measure = "lesson.completed"',
        )
    today, forgotten = rulebook.calendar.day(now), max(retention.read(connection).values(), default=None)
    span = _span(connection, one, now, 0 if forgotten is None else forgotten + 1)
    whose = _Whose(connection, one, rulebook, span)
    fact = one.looked.fact if one.looked is not None else ""
    paid = {whose.root(learner) for learner in acts.paid(connection, span, one.rules)}
    found = effect(one, whose.counted(acts.done(connection, span, kinds, fact)), paid)
    last = None if forgotten is None else rulebook.calendar.day(forgotten)
    return Looked(
        experiment=one,
        effect=found,
        before_from=rulebook.calendar.day(span.begins),
        left_out=whose.left_out,
        verdict=verdict.verdict(one, found, today=today, forgotten=last),
        remarks=(
            *verdict.remarks(one, found, today=today),
            *_edited(acts.deciding(connection, span, one.rules), one),
            *_behind(connection, rulebook, span),
            *_lacking(connection, rulebook, kinds, fact),
        ),
    )


def _span(connection: sqlite3.Connection, one: Experiment, now: int, known_from: int) -> Span:
    """The days since it began, and as many before, as far as acts are recorded and not forgotten."""
    ends = max(one.begins, min(one.ends, now))
    known = acts.known(connection)
    oldest = max(known_from, one.begins if known is None else known[0])
    return Span(begins=min(one.begins, max(2 * one.begins - ends, oldest)), since=one.begins, ends=ends)


def _edited(texts: Iterable[str], one: Experiment) -> Iterator[str]:
    """Whether acts of that time were decided by rules that have it otherwise, or not at all."""
    if not all(one.is_drawn_by(written) for text in texts for written in _written(text, one.name)):
        yield (
            f"acts of that time were also decided by rules that have no {one.name}, or draw it otherwise: who was held "
            "out was not the same all the time (rewards-agent rules history)"
        )


def _written(text: str, name: str) -> Iterator[Written | None]:
    """The experiment as a version of the rules has it; nothing where that cannot be read any more."""
    with contextlib.suppress(ConfigError):
        placed = load_rules_text(text).experiments.get(name)
        yield None if placed is None else placed.it


def _behind(connection: sqlite3.Connection, rulebook: Rulebook, span: Span) -> Iterator[str]:
    """Whether nothing is known of its last days: a log that is not read up to there, or holidays."""
    known = acts.known(connection)
    if known is not None and known[1] < span.ends - _BEHIND_S:
        yield f"the newest act that is known is of {rulebook.calendar.day(known[1]).isoformat()} (rewards-agent status)"


def _lacking(connection: sqlite3.Connection, rulebook: Rulebook, kinds: frozenset[str], fact: str) -> Iterator[str]:
    """What rules of before did not ask for."""
    names, facts = history.lacking(connection, [rulebook])
    counted = {entry.lms_event for kind in kinds for entry in KindTable().entries_for(kind)}
    if absent := sorted((names & counted) | (facts & {fact})):
        yield f"not recorded all the time, since no rule asked for it: {', '.join(absent)}; the days before may lack it"


class _Whose:
    """Who takes part, and whose accounts these are now; ``left_out`` counts the others by why."""

    def __init__(self, connection: sqlite3.Connection, one: Experiment, rulebook: Rulebook, span: Span) -> None:
        self._aliases = aliases.of_ledger(connection)
        absent = agreed.absent(connection, erased.out_now(connection))
        moved = ((account, self.root(account)) for account in acts.merged_since(connection, one.begins))
        both = {into for account, into in moved if one.holds_out(account) is not one.holds_out(into)}
        no_learner = NEVER_PEOPLE.keys() - _NOT_YET - (WAIVED_BY_STAFF_EARN if rulebook.staff_earn else set())
        self._why: dict[str, str] = {}
        for act in acts.done(connection, span, (), ""):
            learner = self.root(act.learner)
            if act.mark in no_learner:
                self._why[learner] = STAFF
            elif learner not in self._why:
                self._why[learner] = NO_PART if learner in absent else BOTH if learner in both else ""
        self.left_out = dict(Counter(why for why in self._why.values() if why))

    def root(self, learner: str) -> str:
        """The learner whose wallet it is."""
        return self._aliases.learner(learner)

    def counted(self, done: Iterable[Done]) -> Iterator[Did]:
        """The acts of those who are in one of the groups."""
        for act in done:
            learner = self.root(act.learner)
            if self._why.get(learner) or act.mark in _NOT_YET:
                continue
            value = act.value if isinstance(act.value, (int, Fraction)) and not isinstance(act.value, bool) else None
            yield Did(learner=learner, since=act.since, counted=act.counted, times=act.times, value=value)
