"""The account in Moodle's database: the statements that make it, a test of it, and what to do next."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from agent.cli.frame import run_async
from agent.cli.setup import files, hosted, workflows
from agent.cli.setup.hosts import by_socket, our_host
from agent.cli.setup.looks.finding import Finding, show
from agent.cli.setup.looks.source import log_findings
from agent.cli.setup.moodle_config import ACCOUNT

if TYPE_CHECKING:
    from agent.config.settings import Settings
    from agent.engine.rulebook import Rulebook

_OLD_ACCOUNT = "An account that was there before keeps its old password unless you also run:"


def tested(settings: Settings, grant_host: str) -> bool:
    """Test each source's account; where it cannot read everything yet, print and keep what makes it able to.

    Returns whether there is a log that can be read.
    """
    from agent.wiring.rules import read_rules

    _, rulebook = read_rules(settings)
    findings = run_async(log_findings(settings, rulebook.needs)) if settings.log_sources else []
    grants = settings.home / files.GRANTS_FILE
    lacking = any(finding.level == "fail" or "cannot be read" in finding.found for finding in findings)
    if lacking:
        _statements(settings, rulebook, grants, grant_host)
    if settings.log_sources:
        _results(findings)
    hosted.tested(settings, rulebook)
    return bool(settings.log_sources) and not any(finding.level == "fail" for finding in findings)


def _statements(settings: Settings, rulebook: Rulebook, path: Path, grant_host: str) -> None:
    from agent.collectors.logstore.grants import (
        WORKFLOWS,
        grant_statements,
        password_changed,
        tables_needed,
        tables_of_agreement,
        without_texts_of_others,
    )
    from agent.wiring.keeping import is_posted_about
    from agent.wiring.sources.options import logstore_options

    with_password: list[str] = []
    for source in settings.log_sources:
        options = logstore_options(settings, source)
        if options.url.startswith("sqlite:"):
            continue
        host = grant_host or our_host(options.url)
        met = {kind for needs in rulebook.needs.values() for kind in needs.kinds}
        asked = tables_of_agreement(options.asked)
        posted = (WORKFLOWS,) if is_posted_about(settings, source) else ()
        needed = {*tables_needed(rulebook.demand.facts), *tables_needed((), met), *asked, *posted}
        tables = without_texts_of_others(needed, met)
        shown = grant_statements(options, tables, host=host)
        typer.echo("\nA database administrator runs, once:\n")
        for statement in shown:
            typer.echo(f"  {statement}")
        password = options.password or ""
        with_password += grant_statements(options, tables, host=host, password=password)
        with_password.append(f"-- {_OLD_ACCOUNT} {password_changed(options.url, host, password)}")
        typer.echo(f"\n{_let_in(options.url, host)}")
    if with_password:
        files.write_grants(path, "\n".join(with_password) + "\n")
        typer.echo(f"written  {path} (the same, with the password in it: mode 0600)")


def _let_in(url: str, host: str) -> str:
    """From where the account comes, and who must know that."""
    if not url.startswith("postgresql:"):
        return f"This names the host we come from, {host}; another one: --grant-host"
    if by_socket(url):
        return f"pg_hba.conf must let the account in by the socket with its password: local all {ACCOUNT} scram-sha-256"
    return f"pg_hba.conf must let the account in from {host}, where we come from."


def _results(findings: list[Finding]) -> None:
    failed = [finding for finding in findings if finding.level == "fail"]
    if not failed:
        typer.echo("\nTested now:")
        show(findings)
        return
    typer.echo("\nThe account does not work yet, as is to be expected before the statements are run:")
    for finding in failed:
        typer.echo(f"  {finding.found}")


def next_steps(settings: Settings) -> None:
    """The steps that are left, in order."""
    home, grants = settings.home, settings.home / files.GRANTS_FILE
    where = "" if home in {Path.cwd(), files.SYSTEM_HOME} else f" --config {shlex.quote(str(settings.path))}"
    steps = [*hosted.steps(settings)]
    if grants.exists():
        quoted = shlex.quote(str(grants))
        client = "psql" if settings.log_sources[0].url.startswith("postgresql:") else "mariadb"
        steps.append(f"the statements, as the database's administrator: {client} < {quoted} && rm {quoted}")
    account = files.account(home)
    run, live = _of_service(account, home, where) if account else _by_hand(where)
    steps += [*run, *workflows.steps(settings), *live]
    if settings.catalogue is not None:
        as_it = f"runuser -u {account} -- " if account else ""
        steps.append(f"{as_it}rewards-agent enrol TOKEN{where}    (the catalogue's operator gives the token)")
    typer.echo("\nNext:")
    for number, step in enumerate(steps, start=1):
        typer.echo(f"  {number}. {step}")


_MEANT = "when `events list` and `status` show what you expect"


def _of_service(account: str, home: Path, where: str) -> tuple[list[str], list[str]]:
    """What is left where systemd runs the agent, as an account of its own: until it runs, and then."""
    campus = f"@{home.name}" if home.parent == files.HOMES else ""
    unit, backup = f"rewards-agent{campus}", f"rewards-agent-backup{campus}.timer"
    run = [
        f"let the service read its files: chown -R {account}: {home}",
        f"runuser -u {account} -- rewards-agent doctor{where}",
        f"systemctl enable --now {unit} {backup}    (shadow mode: it decides and pays nothing; a backup every night)",
    ]
    return run, [
        f"runuser -u {account} -- rewards-agent mode live --yes{where} && systemctl restart {unit}    ({_MEANT})"
    ]


def _by_hand(where: str) -> tuple[list[str], list[str]]:
    """What is left where somebody starts the agent by hand: until it runs, and then."""
    run = [f"rewards-agent doctor{where}", f"rewards-agent run{where}    (shadow mode: it decides and pays nothing)"]
    return run, [
        f"rewards-agent mode live{where}    ({_MEANT}; then restart)",
        f"every night, by cron: rewards-agent backup --to DIR{where}    (on another disk)",
    ]
