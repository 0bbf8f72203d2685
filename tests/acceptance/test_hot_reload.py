"""A running agent takes edited rules by itself: whole ones, at once for what follows; broken ones never."""

from __future__ import annotations

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


def test_an_edit_takes_effect_by_itself_and_a_half_written_file_is_told_once_and_never_runs(
    at: Campus, site: SqliteSite
) -> None:
    rules = at.directory / "rules.toml"
    edited = RULES.replace("award = 10", "award = 7")
    with serving(at) as service:
        assert service.shown("follows") == "STATUS=follows moodle"
        wait_until(lambda: balance(at) == 10)
        rules.write_text(edited[: edited.index("lesson.completed")])
        wait_until(lambda: service.said("rules_refused"))
        assert "rules.toml:" in service.shown("the rules before go on")
        complete(site, 2, 2)
        wait_until(lambda: balance(at) == 20)
        rules.write_text(edited)
        wait_until(lambda: service.said("rules_adopted"))
        assert service.shown("adopted")
        complete(site, 3, 3)
        wait_until(lambda: balance(at) == 27)
        assert len(service.logged("rules_refused")) == len(service.logged("rules_adopted")) == 1
        assert service.end()[0] == 0
    versions = {row["rules_version"] for row in at.export()}
    assert len(versions) == 2
