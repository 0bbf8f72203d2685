"""A campus lets usernames leave it: told by the real commands, changed, erased without a line, and taken back."""

from __future__ import annotations

import json
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.acceptance.test_recovery import CAMPUS, enrolled
from tests.helpdesk import Desk, filled
from tests.integration.test_catalogue_process import Served, command, serving

ANN, ANNE, BEN = "ann.of.the.moor", "anne.of.the.moor", "ben.under.the.hill"
WORDS = (b"of.the.moor", b"under.the.hill")


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path / "catalogue", log=tmp_path / "catalogue.log") as served:
        yield served


def called(desk: Desk, user: int, name: str) -> None:
    """Give a user another username in Moodle."""
    desk.moodle.execute("UPDATE mdl_user SET username = ? WHERE id = ?", (name, user))


def identity(desk: Desk, said: str) -> None:
    text = desk.config.read_text()
    lines = [line for line in text.splitlines() if not line.startswith(("[privacy]", "identity ="))]
    desk.config.write_text("\n".join([*lines, "[privacy]", f'identity = "{said}"', ""]))


def prepared(directory: Path, catalogue: Served) -> Desk:
    """A campus whose learners have unusual usernames, enrolled."""
    desk = filled(directory)
    called(desk, 35, ANN)
    called(desk, 36, BEN)
    with desk.config.open("a") as config:
        config.write(f'[catalogue]\nurl = "{catalogue.url}"\n')
    enrolled(desk, catalogue)
    return desk


def there(catalogue: Served, text: str = "of.the") -> list[str]:
    """What learners are called at the catalogue, with this in it."""
    found = command("wallet", "find", CAMPUS, text, "--config", catalogue.config, "--json").stdout
    return [row["name"] for row in json.loads(found)["names"]]


def where(folder: Path, words: tuple[bytes, ...] = WORDS, *, but: str = "moodle.db") -> list[str]:
    """Files of either end with a name in them; the LMS's own is not ours."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(but)]
    return sorted(str(path.relative_to(folder)) for path in files if any(word in path.read_bytes() for word in words))


def a_day_later(desk: Desk) -> None:
    desk.ledger("UPDATE name_told SET looked_at = looked_at - 86400")


def backup(catalogue: Served, to: Path) -> None:
    command("backup", "--to", to, "--config", catalogue.config)


def test_usernames_leave_where_they_may_change_and_are_gone_with_an_erasure_and_with_pseudonyms(
    catalogue: Served, tmp_path: Path
) -> None:
    desk = prepared(tmp_path / "a", catalogue)
    desk.catch_up()
    assert (there(catalogue), where(tmp_path)) == ([], []), "pseudonyms alone, where nothing else is said"

    identity(desk, "username")
    shown = desk.json("sync", "show")
    assert {row["name"] for row in shown if row["kind"] == "name"} == {ANN, BEN}
    assert "usernames leave the campus" in desk.command("doctor", check=False).stdout
    desk.catch_up()
    assert there(catalogue) == [ANN]
    assert desk.json("sync", "show") == []
    assert desk.json("sync", "status")["names_waiting"] == 0
    called(desk, 35, ANNE)
    a_day_later(desk)
    desk.catch_up()
    assert there(catalogue) == [ANNE]
    told = desk.json("learner", "export", "moodle:35")
    assert [row["called"] for row in told["given_to"]] == ["pseudonym", "username"]
    assert [row["at_the_catalogue"] for row in told["ledger"]["name_told"]] == ["yes"]

    desk.command("backup")
    backup(catalogue, tmp_path / "copies")
    catalogue.end(signal.SIGTERM)
    done = desk.json("learner", "erase", ANNE, "--yes")
    assert done["catalogue"].endswith("with the next delivery"), "nobody answers"
    catalogue.start()
    desk.command("sync", "now")
    assert where(tmp_path, (b"of.the.moor",)) == [], "in no file of either end, copies and write-ahead logs included"
    assert there(catalogue, "hill") == [BEN]
    backup(catalogue, tmp_path / "copies")

    identity(desk, "pseudonym")
    desk.catch_up()
    assert there(catalogue, "hill") == []
    assert where(tmp_path) == []
    command("verify", "--config", catalogue.config)
    desk.command("ledger", "verify")


def test_an_agent_that_is_put_back_and_tells_pseudonyms_leaves_no_name_there(catalogue: Served, tmp_path: Path) -> None:
    desk = prepared(tmp_path / "a", catalogue)
    desk.catch_up()
    copy = desk.json("backup")["backup"]
    identity(desk, "username")
    desk.catch_up()
    assert there(catalogue) == [ANN]
    identity(desk, "pseudonym")
    desk.command("restore", copy, "--yes")
    desk.catch_up()
    assert there(catalogue) == []
    with closing(sqlite3.connect(catalogue.config.parent / "catalogue.db")) as books:
        assert books.execute("SELECT count(*) FROM person_name").fetchone() == (0,)


def test_a_name_for_which_no_source_can_speak_is_a_fault_of_the_file(tmp_path: Path) -> None:
    desk = filled(tmp_path / "a")
    text = desk.config.read_text()
    begins = text.index("[[source]]")
    posts = '[[source]]\nname = "school"\nkind = "generic"\npath = "/school"\n'
    desk.config.write_text(text[:begins] + posts)
    identity(desk, "email")
    refused = desk.command("run", "--until-caught-up", check=False)
    assert refused.returncode == 2
    assert "no source can tell a learner's email" in refused.stderr
