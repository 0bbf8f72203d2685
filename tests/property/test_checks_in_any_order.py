"""What a check lets through: never more than it says in any order, and the same for any split into pages."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.engine import booking, evaluate
from agent.engine.fairness import texts
from agent.engine.rules import Rulebook
from agent.model import Decision, Event, Outcome, Use
from tests.effort import examples
from tests.rule_stories import at, event, rule, rulebook

START = at("2026-10-05T12:00:00")
VELOCITY = rulebook('[[check]]\nid = "v"\nvelocity = "3/10m"\n' + rule(more='once_per = "event"'))
ALL = rulebook(
    '[[check]]\nid = "v"\nvelocity = "3/10m"\nthen = "flag"\n'
    '[[check]]\nid = "i"\nidentical = { within = "5m" }\nthen = "flag"\nweight = 2\n'
    '[[check]]\nid = "t"\ntoggling = "2/1h"\n'
    '[[check]]\nid = "d"\nduplicate_text = { within = "1h" }\nthen = "hold"\non = "lesson.completed"\n'
    '[[check]]\nid = "r"\nreciprocal = { within = "1h" }\non = "lesson.completed"\n'
    '[[check]]\nid = "s"\nsuspicion = "3/20m"\nthen = "hold"\n' + rule() + rule(name="s", more='once_per = "event"')
)
TEXTS = tuple(texts.facts(" ".join(f"{word}{n}" for n in range(8)), b"k") for word in ("a", "b"))
EVENTS = st.lists(
    st.builds(
        lambda slot, who, lesson, facts, reply: (slot, who, lesson, facts, reply),
        st.integers(0, 120),
        st.sampled_from(["ann", "ben"]),
        st.sampled_from(["1", "2"]),
        st.sampled_from([{}, *TEXTS]),
        st.sampled_from([{}, {"reply_to": "ann"}, {"reply_to": "ben"}]),
    ),
    max_size=40,
)


def events_of(drawn: Sequence[tuple[int, str, str, dict[str, str], dict[str, str]]]) -> list[Event]:
    """Each with a position and an identity of its own."""
    return [
        event(when=START + slot * 30, who=who, lesson=lesson, facts={**facts, **reply}, position=n, key=str(n))
        for n, (slot, who, lesson, facts, reply) in enumerate(drawn, 1)
    ]


def decided(pages: Sequence[Sequence[Event]], rules: Rulebook) -> list[Decision]:
    """Every decision, from pages that each read what was kept before."""
    kept: list[Use] = []
    found: list[Decision] = []
    for page in pages:
        verdicts = [verdict for one in page for verdict in evaluate.judge(one, rules)]
        wanted = booking.wants(verdicts)
        known = [use for use in kept if (use.meter, use.bucket, use.learner) in wanted.rows | wanted.totals]
        made = booking.book(verdicts, booking.State.load(known, {}), shadow=False)
        kept.extend(use for one in made for use in (*one.notes, *remembered(one)))
        found.extend(made)
    keys = [(use.meter, use.bucket, use.learner, use.slot) for use in kept if use.meter.startswith(("check:", "flag:"))]
    assert len(keys) == len(set(keys)), "an act is kept once"
    return found


def remembered(made: Decision) -> tuple[Use, ...]:
    """What the ledger keeps of its uses: of a hold those that it reserves."""
    return made.reserves if made.outcome is Outcome.held else made.uses


@settings(max_examples=examples(150), deadline=None)
@given(EVENTS, st.randoms(use_true_random=False))
def test_no_window_ever_lets_more_through_than_the_velocity(drawn: list, random: object) -> None:  # type: ignore[type-arg]
    events = events_of(drawn)
    random.shuffle(events)  # type: ignore[attr-defined]
    times: dict[str, list[int]] = {}
    by_id = {one.event_id: one.seen.occurred_at for one in events}
    for made in decided([events], VELOCITY):
        if made.outcome is Outcome.awarded:
            times.setdefault(made.learner, []).append(by_id[made.event_id])
    for passed in times.values():
        assert all(sum(end - 600 < each <= end for each in passed) <= 3 for end in passed)


HELD_BETWEEN_PAGES: list[tuple[int, str, str, dict[str, str], dict[str, str]]] = [
    (0, "ann", "1", {}, {}),
    (1, "ann", "1", {}, {}),
    (2, "ann", "1", {}, {}),
    (3, "ann", "2", {}, {}),
    (60, "ann", "2", {}, {}),
]
"""The fourth act is held for its suspicion and keeps lesson 2: the fifth, an hour later, finds it taken."""


@settings(max_examples=examples(150), deadline=None)
@given(EVENTS, st.lists(st.integers(1, 39), max_size=6))
@example(HELD_BETWEEN_PAGES, [4])
def test_any_split_into_pages_comes_to_the_same_decisions(drawn: list, cuts: list[int]) -> None:  # type: ignore[type-arg]
    events = events_of(drawn)
    borders = [0, *sorted(set(cuts)), 40]
    whole = [(d.rule_id, d.outcome, d.reason, d.checks, d.notes) for d in decided([events], ALL)]
    parts = [events[begin:end] for begin, end in pairwise(borders)]
    assert [(d.rule_id, d.outcome, d.reason, d.checks, d.notes) for d in decided(parts, ALL)] == whole
