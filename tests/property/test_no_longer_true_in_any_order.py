"""A grade that changes: whatever the order of arrival and wherever pages end, its last word counts, and once."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.engine import booking, evaluate
from agent.model import Event, Outcome
from tests.effort import examples
from tests.pipelines import pages, running
from tests.rule_stories import ZONE, at, event, rule, rulebook

TEXT = f'schema = 1\ntimezone = "{ZONE}"\n' + rule(
    "grade.awarded", 'conditions = { score_pct = ">=80" }\nreverse_when = "no longer true"'
)
RULES = rulebook(TEXT)
START = at("2026-09-07T09:00:00")

GRADES = st.lists(
    st.tuples(st.sampled_from(["ann", "ben"]), st.sampled_from(["1", "2"]), st.integers(0, 6), st.integers(70, 90)),
    min_size=1,
    max_size=14,
)


def told(grades: list[tuple[str, str, int, int]]) -> list[Event]:
    """The grades as the log has them: its numbers rise with the time."""
    events = []
    for position, (who, item, second, score) in enumerate(sorted(grades, key=lambda grade: grade[2]), 1):
        one = event(
            "grade.awarded", START + second, who, lesson=item, obj=("grade_grades", f"{who}{item}"),
            facts={"score_pct": score}, key=str(position),
        )  # fmt: skip
        events.append(replace(one, seen=replace(one.seen, position=position)))
    return events


@settings(max_examples=examples(300), deadline=None)
@given(GRADES, st.randoms(use_true_random=False))
def test_in_any_order_of_arrival_the_last_grade_counts(grades: list[tuple[str, str, int, int]], chance: Random) -> None:
    events = told(grades)
    last = {(one.seen.people["subject"], one.seen.lesson): one.seen.facts["score_pct"] for one in events}
    chance.shuffle(events)
    state = booking.State.load((), {})
    held: dict[tuple[str, str | None], int] = {}
    for one in events:
        for decision in booking.book(evaluate.judge(one, RULES), state, shadow=False):
            if decision.outcome in {Outcome.awarded, Outcome.reversed}:
                key = (one.seen.people["subject"], one.seen.lesson)
                held[key] = held.get(key, 0) + decision.postings[0].amount
                assert held[key] in {0, 10}
    assert {key for key, amount in held.items() if amount} == {
        key for key, score in last.items() if isinstance(score, int) and score >= 80
    }


@settings(max_examples=examples(30), deadline=None)
@given(grades=GRADES, cuts=st.sets(st.integers(1, 13)))
async def test_wherever_pages_end_the_entries_are_the_same_and_a_replay_appends_none(
    grades: list[tuple[str, str, int, int]], cuts: set[int]
) -> None:
    seen = [one.seen for one in told(grades)]
    with tempfile.TemporaryDirectory() as directory:
        async with running(Path(directory) / "one", TEXT) as one, running(Path(directory) / "many", TEXT) as many:
            await one.take(*seen)
            for page in [*pages(seen, cuts), *pages(seen, cuts)]:
                await many.take(*page)
            assert many.entries() == one.entries()
            assert many.reasons() == one.reasons()
