"""One set of rules on trial: events in, and what they would have come to. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from agent.config.facts import FactTable
from agent.engine import evaluate
from agent.engine.challenge import completing
from agent.engine.derived import fold as derived
from agent.engine.evaluate import Verdict
from agent.engine.rulebook import Rulebook
from agent.engine.schedule.coming import Due
from agent.engine.schedule.compiling import SOURCE
from agent.engine.whatif.memory import Memory
from agent.engine.whatif.timed import Runs, Timed
from agent.model import Decision, Demand, Event, Outcome, Posting

_HELD, _REFUSED, _SHADOW, _REVERSED = Outcome.held, Outcome.refused, Outcome.shadow, Outcome.reversed

FOREVER = 2**62
"""Seconds UTC that nothing reaches."""

Tallies = dict[tuple[str, str], list[int]]
"""(rule, account) → [awards, amount in smallest units]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A decision that would be held, with what it promises."""

    rule: str
    reason: str
    postings: tuple[Posting, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What the events of a span came to. Accounts are currencies and ``badge:<id>``; amounts are in smallest units.

    ``awards`` and ``shadow`` (what rules in shadow would have given) are per rule and account; ``gains`` is
    account → learner → amount; ``learners`` counts each rule's awards by learner; ``refused`` counts (rule, reason).
    What was undone is taken off the amounts again; the awards stay counted.
    ``waiting`` are the holds that no later award closed, by their number; ``scheduled`` is what the runs of each
    scheduled reward came to, whose prizes are among the awards too.
    """

    awards: Tallies = field(default_factory=dict)
    shadow: Tallies = field(default_factory=dict)
    gains: dict[str, dict[str, int]] = field(default_factory=dict)
    learners: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    waiting: dict[int, Waiting] = field(default_factory=dict)
    scheduled: dict[str, Runs] = field(default_factory=dict)

    def gainers(self) -> set[str]:
        """Everybody who gains anything."""
        return {learner for gained in self.gains.values() for learner, amount in gained.items() if amount > 0}

    def paid_by(self, rule: str) -> int:
        """How many learners a rule pays."""
        return sum(awards > 0 for awards in self.learners[rule].values())

    def gaining(self, account: str) -> int:
        """How many learners gain on an account."""
        return sum(amount > 0 for amount in self.gains.get(account, {}).values())

    def totals(self) -> dict[str, int]:
        """Account → what all learners gain together."""
        return {account: sum(gained.values()) for account, gained in self.gains.items()}

    def biggest(self, account: str, n: int) -> list[tuple[str, int]]:
        """The ``n`` learners who gain most, the most first, ties by name."""
        gained = ((learner, amount) for learner, amount in self.gains.get(account, {}).items() if amount > 0)
        return sorted(gained, key=lambda each: (-each[1], each[0]))[:n]


class Trial:
    """A rulebook in force from the first event that it is given; what happened in ``since`` … ``until`` is counted.

    Earlier events fill its limits and are not counted; later ones are left out. ``since`` and ``until`` are seconds
    UTC, ``until`` excluded. The agent's own mode does not matter: a rule that is live counts as paying.
    """

    def __init__(
        self, rulebook: Rulebook, *, since: int = 0, until: int = FOREVER, absent: Container[str] = frozenset()
    ) -> None:
        self.rulebook = rulebook
        self.findings = Findings()
        self.events = 0
        self._memory = Memory()
        self._since = since
        self._until = until
        self._number = 0
        self._made: set[bytes] = set()
        self._timed = Timed(rulebook, absent) if rulebook.scheduled else None

    def take(self, events: Iterable[Event]) -> None:
        """Decide a page of events, in order; they are fresh (no event is given twice). Prizes are decided again."""
        acts = [event for event in events if event.seen.source != SOURCE]
        if self._timed is None:
            self._decide(acts)
            return
        page: list[Event] = []
        for event in acts:
            at = event.seen.occurred_at
            if at >= self._until:
                continue
            if self._timed.is_due(at):
                self._decide(page)
                self._carry_out(at)
                page = []
            page.append(event)
        self._decide(page)

    def finish(self, now: int) -> list[Due]:
        """Carry out what is due at ``now`` (at the latest at the end); what ended by then and has not settled yet."""
        if self._timed is None:
            return []
        end = min(now, self._until)
        self._carry_out(end)
        return [due for due in self._timed.coming() if self._since <= due.nominal <= end]

    def _decide(self, page: Sequence[Event]) -> None:
        happened = [event for event in self._brought(page) if event.seen.occurred_at < self._until]
        verdicts = [verdict for event in happened for verdict in evaluate.judge(event, self.rulebook)]
        told = self._memory.completed(verdicts, self.rulebook)
        before = self._made - {event.event_id for event in happened}
        told = told.without([event.event_id for event in told.events if event.event_id in before])
        self._made.update(event.event_id for event in told.events)
        verdicts = _once(told.verdicts)
        times = {verdict.event.event_id: verdict.event.seen.occurred_at for verdict in verdicts}
        self.events += sum(at >= self._since for at in times.values())
        decisions = self._memory.book(verdicts)
        if self._timed is not None:
            self._timed.take(
                {event.event_id: event for event in told.with_acts(happened)}.values(), decisions, verdicts
            )
        self._count(times, decisions)

    def _carry_out(self, now: int) -> None:
        """What is due by a time, in its order."""
        timed = self._timed
        while timed is not None and (ran := timed.next(now)) is not None:
            decisions = self._memory.book(ran.verdicts)
            timed.take((), decisions, ran.verdicts)
            self._count({verdict.event.event_id: ran.due.nominal for verdict in ran.verdicts}, decisions)
            if ran.due.nominal >= self._since:
                name, runs = ran.due.timed.spec.id, self.findings.scheduled
                runs[name] = runs.get(name, Runs()).and_(ran, waits=timed.would_wait(ran.due))

    def _brought(self, events: Iterable[Event]) -> Sequence[Event]:
        """With what they bring about; what the ledger recorded of that counts only where it was not brought about."""
        known = [named for event in events if (named := self._named(event)) is not None]
        new: dict[bytes, Event] = {}
        for event in self._memory.brought(known, self.rulebook):
            if not derived.is_derived(event.seen) or event.event_id not in self._made:
                new.setdefault(event.event_id, event)
        self._made.update(event_id for event_id, event in new.items() if derived.is_derived(event.seen))
        return list(new.values())

    def _named(self, event: Event) -> Event | None:
        """A recorded event as it would be named if it were brought about; None where these rules bring none about."""
        if not derived.is_derived(event.seen):
            return event
        if derived.known(event.seen, self.rulebook):
            return derived.named(event)
        return completing.named(event) if completing.known(event.seen, self.rulebook) else None

    def _count(self, times: Mapping[bytes, int], decisions: Sequence[Decision]) -> None:
        found = self.findings
        for decision in decisions:
            self._number += 1
            for number in decision.supersedes:
                found.waiting.pop(number, None)
            if times[decision.event_id] < self._since:
                continue
            outcome, rule = decision.outcome, decision.rule_id
            if outcome is _REFUSED:
                found.refused[rule, decision.reason] += 1
            elif outcome is _HELD:
                found.waiting[self._number] = Waiting(rule=rule, reason=decision.reason, postings=decision.postings)
            elif outcome is _SHADOW:
                _add(found.shadow, decision)
            else:
                _add(found.awards, decision)
                found.learners[rule][decision.learner] += -1 if outcome is _REVERSED else 1
                for posting in decision.postings:
                    gained = found.gains.setdefault(posting.currency, {})
                    gained[decision.learner] = gained.get(decision.learner, 0) + posting.amount


def _once(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Those of each event where it first stands: a completion may be recorded and brought about anew."""
    first: dict[bytes, Event] = {}
    return [verdict for verdict in verdicts if first.setdefault(verdict.event.event_id, verdict.event) is verdict.event]


def _add(tallies: Tallies, decision: Decision) -> None:
    for posting in decision.postings:
        tally = tallies.setdefault((decision.rule_id, posting.currency), [0, 0])
        tally[0] += decision.reverses is None
        tally[1] += posting.amount


def demand_of(rulebooks: Sequence[Rulebook]) -> Demand:
    """What several rulebooks want together; its version is that of the first."""
    demands = [rulebook.demand for rulebook in rulebooks]
    return Demand(
        rules_version=demands[0].rules_version,
        names=frozenset().union(*(one.names for one in demands)),
        suffixes=frozenset().union(*(one.suffixes for one in demands)),
        facts=frozenset().union(*(one.facts for one in demands)),
        profile={name: read for one in reversed(demands) for name, read in one.profile.items()},
    )


def looked_up(demand: Demand) -> tuple[str, ...]:
    """The demanded facts that a log does not tell: they are read from the LMS's tables, as those are now."""
    table = FactTable()
    entries = (table.get(name) for name in sorted(demand.facts))
    return tuple(entry.name for entry in entries if entry is not None and entry.tables)
