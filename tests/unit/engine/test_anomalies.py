"""Who stands out: by the median, exactly, and only where there are enough to compare with."""

from __future__ import annotations

from fractions import Fraction

from agent.engine.fairness.anomalies import Anomaly, anomalies, median


def days(**counts: int) -> dict[tuple[str, str], dict[str, int]]:
    """One day of a rule for each learner."""
    return {("r", learner): {"2026-09-07": count} for learner, count in counts.items()}


USUAL = {f"u{n}": 4 + n % 3 for n in range(9)}


def test_a_learner_far_above_the_median_stands_out_with_an_exact_score() -> None:
    (found,) = anomalies(days(**USUAL, eve=60))
    assert found == Anomaly(
        rule="r", learner="eve", among="learners", day="", count=60, usual=Fraction(5), score=found.score
    )
    assert found.score == 55 * Fraction(6745, 10_000)


def test_where_most_are_alike_the_mean_distance_tells() -> None:
    alike = {f"u{n}": 1 for n in range(20)}
    assert [one.learner for one in anomalies(days(**alike, eve=30))] == ["eve"]
    assert anomalies(days(**alike, eve=3)) == []
    assert anomalies(days(**alike, eve=1)) == []


def test_too_few_have_no_usual_and_less_than_usual_is_no_wonder() -> None:
    assert anomalies(days(a=1, b=2, eve=100)) == []
    assert anomalies(days(**{name: count * 50 for name, count in USUAL.items()}, low=1)) == []


def test_a_day_stands_out_among_a_learners_own() -> None:
    own = {f"2026-09-{day:02d}": 2 + day % 2 for day in range(1, 12)} | {"2026-09-20": 40}
    (found,) = anomalies({("r", "eve"): own})
    assert (found.among, found.day, found.count) == ("days", "2026-09-20", 40)


def test_the_median_lies_between_the_two_middle_ones() -> None:
    assert median([Fraction(4), Fraction(1), Fraction(2)]) == 2
    assert median([Fraction(4), Fraction(1)]) == Fraction(5, 2)
