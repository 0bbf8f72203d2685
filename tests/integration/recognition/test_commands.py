"""The commands about kudos and awards, typed as the manual types them."""

from __future__ import annotations

import re
import shlex
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.integration.operator import Operator

PAGE = Path(__file__).resolve().parents[3] / "docs" / "admin" / "recognition.md"


@pytest.fixture
def operator(tmp_path: Path, catalogue_file: Path) -> Operator:
    shutil.copy(catalogue_file, tmp_path / "catalogue.db")
    made = Operator(tmp_path)
    made.types("init")
    made.types("tenant", "add", "uni-example")
    return made


def of_the_page() -> list[tuple[list[str], list[str]]]:
    """Each command of the page for the catalogue, and what it is shown to answer."""
    found: list[tuple[list[str], list[str]]] = []
    ours = False
    for block in re.findall(r"```console\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                ours = line.startswith("$ rewards-catalogue ")
            if line.startswith("$ rewards-catalogue "):
                found.append((shlex.split(line.removeprefix("$ rewards-catalogue ")), []))
            elif ours and not line.startswith("$ "):
                found[-1][1].append(line)
    return found


def test_every_command_of_the_page_does_what_it_is_shown_to_do(operator: Operator) -> None:
    commands = of_the_page()
    assert len(commands) > 20
    for words, shown in commands:
        told = re.sub(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", "2026-11-21T10:00:00Z", operator.types(*words))
        assert [line for line in shown if line not in told] == [], told


def test_an_operator_follows_what_learners_say_and_like(operator: Operator) -> None:
    def kudos(*words: str) -> Any:
        return operator.asks("kudos", words[0], "uni-example", *words[1:])

    first = kudos("give", "ann", "ben", "#thanks", "--key", "1")
    assert kudos("give", "ann", "ben", "#thanks", "--key", "1")["id"] == first["id"]
    assert "themselves" in operator.types("kudos", "give", "uni-example", "ann", "ann", "#thanks", code=1)
    assert "#creative, #helpful" in _refused(operator)
    secret = kudos("give", "cat", "ben", "#thanks", "--seen", "anonymous")
    assert [row["giver"] for row in kudos("list")] == ["cat", "ann"]
    assert [row["giver"] for row in kudos("list", "--as", "ben")] == ["", "ann"]
    assert kudos("show", str(secret["id"]))["said"] == []
    assert kudos("trends") == [{"before": 0, "kudos": 2, "tag": "thanks", "title": "Thank you"}]
    assert kudos("stats", "cat", "--as", "ben")["given"] == 0
    assert "elsewhere" in operator.types("kudos", "list", "elsewhere", code=1)


def _refused(operator: Operator) -> str:
    operator.types("kudos", "policy", "uni-example", "custom_tags=false")
    return operator.types("kudos", "give", "uni-example", "ann", "ben", "#stapler", code=1)


def test_who_thanks_whom_is_told_by_name_where_the_campus_lets_names_leave_it(
    operator: Operator, tmp_path: Path
) -> None:
    operator.types("kudos", "give", "uni-example", "ann", "ben", "#thanks")
    row = ("uni-example", "ann", "a", "ann.of.the.moor", "ann.of.the.moor", "username", 1, None)
    with closing(sqlite3.connect(tmp_path / "catalogue.db")) as books, books:
        books.execute("INSERT INTO person_name VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    assert "ann (ann.of.the.moor) → ben  #thanks" in operator.types("kudos", "list", "uni-example")
    assert "ann (ann.of.the.moor) → ben  #thanks" in operator.types("kudos", "show", "uni-example", "1")
    (told,) = operator.asks("kudos", "list", "uni-example")
    assert (told["giver_called"], "receiver_called" in told) == ("ann.of.the.moor", False)
    operator.types("kudos", "give", "uni-example", "ann", "ben", "#thanks", "--seen", "anonymous")
    assert "ann.of.the.moor" not in operator.types("kudos", "list", "uni-example", "--as", "ben").splitlines()[0]
    operator.types("award", "give", "uni-example", "shine", "ann")
    assert "- → ann (ann.of.the.moor)  award shine" in operator.types("award", "list", "uni-example")


def test_what_a_learner_calls_kudos_stands_in_no_act_that_stays(operator: Operator) -> None:
    operator.types("kudos", "policy", "uni-example", "custom_tags=true")
    operator.types("kudos", "give", "uni-example", "ann", "ben", "#her-own-word well done", "--key", "of-ann-x")
    (act,) = operator.asks("audit", "list", "uni-example", "--act", "kudos.give")
    assert "ann" in str(act["after"])
    assert not [word for word in ("her-own-word", "well done", "of-ann-x") if word in str(act)]
