"""Directories of copies: what a kill left goes, what a clock that was wrong named does not push the others out."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from machine import copies

BEGUN = """
import sys
from pathlib import Path
from machine import copies
with copies.partial(Path(sys.argv[1])) as made:
    (made / "ledger.db").touch()
    print("begun", flush=True)
    sys.stdin.read()
"""


def made(folder: Path, *names: str) -> list[Path]:
    for name in names:
        (folder / name).mkdir(exist_ok=True)
    return sorted((folder / name for name in names), reverse=True)


def test_the_copy_just_made_stays_though_a_clock_that_was_ahead_named_others_later(tmp_path: Path) -> None:
    """After two nights in 2036 each new copy was the oldest by its name, and gone as soon as it was made."""
    names = ("c-2026-01", "c-2026-02", "c-2026-03", "c-2036-01", "c-2036-02")
    copies.rotate(made(tmp_path, *names), 2, tmp_path / "c-2026-03")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c-2026-02", "c-2026-03"]


def test_a_clock_that_is_behind_lets_the_oldest_go_first(tmp_path: Path) -> None:
    names = ("c-1970-01", "c-2026-01", "c-2026-02", "c-2026-03")
    copies.rotate(made(tmp_path, *names), 3, tmp_path / "c-1970-01")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c-1970-01", "c-2026-02", "c-2026-03"]


def test_what_a_killed_copy_left_goes_with_the_next_and_what_is_being_made_stays(tmp_path: Path) -> None:
    """A backup that was killed left a whole ledger, under a name that no later one looked at."""
    words = [sys.executable, "-c", BEGUN]
    with subprocess.Popen([*words, str(tmp_path / "c-1")], stdout=subprocess.PIPE, stdin=subprocess.PIPE) as first:
        assert first.stdout is not None
        first.stdout.readline()
        first.kill()
    with subprocess.Popen([*words, str(tmp_path / "c-2")], stdout=subprocess.PIPE, stdin=subprocess.PIPE) as second:
        assert second.stdout is not None
        second.stdout.readline()
        with copies.partial(tmp_path / "c-3") as mine:
            there = {path.name.split("-")[1] for path in tmp_path.iterdir()}
            (mine / "ledger.db").touch()
        second.communicate(b"")
    assert there == {"2", "3"}
    assert not list(tmp_path.iterdir()), "and nothing of one that failed is left"


@dataclass(frozen=True)
class Said:
    """What a copy says."""

    made_at: int
    campus: str
    files: dict[str, str]


@pytest.mark.parametrize(
    "harm",
    [
        {"made_at": "1"},
        {"made_at": -1},
        {"made_at": True},
        {"campus": None},
        {"files": []},
        {"files": {"a": 1}},
        {"x": 1},
    ],
)
def test_what_a_copy_says_is_of_its_kind_or_refused(tmp_path: Path, harm: dict[str, object]) -> None:
    """A list of files, or a time in words, ended `restore` with a traceback."""
    told: dict[str, object] = {"made_at": 1, "campus": "uni", "files": {"a": "00"}}
    path = tmp_path / "said"
    path.write_text(json.dumps(told))
    assert copies.described(path, Said) == Said(made_at=1, campus="uni", files={"a": "00"})
    path.write_text(json.dumps(told | harm))
    with pytest.raises((TypeError, ValueError)):
        copies.described(path, Said)
