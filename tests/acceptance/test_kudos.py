"""Learners thank each other on campus, through the console commands of both programs: the centre learns no name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.campus import Campus, campus
from tests.acceptance.test_delivery import RULES, complete
from tests.integration.test_catalogue_process import Served, command, serving
from tests.sites import SqliteSite

CAMPUS = "test-campus"
ANN, BEN = "moodle:35", "moodle:36"
THANKED = """
[[rule]]
id         = "thanked"
on         = "kudos.given"
conditions = { tag = "helpful" }
award      = 3
reverse_on = "kudos.revoked"

[[badge]]
id   = "shine"
name = "Shine"
"""
HEARD = """
kudos = "kudos"

[[source]]
name           = "kudos"
kind           = "generic"
same_site_as   = "moodle"
pay_before_log = true
"""


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Served]:
    """The real catalogue, serving."""
    with serving(tmp_path / "catalogue") as served:
        yield served


class Centre:
    """The catalogue's operator."""

    def __init__(self, where: tuple[str, ...]) -> None:
        self._where = where

    def asks(self, *words: str) -> Any:
        return json.loads(command(*words, "--json", *self._where).stdout)


def enrolled(tmp_path: Path, catalogue: Served) -> tuple[Campus, Centre]:
    """A campus of two learners, whose rules pay who is thanked for help."""
    site = SqliteSite(tmp_path / "moodle.db")
    complete(site, 1)
    extra = f'[catalogue]\nurl = "{catalogue.url}"{HEARD}'
    at = campus(tmp_path / "campus", f"sqlite:///{site.path}", RULES + THANKED, extra=extra)
    centre = Centre(("--config", str(catalogue.config)))
    added = centre.asks("tenant", "add", CAMPUS)
    at.command("key", "new")
    at.command("enrol", added["token"])
    at.catch_up()
    return at, centre


def points(at: Campus, learner: str) -> int:
    """What a learner has on campus."""
    found = at.json("learner", "show", learner)["balances"]
    return sum(one["balance"] for one in found if one["currency"] == "points")


def test_learners_thank_each_other_and_the_centre_learns_pseudonyms_words_and_nothing_once_they_are_erased(
    tmp_path: Path, catalogue: Served
) -> None:
    at, centre = enrolled(tmp_path, catalogue)
    earned = points(at, BEN)
    first = at.json("kudos", "give", ANN, BEN, "#helpful Thank you", "--key", "one")
    again = at.json("kudos", "give", ANN, BEN, "#helpful Thank you", "--key", "one")
    assert (first["giver"], first["receiver"], again["id"]) == (ANN, BEN, first["id"])
    assert "themselves" in at.command("kudos", "give", ANN, ANN, "#helpful", check=False).stderr
    at.command("badge", "assign", "shine", "--learner", BEN, "--message", "a fine idea", "--by", "B. Desk")
    at.catch_up()
    at.command("kudos", "like", BEN, "1")
    at.command("kudos", "comment", BEN, "1", "You are welcome")
    (shown,) = at.json("kudos", "list", "--as", BEN)
    assert (shown["giver"], shown["likes"], shown["comments"], shown["message"]) == (ANN, 1, 1, "Thank you")
    assert at.json("kudos", "show", "1")["said"][0]["user"] == BEN
    stats = at.json("kudos", "stats", BEN)
    assert (stats["tags"], stats["awards"]) == ({"helpful": 1}, 1), "a badge given by hand is an award there"
    (award,) = at.json("kudos", "list", "--awards", "--as", BEN)
    assert (award["receiver"], award["badge"], award["message"], award["state"]) == (BEN, "shine", "", "shown")

    assert points(at, BEN) == earned + 3, "who is thanked has what the rule pays, once for each kudos"

    there = centre.asks("kudos", "list", CAMPUS)
    assert there[0]["message"] == "Thank you"
    assert not {ANN, BEN, "35", "36"} & {there[0]["giver"], there[0]["receiver"]}
    at.command("kudos", "moderate", "1", "hide", "--reason", "a joke that hurt")
    assert at.json("kudos", "list", "--as", ANN) == []
    (act,) = centre.asks("audit", "list", CAMPUS, "--act", "recognition")
    assert (act["by"].split()[0], act["why"]) == ("agent", "a joke that hurt")
    at.command("kudos", "moderate", "1", "show", "--reason", "they talked")

    at.command("kudos", "take-back", ANN, "1")
    at.command("badge", "revoke", "shine", "--learner", BEN, "--reason", "withdrawn", "--by", "Dean")
    at.catch_up()
    (award,) = centre.asks("award", "list", CAMPUS)
    assert (award["state"], award["ended_by"], award["why"]) == ("revoked", award["given_by"], "")
    assert points(at, BEN) == earned, "and no longer once they are taken back"
    assert at.json("kudos", "give", ANN, BEN, "#thanks", "--seen", "anonymous")["id"] == 5
    assert at.json("learner", "opt-out", BEN)["catalogue"] == "told"
    assert "takes no part" in at.command("kudos", "give", ANN, BEN, "#thanks", check=False).stderr
    assert centre.asks("kudos", "list", CAMPUS, "--as", "") == []
    erased = at.command("learner", "erase", ANN, "--yes", check=False)
    assert "has forgotten" in erased.stdout, erased.stdout
    assert centre.asks("kudos", "list", CAMPUS) == []
