"""Where an answer goes: a reader that goes away is no failure, a full disk is told, a closed stream is nowhere."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from catalogue.cli.common import told

MANY = """
import sys
from catalogue.cli.common import told

@told
def command():
    for number in range(100_000):
        print("line", number)

import typer
typer.run(command)
"""


def test_a_reader_that_goes_away_is_no_failure_of_the_catalogue(tmp_path: Path) -> None:
    (tmp_path / "many.py").write_text(MANY)
    command = f"{sys.executable} {tmp_path / 'many.py'} | head -1; exit ${{PIPESTATUS[0]}}"
    environment = {"PYTHONPATH": str(Path(__file__).parents[3]), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "line 0\n", "")


def test_an_answer_that_nobody_wants_goes_nowhere_and_into_no_file(tmp_path: Path) -> None:
    environment = {"PYTHONPATH": str(Path(__file__).parents[3]), "PATH": "/usr/bin:/bin"}
    command = f"{sys.executable} -m agent rules facts <&- >&-"
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("words", ["agent --help", "agent --version", "agent rules --help", "catalogue --help"])
def test_help_that_finds_no_room_or_no_reader_ends_without_a_traceback(words: str, tmp_path: Path) -> None:
    environment = {"PYTHONPATH": str(Path(__file__).parents[3]), "PATH": "/usr/bin:/bin"}
    typed = f"{sys.executable} -m {words}"
    command = f"{typed} >/dev/full; echo $? >&2; {typed} | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stderr.splitlines() == [
        "No space left on device",
        "  the system says so: free the space, the port or the file, and try again",
        "1",
    ]
    assert done.stdout == "0\n"


def test_a_full_disk_ends_a_command_of_the_catalogue_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    @told
    def command() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(typer.Exit) as caught:
        command()
    assert caught.value.exit_code == 1
    assert capsys.readouterr().err == (
        "rewards-catalogue: No space left on device\n"
        "  the system says so: free the space, the port or the file, and try again\n"
    )
