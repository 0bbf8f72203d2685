"""`rewards-agent doctor`: what is wrong, and what to do about it."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

import typer

from agent.cli.frame import ConfigOption, JsonOption, emit_json, run_async, settings_of, utc
from agent.errors import RewardsError

if TYPE_CHECKING:
    from agent.collectors.logstore.probe import Probe
    from agent.config.settings import Settings
    from agent.engine.rulebook import Rulebook

app = typer.Typer()

FREE_BYTES_MIN = 500_000_000
RETENTION_DAYS_MIN = 14
"""A log that is kept for less than this loses rows in an outage that a holiday hides."""
QUIET_S = 86_400
SKEW_S = 120
HELD_DAYS_MAX = 7
SQLITE_WITH_WAL_FIX = (3, 51, 3)
_SIGNS = {"ok": "ok  ", "warn": "look", "fail": "FAIL"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at: how it is, what was found, what to do (empty where nothing)."""

    about: str
    level: Literal["ok", "warn", "fail"]
    found: str
    do: str = ""


@app.command()
def doctor(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Look at everything the agent depends on and say what is wrong and what to do.

    Changes nothing and may be run at any time, also while the agent runs. Exits with 1 where something fails.
    """
    from agent.wiring import read_rules

    settings = settings_of(config)
    rules, rulebook = read_rules(settings)
    findings = [
        Finding(about="configuration", level="ok", found=f"{settings.path} is in order, mode {settings.agent.mode}"),
        *_rules(len(rules.rules), [str(warning) for warning in rules.warnings]),
        *_machine(settings),
        *run_async(_reached(settings, rulebook)),
        *_ledger(settings),
    ]
    if json:
        emit_json([asdict(finding) for finding in findings])
    else:
        show(findings)
    if any(finding.level == "fail" for finding in findings):
        raise typer.Exit(1)


def show(findings: Iterable[Finding]) -> None:
    """Print findings, a line each, with what to do below those that want something done."""
    for finding in findings:
        typer.echo(f"{_SIGNS[finding.level]}  {finding.about}: {finding.found}")
        if finding.do:
            typer.echo(f"      → {finding.do}")


def _rules(count: int, warnings: list[str]) -> Iterator[Finding]:
    yield Finding(about="rules", level="ok", found=f"{count} rules are in order")
    for warning in warnings:
        yield Finding(about="rules", level="warn", found=warning)


def _machine(settings: Settings) -> Iterator[Finding]:
    directory = settings.agent.data_dir
    if not directory.is_dir():
        yield Finding(
            about="data directory",
            level="warn",
            found=f"{directory} is not there yet",
            do="the first run makes it, if the agent's user may",
        )
        return
    mode = directory.stat().st_mode & 0o777
    level: Literal["ok", "warn"] = "warn" if mode & 0o007 else "ok"
    do = f"chmod 700 {directory}" if level == "warn" else ""
    yield Finding(about="data directory", level=level, found=f"{directory}, mode {mode:04o}", do=do)
    free = shutil.disk_usage(directory).free
    yield Finding(
        about="disk",
        level="ok" if free > FREE_BYTES_MIN else "fail",
        found=f"{free // 1_000_000} MB free",
        do="" if free > FREE_BYTES_MIN else "free some space: on a full disk the agent waits (and loses nothing)",
    )
    yield Finding(
        about="SQLite",
        level="ok",
        found=sqlite3.sqlite_version
        + ("" if sqlite3.sqlite_version_info >= SQLITE_WITH_WAL_FIX else ": fine as long as only the agent writes"),
    )


async def _reached(settings: Settings, rulebook: Rulebook) -> list[Finding]:
    try:
        return [*await log_findings(settings, rulebook), *await _catalogue(settings)]
    except RewardsError as exc:
        return [Finding(about="sources", level="fail", found=exc.message, do=exc.hint)]


async def log_findings(settings: Settings, rulebook: Rulebook) -> list[Finding]:
    """What each log source looks like: reachable, rights, retention, freshness, clock.

    Raises:
        ConfigError: a secret cannot be read.
    """
    from agent.collectors.logstore.probe import probe
    from agent.wiring import logstore_options

    findings = []
    for source in settings.log_sources:
        options = logstore_options(settings, source)
        about = f"source {source.name}"
        try:
            seen = await probe(options, rulebook.demand.facts)
        except RewardsError as exc:
            findings.append(Finding(about=about, level="fail", found=exc.message, do=exc.hint))
            continue
        findings.append(Finding(about=about, level="ok", found=f"{seen.server} answers, version {seen.version}"))
        findings.extend(_rights(about, seen, rulebook))
        findings.extend(_log(about, seen, int(time.time())))
    return findings


def _rights(about: str, seen: Probe, rulebook: Rulebook) -> Iterator[Finding]:
    for table in seen.unreadable:
        wanting = sorted(rule.id for rule in rulebook.rules if _needs(rule, table.facts))
        suffer = f"; rules that suffer: {', '.join(wanting)}" if wanting else ""
        facts = ", ".join(sorted(table.facts)) or "names for the helpdesk"
        yield Finding(
            about=about,
            level="warn",
            found=f"table {table.table} cannot be read ({table.reason}), so there is no {facts}{suffer}",
            do="give the account SELECT on it; `rewards-agent init` prints the statement",
        )
    for right in seen.too_many_rights:
        yield Finding(
            about=about,
            level="warn",
            found=f"the account may do more than read: {right}",
            do="revoke it: the agent needs SELECT and nothing else",
        )
    if not seen.unreadable and not seen.too_many_rights:
        yield Finding(about=about, level="ok", found=f"reads the log and {len(seen.tables)} tables, and may not write")


def _needs(rule: object, facts: frozenset[str]) -> bool:
    text = repr(getattr(rule, "spec", ""))
    return any(fact in text for fact in facts)


def _log(about: str, seen: Probe, now: int) -> Iterator[Finding]:
    if seen.newest_at is None or seen.oldest_at is None:
        yield Finding(
            about=about,
            level="warn",
            found="the log is empty",
            do="is the standard log enabled? Site administration → Plugins → Logging → Manage log stores",
        )
        return
    days = (now - seen.oldest_at) // 86_400
    short = days < RETENTION_DAYS_MIN and seen.first_id is not None and seen.first_id > 1
    yield Finding(
        about=about,
        level="warn" if short else "ok",
        found=f"the log reaches back {days} days, to {utc(seen.oldest_at)} (ids {seen.first_id} … {seen.last_id})",
        do="keep it longer (loglifetime): what is deleted before the agent read it is lost" if short else "",
    )
    age = now - seen.newest_at
    if age < -SKEW_S:
        yield Finding(
            about=about,
            level="warn",
            found=f"its newest row is {-age} s in our future",
            do="set both machines' clocks (timedatectl): windows are counted by Moodle's times",
        )
    elif age > QUIET_S:
        yield Finding(
            about=about,
            level="warn",
            found=f"its newest row is from {utc(seen.newest_at)}",
            do="is this the live database, and is somebody using the site?",
        )
    else:
        yield Finding(about=about, level="ok", found=f"its newest row is {max(age, 0)} s old")


async def _catalogue(settings: Settings) -> list[Finding]:
    from agent.clock import SystemClock
    from agent.wiring import client_of

    client = client_of(settings, SystemClock())
    if client is None:
        return [Finding(about="catalogue", level="ok", found="none configured: nothing is delivered")]
    async with client:
        try:
            key = client.key()
        except RewardsError as exc:
            return [Finding(about="catalogue", level="fail", found=exc.message, do=exc.hint)]
    return [Finding(about="catalogue", level="ok", found=f"the signing key {key.fingerprint} can be used")]


def _ledger(settings: Settings) -> Iterator[Finding]:
    from agent.ledger import delivery, reading, sources
    from agent.ledger.file import ledger_path, open_for_reading

    if not ledger_path(settings.agent.data_dir).exists():
        yield Finding(about="ledger", level="ok", found="none yet: the first run makes it")
        return
    try:
        connection = open_for_reading(settings.agent.data_dir)
    except RewardsError as exc:
        yield Finding(about="ledger", level="fail", found=exc.message, do=exc.hint)
        return
    try:
        yield Finding(about="ledger", level="ok", found=f"{reading.head(connection)[0]} entries")
        for name in sources.names(connection):
            yield from _source(connection, name)
        yield from _held(connection)
        if settings.catalogue is not None:
            yield from _delivery(delivery.standing(connection))
    finally:
        connection.close()


def _source(connection: sqlite3.Connection, name: str) -> Iterator[Finding]:
    from agent.ledger import sources

    state = sources.load(connection, name)
    if state is None:
        return
    if state.fault:
        yield Finding(
            about=f"source {name}",
            level="fail",
            found=f"stopped: {state.fault}",
            do=f"find out what happened to the log, then: rewards-agent source accept-rewind {name}",
        )
    given_up = sum(gap.missing for gap in state.gaps if gap.state == "given_up")
    if given_up:
        yield Finding(
            about=f"source {name}",
            level="ok",
            found=f"{given_up} ids never appeared and were given up; they are looked for once a day",
        )


def _held(connection: sqlite3.Connection) -> Iterator[Finding]:
    count, oldest = connection.execute("SELECT count(*), min(held_at) FROM hold WHERE state = 'open'").fetchone()
    if count and time.time() - oldest > HELD_DAYS_MAX * 86_400:
        yield Finding(
            about="review",
            level="warn",
            found=f"{count} decisions are held, the oldest since {utc(oldest)}",
            do="rewards-agent review list",
        )


def _delivery(found: dict[str, object]) -> Iterator[Finding]:
    if not found["enrolled"]:
        yield Finding(
            about="catalogue",
            level="warn",
            found="not enrolled: entries wait here",
            do="get a token from the catalogue's operator, then: rewards-agent enrol TOKEN",
        )
    elif found["fault"]:
        yield Finding(
            about="catalogue", level="fail", found=str(found["fault"]), do="see docs/ops: when histories differ"
        )
    elif found["last_error"]:
        yield Finding(
            about="catalogue",
            level="warn",
            found=f"{found['waiting']} entries wait; the last attempt: {found['last_error']}",
            do="they are delivered by themselves once it answers; now: rewards-agent sync now",
        )
    else:
        yield Finding(about="catalogue", level="ok", found=f"enrolled, {found['waiting']} entries wait")
