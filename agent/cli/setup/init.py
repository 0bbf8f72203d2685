"""`rewards-agent init`: the files of a new campus, the statements for the database, and a first test of both."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.frame import run_async
from agent.cli.setup import files
from agent.errors import ConfigError, RewardsError

if TYPE_CHECKING:
    from agent.config.settings import Settings

app = typer.Typer()


@app.command()
def init(  # noqa: PLR0917 - each is an option with a name of its own
    directory: Annotated[Path, typer.Option("--dir", metavar="DIR", help="Where the files go.")] = Path(),
    campus: Annotated[str, typer.Option(help="What the catalogue calls this institution.")] = "",
    moodle_url: Annotated[
        str, typer.Option(metavar="URL", help="mysql://companion_ro@HOST:PORT/DATABASE; the account is made for us.")
    ] = "",
    moodle_config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Moodle's config.php; says where its database is.")
    ] = None,
    table_prefix: Annotated[str, typer.Option(help="What Moodle's tables begin with.")] = "",
    start_at: Annotated[str, typer.Option(help="now, beginning, or 2026-09-01T00:00:00Z.")] = "now",
    site_admin: Annotated[
        list[int] | None, typer.Option(help="Moodle id of an administrator; may be repeated.")
    ] = None,
    catalogue: Annotated[str, typer.Option(metavar="URL", help="The central catalogue, if there is one yet.")] = "",
    grant_host: Annotated[str, typer.Option(help="The host we connect from, as the database sees it.")] = "127.0.0.1",
) -> None:
    """Set up a campus: writes config.toml, rules.toml, a database password and a signing key; touches nothing else.

    Files that are there are kept, so it can be run again. It prints the statements that a database administrator
    runs for the read-only account, then tests the connection. The agent starts in shadow mode: it decides and
    reports everything and pays nothing until you set mode = "live".

    Example: rewards-agent init --campus uni-example --moodle-config /var/www/moodle/config.php
    """
    url, prefix = _database(moodle_url, moodle_config, table_prefix)
    plan = files.Plan(
        home=directory.absolute(),
        campus=campus or _asked("What does the catalogue call this institution (letters, digits, -)?", "--campus"),
        url=url,
        table_prefix=prefix,
        start_at=start_at,
        site_admins=tuple(site_admin or (2,)),
        catalogue_url=catalogue,
    )
    plan.home.mkdir(parents=True, exist_ok=True)
    settings = _write(plan)
    _key(settings)
    _database_account(settings, grant_host)


def _asked(question: str, option: str) -> str:
    if not sys.stdin.isatty():
        raise ConfigError(f"{option} is missing", hint=f"give it: rewards-agent init {option} …")
    answer: str = typer.prompt(question)
    return answer


def _database(url: str, config: Path | None, prefix: str) -> tuple[str, str]:
    from agent.cli.setup import moodle_config

    if url:
        return url, prefix or "mdl_"
    if config is None:
        config = Path(_asked("Where is Moodle's config.php?", "--moodle-config or --moodle-url"))
    try:
        found = moodle_config.read(config.read_text(encoding="utf-8", errors="replace"))
    except OSError as exc:
        raise ConfigError(
            f"{config} cannot be read: {exc.strerror}", hint="give the database by hand: --moodle-url"
        ) from None
    return found.url, prefix or found.table_prefix


def _write(plan: files.Plan) -> Settings:
    from agent.config.settings import load_settings
    from agent.wiring import read_rules

    config = plan.home / "config.toml"
    for path, text, secret in (
        (config, files.config_text(plan), False),
        (plan.home / "rules.toml", files.example_rules(), False),
        (plan.home / files.PASSWORD_FILE, files.new_password() + "\n", True),
    ):
        if secret and plan.url.startswith("sqlite:"):
            continue
        _told(path, files.write_new(path, text, secret=secret))
    settings = load_settings(config)
    read_rules(settings)
    return settings


def _told(path: Path, written: bool) -> None:
    typer.echo(f"{'written' if written else 'kept   '}  {path}")


def _key(settings: Settings) -> None:
    from agent.config.secrets import secret_file
    from agent.outbox.key_file import new_key

    if settings.catalogue is None:
        return
    path = secret_file(settings.home, settings.catalogue.signing_key_file)
    if path.exists():
        _told(path, written=False)
        return
    new_key(path)
    _told(path, written=True)


def _database_account(settings: Settings, host: str) -> None:
    from agent.cli.setup.doctor import log_findings, show
    from agent.collectors.logstore.grants import grant_statements, tables_needed
    from agent.wiring import logstore_options, read_rules

    source = settings.log_sources[0]
    options = logstore_options(settings, source)
    _, rulebook = read_rules(settings)
    if options.url.startswith("mysql:"):
        statements = grant_statements(options, tables_needed(rulebook.demand.facts), host=host)
        _statements(settings.home / files.GRANTS_FILE, statements, options.password or "")
    try:
        findings = run_async(log_findings(settings, rulebook))
    except RewardsError as exc:
        typer.echo(f"\nnot yet: {exc.message}\n  then run: rewards-agent doctor")
        return
    if any(finding.level == "fail" for finding in findings):
        typer.echo("\nThe account cannot read yet. When the statements have been run: rewards-agent doctor")
        return
    show(findings)
    typer.echo("\nnext: rewards-agent run    (shadow mode: nothing is paid until you say so in config.toml)")


def _statements(path: Path, statements: tuple[str, ...], password: str) -> None:
    typer.echo("\nA database administrator runs, once (with the password in it this stands in the file below):\n")
    for statement in statements:
        typer.echo(f"  {statement}")
    secret = "\n".join(statements).replace("choose-a-long-password", password) + "\n"
    typer.echo()
    _told(path, files.write_new(path, secret, secret=True))
    typer.echo(f"  mariadb < {path} && rm {path}")
