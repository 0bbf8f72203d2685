"""A reader that goes away ends a command of the catalogue without a word, as one of the agent."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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
