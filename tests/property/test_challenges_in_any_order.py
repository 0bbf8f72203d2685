"""Challenges: the same acts in any order, split into pages anywhere, end with the same awards; more is never less."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.engine import booking, evaluate
from agent.engine.earning.challenge.count import standing
from agent.engine.earning.challenge.slots import parts
from agent.model import Event, Outcome, Use
from tests.effort import examples
from tests.rule_stories import at, event, rulebook

START = at("2026-10-05T12:00:00", "Europe/Berlin")
STEPS = """
[[challenge.step]]
on = "course.viewed"
per = "event"
[[challenge.step]]
on = "lesson.completed"
count = 2
"""
VARIANTS = (
    "",
    'order = "strict"',
    'deadline = "3d"',
    'order = "strict"\ndeadline = "3d"\nrepeat = true',
    "repeat = true",
    'repeat = "week"',
    'enrol = "by hand"',
    'enrol = "by hand"\norder = "strict"',
    "deadline = 2026-10-12",
)
RULES = rulebook(
    'schema = 1\ntimezone = "Europe/Berlin"\nday_starts_at = "04:00"\n'
    + "".join(f'[[challenge]]\nid = "c{n}"\naward = 10\n{more}\n{STEPS}' for n, more in enumerate(VARIANTS))
    + f'[[challenge]]\nid = "first"\nnext = "second"\naward = 5\n{STEPS}'
    + f'[[challenge]]\nid = "second"\nenrol = "by hand"\naward = 3\norder = "strict"\n{STEPS}'
)


def _act(kind: str, when: int, who: str, lesson: str) -> Event:
    return event(kind, START + when * 10_800, who, lesson=lesson)


def _enrolled(when: int, who: str, name: str) -> Event:
    return event("challenge.enrolled", START + when * 10_800, who, lms_event=f"\\challenge\\{name}\\enrolled")


WHEN, WHO = st.integers(0, 40 * 8), st.sampled_from(["ann", "ben"])
EVENTS = st.lists(
    st.one_of(
        st.builds(_act, st.sampled_from(["course.viewed", "lesson.completed"]), WHEN, WHO, st.sampled_from("123")),
        st.builds(_act, st.just("lesson.completed"), WHEN, WHO, st.sampled_from("123")),
        st.builds(_enrolled, WHEN, WHO, st.sampled_from(["c6", "c7"])),
    ),
    max_size=50,
    unique_by=lambda one: one.event_id,
)


def played(pages: Sequence[Sequence[Event]]) -> tuple[Counter[tuple[str, str, int]], list[Use]]:
    """Every award by what it is keyed with, from pages that each read what was kept before; and what was kept."""
    kept: list[Use] = []
    paid: Counter[tuple[str, str, int]] = Counter()
    for page in pages:
        verdicts = [verdict for one in page for verdict in evaluate.judge(one, RULES)]
        wanted = booking.wants(verdicts)
        known = [use for use in kept if (use.meter, use.bucket, use.learner) in wanted.rows | wanted.totals]
        for made in booking.book(verdicts, booking.State.load(known, {}), shadow=False):
            kept.extend((*made.notes, *made.uses))
            if made.outcome is Outcome.awarded:
                paid[made.rule_id, made.learner, made.generation] += 1
    members = Counter((use.meter, use.bucket, use.learner, use.slot) for use in kept)
    assert all(count == 1 for count in members.values()), "a member is kept once"
    return paid, kept


@settings(max_examples=examples(200), deadline=None)
@given(EVENTS, st.randoms(use_true_random=False), st.lists(st.integers(1, 49), max_size=6))
def test_any_order_and_any_split_end_with_the_same_awards(events: list[Event], random: object, cuts: list[int]) -> None:
    in_time, _ = played([sorted(events, key=lambda one: one.seen.occurred_at)])
    shuffled = list(events)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    borders = [0, *sorted(set(cuts)), max(len(events), 50)]
    assert played([shuffled[begin:end] for begin, end in pairwise(borders)])[0] == in_time
    assert all(count == 1 for count in in_time.values())


@settings(max_examples=examples(200), deadline=None)
@given(EVENTS)
def test_one_more_act_is_never_less_and_one_round_more_at_most(events: list[Event]) -> None:
    _, kept = played([events])
    for made in RULES.challenges:
        mine = {use.slot: use.at for use in kept if use.meter == made.counting.meter and use.learner == "moodle:ann"}
        whole = len(standing(made.counting.plan, mine).finished)
        for slot in mine:
            less = len(standing(made.counting.plan, mine, without=slot).finished)
            assert less <= whole
            assert whole - less <= 1 or parts(slot)[0] == 0
