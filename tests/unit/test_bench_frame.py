"""What the benchmarks stand on: the mix is the one that was counted, results are replaced and not repeated."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from bench.frame import Sample, alternate, percentile, publish
from bench.generate import BORN_AT, Generator
from bench.mix import shares
from bench.population import Population, Size
from tests.servers import CAPTURE, capture_is_here


@pytest.mark.skipif(not capture_is_here(), reason="the captured campus is not there")
def test_the_event_mix_is_the_one_that_was_counted() -> None:
    counted: Counter[tuple[str, str | None]] = Counter()
    for line in json.loads((CAPTURE / "mariadb" / "event_counts.json").read_text()):
        counted[line["eventname"], line["origin"]] += line["count"]
    assert {(share.event, share.origin): share.weight for share in shares()} == dict(counted)


def test_generated_rows_keep_the_mix_and_are_the_same_for_the_same_seed() -> None:
    size = Size(rows=20_000, learners=200, courses=20)
    first, second = (list(Generator(Population(size, Random(5), BORN_AT), Random(5)).rows()) for _ in range(2))
    assert first == second
    weights = Counter[object]()
    for share in shares():
        weights[share.event] += share.weight
    seen = Counter(row[1] for row in first)
    total = sum(weights.values())
    for event, weight in weights.most_common(10):
        assert seen[event] / len(first) == pytest.approx(weight / total, rel=0.2)


def test_generated_ids_have_gaps_and_times_run_slightly_out_of_order() -> None:
    size = Size(rows=20_000, learners=200, courses=20)
    rows = list(Generator(Population(size, Random(5), BORN_AT), Random(5)).rows())
    ids = [int(str(row[0])) for row in rows]
    assert ids == sorted(set(ids))
    assert ids[-1] - len(ids) > 20
    times = [int(str(row[17])) for row in rows if row[18] == "web"]
    backwards = [before - after for before, after in itertools.pairwise(times) if after < before]
    assert backwards
    assert max(backwards) <= 5


def test_runs_alternate_and_the_ratio_is_ours_over_bare() -> None:
    order: list[str] = []

    def run(name: str, wall_s: float) -> Sample:
        order.append(name)
        return Sample(units=1_000, wall_s=wall_s)

    outcome = alternate("rows", lambda: run("bare", 1.0), lambda: run("ours", 2.0), repeats=2)
    assert order == ["bare", "ours", "bare", "ours"]
    assert outcome.ratio == pytest.approx(0.5)
    assert "**0.50**" in outcome.table()


def test_a_section_of_the_results_is_replaced_in_its_place(tmp_path: Path) -> None:
    results = tmp_path / "RESULTS.md"
    publish("a", "First", "one", results=results)
    publish("b", "Second", "two", results=results)
    publish("a", "First", "three", results=results)
    text = results.read_text()
    assert "one" not in text
    assert text.count("## First") == 1
    assert text.index("three") < text.index("two")


def test_a_percentile_is_one_of_the_values() -> None:
    values = [float(n) for n in range(1, 101)]
    assert percentile(values, 0.99) == 99
    assert percentile(values, 0.5) == 50
    assert percentile([7.0], 0.99) == 7
