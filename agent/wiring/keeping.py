"""At the start of a service: is what Moodle keeps, and what tool_trigger tries, shorter than an outage may last?"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import structlog

from agent.collectors.logstore.kept import kept_by
from agent.config.settings import LogSource, Settings
from agent.errors import RewardsError
from agent.wiring.sources.options import logstore_options

log = structlog.get_logger()


def posts_alone(settings: Settings) -> bool:
    """Whether tool_trigger posts what no log of ours tells."""
    logs = {source.site_name for source in settings.log_sources}
    return any(source.site_name not in logs for source in settings.post_sources if source.kind == "tool-trigger")


def is_posted_about(settings: Settings, source: LogSource) -> bool:
    """Whether tool_trigger of this log's site posts to us."""
    return any(one.kind == "tool-trigger" and one.same_site_as == source.name for one in settings.post_sources)


async def warn_of_short_keeping(settings: Settings) -> None:
    """Log a warning for each source whose settings can be read and say so; never raises, never holds up the start."""
    for source in settings.log_sources:
        try:
            found = await kept_by(logstore_options(settings, source))
        except RewardsError:
            continue  # whoever follows the source tells that it cannot be reached
        for sentence in found.told(posts_alone=posts_alone(settings)):
            log.warning("kept_too_short", source=source.name, found=sentence, do="see: rewards-agent doctor")


@contextlib.asynccontextmanager
async def beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """``work`` is done while the block runs, as far as it comes."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
