"""Rules on trial: the fold over a past in memory, what is counted of it, and how it is spread."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.engine import booking, evaluate
from agent.engine.rulebook import Rulebook
from agent.engine.whatif.memory import Memory
from agent.engine.whatif.spread import RANGES_MAX, spread
from agent.engine.whatif.trial import Trial, demand_of, looked_up
from agent.model import Event, Outcome, Trust
from tests.rule_stories import at, decide, event, line, rule, rulebook

LIMITED = rulebook(
    rule(more='once_per = "lesson"\nlimit = "3/7d"\nmin_trust = "server_verified"')
    + rule(name="second", award="{ points = 5 }", more='once_per = "day"\ncooldown = "2d"')
    + '[budget]\npoints = "120/week"\n'
)


def verdicts(rules: Rulebook, events: Sequence[Event]) -> list[evaluate.Verdict]:
    return [verdict for one in events for verdict in evaluate.judge(one, rules)]


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    acts = st.tuples(
        st.integers(0, 14 * 86_400), st.sampled_from(["ann", "ben"]), st.integers(1, 4), st.sampled_from(list(Trust))
    )
    listed = draw(st.lists(acts, max_size=25, unique_by=lambda act: act[:3]))
    start = at("2026-09-07T00:00:00")
    return [event(when=start + after, who=who, lesson=str(n), level=level) for after, who, n, level in listed]


@given(histories(), st.sets(st.integers(0, 25)))
def test_pages_split_anywhere_come_to_what_one_event_after_the_other_comes_to(
    events: list[Event], cuts: set[int]
) -> None:
    memory = Memory()
    edges = sorted({0, *cuts, len(events)})
    paged = [
        decision
        for first, last in itertools.pairwise(edges)
        for decision in memory.book(verdicts(LIMITED, events[first:last]))
    ]
    assert [line(decision) for decision in paged] == [line(decision) for decision in decide(LIMITED, events)]


def test_an_award_names_the_hold_of_an_earlier_page_and_of_its_own() -> None:
    rules = rulebook(rule(more='once_per = "lesson"'))
    doubtful = [event(level=Trust.unverified, key=str(n)) for n in range(3)]
    memory = Memory(after=100)
    first = memory.book(verdicts(rules, doubtful[:2]))
    second = memory.book(verdicts(rules, [doubtful[2], event()]))
    assert [decision.outcome for decision in (*first, second[0])] == [Outcome.held] * 3
    assert second[1].supersedes == (101, 102, 103)


def test_what_the_ledger_knows_is_asked_for_once_and_counts() -> None:
    rules = rulebook(rule(more='once_per = "lesson"'))
    judged = verdicts(rules, [event()])
    (paid,) = booking.book(judged, booking.State.load((), {}), shadow=False)
    memory = Memory()
    asked = memory.unknown(booking.wants(judged))
    memory.learn(paid.uses, {})
    assert set(asked.rows | asked.totals) == {(use.meter, use.bucket, use.learner) for use in paid.uses}
    assert not memory.unknown(booking.wants(judged)).rows
    assert [decision.reason for decision in memory.book(judged)] == ["once_per lesson"]


def test_a_hold_that_the_ledger_knows_is_named_by_its_number() -> None:
    rules = rulebook(rule(more='once_per = "lesson"'))
    judged = verdicts(rules, [event()])
    memory = Memory(after=9)
    (hold,) = memory.unknown(booking.wants(judged)).holds
    memory.learn((), {hold: (7,)})
    assert memory.book(judged)[0].supersedes == (7,)


def test_earlier_events_fill_limits_and_are_not_counted_and_later_ones_are_left_out() -> None:
    rules = rulebook(rule(more='limit = "2/week"'))
    days = [event(when=f"2026-09-{day:02d}T09:00:00", lesson=str(day)) for day in (7, 8, 9, 10)]
    trial = Trial(rules, since=at("2026-09-08T00:00:00"), until=at("2026-09-10T00:00:00"))
    trial.take(days)
    assert trial.events == 2
    assert trial.findings.gains == {"points": {"moodle:ann": 10}}
    assert trial.findings.refused == {("r", "limit 2/week"): 1}


def test_findings_tell_awards_shadow_holds_that_stay_and_reasons() -> None:
    rules = rulebook(rule(more='badge = "ace"') + rule(name="quiet", more='mode = "shadow"', award="3"))
    trial = Trial(rules)
    trial.take([event(level=Trust.unverified), event(level=Trust.unverified, lesson="2", key="2")])
    trial.take([event(key="believed"), event(who="ben", lesson="3")])
    found = trial.findings
    assert found.awards == {("r", "points"): [2, 20], ("r", "badge:ace"): [2, 2]}
    assert found.shadow == {("quiet", "points"): [2, 6]}
    assert [(one.rule, one.reason, one.postings[0].amount) for one in found.waiting.values()] == [
        ("r", "trust unverified below trusted_source", 10)
    ]
    assert found.refused["quiet", "would be held: trust unverified below trusted_source"] == 2
    assert found.gainers() == {"moodle:ann", "moodle:ben"}
    assert found.totals() == {"points": 20, "badge:ace": 2}
    assert found.biggest("points", 1) == [("moodle:ann", 10)]
    assert (found.paid_by("r"), found.gaining("points")) == (2, 2)


UNDOABLE = rulebook(rule("forum.posted", 'reverse_on = "forum.post_deleted"\nonce_per = "post"', name="post"))


def post(number: str, when: str, *, deleted: bool = False, level: Trust = Trust.server_verified) -> Event:
    kind = "forum.post_deleted" if deleted else "forum.posted"
    return event(kind, f"2026-09-07T{when}", post=number, obj=("forum_posts", number), level=level)


def test_what_is_undone_on_a_later_page_is_taken_off_again() -> None:
    trial = Trial(UNDOABLE)
    trial.take([post("1", "09:00:00"), post("2", "09:01:00")])
    trial.take([post("1", "10:00:00", deleted=True)])
    found = trial.findings
    assert found.awards == {("post", "points"): [2, 10]}
    assert found.totals() == {"points": 10}
    trial.take([post("2", "10:00:00", deleted=True)])
    assert (found.gainers(), found.paid_by("post"), found.gaining("points"), found.biggest("points", 9)) == (
        set(),
        0,
        0,
        [],
    )


def test_a_hold_that_is_undone_on_a_later_page_waits_no_longer() -> None:
    trial = Trial(UNDOABLE)
    trial.take([post("1", "09:00:00"), post("2", "09:01:00", level=Trust.unverified)])
    trial.take([post("3", "09:02:00", level=Trust.unverified)])
    assert len(trial.findings.waiting) == 2
    trial.take([post("2", "10:00:00", deleted=True)])
    assert [one.rule for one in trial.findings.waiting.values()] == ["post"]
    trial.take([post("3", "10:00:00", deleted=True)])
    assert trial.findings.waiting == {}


def test_several_rulebooks_want_what_each_of_them_wants() -> None:
    one = rulebook(rule("quiz.submitted", 'conditions = { score_pct = ">=80" }'))
    other = rulebook(rule("lesson.completed"))
    both = demand_of([one, other])
    assert both.names == one.demand.names | other.demand.names
    assert both.facts == one.demand.facts | other.demand.facts
    assert both.rules_version == one.version
    assert looked_up(both) == ("score_pct", "staff")


@pytest.mark.parametrize("most", [1, 9, 12, 13, 120, 121, 1_000, 123_456_789])
def test_ranges_are_round_few_and_hold_every_amount(most: int) -> None:
    amounts = [most, 1, most // 2 + 1]
    ranges = spread([amounts, [0, most]])
    assert len(ranges) <= RANGES_MAX
    assert [sum(one.counts[n] for one in ranges) for n in (0, 1)] == [3, 1]
    assert all(first.high + 1 == second.low for first, second in itertools.pairwise(ranges))
    assert ranges[0].low == 1
    assert ranges[-1].low <= most <= ranges[-1].high
    assert str(ranges[0].high).rstrip("0") in {"1", "2", "5"}


def test_nobody_who_gains_is_no_range() -> None:
    assert spread([[], [0]]) == ()


TOLD = rulebook(
    '[[challenge]]\nid = "start"\nrepeat = true\naward = 5\n[[challenge.step]]\non = "lesson.completed"\ncount = 2\n'
    '[[challenge]]\nid = "twice"\naward = 100\n[[challenge.step]]\non = "challenge.completed"\n'
    'conditions = { challenge = "start" }\ncount = 2\n'
    + rule("challenge.completed", 'limit = "3/day"', name="told", award="7")
)


@given(st.lists(st.sampled_from(["ann", "ben"]), max_size=12), st.integers(1, 12))
def test_challenges_that_the_ledger_recorded_as_completed_come_to_what_they_came_to(who: list[str], size: int) -> None:
    acts = [event(when=at("2026-09-07T09:00:00") + n, who=one, lesson=str(n)) for n, one in enumerate(who)]
    live = Memory().completed(verdicts(TOLD, acts), TOLD)
    first, again = Trial(TOLD), Trial(TOLD)
    first.take(acts)
    recorded = live.with_acts(acts)
    for begin in range(0, len(recorded), size):
        again.take(recorded[begin : begin + size])
    assert again.findings == first.findings
    assert (again.events, first.events) == (len(recorded), len(recorded))
