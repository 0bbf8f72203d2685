"""The directory of a demonstration: what lies where, and the settings of the agent and the catalogue in it."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

CAMPUS = "demo-campus"
SOURCE = "moodle"
RULES = "rules.example.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One demonstration's directory and the loopback port of its catalogue."""

    directory: Path
    port: int

    @property
    def moodle(self) -> Path:
        """The campus's database."""
        return self.directory / "moodle.db"

    @property
    def config(self) -> Path:
        """The agent's settings."""
        return self.directory / "config.toml"

    @property
    def rules(self) -> Path:
        """The rules the campus is paid by; they may be edited, but the closing proof knows the shipped ones."""
        return self.directory / "rules.toml"

    @property
    def data_dir(self) -> Path:
        """Where the agent keeps its ledger."""
        return self.directory / "agent"

    @property
    def catalogue(self) -> Path:
        """Where the catalogue keeps its books."""
        return self.directory / "catalogue"

    @property
    def logs(self) -> Path:
        """What both processes write while they run."""
        return self.directory / "logs"

    def furnish(self) -> None:
        """Write both settings files and the rules.

        Raises:
            FileExistsError: the directory holds a demonstration already.
        """
        if self.moodle.exists() or self.config.exists():
            raise FileExistsError(self.directory)
        for folder in (self.directory, self.catalogue, self.logs):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.rules.write_text(shipped_rules(), encoding="utf-8")
        self.config.write_text(self._agent_settings(), encoding="utf-8")
        self.config.chmod(0o600)
        listen = f'[catalogue]\nlisten = "127.0.0.1:{self.port}"\n'
        (self.catalogue / "catalogue.toml").write_text(listen, encoding="utf-8")

    def _agent_settings(self) -> str:
        return f"""# Written by rewards-agent demo.
[agent]
campus   = "{CAMPUS}"
data_dir = "agent"
rules    = "rules.toml"
mode     = "live"

[[source]]
name = "{SOURCE}"
kind = "moodle-logstore"
reconcile = "off"
url  = "sqlite:///{self.moodle}"
start_at = "beginning"
poll_interval_s = 0.5
site_admins = [2]

[catalogue]
url = "http://127.0.0.1:{self.port}"
"""


def shipped_rules() -> str:
    """The example rules: package data of the installed wheel, or the file beside the packages in a checkout."""
    packaged = resources.files("agent") / RULES
    if packaged.is_file():
        return packaged.read_text(encoding="utf-8")
    return (Path(__file__).parents[3] / RULES).read_text(encoding="utf-8")


def free_port() -> int:
    """A TCP port of 127.0.0.1 on which nobody listened a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
