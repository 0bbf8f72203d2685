"""Counters only rise, gauges stand where they were put."""

from __future__ import annotations

import pytest

from agent.metrics import Counter, Gauge, Metrics, Sample


def test_a_counter_adds_up_for_each_label() -> None:
    metrics = Metrics()
    metrics.add(Counter.pages_read, label="moodle")
    metrics.add(Counter.pages_read, 4, label="moodle")
    metrics.add(Counter.pages_read, 2, label="other")

    read = [sample for sample in metrics.samples() if sample.name == "pages_read"]
    assert read == [Sample("pages_read", "moodle", 5), Sample("pages_read", "other", 2)]


def test_a_counter_never_falls() -> None:
    metrics = Metrics()

    with pytest.raises(ValueError, match="pages_read cannot fall"):
        metrics.add(Counter.pages_read, -1)


def test_a_gauge_is_what_was_last_said() -> None:
    metrics = Metrics()
    metrics.set(Gauge.acked_seq, 10, label="catalogue")
    metrics.set(Gauge.acked_seq, 7, label="catalogue")

    assert Sample("acked_seq", "catalogue", 7) in metrics.samples()


def test_an_untouched_counter_is_nought_and_an_unset_gauge_is_unknown() -> None:
    assert {sample.name for sample in Metrics().samples()} == {str(name) for name in Counter}
    assert all(sample.value == 0 for sample in Metrics().samples())
