"""The agent pays the embedded campus exactly what SQL over the campus's own tables counts, whatever happened on it."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from agent.demo.campus import DAY_S
from agent.demo.founding import create
from agent.demo.life import Life
from agent.demo.stage.expected import COUNTS, expected
from agent.demo.stage.place import Place, shipped_rules
from agent.demo.stage.watch import Watch
from agent.ledger import file, reading
from tests import programs
from tests.builders import NOW


def lived_in(directory: Path, seed: int, moments: int) -> Place:
    """A campus that was alive in term: in the holidays of the shipped calendar no week has five days."""
    place = Place(directory=directory, port=1)
    place.furnish()
    settings = place.config.read_text()
    place.config.write_text(settings[: settings.index("[catalogue]")])
    life = Life(create(place.moodle, born_at=NOW - 22 * DAY_S), seed=seed)
    life.history(until=NOW - DAY_S)
    for n in range(moments):
        life.moment(NOW - DAY_S + n * 60)
    life.close()
    return place


def catch_up(place: Place) -> None:
    done = programs.run("agent", ["run", "--until-caught-up", "--config", str(place.config)])
    assert done.returncode == 0, done.stderr


def paid(place: Place) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    with closing(file.open_for_reading(place.data_dir)) as db:
        for entry in reading.entries(db):
            found[entry.fields["rule"], entry.learner] += entry.fields["amount"]
    return found


@pytest.mark.parametrize("seed", [1, 2, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(3, 9))])
def test_every_learner_is_paid_what_the_tables_say_under_every_rule(tmp_path: Path, seed: int) -> None:
    place = lived_in(tmp_path / "place", seed, moments=600)
    catch_up(place)
    due = expected(place)
    assert {rule for rule, _ in due} == set(COUNTS)
    assert paid(place) == due


def test_the_watch_sees_what_is_not_read_yet_and_then_nothing(tmp_path: Path) -> None:
    place = lived_in(tmp_path / "place", 5, moments=20)
    watch = Watch(place)
    assert watch.look().behind > 1000
    catch_up(place)
    figures = watch.look()
    assert figures.behind == 0
    assert figures.events > 100
    assert figures.verdicts
    assert watch.look().verdicts == ()


def test_the_shipped_rules_are_the_example_of_the_project() -> None:
    assert shipped_rules() == (Path(__file__).parents[2] / "rules.example.toml").read_text()
