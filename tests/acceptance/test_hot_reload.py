"""A running agent takes edited rules by itself: whole ones, at once for what follows; broken ones never."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.acceptance.campus import Campus, campus, serving, wait_until
from tests.acceptance.test_bad_input import RULES, balance, complete
from tests.sites import SqliteSite


@pytest.fixture
def site(tmp_path: Path) -> SqliteSite:
    """A Moodle in which one lesson was completed."""
    made = SqliteSite(tmp_path / "moodle.db")
    complete(made, 1, 1)
    return made


@pytest.fixture
def at(tmp_path: Path, site: SqliteSite) -> Campus:
    """A campus that reads it."""
    return campus(tmp_path / "campus", f"sqlite:///{site.path}", RULES, extra="poll_interval_s = 0.1")


def put(rules: Path, text: str) -> None:
    """Edit as editors do: nobody sees the file between its old text and its new one."""
    new = rules.with_suffix(".new")
    new.write_text(text)
    new.replace(rules)


def test_an_edit_takes_effect_by_itself_and_a_half_written_file_is_told_once_and_never_runs(
    at: Campus, site: SqliteSite
) -> None:
    rules = at.directory / "rules.toml"
    edited = RULES.replace("award = 10", "award = 7")
    with serving(at) as service:
        assert service.shown("follows") == "STATUS=follows moodle"
        wait_until(lambda: balance(at) == 10)
        put(rules, edited[: edited.index("lesson.completed")])
        wait_until(lambda: service.said("rules_refused"))
        assert "rules.toml:" in service.shown("the rules before go on")
        complete(site, 2, 2)
        wait_until(lambda: balance(at) == 20)
        put(rules, edited)
        wait_until(lambda: service.said("rules_adopted"))
        assert service.shown("adopted")
        complete(site, 3, 3)
        wait_until(lambda: balance(at) == 27)
        assert len(service.logged("rules_refused")) == len(service.logged("rules_adopted")) == 1
        assert service.end()[0] == 0
    versions = {row["rules_version"] for row in at.export()}
    assert len(versions) == 2


def test_what_was_given_is_counted_in_its_units_whatever_the_rules_say_later(at: Campus, site: SqliteSite) -> None:
    """1.50 became 15.0 by an edit of `decimals`, and 150 at the catalogue where the currency was taken out."""
    rules = at.directory / "rules.toml"
    declared = RULES.replace("award = 10", "award = { hours = 1.5 }") + "[currency.hours]\ndecimals = 2\n"
    rules.write_text(declared)
    with serving(at) as service:
        wait_until(lambda: [row["amount"] for row in at.export()] == ["150"])
        put(rules, declared.replace("decimals = 2", "decimals = 1"))
        wait_until(lambda: service.said("rules_refused"))
        assert "decimals was 2 when its entries were made, and is 1" in service.logged("rules_refused")[0]["message"]
        put(rules, RULES)
        wait_until(lambda: service.said("rules_adopted"))
        complete(site, 2, 2)
        wait_until(lambda: balance(at) == 160)
    with closing(sqlite3.connect(at.directory / "data" / "ledger.db")) as ledger:
        ((kept,),) = ledger.execute("SELECT value FROM setting WHERE key = 'currencies'").fetchall()
    assert json.loads(kept)["currencies"]["hours"]["decimals"] == 2
    rules.write_text(declared.replace("decimals = 2", "decimals = 3"))
    done = at.command("run", "--until-caught-up", check=False)
    assert done.returncode == 2
    assert "write decimals = 2 again" in done.stderr
