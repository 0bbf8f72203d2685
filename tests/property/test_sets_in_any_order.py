"""Awards decided from sets: the same acts in any order, split into pages anywhere, end with the same awards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.engine import booking, evaluate
from agent.model import Decision, Event, Outcome, Use
from tests.effort import examples
from tests.rule_stories import at, event, rule, rulebook

START = at("2026-10-05T12:00:00", "Europe/Berlin")
FORMS = (
    'streak = { days = 3, in = "week" }',
    "streak = { days = 2 }",
    "streak = { days = 3, repeat = true }",
    'streak = { days = 3, forgive = { days = 1, per = "week" }, repeat = true }',
    'streak = { weeks = 2, each = { days = 2 }, forgive = { weeks = 1, per = "month" }, repeat = true }',
    "streak = { months = 2 }",
    'momentum = { lessons = 2, within = "6h", repeat = true }',
    'momentum = { lessons = 2, within = "12h" }',
    'momentum = { lessons = 3, within = "24h" }',
    "spaced = { days = 2, apart = 2 }",
    "first = true",
    "crosses = { section_progress_pct = 50 }",
)
RULES = rulebook(
    'schema = 1\ntimezone = "Europe/Berlin"\nday_starts_at = "04:00"\n[calendar]\nclosed = ["2026-10-14..2026-10-15"]\n'
    + "".join(rule(name=f"r{n}", more=form) for n, form in enumerate(FORMS))
)
EVENTS = st.lists(
    st.builds(
        event,
        when=st.integers(0, 40 * 8).map(lambda part: START + part * 10_800),
        who=st.sampled_from(["ann", "ben"]),
        lesson=st.sampled_from(["1", "2", "3"]),
        section=st.sampled_from(["1", "2"]),
        facts=st.sampled_from([{}, {"section_progress_pct": 40}, {"section_progress_pct": 60}]),
    ),
    max_size=60,
    unique_by=lambda one: one.event_id,
)


def awards(pages: Sequence[Sequence[Event]]) -> Counter[tuple[str, str, str, int]]:
    """Every award by what it is keyed with, from pages that each read what was kept before."""
    kept: list[Use] = []
    paid: Counter[tuple[str, str, str, int]] = Counter()
    for page in pages:
        verdicts = [verdict for one in page for verdict in evaluate.judge(one, RULES)]
        wanted = booking.wants(verdicts)
        known = [use for use in kept if (use.meter, use.bucket, use.learner) in wanted.rows | wanted.totals]
        decisions: list[Decision] = booking.book(verdicts, booking.State.load(known, {}), shadow=False)
        for made in decisions:
            kept.extend((*made.notes, *made.uses))
            if made.outcome is Outcome.awarded:
                paid[made.rule_id, made.learner, made.scope, made.generation] += 1
    members = Counter((use.meter, use.bucket, use.learner, use.slot) for use in kept)
    assert all(count == 1 for count in members.values()), "a member is kept once"
    return paid


@settings(max_examples=examples(200), deadline=None)
@given(EVENTS, st.randoms(use_true_random=False), st.lists(st.integers(1, 59), max_size=6))
def test_any_order_and_any_split_end_with_the_same_awards(events: list[Event], random: object, cuts: list[int]) -> None:
    in_time = awards([sorted(events, key=lambda one: one.seen.occurred_at)])
    shuffled = list(events)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    borders = [0, *sorted(set(cuts)), max(len(events), 60)]
    assert awards([shuffled[begin:end] for begin, end in pairwise(borders)]) == in_time
    assert all(count == 1 for count in in_time.values())
