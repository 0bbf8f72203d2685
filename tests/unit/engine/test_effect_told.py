"""What an effect says in a sentence, and what is told beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date

import pytest

from agent.engine.experiment import verdict
from agent.engine.experiment.effect import Did, Effect, effect
from agent.engine.experiment.groups import Experiment
from agent.engine.experiment.telling import sentences
from tests.rule_stories import rule, rulebook
from tests.unit.engine.test_experiments import experiment, learners

FREE, HELD = learners(40, held=False), learners(40, held=True)
OVER = date(2026, 10, 1)


def one(more: str = "", share: str = "50%") -> Experiment:
    return rulebook(experiment(more, share=share) + rule()).experiments[0]


def told(made: Experiment, times: Callable[[bool, int], int], *, before: int = 1, value: int | None = None) -> Effect:
    """What both groups come to where the learner of a number has so many acts; ``value`` is less where held out."""

    def acts() -> Iterator[Did]:
        for out, group in ((False, FREE), (True, HELD)):
            for number, who in enumerate(group):
                learner = f"moodle:{who}"
                had = value if value is None else value - 10 * out + number % 2
                yield Did(learner=learner, since=False, counted=True, times=before + out * (before > 1), value=had)
                yield Did(learner=learner, since=False, counted=False, times=9)
                if times(out, number):
                    yield Did(learner=learner, since=True, counted=True, times=times(out, number), value=had)

    return effect(made, acts(), {f"moodle:{who}" for who in FREE})


def said(made: Experiment, found: Effect, today: date = OVER) -> str:
    return verdict.verdict(made, found, today=today, forgotten=None)


def test_fewer_of_what_is_counted_is_said_as_plainly_as_more() -> None:
    counted = one('measure = "forum.posted"')
    assert said(counted, told(counted, lambda out, _: 1 + out)).startswith(
        "Whoever could earn it has 1 fewer forum.posted each ("
    )
    assert said(counted, told(counted, lambda out, _: 3 - out)).startswith(
        "Whoever could earn it has 1 more forum.posted each ("
    )


def test_a_mean_is_higher_or_lower() -> None:
    mean = one('measure = "score_pct in quiz.submitted"')
    assert "has a score_pct that is 10 higher (between +" in said(mean, told(mean, lambda *_: 1, value=70))
    assert "has a score_pct that is 10 lower (between -" in said(mean, flipped(mean))


def flipped(mean: Experiment) -> Effect:
    """The held-out ones have the higher mean."""
    acts = (
        Did(learner=f"moodle:{who}", since=True, counted=True, times=2, value=60 + 10 * out + number % 3)
        for out, group in ((0, FREE), (1, HELD))
        for number, who in enumerate(group)
    )
    return effect(mean, acts, {f"moodle:{FREE[0]}"})


def test_acts_without_the_fact_are_no_part_of_a_mean() -> None:
    mean = one('measure = "score_pct in quiz.submitted"')
    acts = [Did(learner=f"moodle:{who}", since=True, counted=True, times=1) for who in (*FREE, *HELD)]
    found = effect(mean, acts, ())
    assert (found.free.learners, found.free.since.count, found.difference) == (40, 0, None)


def test_chance_that_moves_both_groups_shows_nothing() -> None:
    made = one()
    assert said(made, told(made, lambda out, number: number % 5 + (out and number == 0))).startswith(
        "No difference that so many"
    )


@pytest.mark.parametrize(("before", "differed"), [(1, False), (3, True)])
def test_groups_that_differed_before_are_told(before: int, *, differed: bool) -> None:
    found = told(one(), lambda *_: 1, before=before)
    remarks = list(verdict.remarks(one(), found, today=OVER))
    assert [remark.startswith("the groups differed before it began (-1, between -1 and -1)") for remark in remarks] == [
        True
    ] * differed


def test_a_group_that_chance_would_not_make_is_told() -> None:
    made = one(share="5%")
    acts = [Did(learner=f"moodle:{who}", since=True, counted=True, times=1) for who in (*FREE, *HELD)]
    small = effect(made, acts, ())
    assert not small.lopsided, "too small to be told of at all"
    many = [who for who in map(str, range(100_000, 106_000)) if made.holds_out(f"moodle:{who}")]
    more = [Did(learner=f"moodle:{who}", since=True, counted=True, times=1) for who in (*FREE, *many)]
    found = effect(made, more, ())
    assert found.lopsided
    assert any(
        "learners are in the comparison group, where 5 % were meant" in each
        for each in verdict.remarks(made, found, today=OVER)
    )


def test_an_experiment_says_what_it_does() -> None:
    assert sentences(one('measure = "score_pct in quiz.submitted"\npay_after = true\ntitle = "Do points help?"')) == (
        "Do points help?: an experiment. 50 % of the learners get nothing by r.",
        "From 2026-09-07 until 2026-09-20, both days included.",
        "Both groups are compared by each one's mean of score_pct in quiz.submitted: rewards-agent rules effect nudge.",
        "Held out is whose SHA-256 of :nudge:SITE:USER begins below 50 %.",
        "Once it is over, rules backfill pays the comparison group what it missed.",
    )
    assert sentences(one())[2].startswith("Both groups are compared by how often each did what the rules stand on")
    assert sentences(one('measure = "forum.*"'))[2].startswith("Both groups are compared by how often each had forum.*")
    assert [one().state(date(2026, 9, day)) for day in (6, 7, 20, 21)] == ["to come", "running", "running", "over"]
