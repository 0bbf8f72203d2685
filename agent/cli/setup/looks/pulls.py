"""The systems that are asked: whether they answer, and let us in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.cli.setup.looks.finding import Finding
from agent.errors import RewardsError

if TYPE_CHECKING:
    from agent.config.settings import Settings


async def pull_findings(settings: Settings) -> list[Finding]:
    """One finding for each `[source.pull]`: its first request is made, and nothing is kept."""
    from agent.clock import SystemClock
    from agent.collectors.pull.built import probe

    findings = []
    for source in settings.post_sources:
        if source.pull is None:
            continue
        about = f"source {source.name}"
        try:
            await probe(settings, source, source.pull, SystemClock())
        except RewardsError as exc:
            findings.append(Finding.of(about, exc, "system-unreachable"))
        else:
            findings.append(Finding(about=about, level="ok", found="it answers when it is asked, and lets us in"))
    return findings
