"""The commands about kudos and awards, typed as the manual types them."""

from __future__ import annotations

import re
import shlex
import shutil
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
