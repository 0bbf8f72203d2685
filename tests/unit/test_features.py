"""The list of what it can do names nothing that is not there."""

from __future__ import annotations

import re
from pathlib import Path

from agent.cli.app import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
FEATURES = (ROOT / "docs" / "features.md").read_text(encoding="utf-8")
CAPABILITIES = [
    f"{of}-{number:02d}"
    for of, last in {"M": 24, "S0": 105, "S1": 32, "S2": 47, "S3": 27, "S4": 37}.items()
    for number in range(1, last + 1)
]
"""Beyond the known systems, and of the five that this project takes up."""
TEST = re.compile(r"^(?:async )?def (test_\w+)", re.MULTILINE)


def test_every_test_that_the_list_names_exists() -> None:
    there = {name for file in (ROOT / "tests").rglob("test_*.py") for name in TEST.findall(file.read_text("utf-8"))}
    named = set(re.findall(r"`(test_\w+)`", FEATURES))
    assert len(named) > 50
    assert named - there == set()


def test_every_test_that_the_threat_model_names_exists_and_every_line_names_one() -> None:
    page = (ROOT / "docs" / "security" / "threat-model.md").read_text(encoding="utf-8")
    there = {name for file in (ROOT / "tests").rglob("test_*.py") for name in TEST.findall(file.read_text("utf-8"))}
    rows = [line for line in page.splitlines() if line.startswith("| ") and "shown by |" not in line]
    named = [set(re.findall(r"`(test_\w+)`", row)) for row in rows]
    assert len(rows) > 20
    assert all(named)
    assert set().union(*named) - there == set()


def test_every_command_that_the_list_names_exists() -> None:
    named = set(re.findall(r"`rewards-agent (\w+)", FEATURES))
    assert named
    assert named <= set(COMMANDS)


def test_every_line_of_the_list_shows_something() -> None:
    rows = [line for line in FEATURES.splitlines() if line.startswith("|") and "---" not in line]
    shown = [line for line in rows if line != "| id | capability | shown by |"]
    assert [line for line in shown if not re.search(r"`test_\w+`|\]\(", line)] == []


def test_no_capability_is_listed_twice() -> None:
    first_cells = [line.split("|")[1] for line in FEATURES.splitlines() if line.startswith("|")]
    ids = [one for cell in first_cells for one in re.findall(r"[SM]\d?-\d+", cell)]
    assert len(ids) > 50
    assert [one for one in set(ids) if ids.count(one) > 1] == []


def test_every_capability_is_listed_or_its_absence_explained_and_none_both() -> None:
    shown, _, absent = FEATURES.partition("## Not built, and why")
    listed = _ids("\n".join(line.split("|")[1] for line in shown.splitlines() if line.startswith("|")))
    explained = _ids("\n".join(re.findall(r"^- (.*?),", absent, re.MULTILINE)))
    assert [one for one in CAPABILITIES if one not in listed | explained] == []
    assert sorted(listed & explained) == []
    assert sorted((listed | explained) - set(CAPABILITIES)) == []


def _ids(text: str) -> set[str]:
    """The ids that stand in a text, those between the two ends of `S0-57 … S0-69` too."""
    found: set[str] = set()
    for of, first, last in re.findall(r"([SM]\d?)-(\d+)(?:\*\* … \*\*| … )?(?:\1-(\d+))?", text):
        found |= {f"{of}-{number:02d}" for number in range(int(first), int(last or first) + 1)}
    return found
