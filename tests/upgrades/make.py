"""`python -m tests.upgrades.make COMMIT`: keeps the ledger that the program of a commit makes of the small campus.

Run it once for the commit that brought a new schema, before the next one comes; what it writes is committed. Needs git
and the packages of that commit.
"""

from __future__ import annotations

import contextlib
import lzma
import os
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.upgrades.campus import BASE, LEARNERS, MORE, site

ROOT = Path(__file__).parents[2]
LEDGERS = Path(__file__).parent / "ledgers"
CONFIG = """
[agent]
campus = "demo"
data_dir = "data"
rules = "rules.toml"

[[source]]
name = "moodle"
kind = "moodle-logstore"
url = "sqlite:///{moodle}"
start_at = "beginning"
"""
BY_HAND = (
    ("ledger", "adjust", f"moodle:{LEARNERS[0]}", "7", "--reason", "a prize", "--by", "owner"),
    ("ledger", "reverse", "3", "--reason", "a mistake", "--by", "owner"),
    ("review", "approve", "6", "--by", "owner"),
    ("learner", "merge", f"moodle:{LEARNERS[3]}", f"moodle:{LEARNERS[2]}", "--reason", "twice", "--by", "owner"),
    ("learner", "opt-out", f"moodle:{LEARNERS[1]}", "--by", "owner"),
)
"""What administrators do then; a program that does not know one refuses it."""


def main(commit: str) -> None:
    """Make it and say which schema it has."""
    with tempfile.TemporaryDirectory() as name:
        at = Path(name)
        archive = subprocess.run(["git", "archive", commit, "agent", "wire"], cwd=ROOT, capture_output=True, check=True)
        (at / "code").mkdir()
        subprocess.run(["tar", "-x", "-C", at / "code"], input=archive.stdout, check=True)
        _play(at)
        with contextlib.closing(sqlite3.connect(at / "data" / "ledger.db")) as db:
            schema = int(db.execute("PRAGMA user_version").fetchone()[0])
            entries = int(db.execute("SELECT count(*) FROM entry").fetchone()[0])
            text = "\n".join(db.iterdump())
        kept = LEDGERS / f"{schema:02}.sql.xz"
        kept.write_bytes(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))
        print(f"{kept.name}: schema {schema}, {entries} entries, {kept.stat().st_size:,} bytes")


def _play(at: Path) -> None:
    """Let the program of then read the campus, by the most of the rules that it knows, and do what is done by hand."""
    moodle = site(at / "moodle.sqlite")
    (at / "config.toml").write_text(CONFIG.format(moodle=moodle.path))
    for count in range(len(MORE), -1, -1):
        (at / "rules.toml").write_text(BASE + "".join(MORE[:count]))
        if _says(at, "run", "--until-caught-up") == 0:
            break
    for words in BY_HAND:
        if _says(at, *words) != 0:
            print("refused:", *words[:2])


def _says(at: Path, *words: str) -> int:
    command = [sys.executable, "-m", "agent", *words, "--config", str(at / "config.toml")]
    return subprocess.run(
        command, cwd=at / "code", env=os.environ | {"PYTHONPATH": ""}, capture_output=True, check=False
    ).returncode


if __name__ == "__main__":
    main(sys.argv[1])
