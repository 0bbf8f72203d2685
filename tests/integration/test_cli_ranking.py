"""`rewards-agent learner ranking`, as a programme owner types it, held against the ledger's own rows."""

from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.ledger.tally.places import placed
from tests.helpdesk import Desk, filled

ANN, BEN, CID = "moodle:35", "moodle:36", "moodle:37"
POINTS = ("learner", "ranking", "--currency", "points")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """The filled campus, where by hand Ben has as much as Ann, and Cid more; only looked at."""
    own = filled(tmp_path_factory.mktemp("ranking") / "campus")
    owed = sums(own)
    for learner, amount in ((BEN, owed[ANN] - owed[BEN]), (CID, owed[ANN] + 3 - owed[CID])):
        own.command("ledger", "adjust", learner, str(amount), "--reason", "a correction", "--by", "eve")
    return own


def sums(desk: Desk, *span: str) -> Counter[str]:
    """What the exported rows in points add up to."""
    found: Counter[str] = Counter()
    exported = desk.command("ledger", "export", "--currency", "points", *span).stdout
    for row in csv.DictReader(io.StringIO(exported)):
        found[row["learner"]] += int(row["amount"])
    return found


def test_a_ranking_is_what_the_rows_of_the_ledger_add_up_to_ever_and_in_a_span(desk: Desk) -> None:
    for span in ((), ("--since", "2026-09-07", "--until", "2026-09-07"), ("--until", "2026-09-08")):
        told = desk.json(*POINTS, *span)
        assert {row["learner"]: row["amount"] for row in told["places"]} == {
            learner: amount for learner, amount in sums(desk, *span).items() if amount > 0
        }
    told = desk.json(*POINTS)
    assert [(row["place"], row["learner"]) for row in told["places"]] == [(1, CID), (2, ANN), (2, BEN)]
    assert told["learners"] == 3


def test_a_merged_account_stands_with_the_one_it_is_now_also_in_a_span_before_the_merge(
    desk: Desk, tmp_path: Path
) -> None:
    owed = sums(desk, "--until", "2026-09-08")
    own = desk.copy(tmp_path / "campus")
    own.command("learner", "merge", ANN, CID, "--reason", "two accounts", "--by", "eve")
    told = own.json(*POINTS, "--until", "2026-09-08")
    assert {row["learner"]: row["amount"] for row in told["places"]} == {
        learner: amount for learner, amount in ((CID, owed[ANN] + owed[CID]), (BEN, owed[BEN])) if amount > 0
    }


def test_who_takes_no_part_stands_in_no_ranking_and_the_places_close_up(desk: Desk, tmp_path: Path) -> None:
    own = desk.copy(tmp_path / "campus")
    own.command("learner", "opt-out", CID, "--by", "eve")
    assert [(row["place"], row["learner"]) for row in own.json(*POINTS)["places"]] == [(1, ANN), (1, BEN)]


def test_people_read_units_and_how_many_follow_and_of_several_currencies_one_is_named(desk: Desk) -> None:
    shown = desk.command(*POINTS, "--limit", "1")
    assert [line.split()[:2] for line in shown.stdout.splitlines()] == [["place", "learner"], ["1", CID]]
    assert "2 more learners" in shown.stderr
    assert "0.25" in desk.command("learner", "ranking", "--currency", "stars").stdout
    for wrong in ((), ("--currency", "pints")):
        refused = desk.command("learner", "ranking", *wrong, check=False)
        assert refused.returncode == 1
        assert "write --currency with one of points, stars" in refused.stderr


@given(
    sums=st.dictionaries(st.sampled_from("abcdefgh"), st.integers(-3, 4)),
    absent=st.sets(st.sampled_from("abcdefgh")),
)
def test_a_place_is_one_more_than_how_many_have_more(sums: dict[str, int], absent: set[str]) -> None:
    found = placed(sums, absent)
    having = {who: amount for who, amount in sums.items() if amount > 0 and who not in absent}
    assert {who: amount for _, who, amount in found} == having
    assert all(place == 1 + sum(other > amount for other in having.values()) for place, _, amount in found)
    assert [amount for _, _, amount in found] == sorted(having.values(), reverse=True)
