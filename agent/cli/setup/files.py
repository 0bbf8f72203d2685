"""The files that `init` writes: each once, never over one that is there."""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from agent.config.document import unwritten
from agent.errors import RewardsError
from machine import whole

SYSTEM_HOME = Path("/etc/rewards-agent")
SYSTEM_DATA = Path("/var/lib/rewards-agent")
HOMES = Path("/etc/rewards-agents")
"""One directory for each campus, where several agents share a machine (`rewards-agent@CAMPUS.service`)."""
DATAS = Path("/var/lib/rewards-agents")
PASSWORD_FILE = "moodle-db.password"  # noqa: S105 - the name of a file
POSTS_TOKEN_FILE = "moodle-posts.token"  # noqa: S105 - as above
WEB_TOKEN_FILE = "moodle-ws.token"  # noqa: S105 - as above
GRANTS_FILE = "moodle-grants.sql"

_CONFIG = """\
# Written by `rewards-agent init`. Every other option with its default: config.example.toml of the documentation.
# After a change: rewards-agent doctor, then restart the agent (rules alone: systemctl reload).
# Paths are relative to the directory this file stands in. Secrets are files of their own, mode 0600.

[agent]
campus   = {campus}
data_dir = {data_dir}     # the ledger; back it up
rules    = "rules.toml"
# shadow decides and reports everything and pays nothing; set it to "live" when `rewards-agent status` and
# `rewards-agent events list` show what you expect.
mode     = "shadow"

{sources}{catalogue}{privacy}"""
_LOG = """\
# Moodle's log table, read by an account that can read and nothing else. To a database on another machine add
# ?ssl_ca=ca.pem behind the URL, so that nobody in between can listen.
[[source]]
name = "moodle"             # learners are called moodle:35 everywhere, so do not change it later
kind = "moodle-logstore"
url  = {url}
{password_line}table_prefix = {table_prefix}
start_at = {start_at}          # now | beginning | "2026-09-01T00:00:00Z"; nothing older ever pays
site_admins = [{site_admins}]           # Moodle user ids of administrators: they never earn
"""
_POSTS = """\
# Where posts arrive. A proxy that speaks TLS stands before it, or certificate_file and private_key_file stand here.
[http]
listen = "127.0.0.1:8733"

# What Moodle's plugin tool_trigger posts.
[[source]]
name = "moodle"             # learners are called moodle:35 everywhere, so do not change it later
kind = "tool-trigger"
path = "/api/public/hook/moodle/event"
bearer_token_files = ["{posts_token}"]
site_admins = [{site_admins}]           # Moodle user ids of administrators: they never earn
"""
_TRIGGER = """\

# Where posts arrive. A proxy that speaks TLS stands before it, or certificate_file and private_key_file stand here.
[http]
listen = "127.0.0.1:8733"

# What Moodle's plugin tool_trigger posts: seen at once, and paid once, when the log shows the same act.
[[source]]
name = "trigger"
kind = "tool-trigger"
path = "/api/public/hook/moodle/event"
same_site_as = "moodle"
bearer_token_files = ["{posts_token}"]
site_admins = [{site_admins}]
"""
_WEB = """\

# Moodle's web services: what no post tells.
[[source]]
name = "moodle-ws"
kind = "moodle-ws"
url = {url}
token_file = "{web_token}"
same_site_as = "moodle"
start_at = {start_at}          # now | beginning | "2026-09-01T00:00:00Z"; nothing older ever pays
site_admins = [{site_admins}]
"""
_CATALOGUE = """
[catalogue]
url = {url}
"""
_NO_CATALOGUE = """
# The central catalogue, where wallets are kept. Without it everything is recorded here and delivered later.
# With it: rewards-agent enrol TOKEN
#[catalogue]
#url = "https://catalogue.example.org"
"""
_PRIVACY = """
# What learners are called outside the campus. Pseudonyms alone leave it, unless you say "username" or "email" here:
# they stand in a register at the catalogue, beside the books, and need a legal ground. `doctor` says what leaves.
#[privacy]
#identity = "pseudonym"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the administrator said; without a ``url`` nothing but posts is seen of Moodle, with ``posts`` they too."""

    home: Path
    campus: str
    url: str
    table_prefix: str
    start_at: str
    site_admins: tuple[int, ...]
    catalogue_url: str
    posts: bool = False

    @property
    def hosted(self) -> bool:
        """Whether the site is named instead of its database, which nobody lets us read."""
        return self.url.startswith(("http://", "https://"))


def data_dir(home: Path) -> str:
    """Where the ledger of a new campus goes: a service may write nothing below /etc."""
    if home == SYSTEM_HOME:
        return str(SYSTEM_DATA)
    return str(DATAS / home.name) if home.parent == HOMES else "data"


def account(home: Path) -> str:
    """The account that the service of this directory runs as; empty where it is no service's."""
    if home == SYSTEM_HOME:
        return "rewards-agent"
    return f"rewards-agent-{home.name}" if home.parent == HOMES else ""


def config_text(plan: Plan) -> str:
    """config.toml for a plan, not yet checked."""
    catalogue = _CATALOGUE.format(url=_quoted(plan.catalogue_url)) if plan.catalogue_url else _NO_CATALOGUE
    return _CONFIG.format(
        campus=_quoted(plan.campus),
        data_dir=_quoted(data_dir(plan.home)),
        sources=_sources(plan),
        catalogue=catalogue,
        privacy=_PRIVACY,
    )


def _sources(plan: Plan) -> str:
    """Moodle as it is seen: its log table, with posts beside it or not; posts and web services of a site; or posts."""
    said = {
        "url": _quoted(plan.url),
        "start_at": _quoted(plan.start_at),
        "site_admins": ", ".join(map(str, plan.site_admins)),
    }
    posts = _POSTS.format(**said, posts_token=POSTS_TOKEN_FILE)
    if plan.hosted:
        return posts + _WEB.format(**said, web_token=WEB_TOKEN_FILE)
    if not plan.url:
        return posts
    password = "" if plan.url.startswith("sqlite:") else f'password_file = "{PASSWORD_FILE}"\n'
    log = _LOG.format(**said, password_line=password, table_prefix=_quoted(plan.table_prefix))
    return log + _TRIGGER.format(**said, posts_token=POSTS_TOKEN_FILE) if plan.posts else log


def _quoted(text: str) -> str:
    """A TOML text; JSON escapes what TOML does."""
    return json.dumps(text, ensure_ascii=False)


def example_rules(*, hosted: bool = False) -> str:
    """The rules a new campus begins with: rules.example.toml, for a hosted site without what only a log can prove."""
    text = _example_rules()
    return re.sub(r'^( *)(?=min_trust *= *"server_verified")', r"\1# ", text, flags=re.MULTILINE) if hosted else text


def _example_rules() -> str:
    packaged = resources.files("agent") / "rules.example.toml"
    if packaged.is_file():
        return packaged.read_text(encoding="utf-8")
    # A checkout: the file stands beside the package instead of in it.
    return (Path(__file__).parents[3] / "rules.example.toml").read_text(encoding="utf-8")


def new_password() -> str:
    """A password for the read-only account: 32 characters that no shell or SQL needs to quote."""
    return secrets.token_urlsafe(24)


def write_new(path: Path, text: str, *, secret: bool = False) -> bool:
    """Write ``text`` where nothing is yet (0600 for secrets); False where something is, which is kept.

    Raises:
        TransientError: the disk is full or read-only; nothing of it is left.
        ConfigError: it cannot be written.
    """
    try:
        return whole.write_new(path, text.encode(), mode=0o600 if secret else 0o644)
    except OSError as exc:
        raise not_written(path, exc) from None


def not_written(path: Path, error: OSError) -> RewardsError:
    """Why a file could not be written, with what to do."""
    return unwritten(path, error, "run this as a user who may write there, or name another place: --dir")


def write_grants(path: Path, text: str) -> None:
    """Write the statements with the password in them, 0600, over an older file of ours.

    Raises:
        TransientError: the disk is full or read-only; nothing of it is left, and nothing of an older one.
        ConfigError: it cannot be written.
    """
    try:
        path.unlink(missing_ok=True)
        whole.write_new(path, text.encode())
    except OSError as exc:
        raise not_written(path, exc) from None
