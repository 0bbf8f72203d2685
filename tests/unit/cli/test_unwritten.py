"""A file that cannot be written: what is said is true of the disk it should be on, and nothing is left half written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agent.cli.app import app
from catalogue.cli.app import app as catalogue_app
from tests import disks
from tests.sites import SqliteSite

READ_ONLY = "its file system is read-only: see why"


@pytest.fixture
def etc(tmp_path: Path) -> Iterator[Path]:
    """The directory of a campus on a disk of its own, which can be mounted again."""
    with disks.small_disk_at(tmp_path / "etc") as place:
        site = SqliteSite(tmp_path / "moodle.db")
        done = run("init", "--dir", place, "--campus", "uni", "--moodle-url", f"sqlite:///{site.path}")
        assert done.exit_code == 0, done.output
        config = place / "config.toml"
        config.write_text(config.read_text().replace('"data"', f'"{tmp_path / "data"}"'))
        yield place


def run(*words: object) -> Result:
    """A command of the agent."""
    return CliRunner().invoke(app, list(map(str, words)))


@pytest.mark.parametrize(
    "words",
    [
        ("key", "new"),
        ("key", "recovery", "--replace"),
        ("key", "link", "--to", "copy.key"),
        ("mode", "live", "--yes"),
        ("backup", "--to", "backups"),
    ],
    ids=" ".join,
)
def test_on_a_disk_that_is_read_only_nobody_is_sent_to_look_at_owners(
    etc: Path, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(etc)
    run("run", "--until-caught-up")
    (etc / "agent.ed25519").unlink()
    disks.mount("-o", "remount,ro", str(etc))
    done = run(*words)
    disks.mount("-o", "remount,rw", str(etc))
    assert done.exit_code in {1, 2}
    assert "Read-only file system" in done.output
    assert READ_ONLY in done.output
    assert "owner" not in done.output


def test_statements_that_cannot_be_kept_are_told_and_the_rest_stands(tmp_path: Path) -> None:
    with disks.small_disk_at(tmp_path / "etc") as place:
        words = ("init", "--dir", place, "--campus", "uni", "--moodle-url", "mysql://companion_ro@127.0.0.1:9/m")
        assert run(*words).exit_code == 0
        disks.mount("-o", "remount,ro", str(place))
        done = run(*words)
    assert done.exit_code == 1
    assert f"{place / 'moodle-grants.sql'} cannot be written: Read-only file system\n  {READ_ONLY}" in done.output


def test_going_live_on_a_full_disk_changes_nothing_and_leaves_nothing(etc: Path) -> None:
    before = {path.name: path.read_bytes() for path in etc.iterdir()}
    disks.fill(etc / "filling")
    done = run("mode", "live", "--yes", "--config", etc / "config.toml")
    (etc / "filling").unlink()
    assert (done.exit_code, "free some space and type the same again" in done.output) == (1, True), done.output
    assert {path.name: path.read_bytes() for path in etc.iterdir()} == before


def test_a_catalogue_on_a_disk_that_is_read_only_is_told_so(tmp_path: Path) -> None:
    with disks.small_disk_at(tmp_path / "small") as place:
        disks.mount("-o", "remount,ro", str(place))
        done = CliRunner().invoke(catalogue_app, ["init", "--data-dir", str(place / "data")])
    assert done.exit_code == 2
    assert READ_ONLY in done.output
