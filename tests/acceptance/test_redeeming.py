"""A learner's points, from Moodle's log to a voucher in the hand, through the console commands of both programs."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.campus import Campus, campus
from tests.acceptance.test_delivery import RULES, complete
from tests.integration.test_catalogue_process import Served, command, serving
from tests.sites import SqliteSite
from wire.money import qr

CAMPUS = "test-campus"
FINE = """
schema = 1
timezone = "UTC"
[currency.credit]
decimals = 2
[[rule]]
id = "lesson"
on = "lesson.completed"
award = { credit = 0.75 }
"""


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Served]:
    """The real catalogue, serving."""
    with serving(tmp_path / "catalogue") as served:
        yield served


def enrolled(tmp_path: Path, catalogue: Served, rules: str = RULES) -> tuple[Campus, tuple[str, ...]]:
    """A campus whose learners have seventy points each, and a cup of tea for fifty; how the catalogue is commanded."""
    site = SqliteSite(tmp_path / "moodle.db")
    for lesson in range(1, 8):
        complete(site, lesson)
    extra = f'[catalogue]\nurl = "{catalogue.url}"'
    at = campus(tmp_path / "campus", f"sqlite:///{site.path}", rules, extra=extra)
    where = ("--config", catalogue.config)
    added = json.loads(command("tenant", "add", CAMPUS, "--json", *where).stdout)
    at.command("key", "new")
    at.command("enrol", added["token"])
    reward = ["--title", "A cup of tea", "--price", "points=50", "--stock", "9", "--approve"]
    command("reward", "add", CAMPUS, "tea", *reward, *where)
    at.catch_up()
    return at, tuple(map(str, where))


def test_a_learner_sees_what_there_is_redeems_once_and_the_campus_shows_what_is_left(
    tmp_path: Path, catalogue: Served
) -> None:
    at, where = enrolled(tmp_path, catalogue)
    offered = at.command("rewards", "list", "moodle:35").stdout
    assert re.search(r"tea +A cup of tea +50 points +9 +can be had", offered), offered
    picture, none = tmp_path / "tea.svg", tmp_path / "none.svg"
    none.write_text("somebody's")
    taken = at.command("redeem", "moodle:35", "tea", "--qr", str(none), check=False)
    assert (taken.returncode, "is there already" in taken.stderr, none.read_text()) == (2, True, "somebody's")
    none.unlink()
    bought = at.command("redeem", "moodle:35", "tea", "--by", "desk", "--qr", str(picture))
    voucher = re.search(r"^voucher (\S+), until ", bought.stdout, re.MULTILINE)
    assert voucher is not None, bought.stdout
    assert voucher[1] not in bought.stderr
    assert (picture.read_bytes(), picture.stat().st_mode & 0o777) == (qr.svg(voucher[1]), 0o600)
    refused = at.command("redeem", "moodle:35", "tea", "--qr", str(none), check=False)
    assert not none.exists(), "what was not granted is not drawn"
    assert (refused.returncode, refused.stdout) == (1, "refused: it costs 50 points, and there are 20\n")

    points = next(one for one in at.json("learner", "show", "moodle:35")["balances"] if one["currency"] == "points")
    assert (points["balance"], points["lifetime"]) == (20, 70)
    shown = at.command("learner", "show", "moodle:35").stdout
    assert "as the catalogue had it at " in shown
    first, second = at.json("redemption", "list", "--learner", "moodle:35")[::-1]
    assert (first["state"], first["paid"], second["state"]) == ("granted", "50 points", "refused")
    again = at.command("redemption", "show", first["key"], check=False)
    assert (again.returncode, "was shown to desk already" in again.stderr) == (1, True)
    shown_again = at.command("redemption", "show", first["redemption"], "--again", "--qr", str(none))
    assert voucher[1] in shown_again.stdout
    assert none.read_bytes() == picture.read_bytes()
    exported = at.command("ledger", "export", "--format", "csv", "--with-statement").stdout
    assert re.search(r"^\d+,c\d+,.*,moodle:35,,,points,-50,spend,", exported, re.MULTILINE), exported
    assert at.json("sync", "status")["statement"]["lines"] == 1
    assert at.json("sync", "lost") == []
    assert at.command("ledger", "verify").returncode == 0
    looked = at.command("redemption", "use", voucher[1], "--look").stdout
    assert looked.startswith("the voucher is good for: A cup of tea (r"), looked
    assert at.json("redemption", "use", voucher[1], "--by", "cafe")["title"] == "A cup of tea"
    late = command("redemption", "use", voucher[1], *where, code=1)
    assert "was used already, at 20" in late.stderr


def test_prices_and_balances_are_said_in_the_units_of_the_currency(tmp_path: Path, catalogue: Served) -> None:
    at, where = enrolled(tmp_path, catalogue, FINE)
    command("reward", "add", CAMPUS, "cup", "--title", "Cup", "--price", "credit=300", "--approve", *where)
    command("reward", "add", CAMPUS, "map", "--title", "Map", "--price", "credit=900", "--approve", *where)
    offered = at.command("rewards", "list", "moodle:35").stdout
    assert "moodle:35 has 5.25 credit at the catalogue" in offered
    assert re.search(r"cup +Cup +3\.00 credit +can be had", offered), offered
    assert re.search(r"map +Map +9\.00 credit +it costs 9\.00 credit, and there is less", offered), offered
    assert "Cup for 3.00 credit: fulfilled" in at.command("redeem", "moodle:35", "cup").stdout
    refused = at.command("redeem", "moodle:35", "cup", check=False)
    assert (refused.returncode, refused.stdout) == (1, "refused: it costs 3.00 credit, and there are 2.25\n")
    assert [one["paid"] for one in at.json("redemption", "list")] == ["", "3.00 credit"]


def test_a_voucher_drawn_beforehand_is_given_out_while_the_catalogue_is_away_and_not_again_from_a_backup(
    tmp_path: Path, catalogue: Served
) -> None:
    at, where = enrolled(tmp_path, catalogue)
    drawn = at.command("allowance", "draw", "tea", "moodle:35", "moodle:36", "--by", "desk")
    assert drawn.stdout.count("kept") == 2, drawn.stdout
    at.command("backup", "--to", str(tmp_path / "copies"))
    catalogue.end(signal.SIGTERM)
    given = at.command("redeem", "moodle:35", "tea")
    assert re.search(r"^A cup of tea for 50 points: kept beforehand\nvoucher \S+, until ", given.stdout), given.stdout
    away = at.command("redeem", "moodle:35", "tea", check=False)
    assert (away.returncode, "nobody knows yet" in away.stdout) == (1, True)

    (copy,) = (tmp_path / "copies").iterdir()
    restored = at.command("restore", str(copy), "--yes")
    assert "2 vouchers that were kept for learners may have been given out since" in restored.stdout + restored.stderr
    catalogue.start()
    at.command("redemption", "settle")
    assert {one["state"] for one in at.json("allowance", "list")} == {"settled: spent"}
    assert at.json("allowance", "return") == {"returning": 0, "settled": 0, "staying": 0}
    report = json.loads(command("verify", "--json", *where).stdout)
    assert report["faults"] == []
