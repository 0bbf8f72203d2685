"""How long Moodle keeps its log, how long tool_trigger tries to post, and what is switched off: Moodle's settings.

They stand in a table that also holds secrets of plugins, so that nobody should grant it: a view of the few rows does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from agent.collectors.logstore.dialects.connect import database_for
from agent.collectors.logstore.dialects.database import Database, Unreadable
from agent.collectors.logstore.options import LogstoreOptions

DAY_S = 86_400
LOG_DAYS_MIN = 14
"""A log that is kept for less than this loses rows in an outage that a holiday hides."""
RETRIES_S_MIN = 3 * DAY_S
"""Posts that are tried for less than this are lost over a long weekend."""
VIEW = "rewards_settings"
"""What a site may call the view (after its prefix); it is asked first."""

_PLACES = (VIEW, "config_plugins")
_SETTINGS = """
SELECT plugin, name, value FROM {[place]}
WHERE plugin = 'logstore_standard' AND name = 'loglifetime'
   OR plugin = 'tool_trigger' AND name IN ('version', 'autorerunmaxtries', 'autorerunduration')
   OR plugin = 'tool_log' AND name = 'enabled_stores' OR plugin = 'core' AND name = 'enablecompletion'
"""
_OF_CORE = "SELECT value FROM {config} WHERE name = 'enablecompletion'"
_STANDARD = "logstore_standard"
_TRACKED = ("core", "enablecompletion")
_TRIES, _TRY_EVERY_S = 5, 3_600
"""What tool_trigger does where nobody has said otherwise."""
_DIGITS_MAX = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """``log_days`` the log is kept (0: for ever), ``tried_s`` a post is tried for; None where that is not known.

    ``log_is_on`` is whether the standard log is among the log stores that Moodle writes, ``completion_is_on`` whether
    the site tracks completion at all.
    """

    log_days: int | None = None
    tried_s: int | None = None
    log_is_on: bool | None = None
    completion_is_on: bool | None = None

    @property
    def log_is_short(self) -> bool:
        """Whether an outage may outlast the log."""
        return self.log_days is not None and 0 < self.log_days < LOG_DAYS_MIN

    @property
    def tried_too_short(self) -> bool:
        """Whether an outage may outlast the posts."""
        return self.tried_s is not None and self.tried_s < RETRIES_S_MIN

    def told(self, *, posts_alone: bool) -> Iterator[str]:
        """What is shorter than it should be, in sentences; ``posts_alone``: something is posted that no log tells."""
        if self.log_is_short:
            yield f"Moodle keeps its log for {self.log_days} days only: what it deletes before it was read is lost"
        if self.tried_too_short and posts_alone:
            hours = (self.tried_s or 0) // 3_600
            yield f"tool_trigger tries a post for {hours} h only: what it gives up on stays in Moodle"


async def kept(state: Database) -> Kept:
    """What the site's settings say; nothing where neither the view nor the table can be read.

    Raises:
        TransientError: connection lost, time-out.
    """
    for place in _PLACES:
        (answer,) = await state.fetch_all([state.schema.query(_SETTINGS.replace("[place]", place))])
        if not isinstance(answer, Unreadable):
            told = {(str(plugin), str(name)): str(value) for plugin, name, value in answer}
            return read({**await _of_core(state), **told})
    return Kept()


async def _of_core(state: Database) -> Mapping[tuple[str, str], str]:
    """What stands in a table of its own, which a view of both has among the others."""
    (answer,) = await state.fetch_all([state.schema.query(_OF_CORE)])
    told = [] if isinstance(answer, Unreadable) else answer
    return {_TRACKED: str(told[0][0])} if told else {}


def read(settings: Mapping[tuple[str, str], str]) -> Kept:
    """Settings by plugin and name → what they come to; what is odd is not known."""
    stores, tracked = settings.get(("tool_log", "enabled_stores")), settings.get(_TRACKED)
    known = Kept(
        log_days=_whole(settings.get((_STANDARD, "loglifetime"))),
        log_is_on=None if stores is None else _STANDARD in stores.split(","),
        completion_is_on={"0": False, "1": True}.get(tracked or ""),
    )
    if ("tool_trigger", "version") not in settings:
        return known
    tries = _whole(settings.get(("tool_trigger", "autorerunmaxtries"), str(_TRIES)))
    every = _whole(settings.get(("tool_trigger", "autorerunduration"), str(_TRY_EVERY_S)))
    return replace(known, tried_s=None if tries is None or every is None else tries * every)


def _whole(value: str | None) -> int | None:
    good = value is not None and value.isascii() and value.isdigit() and len(value) <= _DIGITS_MAX
    return int(value) if good and value is not None else None


async def kept_by(options: LogstoreOptions) -> Kept:
    """As `kept`, on a connection of its own.

    Raises:
        ConfigError: credentials or database are refused.
        TransientError: it cannot be reached.
    """
    state = database_for(options)
    try:
        return await kept(state)
    finally:
        await state.close()
