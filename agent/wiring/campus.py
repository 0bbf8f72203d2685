"""Whose ledger it is: of one campus and environment for ever, and of its sources by the names they have now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import aiosqlite

from agent.config.settings import Settings
from agent.errors import ConfigError
from agent.ledger import delivery, sources
from agent.ledger.writer import Writer
from agent.model import Anchor


async def settle_campus(writer: Writer, settings: Settings) -> None:
    """A ledger belongs to one campus and one environment for ever: staging points must not reach real wallets.

    Raises:
        ConfigError: this ledger belongs to another.
    """
    mine = {delivery.CAMPUS: settings.agent.campus, "environment": settings.agent.environment}
    stored: dict[str, str] = {}

    async def unit(connection: aiosqlite.Connection) -> None:
        stored.update(await delivery.settings(connection, tuple(mine)))
        await delivery.keep_settings({key: value for key, value in mine.items() if key not in stored})(connection)

    await writer.run(unit)
    for key, value in mine.items():
        if stored.get(key, value) != value:
            raise ConfigError(
                f"the ledger in {settings.agent.data_dir} belongs to {key} {stored[key]!r}, not {value!r}",
                hint=f"set [agent] {key} back, or give this agent a data_dir of its own",
            )
    await writer.run(partial(_follow_new_names, settings))


async def left_logs(writer: Writer, settings: Settings) -> Mapping[str, Sequence[Anchor]]:
    """Rows by which a log is known again that was read under a name which the configuration has no more."""
    return await writer.run(partial(sources.left, configured={source.name for source in settings.sources}))


async def _follow_new_names(settings: Settings, connection: aiosqlite.Connection) -> None:
    """A source that keeps the site of its old name (`site = "old"`) goes on where it stood under that name."""
    configured = {source.name for source in settings.sources}
    for source in settings.log_sources:
        if source.site_name not in configured:
            await sources.rename(connection, source.site_name, source.name)
