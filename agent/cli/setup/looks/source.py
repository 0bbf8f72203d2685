"""One log source: does it answer, what may we read, how far back does it reach, whose clock is right, what happens."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from agent.cli.frame import utc
from agent.cli.setup.looks.finding import Finding, duration, named
from agent.cli.setup.looks.moodle.habits import habit_findings
from agent.cli.setup.looks.moodle.keeping import keeping_findings
from agent.cli.setup.looks.moodle.tasks import task_findings, workflow_findings
from agent.errors import RewardsError
from machine.words import counted

if TYPE_CHECKING:
    from agent.collectors.logstore.options import LogstoreOptions
    from agent.collectors.logstore.probe import Probe, TableProbe
    from agent.config.settings import LogSource, Settings
    from agent.engine.rulebook import Needs

QUIET_S = 86_400
SKEW_S = 30
"""Clocks that agree to this are good enough for windows and signatures."""
ROWS_TELLING = 200
"""From so many rows on, what does not happen among them probably does not happen."""
COMPLETION = r"\core\event\course_module_completion_updated"
_LOST_ANYWAY: Mapping[str, str] = {
    "user": "deleted accounts are not noticed and the helpdesk finds nobody by name",
    "quiz_attempts": "attempts at a quiz are held, since any may be a preview",
    "grade_items": "no grade can be read",
    "forum_discussions": "a discussion cannot be told from its first post",
    "course": "the helpdesk cannot say where completion tracking is off",
    "course_modules": "the helpdesk cannot say where completion tracking is off",
    "course_modules_completion": "the helpdesk cannot say what a learner completed",
    "task_scheduled": "a cron that does not run is not noticed",
}
"""What a table is read for besides the facts of rules."""

NeedsByRule = Mapping[str, "Needs"]


async def log_findings(settings: Settings, needs: NeedsByRule, zone: ZoneInfo | None = None) -> list[Finding]:
    """What each log source looks like; ``needs`` is what the rules ask of it (empty: the rules are not known) and
    ``zone`` where they count days.
    """  # noqa: D205 - one sentence
    findings: list[Finding] = []
    for source in settings.log_sources:
        findings.extend(await _source(settings, source, needs, zone))
    return findings


async def _source(settings: Settings, source: LogSource, needs: NeedsByRule, zone: ZoneInfo | None) -> list[Finding]:
    from agent.collectors.logstore.probe import probe
    from agent.wiring.keeping import is_posted_about, posts_alone
    from agent.wiring.sources.options import logstore_options

    about = f"source {source.name}"
    try:
        options = logstore_options(settings, source)
        facts = {fact for one in needs.values() for fact in one.facts}
        seen = await probe(options, facts, {kind for one in needs.values() for kind in one.kinds})
    except RewardsError as exc:
        return [Finding.of(about, exc, "database-failing")]
    now = int(time.time())
    return [
        Finding(about=about, level="ok", found=f"{seen.server} answers, version {seen.version}"),
        *_unreadable(about, seen, options, needs),
        *_maimed(about, seen, options, needs),
        *_rights(about, seen),
        *_retention(about, seen, now),
        *_clocks(about, seen, now),
        *_happening(about, seen, needs),
        *_once_off(
            [
                *keeping_findings(about, seen.kept, posts_alone=posts_alone(settings)),
                *habit_findings(about, seen, zone, now),
            ]
        ),
        *task_findings(about, seen.symptoms, needs, posts=is_posted_about(settings, source)),
        *(workflow_findings(about, seen.symptoms, needs) if is_posted_about(settings, source) else ()),
    ]


def _once_off(findings: list[Finding]) -> Iterator[Finding]:
    """Where the settings say that the log is off, what follows from it is not told too."""
    told = False
    for finding in findings:
        off = finding.code == "log-store-off"
        if not (off and told):
            yield finding
        told = told or off


def _unreadable(about: str, seen: Probe, options: LogstoreOptions, needs: NeedsByRule) -> Iterator[Finding]:
    from agent.collectors.logstore.grants import grant_statements

    for table in seen.unreadable:
        do = "a file has no accounts: copy the table into it, or correct table_prefix"
        if urlsplit(options.url).scheme != "sqlite":
            statement = grant_statements(options, [table.table], host=seen.account_host)[-1]
            do = f"a database administrator runs: {statement}"
        yield Finding(
            about=about,
            level="warn",
            code="grant-missing",
            found=f"{_unread(table)}{options.table_prefix}{table.table} cannot be read ({table.reason}): "
            + "; ".join(_lost(table, needs)),
            do=do,
        )


def _unread(table: TableProbe) -> str:
    return f"{named(table.kept_from)} of table " if table.kept_from else "table "


def _maimed(about: str, seen: Probe, options: LogstoreOptions, needs: NeedsByRule) -> Iterator[Finding]:
    for table in seen.maimed:
        yield Finding(
            about=about,
            level="warn",
            code="columns-missing",
            found=f"table {options.table_prefix}{table.table} lacks {named(table.gone)}, which Moodle's own has: "
            + "; ".join(_lost(table, needs)),
            do="is its upgrade finished (admin/cli/upgrade.php), and is this Moodle's own database? After an upgrade of"
            " Moodle, update the agent",
        )


def _lost(table: TableProbe, needs: NeedsByRule) -> Iterator[str]:
    from agent.collectors.logstore.grants import AGREEMENT, STATE_TABLES

    facts = table.facts - {"staff", AGREEMENT}
    if AGREEMENT in table.facts:
        yield "who has agreed cannot be told, so that acts of everybody else are held"
    if "staff" in table.facts:
        yield "who is staff cannot be told, so every award is held"
    if facts:
        looking = [rule for rule, one in needs.items() if one.facts & facts]
        whose = f"the rules that look at this: {named(looking)}" if looking else "no rule looks at this now"
        yield f"it feeds {named(facts)}; {whose}"
    if table.table in _LOST_ANYWAY:
        yield _LOST_ANYWAY[table.table]
    if any(table.table in tables for tables in STATE_TABLES.values()):
        yield "what Moodle's log missed is not found in it"


def _rights(about: str, seen: Probe) -> Iterator[Finding]:
    for right in seen.too_many_rights:
        yield Finding(
            about=about,
            level="warn",
            code="write-access",
            found=f"the account may do more than read: {right.told}",
            do=right.cure,
        )
    for what in seen.reads_too_much:
        yield Finding(
            about=about,
            level="warn",
            code="reads-too-much",
            found=f"the account may read {what}",
            do="revoke it and grant table by table, as `rewards-agent init` prints it",
        )
    if not (seen.unreadable or seen.maimed or seen.too_many_rights or seen.reads_too_much):
        yield Finding(
            about=about, level="ok", found=f"reads the log and {counted(len(seen.tables), 'table')}, and may not write"
        )


def _retention(about: str, seen: Probe, now: int) -> Iterator[Finding]:
    from agent.collectors.logstore.kept import LOG_DAYS_MIN

    if seen.newest_at is None or seen.oldest_at is None or seen.first_id is None:
        yield Finding(
            about=about,
            level="warn",
            code="log-empty",
            found="the log is empty",
            do="is the standard log enabled? Site administration → Plugins → Logging → Manage log stores",
        )
        return
    days = (now - seen.oldest_at) // 86_400
    # Where the setting can be read it says more than how far the log reaches back today.
    short = days < LOG_DAYS_MIN and seen.first_id > 1 and seen.kept.log_days is None
    yield Finding(
        about=about,
        level="warn" if short else "ok",
        code="retention-short" if short else "",
        found=f"the log reaches back {counted(days, 'day')}, to {utc(seen.oldest_at)}"
        f" (ids {seen.first_id} … {seen.last_id})",
        do="Moodle deletes older rows; what it deletes before the agent read it is lost, so keep them longer:"
        " Site administration → Plugins → Logging → Standard log → Keep logs for"
        if short
        else "",
    )


def _clocks(about: str, seen: Probe, now: int) -> Iterator[Finding]:
    skew = 0 if seen.clock is None else seen.clock - now
    if abs(skew) > SKEW_S:
        ahead = "ahead of" if skew > 0 else "behind"
        yield Finding(
            about=about,
            level="warn",
            code="clock-skew",
            found=f"the database server's clock is {duration(skew)} {ahead} this machine's",
            do="set both by a time server (timedatectl set-ntp true): the catalogue refuses signatures of another time",
        )
    if seen.newest_at is None:
        return
    age = now + skew - seen.newest_at
    if age < -SKEW_S:
        yield Finding(
            about=about,
            level="warn",
            code="log-in-the-future",
            found=f"its newest row is {duration(age)} in the future of the database server's clock",
            do="set the clock of Moodle's web servers: days and limits are counted by the times they write",
        )
    elif age > QUIET_S:
        yield Finding(
            about=about,
            level="warn",
            code="log-silent",
            found=f"its newest row is {duration(age)} old, from {utc(seen.newest_at)}",
            do="is this the live database, and is somebody using the site?",
        )
    else:
        yield Finding(about=about, level="ok", found=f"its newest row is {duration(max(age, 0))} old")


def _happening(about: str, seen: Probe, needs: NeedsByRule) -> Iterator[Finding]:
    """Whether the site does at all what the rules pay for."""
    rows = sum(seen.recent.values())
    completing = [rule for rule, one in needs.items() if COMPLETION in one.names]
    tracking = seen.tracking
    if completing and seen.kept.completion_is_on is False:
        yield Finding(
            about=about,
            level="warn",
            code="completion-tracking-off",
            found=f"completion tracking is switched off for the whole site: never paid are {named(completing)}",
            do="Site administration → Advanced features → Enable completion tracking",
        )
    elif completing and tracking is not None and tracking.courses and not tracking.tracked:
        yield Finding(
            about=about,
            level="warn",
            code="completion-tracking-off",
            found=f"completion tracking is off in all of {counted(tracking.courses, 'course')}:"
            f" never paid are {named(completing)}",
            do="Site administration → Advanced features → Enable completion tracking, then in each course's settings",
        )
    elif completing and rows >= ROWS_TELLING and COMPLETION not in seen.recent:
        yield Finding(
            about=about,
            level="warn",
            code="completion-never-logged",
            found=f"none of the newest {rows} rows completes an activity: unpaid so far are {named(completing)}",
            do="set completion conditions in the activities' settings, or see whether this log store takes such events",
        )
    elif completing and tracking is not None:
        found = f"completion is tracked in {tracking.tracked} of {counted(tracking.courses, 'course')}"
        yield Finding(about=about, level="ok", found=found)
    silent = [rule for rule, one in needs.items() if rule not in completing and not _happens(one, seen.recent)]
    if silent and rows >= ROWS_TELLING:
        found = f"among the newest {rows} rows nothing happened that these rules wait for: {named(silent)}"
        yield Finding(about=about, level="ok", found=found)


def _happens(one: Needs, recent: Mapping[str, int]) -> bool:
    return not one.names.isdisjoint(recent) or any(name.endswith(tuple(one.suffixes)) for name in recent)
