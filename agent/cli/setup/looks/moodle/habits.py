"""How a site is run: does it write its log, in a form we read, does its cron run, and when do its people sleep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from fractions import Fraction
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from agent.cli.frame import utc
from agent.cli.setup.looks.finding import Finding, duration, named

if TYPE_CHECKING:
    from agent.collectors.logstore.probe import Probe
    from agent.collectors.logstore.symptoms import Symptoms

CRON_S = 3_600
"""Moodle wants its cron run every minute; a nightly stop for a backup is shorter than this."""
UNLOGGED_S = 3_600
"""A log that buffers, or is written by a long cron, lags less than this behind what it tells of."""
NIGHT_HOURS = 6
NIGHT_SHARE = Fraction(2, 5)
"""Twice what these hours would have if nobody ever slept would be a half; real sites are at a twentieth."""
ACTS_TELLING = 500
DAYS_TELLING = 5
ACCOUNTS_TELLING = 5
_CRON_DO = (
    "see on Moodle's server that admin/cli/cron.php runs every minute: course completions, quizzes that close"
    " and the posts of tool_trigger come from it"
)


def habit_findings(about: str, seen: Probe, zone: ZoneInfo | None, now: int) -> Iterator[Finding]:
    """What is wrong with how the site is run; ``zone`` is where the rules count days (None: not known)."""
    told = seen.symptoms
    if told.lacking or told.garbled:
        yield _form(about, told)
    here = now if seen.clock is None else seen.clock
    if told.cron_at is not None and here - told.cron_at > CRON_S:
        found = f"Moodle's cron last ran {duration(here - told.cron_at)} ago" if told.cron_at else _NEVER
        yield Finding(about=about, level="warn", code="cron-silent", found=found, do=_CRON_DO)
    if told.state_at is not None and seen.newest_at is not None and told.state_at - seen.newest_at > UNLOGGED_S:
        yield Finding(
            about=about,
            level="warn",
            code="log-store-off",
            found=f"activities were completed until {utc(told.state_at)}, and the log says nothing since"
            f" {utc(seen.newest_at)}",
            do="switch the standard log on again: Site administration → Plugins → Logging → Manage log stores; if"
            " another store writes the log now, name its table: log_table",
        )
    if zone is not None:
        yield from _zone(about, told, zone, here)


_NEVER = "Moodle's cron has never run"


def _form(about: str, told: Symptoms) -> Finding:
    if told.lacking:
        return Finding(
            about=about,
            level="fail",
            code="log-format-unknown",
            found=f"the log table lacks columns that every standard log has: {named(told.lacking)}",
            do="is log_table the table of the standard log (or of a store with the same columns)? correct it",
            exit_code=2,
        )
    ids = ", ".join(map(str, told.garbled[:3]))
    return Finding(
        about=about,
        level="warn",
        code="log-format-unknown",
        found=f"the details of {len(told.garbled)} of the newest rows are neither JSON nor PHP's serialize (ids {ids})",
        do="what they say is lost to rules; see what writes them: Site administration → Plugins → Logging → Standard"
        " log → JSON format",
    )


def _zone(about: str, told: Symptoms, zone: ZoneInfo, now: int) -> Iterator[Finding]:
    at = datetime.fromtimestamp(now, UTC)
    do = f"days, weeks and streaks are counted in {zone.key}: if that is not the institution's, correct timezone"
    chosen = _chosen(told.zones)
    if chosen is not None and at.astimezone(chosen).utcoffset() != at.astimezone(zone).utcoffset():
        found = f"most accounts with a time zone of their own are in {chosen.key}, the rules count in {zone.key}"
        yield Finding(about=about, level="warn", code="time-zone-mismatch", found=found, do=f"{do} in the rules")
        return
    acts, offset = sum(told.hours.values()), at.astimezone(zone).utcoffset()
    if acts < ACTS_TELLING or told.days < DAYS_TELLING or offset is None:
        return
    ahead = round(offset.total_seconds() / 3_600)
    night = sum(count for hour, count in told.hours.items() if (hour + ahead) % 24 < NIGHT_HOURS)
    if Fraction(night, acts) >= NIGHT_SHARE:
        found = (
            f"{100 * night // acts} % of what people do in the browser falls between 0 and {NIGHT_HOURS} o'clock"
            f" of {zone.key}"
        )
        yield Finding(about=about, level="warn", code="time-zone-mismatch", found=found, do=f"{do} in the rules")


def _chosen(zones: Mapping[str, int]) -> ZoneInfo | None:
    """The zone that more than half of the accounts chose that chose any; None where too few did."""
    total = sum(zones.values())
    name, count = max(zones.items(), key=lambda one: one[1], default=("", 0))
    if count < ACCOUNTS_TELLING or 2 * count <= total:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # Europe is a folder of zones
        return None
