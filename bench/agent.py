"""The real agent as a benchmark uses it: its command, a directory and configuration of its own, its ledger."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

from bench.filling import AnyDatabase
from tests.servers import READER_PASSWORD

COMMAND = Path(sys.executable).with_name("rewards-agent")
RULES = Path(__file__).parents[1] / "rules.example.toml"


def configure(directory: Path, database: AnyDatabase, *, poll_interval_s: float = 1.0, reconcile: str = "15m") -> Path:
    """Write config.toml and its secret for an agent that reads ``database``; gives the file's path."""
    directory.mkdir(parents=True, exist_ok=True)
    password = directory / "moodle-db.password"
    password.write_text(READER_PASSWORD, encoding="utf-8")
    password.chmod(0o600)
    config = directory / "config.toml"
    config.write_text(
        f"""[agent]
campus   = "bench"
data_dir = "{directory / "data"}"
rules    = "{RULES}"

[[source]]
name = "moodle"
kind = "moodle-logstore"
url  = "{database.reader_dsn}"
password_file = "moodle-db.password"
table_prefix  = "mdl_"
start_at      = "beginning"
poll_interval_s = {poll_interval_s}
reconcile       = "{reconcile}"
site_admins   = [2]
""",
        encoding="utf-8",
    )
    return config


def ledger(directory: Path) -> sqlite3.Connection:
    """The agent's ledger, read-only."""
    found = sorted((directory / "data").glob("*.db"))
    assert len(found) == 1, f"one ledger expected in {directory / 'data'}, found {found}"
    return sqlite3.connect(f"file:{found[0]}?mode=ro", uri=True)
