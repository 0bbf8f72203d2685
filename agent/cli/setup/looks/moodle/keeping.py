"""How long Moodle keeps what we may have to read later, by its own settings where they can be read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from agent.cli.setup.looks.finding import Finding, duration

if TYPE_CHECKING:
    from agent.collectors.logstore.kept import Kept

_KEEP_LOGS = "Site administration → Plugins → Logging → Standard log → Keep logs for"
_RETRIES = (
    "Site administration → Plugins → Admin tools → Event Trigger → Plugin Settings, a larger number of re-runs or a"
    " longer duration between them"
)


def keeping_findings(about: str, kept: Kept, *, posts_alone: bool) -> Iterator[Finding]:
    """What the settings say; ``posts_alone`` is whether anything is posted that no log of ours tells too."""
    if kept.log_is_on is False:
        yield Finding(
            about=about,
            level="warn",
            code="log-store-off",
            found="the standard log is not among the log stores that Moodle writes (tool_log, enabled_stores)",
            do="switch it on: Site administration → Plugins → Logging → Manage log stores; if another store writes the"
            " log now, name its table: log_table",
        )
    if kept.log_days is not None:
        short = kept.log_is_short
        told = f"for {kept.log_days} days" if kept.log_days else "for ever"
        yield Finding(
            about=about,
            level="warn" if short else "ok",
            code="retention-short" if short else "",
            found=f"Moodle is set to keep its log {told}",
            do=f"what it deletes before the agent read it is lost, so keep it longer: {_KEEP_LOGS}" if short else "",
        )
    if kept.tried_s is not None:
        short = kept.tried_too_short and posts_alone
        beside = "" if posts_alone else "; what it gives up on, the log tells"
        yield Finding(
            about=about,
            level="warn" if short else "ok",
            code="retries-short" if short else "",
            found=f"tool_trigger tries a post for {duration(kept.tried_s)}{beside}",
            do=f"what it gives up on in a longer outage it posts once that is raised: {_RETRIES}" if short else "",
        )
