"""Whatever arrives in whatever order: no quota is ever exceeded, and the same input gives the same decisions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.engine import booking, evaluate
from agent.engine.rules import Rulebook
from agent.model import Decision, Event, Outcome, Trust, Use, UseKey
from tests.effort import examples
from tests.rule_stories import at, decide, event, rule, rulebook

HOUR, DAY = 3600, 86_400
START = at("2026-10-23T12:00:00", "Europe/Berlin")
HEAD = 'schema = 1\ntimezone = "Europe/Berlin"\nday_starts_at = "04:00"\n'
RULES = rulebook(
    HEAD
    + '[budget]\npoints = "120/week"\n[[cap]]\ngroup = "g"\nlimit = "70 points/week"\n[[cap]]\nlimit = "6/3d"\n'
    + '[[cap]]\nsource = ["forms", "moodle-web"]\nlimit = "25 points/week"\n'
    + rule(name="a", more='group = "g"\nlimit = ["2/day", { of = "35 points/2d", over = "trim" }]\ncooldown = "1h"')
    + rule(name="b", more='group = "g"\nonce_per = ["section", "day"]\nfrequency = 2\nlimit = "3/30h"', award="7")
    + rule(name="c", more='once_per = "ever"\nbadge = "ace"\nmin_trust = "server_verified"')
    + rule(name="d", more='mode = "shadow"\nlimit = "1/day"')
)

EVENTS = st.lists(
    st.builds(
        event,
        when=st.integers(0, 8 * 24 * 4).map(lambda quarter: START + quarter * 900),
        who=st.sampled_from(["ann", "ben"]),
        lesson=st.sampled_from([None, "1", "2", "3", "4", "5", "6"]),
        section=st.sampled_from(["1", "2"]),
        source=st.sampled_from(["moodle", "forms", "moodle-web"]),
        level=st.sampled_from([Trust.server_verified, Trust.server_verified, Trust.trusted_source, Trust.unverified]),
    ),
    max_size=40,
    unique_by=lambda one: one.event_id,
)


def awarded(decisions: Iterable[Decision], *, outcome: Outcome = Outcome.awarded) -> list[tuple[str, str, int, int]]:
    """(rule, learner, time, points) of what was paid."""
    return [
        (d.rule_id, d.learner, d.uses[0].at, sum(p.amount for p in d.postings if p.currency == "points"))
        for d in decisions
        if d.outcome is outcome
    ]


def fullest(times: Sequence[tuple[int, int]], window_s: int) -> int:
    """The most that any half-open window of that length holds, by looking at every one that ends at a use."""
    return max((sum(n for when, n in times if end - window_s < when <= end) for end, _ in times), default=0)


def fullest_calendar(times: Sequence[tuple[int, int]], window: str) -> int:
    """The most that any calendar window holds."""
    sums: defaultdict[str, int] = defaultdict(int)
    for when, amount in times:
        sums[RULES.calendar.moment(when).windows[window]] += amount
    return max(sums.values(), default=0)


def of_capped_sources(events: Iterable[Event], decisions: Iterable[Decision], who: str) -> list[tuple[int, int]]:
    """(time, points) of what a learner was paid for acts of the sources that a cap names."""
    capped = {one.event_id for one in events if one.seen.source != "moodle"}
    return [
        (d.uses[0].at, sum(p.amount for p in d.postings if p.currency == "points"))
        for d in decisions
        if d.outcome is Outcome.awarded and d.learner == who and d.event_id in capped
    ]


@settings(max_examples=examples(300), deadline=None)
@given(EVENTS)
def test_no_limit_cap_cooldown_or_budget_is_exceeded_in_any_order_of_arrival(events: list[Event]) -> None:
    decisions = decide(RULES, events)
    paid = awarded(decisions)
    assert fullest_calendar([(when, points) for _, _, when, points in paid], "week") <= 120
    for who in ("moodle:ann", "moodle:ben"):
        mine = [(name, when, points) for name, learner, when, points in paid if learner == who]
        a = [(when, points) for name, when, points in mine if name == "a"]
        b = [(when, 1) for name, when, _ in mine if name == "b"]
        assert fullest_calendar([(when, 1) for when, _ in a], "day") <= 2
        assert fullest(a, 2 * DAY) <= 35
        assert all(later - sooner >= HOUR for sooner, later in pairwise(sorted(when for when, _ in a)))
        assert fullest(b, 30 * HOUR) <= 3
        assert sum(name == "c" for name, _, _ in mine) <= 1
        assert fullest_calendar([(when, points) for name, when, points in mine if name in "ab"], "week") <= 70
        assert fullest([(when, 1) for _, when, _ in mine], 3 * DAY) <= 6
        assert fullest_calendar(of_capped_sources(events, decisions, who), "week") <= 25
        shadow = [(when, 1) for _, learner, when, _ in awarded(decisions, outcome=Outcome.shadow) if learner == who]
        assert fullest_calendar(shadow, "day") <= 1


@settings(max_examples=examples(100), deadline=None)
@given(EVENTS)
def test_what_is_paid_is_paid_once_per_rule_learner_scope_and_generation(events: list[Event]) -> None:
    decisions = [d for d in decide(RULES, events) if d.outcome is Outcome.awarded]
    keys = [(d.rule_id, d.learner, d.scope, d.generation) for d in decisions]
    assert len(keys) == len(set(keys))


class Book:
    """A ledger of uses and holds, as far as the engine can tell."""

    def __init__(self) -> None:
        self.uses: list[Use] = []
        self.holds: dict[tuple[str, str, str], tuple[int, ...]] = {}
        self.decisions: list[Decision] = []

    def take(self, rules: Rulebook, page: Sequence[Event]) -> None:
        verdicts = [verdict for one in page for verdict in evaluate.judge(one, rules)]
        request = booking.wants(verdicts)
        totals: defaultdict[UseKey, int] = defaultdict(int)
        rows = []
        for use in self.uses:
            key = (use.meter, use.bucket, use.learner)
            if key in request.rows:
                rows.append(use)
            if key in request.totals:
                totals[key] += use.amount
        summed = [Use(meter=k[0], bucket=k[1], learner=k[2], at=0, amount=n) for k, n in totals.items()]
        holds = {key: numbers for key, numbers in self.holds.items() if key in request.holds}
        first = len(self.decisions) + 1
        for number, made in enumerate(
            booking.book(verdicts, booking.State.load([*rows, *summed], holds), shadow=False)
        ):
            self._remember(made, first + number, first)

    def _remember(self, made: Decision, number: int, first: int) -> None:
        key = (made.rule_id, made.learner, made.scope)
        closed = tuple(n if n > 0 else first - 1 - n for n in made.supersedes)
        if made.outcome is Outcome.held:
            self.holds[key] = (*self.holds.get(key, ()), number)
        if closed:
            assert self.holds.pop(key) == closed
        if made.outcome in {Outcome.awarded, Outcome.shadow}:
            self.uses.extend(made.uses)
        self.decisions.append(made)


def comparable(decisions: Iterable[Decision]) -> list[tuple[object, ...]]:
    return [
        (d.rule_id, d.learner, d.outcome, d.reason, d.until, d.scope, d.generation, d.postings, d.uses)
        for d in decisions
    ]


@settings(max_examples=examples(150), deadline=None)
@given(EVENTS, st.lists(st.integers(1, 39), max_size=6))
def test_splitting_the_stream_into_pages_anywhere_changes_nothing(events: list[Event], cuts: list[int]) -> None:
    whole, pages = Book(), Book()
    whole.take(RULES, events)
    borders = [0, *sorted(set(cuts)), max(len(events), 40)]
    for begin, end in pairwise(borders):
        pages.take(RULES, events[begin:end])
    assert comparable(pages.decisions) == comparable(whole.decisions)
    assert pages.holds == whole.holds


@settings(max_examples=examples(50), deadline=None)
@given(EVENTS)
def test_the_same_input_gives_the_same_decisions(events: list[Event]) -> None:
    assert decide(RULES, events) == decide(RULES, events)


FIXED = rulebook(
    HEAD
    + rule(name="once", more='once_per = "lesson"')
    + rule(name="day", more='once_per = "day"')
    + rule(name="limited", more='once_per = "event"\nlimit = ["2/day", "5/week"]')
    + rule(name="monthly", more='once_per = ["section", "month"]\nlimit = "3/month"')
)


@settings(max_examples=examples(100), deadline=None)
@given(EVENTS, st.randoms(use_true_random=False))
def test_fixed_awards_with_scopes_and_a_calendar_limit_pay_the_same_in_any_order(
    events: list[Event], random: object
) -> None:
    trusted = [one for one in events if one.trust >= Trust.trusted_source]
    shuffled = list(trusted)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert _sums(decide(FIXED, trusted)) == _sums(decide(FIXED, shuffled))


def _sums(decisions: Iterable[Decision]) -> dict[tuple[str, str], int]:
    sums: defaultdict[tuple[str, str], int] = defaultdict(int)
    for name, learner, _, points in awarded(decisions):
        sums[name, learner] += points
    return dict(sums)


@settings(max_examples=examples(150), deadline=None)
@given(EVENTS)
def test_replaying_a_stream_over_its_own_uses_pays_nothing_more(events: list[Event]) -> None:
    book = Book()
    book.take(RULES, events)
    before = awarded(book.decisions)
    again = Book()
    again.uses = list(book.uses)
    again.take(RULES, [one for one in events if one.trust is Trust.server_verified])
    repeated = [made for made in awarded(again.decisions) if made[0] in {"a", "c"}]
    assert all((name, who) not in {(n, w) for n, w, when, _ in before if n == "c"} for name, who, _, _ in repeated)
    scopes = {
        (d.rule_id, d.learner, d.scope) for d in book.decisions if d.outcome is Outcome.awarded and d.rule_id == "a"
    }
    assert not scopes & {(d.rule_id, d.learner, d.scope) for d in again.decisions if d.outcome is Outcome.awarded}
