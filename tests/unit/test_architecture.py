"""What is written about the code is about the code as it is: every place that a page names is there."""

from __future__ import annotations

import re
import tomllib
from itertools import chain
from pathlib import Path

import pytest

from tests.test_tidy import ROOMS, files

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / name for name in ("README.md", "SECURITY.md", "ARCHITECTURE.md")]
PAGES += sorted(path for path in files() if path.is_relative_to(ROOT / "docs") and path.suffix == ".md")
PLACE = re.compile(rf"`((?:{'|'.join((*ROOMS, 'bench', 'manual', 'scripts', 'sim', 'soak', 'tests'))})/[\w./-]+)`")
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")


def exists(place: str) -> bool:
    """Whether a file, or a directory that is written with a slash, is there; other words with a slash name neither."""
    path = ROOT / place
    return path.is_dir() if place.endswith("/") else path.exists() or path.suffix not in {".py", ".sql", ".sh", ".toml"}


def test_every_file_and_directory_of_the_code_that_a_page_names_is_there() -> None:
    named = [(page, place) for page in PAGES for place in PLACE.findall(page.read_text(encoding="utf-8"))]
    assert len(named) > 100
    assert [f"{page.relative_to(ROOT)}: {place}" for page, place in named if not exists(place)] == []


@pytest.mark.parametrize("room", ["agent", "catalogue"])
def test_the_layers_that_are_told_are_those_that_are_kept(room: str) -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    (kept,) = [one["layers"] for one in contracts if one.get("containers") == [room]]
    block = ARCHITECTURE.partition("## The layers")[2].partition("The engine may not")[0]
    told = re.findall(rf"^ +(?:\| )?({room}\..*)$", block, re.MULTILINE)
    names = list(chain.from_iterable(re.findall(r"\w+", layer) for layer in kept))
    words = [re.split(r" {3,}", line)[0].removeprefix(f"{room}.") for line in told]
    assert list(chain.from_iterable(re.findall(rf"(?:{room}\.)?(\w+)", line) for line in words)) == names
