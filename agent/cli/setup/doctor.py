"""`rewards-agent doctor`: what is wrong, and what to do about it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from agent.cli.frame import ConfigOption, JsonOption, emit_json, run_async, settings_of
from agent.cli.setup.looks import machine, reconcile
from agent.cli.setup.looks.callbacks import callback_findings
from agent.cli.setup.looks.catalogue import catalogue_findings
from agent.cli.setup.looks.data.owners import inbox_findings, owner_findings
from agent.cli.setup.looks.edge.aside import aside_findings
from agent.cli.setup.looks.edge.blanks import blank_findings
from agent.cli.setup.looks.edge.certificates import certificate_findings
from agent.cli.setup.looks.edge.linking import linking_findings
from agent.cli.setup.looks.edge.posts import post_findings
from agent.cli.setup.looks.edge.resolving import resolver_findings
from agent.cli.setup.looks.edge.restarting import restart_findings
from agent.cli.setup.looks.finding import Finding, exit_code, show, summary
from agent.cli.setup.looks.ledger import ledger_findings
from agent.cli.setup.looks.moodle.texts import text_findings
from agent.cli.setup.looks.names import name_findings
from agent.cli.setup.looks.pulls import pull_findings
from agent.cli.setup.looks.scheduled import scheduled_findings
from agent.cli.setup.looks.source import log_findings
from agent.cli.setup.looks.webservices import web_findings
from agent.config.rulefile.across.experiments import forgetful
from agent.config.rulefile.across.scheduled import hasty
from agent.errors import ConfigError, RewardsError
from machine.commands import Application

if TYPE_CHECKING:
    from agent.config.rulefile import RuleFile
    from agent.config.settings import Settings
    from agent.engine.rulebook import Needs, Rulebook

app = Application()


class What(StrEnum):
    """What else can be looked at."""

    reconcile = "reconcile"


@app.command()
def doctor(
    what: Annotated[
        What | None,
        typer.Argument(metavar="reconcile", help="Compare the log, the ledger and the catalogue entry by entry."),
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Look at everything the agent depends on and say what is wrong and what to do.

    Files, secrets and rules; the database account or the web service, what it may read and what rules lose where it
    may not; how long Moodle keeps its log; clocks; disk; the catalogue; what waits for a person. Changes nothing and
    may be run at any time, also while the agent runs.

    `doctor reconcile` compares three books: every wanted act of Moodle's log with the ledger, every entry of the ledger
    with the catalogue's, and what both come to by day, rule and currency; the first difference is named. It reads the
    log again and takes as long as that.

    Exit codes: 0 nothing failed (a `look` is no failure); 1 the machine or the network must cure it; 2 an edit must;
    3 somebody must look at a history that is not what it was.

    Example: rewards-agent doctor --json
    """
    if what is What.reconcile:
        reconcile.show(settings_of(config), json=json)
        return
    try:
        findings = looked_at(settings_of(config))
    except ConfigError as exc:
        if not json:
            raise
        findings = [Finding.of("configuration", exc, "configuration-invalid")]
    if json:
        emit_json([finding.told() for finding in findings])
    else:
        show(findings)
        typer.echo(summary(findings))
    raise typer.Exit(exit_code(findings))


def looked_at(settings: Settings) -> list[Finding]:
    """Every finding, from what is nearest to what is farthest."""
    needs: Mapping[str, Needs] = {}
    zone: ZoneInfo | None = None
    rulebook: Rulebook | None = None
    findings = [*_configuration(settings)]
    try:
        rules, rulebook = _rules(settings)
    except RewardsError as exc:
        findings.append(Finding.of("rules", exc, "rules-invalid"))
    else:
        needs, zone = rulebook.needs, rules.timezone
        findings.extend(_of_rules(rules, rulebook))
        findings.extend(_doubtful(fault) for fault in (*hasty(rules, settings), *forgetful(rules, settings)))
    findings.extend(machine.data_directory(settings.agent.data_dir))
    findings.append(machine.library())
    findings.extend(machine.files(settings))
    findings.extend(blank_findings(settings))
    findings.extend(certificate_findings(settings, int(time.time())))
    findings.extend(run_async(resolver_findings(settings)))
    logs = run_async(log_findings(settings, needs, zone))
    findings.extend(logs)
    if rulebook is not None and all(one.level != "fail" for one in logs):
        findings.extend(run_async(name_findings(settings, rulebook)))
    findings.extend(run_async(web_findings(settings, needs)))
    findings.extend(run_async(pull_findings(settings)))
    if machine.closed(settings.agent.data_dir):
        return findings  # all that follows is read from the ledger
    findings.extend(run_async(restart_findings(settings)))
    findings.extend(machine.lives(settings.agent.data_dir, int(time.time())))
    findings.extend(owner_findings(settings.agent.data_dir))
    findings.extend(inbox_findings(settings.agent.data_dir))
    findings.extend(run_async(post_findings(settings)))
    findings.extend(linking_findings(settings))
    findings.extend(ledger_findings(settings))
    findings.extend(text_findings(settings, needs))
    findings.extend(run_async(aside_findings(settings)))
    findings.extend(scheduled_findings(settings))
    findings.extend(run_async(catalogue_findings(settings)))
    findings.extend(callback_findings(settings))
    return list(_once(findings))


def _once(findings: Iterable[Finding]) -> Iterator[Finding]:
    """What is wrong with the ledger is met wherever it is read, and told where it is met first."""
    met: set[str] = set()
    for finding in findings:
        if finding.level == "ok" or finding.found not in met:
            yield finding
        met.add(finding.found)


def _configuration(settings: Settings) -> Iterator[Finding]:
    from agent.config import support

    try:
        support.check(settings)
    except RewardsError as exc:
        yield Finding.of("configuration", exc, "configuration-invalid")
    else:
        told = {"shadow": "decides and reports everything, pays nothing", "live": "pays"}[settings.agent.mode]
        found = f"{settings.path} is in order; mode {settings.agent.mode}: it {told}"
        yield Finding(about="configuration", level="ok", found=found)
    inactive = support.not_active(settings)
    if inactive:
        found = f"accepted and without effect: {'; '.join(inactive)}"
        do = "add what it needs, or take it out"
        yield Finding(about="configuration", level="warn", code="setting-idle", found=found, do=do)


def _rules(settings: Settings) -> tuple[RuleFile, Rulebook]:
    from agent.config.document import FaultsError
    from agent.wiring.rules import clashing, read_rules

    rules, rulebook = read_rules(settings)
    if found := clashing(settings, rules, rulebook):
        raise FaultsError(found)
    return rules, rulebook


def _doubtful(fault: object) -> Finding:
    do = "correct the rules, then: rewards-agent rules check"
    return Finding(about="rules", level="warn", code="rules-doubtful", found=str(fault), do=do)


def _of_rules(rules: RuleFile, rulebook: Rulebook) -> Iterator[Finding]:
    modes = [rule.mode for rule in rulebook.by_id().values()]
    told = ", ".join(f"{modes.count(mode)} {mode}" for mode in ("live", "shadow", "off") if mode in modes)
    yield Finding(about="rules", level="ok", found=f"in order, version {rulebook.version[:12]}: {told or 'none'}")
    for warning in rules.warnings:
        yield _doubtful(warning)
    yield from _all_over(rules, int(time.time()))
    yield machine.calendar(rules, int(time.time()))


def _all_over(rules: RuleFile, now: int) -> Iterator[Finding]:
    """Rules of which none can pay any more, or yet: each is off, or was for a term that is over."""
    today = datetime.fromtimestamp(now, rules.timezone).date()
    on = [placed.it for placed in rules.rules if placed.it.mode != "off"]
    ends = [None if rule.active is None else rule.active.until for rule in on]
    last = max((end for end in ends if end is not None), default=None)
    if rules.challenges or rules.scheduled or any(end is None or end >= today for end in ends):
        return
    yield Finding(
        about="rules",
        level="warn",
        code="rules-doubtful",
        found="no rule is on: nobody earns anything" if last is None else f"every rule that is on ended on {last}",
        do="write rules for now, or give those that are there another mode or until; then: rewards-agent rules check",
    )
