"""Whether the agent that runs has read config.toml as it stands; only rules are read again by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.cli.setup.looks.finding import Finding
from agent.errors import RewardsError

if TYPE_CHECKING:
    from agent.config.settings import Settings


async def restart_findings(settings: Settings) -> list[Finding]:
    """A file that is younger than the agent: who takes the lock writes into it."""
    from agent.ledger.file import LOCK_NAME
    from agent.service import control

    data_dir = settings.agent.data_dir
    try:
        await control.ask(data_dir, control.ALIVE, {}, within_s=control.ALIVE_WITHIN_S)
        young = settings.path.stat().st_mtime > (data_dir / LOCK_NAME).stat().st_mtime
    except (RewardsError, OSError):
        return []
    if not young:
        return []
    return [
        Finding(
            about="configuration",
            level="warn",
            code="restart-needed",
            found=f"{settings.path} was changed after the agent started: what was changed does not act yet",
            do="systemctl restart rewards-agent (a reload takes the rules alone)",
        )
    ]
