"""The ledger as it lies there: entries, sources that stopped or fell silent, held decisions, delivery."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from agent.cli.frame import utc
from agent.cli.setup.looks.data.whole import whole_findings
from agent.cli.setup.looks.finding import Finding, duration
from agent.errors import RewardsError
from machine.words import counted

if TYPE_CHECKING:
    from agent.config.settings import LogSource, Settings

HELD_DAYS_MAX = 7
HELD_MAX = 100
GAPS_MANY = 1_000
"""A rolled-back request leaves one or two; so many at once are something else."""
LOST_TOLD_S = 30 * 86_400
OUTBOX_S = 3_600
AHEAD_S = 60
"""A clock that was put right by a time server goes back by less."""
UNREAD_S = 300
"""A running agent notes where each source stands once a minute, also where nothing happens."""
_AGREED_BY = {"hand": "by hand", "file": "from a file", "lms": "by what the LMS says"}


def ledger_findings(settings: Settings) -> Iterator[Finding]:
    """What the ledger says of itself and of what it takes in and gives out."""
    from agent.ledger import delivery, reading
    from agent.ledger.file import database_error, ledger_path, open_for_reading, require_ledger

    path = ledger_path(settings.agent.data_dir)
    try:
        require_ledger(settings.agent.data_dir)
        if not path.exists():
            yield Finding(about="ledger", level="ok", found="none yet: the first run makes it")
            return
        with contextlib.closing(open_for_reading(settings.agent.data_dir)) as connection:
            yield Finding(about="ledger", level="ok", found=counted(reading.head(connection)[0], "entry", "entries"))
            yield from whole_findings(connection, settings)
            yield from _backup(settings)
            for source in settings.log_sources:
                yield from _source(connection, source.name)
                yield from _begun(connection, source)
            yield from _quiet(connection, settings)
            yield from _agreed(connection, settings)
            yield from _erasures(connection)
            yield from _held(connection, _remind_after(settings))
            if settings.catalogue is not None:
                standing = delivery.standing(connection)
                yield from _delivery(standing)
                yield from _outbox(connection, standing)
    except RewardsError as exc:
        yield Finding.of("ledger", exc, "ledger-unusable")
    except sqlite3.Error as exc:
        yield Finding.of("ledger", database_error(path, exc), "ledger-unusable")


def _backup(settings: Settings) -> Iterator[Finding]:
    """When the last backup was made, and whether it is too old; silent where something else copies the ledger."""
    from agent.ledger.backup.taking import newest

    within_s = settings.agent.backup_within_s
    if within_s is None:
        return
    last = newest(settings.agent.data_dir)
    if last is None:
        found = "none was ever made: a lost disk would take the ledger with it"
    else:
        age = int(time.time()) - last.made_at
        gone = "" if last.is_there else ", which is not there any more"
        found = f"the last one was made {duration(age)} ago: {last.place}{gone}"
        if age <= within_s:
            yield Finding(about="backup", level="ok", found=found)
            return
    yield Finding(
        about="backup",
        level="warn",
        code="backup-old",
        found=found,
        do="every night: systemctl enable --now rewards-agent-backup.timer (why it failed: journalctl -u"
        " rewards-agent-backup); at once: rewards-agent backup --to DIR. Where something else copies the ledger:"
        ' [agent] backup_within = "off"',
    )


def _agreed(connection: sqlite3.Connection, settings: Settings) -> Iterator[Finding]:
    """Where learners are asked first: how many have agreed."""
    from agent.ledger.record import agreed

    if settings.privacy.participation != agreed.OPT_IN:
        return
    counts = agreed.counts(connection)
    told = ", ".join(f"{counts[how]} {words}" for how, words in _AGREED_BY.items() if how in counts)
    if told:
        yield Finding(about="agreed", level="ok", found=f"of those whose acts were seen or who were named: {told}")
        return
    yield Finding(
        about="agreed",
        level="warn",
        code="nobody-agreed",
        found='participation is "opt-in" and nobody has agreed, so that nobody earns',
        do="rewards-agent learner opt-in STUDENT, or --file consents.csv; see docs/admin/privacy.md",
    )


def _erasures(connection: sqlite3.Connection) -> Iterator[Finding]:
    """Whoever is marked as erased and is still a person here."""
    from agent.ledger.privacy import holdings
    from agent.ledger.record import erased

    for account in holdings.half_erased(connection, erased.of_ledger(connection)):
        learner = ":".join(account)
        yield Finding(
            about="erasures",
            level="fail",
            code="erasure-unfinished",
            found=f"the erasure of {learner} was begun and did not come to its end",
            do=f"rewards-agent learner erase {learner} --yes",
        )


def _begun(connection: sqlite3.Connection, source: LogSource) -> Iterator[Finding]:
    """A `start_at` that was edited after the first run: nothing comes of it, and learners wait for what never comes."""
    from agent.ledger import sources

    state = sources.load(connection, source.name)
    asked = {"now": None, "beginning": 0}.get(str(source.start_at), source.start_at)
    if state is None or state.start_at is None or not isinstance(asked, int) or asked == state.start_at:
        return
    written, holds = (utc(at) if at else "beginning" for at in (asked, state.start_at))
    yield Finding(
        about=f"source {source.name}",
        level="warn",
        code="start-kept",
        found=f"start_at says {written}, and the first run took {holds}: nothing older ever pays",
        do=f'write what holds: start_at = "{holds}"',
    )


def _source(connection: sqlite3.Connection, name: str) -> Iterator[Finding]:
    from agent.ledger import sources

    about = f"source {name}"
    state, read_at = sources.load(connection, name), sources.updated_at(connection, name)
    if state is None or read_at is None:
        yield Finding(about=about, level="ok", found="was never read yet", do="rewards-agent run")
        return
    if state.fault:
        yield Finding(
            about=about,
            level="fail",
            code="source-stopped",
            found=f"stopped: {state.fault}",
            do=f"find out what happened to the log, then: rewards-agent source accept-rewind {name}",
            exit_code=3,
        )
        return
    age = time.time() - read_at
    yield from _ahead(about, age)
    silent = age > UNREAD_S
    yield Finding(
        about=about,
        level="warn" if silent else "ok",
        code="source-unread" if silent else "",
        found=f"read to {state.position}, {duration(age)} ago",
        do="is the agent running? systemctl status rewards-agent" if silent else "",
    )
    missing, over, step = sources.awaited(state.gaps)
    if over:
        found = f"its ids grow by {step}, and {over} that this passes over are watched too"
        yield Finding(about=about, level="ok", found=found)
    if missing >= GAPS_MANY:
        yield Finding(
            about=about,
            level="warn",
            code="gaps-many",
            found=f"{missing} ids are missing and waited for",
            do="do several servers share the table (auto_increment_increment, a sequence's CACHE)? look how it goes on:"
            " rewards-agent status",
        )
    yield from _lost(about, state.counts)
    given_up = sum(gap.missing for gap in state.gaps if gap.state == "given_up")
    if given_up:
        found = f"{counted(given_up, 'id')} never appeared, given up and looked for once a day"
        yield Finding(about=about, level="ok", found=found)


def _ahead(about: str, age: float) -> Iterator[Finding]:
    """Whether it was read at a time that is still to come, by this machine's clock."""
    if age < -AHEAD_S:
        yield Finding(
            about=about,
            level="warn",
            code="clock-skew",
            found=f"it was read {duration(age)} from now: this machine's clock was ahead then, or is behind now",
            do="set it by a time server (timedatectl set-ntp true): the catalogue refuses signatures of another time",
        )


def _lost(about: str, counts: Mapping[str, int]) -> Iterator[Finding]:
    """What was removed before it was read, for as long as somebody may still look after it."""
    from agent.ledger.feeds.lost import lost

    gone = lost(counts)
    if gone is not None and time.time() - gone.noticed_at < LOST_TOLD_S:
        yield Finding(
            about=about,
            level="warn",
            code="log-rows-lost",
            found=f"{counted(gone.ids, 'id')} of its log were removed before they were read, the last of them"
            f" of {utc(gone.since)} to {utc(gone.until)}; noticed {duration(time.time() - gone.noticed_at)} ago",
            do="what the state tables still know of it is found and held: rewards-agent review list; let Moodle keep"
            " its log for longer than the agent may stand still (Plugins → Logging → Standard log → Keep logs for)",
        )


def _quiet(connection: sqlite3.Connection, settings: Settings) -> Iterator[Finding]:
    """Feeds that tell far less than their own weeks let expect; not judged where the rules cannot be read."""
    from agent.config.rulefile import load_rules
    from agent.review.feeds import Week, quiet_feeds

    with contextlib.suppress(RewardsError):
        week = Week.of(load_rules(settings.rule_files()))
        for name, silence in quiet_feeds(connection, week, int(time.time())).items():
            yield Finding(
                about=f"source {name}",
                level="warn",
                code="feed-quiet",
                found=f"has told nothing since {utc(silence.since)}, where its own weeks let expect"
                f" {silence.expected} events",
                do="is the site up, its cron running, its log store on, its feed posting? If nobody is there: put the"
                " days into [calendar] closed of the rules",
            )


def _remind_after(settings: Settings) -> int:
    """What the rules say, where they can be read; else a week."""
    from agent.config.rulefile import load_rules

    try:
        return load_rules(settings.rule_files()).remind_after or HELD_DAYS_MAX * 86_400
    except RewardsError:
        return HELD_DAYS_MAX * 86_400


def _held(connection: sqlite3.Connection, most_s: int) -> Iterator[Finding]:
    count, oldest = connection.execute("SELECT count(*), min(held_at) FROM hold WHERE state = 'open'").fetchone()
    if not count:
        return
    waiting = time.time() - oldest
    many = count > HELD_MAX or waiting > most_s
    yield Finding(
        about="review",
        level="warn" if many else "ok",
        code="holds-wait" if many else "",
        found=f"{count} held for a person to decide, the oldest since {utc(oldest)}",
        do="learners wait for them: rewards-agent review list" if many else "",
    )


def _outbox(connection: sqlite3.Connection, found: dict[str, Any]) -> Iterator[Finding]:
    """How long the oldest entry waits that the catalogue did not acknowledge."""
    from wire.entry import decode

    sql = "SELECT body FROM entry WHERE seq > ? ORDER BY seq LIMIT 1"
    row = connection.execute(sql, (found["acked_seq"],)).fetchone()
    oldest = None if row is None else int(decode(row[0])["recorded_at"])
    if oldest is not None and time.time() - oldest > OUTBOX_S:
        yield Finding(
            about="delivery",
            level="warn",
            code="outbox-old",
            found=f"the oldest of {counted(found['waiting'], 'entry', 'entries')} waits since {utc(oldest)}",
            do="nothing is lost; what stands in its way: rewards-agent sync status",
        )


def _waiting(found: dict[str, Any]) -> str:
    return counted(found["waiting"], "entry waits", "entries wait")


def _delivery(found: dict[str, Any]) -> Iterator[Finding]:
    if found["fault"]:
        yield Finding(
            about="delivery",
            level="fail",
            code="delivery-stopped",
            found=f"stopped: {found['fault']}",
            do="nothing is sent until both histories agree: rewards-agent sync status",
            exit_code=3,
        )
    elif found["last_error"]:
        yield Finding(
            about="delivery",
            level="warn",
            code="delivery-failing",
            found=f"{_waiting(found)}; the last attempt: {found['last_error']}",
            do="they are delivered by themselves once it answers; now: rewards-agent sync now",
        )
    elif found["enrolled"]:
        yield Finding(about="delivery", level="ok", found=_waiting(found))
    if found["rejected"]:
        yield Finding(
            about="delivery",
            level="warn",
            code="entries-set-aside",
            found=f"the catalogue set {counted(found['rejected'], 'entry', 'entries')} aside",
            do="rewards-agent sync status --json; its operator can say why",
        )
