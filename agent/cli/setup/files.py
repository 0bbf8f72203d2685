"""The files that `init` writes: each once, never over one that is there."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

SYSTEM_HOME = Path("/etc/rewards-agent")
SYSTEM_DATA = Path("/var/lib/rewards-agent")
PASSWORD_FILE = "moodle-db.password"  # noqa: S105 - the name of a file
GRANTS_FILE = "moodle-grants.sql"

_CONFIG = """\
# Written by `rewards-agent init`. Every other option with its default: config.example.toml of the documentation.
# After a change: rewards-agent doctor, then restart the agent (rules alone: systemctl reload).

[agent]
campus   = "{campus}"
data_dir = "{data_dir}"
rules    = "rules.toml"
# shadow decides and reports everything and pays nothing; set it to "live" when `rewards-agent status` and
# `rewards-agent events list` show what you expect.
mode     = "shadow"

[[source]]
name = "moodle"
kind = "moodle-logstore"
url  = "{url}"
{password_line}table_prefix = "{table_prefix}"
start_at = "{start_at}"     # now | beginning | "2026-09-01T00:00:00Z"; nothing older ever pays
site_admins = [{site_admins}]   # Moodle user ids of administrators: they never earn
{catalogue}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the administrator said."""

    home: Path
    campus: str
    url: str
    table_prefix: str
    start_at: str
    site_admins: tuple[int, ...]
    catalogue_url: str


def config_text(plan: Plan) -> str:
    """config.toml for a plan."""
    data_dir = SYSTEM_DATA if plan.home == SYSTEM_HOME else "data"
    password = "" if plan.url.startswith("sqlite:") else f'password_file = "{PASSWORD_FILE}"\n'
    catalogue = f'\n[catalogue]\nurl = "{plan.catalogue_url}"\n' if plan.catalogue_url else ""
    return _CONFIG.format(
        campus=plan.campus,
        data_dir=data_dir,
        url=plan.url,
        password_line=password,
        table_prefix=plan.table_prefix,
        start_at=plan.start_at,
        site_admins=", ".join(map(str, plan.site_admins)),
        catalogue=catalogue,
    )


def example_rules() -> str:
    """The rules a new campus begins with: rules.example.toml."""
    packaged = resources.files("agent") / "rules.example.toml"
    if packaged.is_file():
        return packaged.read_text(encoding="utf-8")
    # A checkout: the file stands beside the package instead of in it.
    return (Path(__file__).parents[3] / "rules.example.toml").read_text(encoding="utf-8")


def new_password() -> str:
    """A password for the read-only account: 32 characters that no shell or SQL needs to quote."""
    return secrets.token_urlsafe(24)


def write_new(path: Path, text: str, *, secret: bool = False) -> bool:
    """Write ``text`` where nothing is yet (0600 for secrets); False where something is, which is kept."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600 if secret else 0o644)
    except FileExistsError:
        return False
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    return True
