"""`key link`: agents of one campus compare people under one key; it is copied by hand and never overwritten."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agent.cli.app import app
from agent.cli.setup.looks.edge.linking import linking_findings
from agent.config.settings import load_settings
from agent.ledger.file import Lock
from agent.wiring.people.linking import KEY_FILE

CONFIG = """
[agent]
campus = "c"
data_dir = "data"
rules = "rules.toml"
[[source]]
name = "moodle"
kind = "moodle-logstore"
url = "sqlite:///moodle.db"
"""


def agent(directory: Path) -> Path:
    directory.mkdir()
    (directory / "rules.toml").write_text('schema = 1\ntimezone = "UTC"\n')
    (directory / "config.toml").write_text(CONFIG)
    return directory / "config.toml"


def key(config: Path, *words: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["key", "link", *words, "--config", str(config), "--json"])
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_link_key_is_made_once_copied_for_its_owner_alone_and_taken_over_by_another_agent(tmp_path: Path) -> None:
    one, two = agent(tmp_path / "one"), agent(tmp_path / "two")
    first, other = key(one), key(two)
    assert key(one) == first
    assert first["name"] != other["name"]
    copy = tmp_path / "copy.key"
    assert key(one, "--to", str(copy))["copied_to"] == str(copy)
    assert copy.stat().st_mode & 0o777 == 0o600
    before = (tmp_path / "two" / "data" / KEY_FILE).read_text()
    taken = key(two, "--from", str(copy))
    assert taken["name"] == first["name"]
    assert Path(taken["kept_before"]).read_text() == before
    assert "kept_before" not in key(two, "--from", str(copy))
    assert first["name"] not in copy.read_text()


def test_a_key_is_neither_written_over_nor_taken_from_what_is_none_nor_while_the_agent_runs(tmp_path: Path) -> None:
    config = agent(tmp_path / "one")
    name = key(config)["name"]
    odd = tmp_path / "odd.key"
    odd.write_text("not a key")
    odd.chmod(0o600)

    def fails(*words: str) -> int:
        done = CliRunner().invoke(app, ["key", "link", *words, "--config", str(config)])
        return done.exit_code

    assert fails("--to", str(odd)) == 2
    assert odd.read_text() == "not a key"
    assert fails("--from", str(odd)) == 2
    good = tmp_path / "good.key"
    key(config, "--to", str(good))
    with Lock(tmp_path / "one" / "data"):
        assert fails("--from", str(good)) == 1
    assert key(config)["name"] == name


@pytest.mark.parametrize(
    ("kind", "link_by", "do"),
    [
        ("kajabi", '["idnumber", "email"]', None),
        ("kajabi", '["idnumber"]', 'or add "email" to link_by'),
        ("tool-trigger", '["idnumber", "email"]', "take it out of [identity] sources_trusted_to_link"),
    ],
)
def test_doctor_names_a_source_that_is_trusted_to_link_and_tells_nothing_to_link_by(
    tmp_path: Path, kind: str, link_by: str, do: str | None
) -> None:
    config = agent(tmp_path / "one")
    with config.open("a") as file:
        file.write(f'[[source]]\nname = "school"\nkind = "{kind}"\npath = "/s"\nbearer_token_files = ["s.token"]\n')
        file.write(f'[identity]\nlink_by = {link_by}\nsources_trusted_to_link = ["moodle", "school"]\n')
    found = list(linking_findings(load_settings(config)))
    assert [one.code for one in found] == ["link-says-nothing"] * (do is not None)
    assert all(one.about == "source school" and do in one.do for one in found if do)
