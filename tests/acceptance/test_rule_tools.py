"""The tools for rule authors as an administrator types them: diff of versions, schema, import."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.acceptance.campus import Campus, campus
from tests.acceptance.test_bad_input import RULES, complete
from tests.sites import SqliteSite
from tests.unit.cli.test_app import agent


@pytest.fixture
def at(tmp_path: Path) -> Campus:
    """A campus that has caught up with one lesson."""
    site = SqliteSite(tmp_path / "moodle.db")
    complete(site, 1, 1)
    made = campus(tmp_path / "campus", f"sqlite:///{site.path}", RULES)
    made.catch_up()
    return made


def test_a_version_that_was_in_force_is_compared_with_a_file(at: Campus) -> None:
    version = at.json("rules", "history")[0]["version"]
    rules = at.directory / "rules.toml"
    rules.write_text(RULES.replace("award = 10", "award = 7"))
    shown = at.command("rules", "diff", version[:8], str(rules))
    assert shown.stdout == "rule lesson changed\n  award is now 7, was 10\n"
    assert at.command("rules", "diff", str(rules), str(rules)).stdout == ""
    missing = at.command("rules", "diff", "ffffffff", str(rules), check=False)
    assert (missing.returncode, "there is no version ffffffff" in missing.stderr) == (1, True)


def test_the_schema_is_printed_for_an_editor(tmp_path: Path) -> None:
    printed = agent("rules", "schema", cwd=tmp_path)
    assert printed.returncode == 0
    assert json.loads(printed.stdout)["$defs"]["Rule"]["required"] == ["id", "on"]


def test_yaml_rules_become_rules_that_check_and_faults_name_their_place(tmp_path: Path) -> None:
    yaml = tmp_path / "old.yaml"
    yaml.write_text("- id: quiz\n  event: core\\event\\quiz_attempt_submitted\n  points: 10\n  cooldown: 7d\n")
    made = agent("rules", "import", "old.yaml", "--timezone", "Europe/Rome", cwd=tmp_path)
    assert made.returncode == 0
    (tmp_path / "rules.toml").write_text(made.stdout)
    assert agent("rules", "check", "rules.toml", cwd=tmp_path).returncode == 0
    yaml.write_text("- id: quiz\n  event: core\\event\\quiz_attempt_submitted\n  point: 10\n")
    refused = agent("rules", "import", "old.yaml", cwd=tmp_path)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "old.yaml:3:3: unknown key 'point'" in refused.stderr
    unfit = agent("rules", "import", "old.yaml", "--timezone", "Rome", cwd=tmp_path)
    assert unfit.returncode == 2


def test_rules_that_the_ledger_cannot_go_on_with_are_faults_with_places_before_the_agent_is_started(at: Campus) -> None:
    """`rules check` and `doctor` called in order what ended the agent at its next start, which told no place."""
    rules = at.directory / "rules.toml"
    limited = RULES + 'limit = "9/sem1"\n[period.sem1]\nfrom = 2020-01-01\nuntil = 2029-12-31\n'
    rules.write_text(limited)
    at.catch_up()
    assert at.json("rules", "check")["ok"]
    moved = limited.replace("2020-01-01", "2030-01-01").replace("2029-12-31", "2030-12-31")
    rules.write_text(moved + "[currency.points]\ndecimals = 2\n")
    lines = rules.read_text().splitlines()
    places = [lines.index(line) + 1 for line in ("[period.sem1]", "decimals = 2")]

    checked = at.command("rules", "check", "--json", check=False)
    started = at.command("run", "--until-caught-up", check=False)

    assert (checked.returncode, started.returncode) == (2, 2)
    faults = json.loads(checked.stdout)["faults"]
    assert [fault["line"] for fault in faults] == places
    assert "such as sem1-2030" in faults[0]["hint"]
    assert "write decimals = 0 again" in faults[1]["hint"]
    for place in places:
        assert f"rules.toml:{place}:" in started.stderr
        assert f"rules.toml:{place}:" in at.command("doctor", check=False).stdout
    assert agent("rules", "check", str(rules), cwd=at.directory.parent).returncode == 0, "alone it is in order"
