"""`rewards-agent init`: the files of a new campus, the statements for the database, and a first test of both."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from agent.cli.setup import account, files, previewing, workflows
from agent.errors import ConfigError, InvalidInputError
from machine.commands import Application

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.config.settings import Settings

app = Application()

_PLACES = ("/var/www/html/config.php", "/var/www/moodle/config.php", "/var/www/html/moodle/config.php")
_OPTIONS = {
    "campus": "--campus",
    "url": "--moodle-url",
    "table_prefix": "--table-prefix",
    "start_at": "--start-at",
    "site_admins": "--site-admin",
}
"""Which option a key of config.toml comes from; `[catalogue] url` is told apart by its table."""
_NAMED = "letters, digits, . _ and -, not beginning with a sign, at most 64"
Answer = TypeVar("Answer")
_ONCE = (*_OPTIONS.values(), "--moodle-config", "--catalogue")
"""What says something only where config.toml is written."""


@app.command()
def init(  # noqa: PLR0917 - each is an option with a name of its own
    ctx: typer.Context,
    directory: Annotated[Path, typer.Option("--dir", metavar="DIR", help="Where the files go.")] = Path(),
    campus: Annotated[
        str, typer.Option(metavar="NAME", help="What the catalogue calls this institution: letters, digits, . _ -")
    ] = "",
    moodle_config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Moodle's config.php, read for where its database is, never for a password."),
    ] = None,
    moodle_url: Annotated[
        str,
        typer.Option(
            metavar="URL",
            help="Instead of config.php: mysql://companion_ro@HOST:PORT/DATABASE. The account is made for us. "
            "Or https://HOST, the site itself, where nobody may read its database.",
        ),
    ] = "",
    table_prefix: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help="What Moodle's tables begin with ('' is nothing); mdl_ where config.php does not say."
        ),
    ] = None,
    start_at: Annotated[
        str, typer.Option(metavar="WHEN", help="Nothing older pays: now, beginning, or 2026-09-01T00:00:00Z.")
    ] = "now",
    site_admin: Annotated[
        list[int] | None,
        typer.Option(metavar="ID", help="Moodle id of an administrator, who never earns; 2 where none is given."),
    ] = None,
    catalogue: Annotated[str, typer.Option(metavar="URL", help="The central catalogue, if there is one yet.")] = "",
    grant_host: Annotated[
        str,
        typer.Option(metavar="HOST", help="From where the database sees us come; found out where it is not given."),
    ] = "",
    tool_trigger: Annotated[
        str,
        typer.Option(
            metavar="URL",
            help="Where Moodle reaches the agent, https://HOST: writes workflows of the plugin tool_trigger to import.",
        ),
    ] = "",
    preview: Annotated[
        str, typer.Option(metavar="DAY", help="Tell what the rules would have paid since this day; nothing is written.")
    ] = "",
) -> None:
    """Set up a campus: config.toml, rules.toml, a password for the database and a signing key; touches nothing else.

    Files that are there are kept, so it can be run again at any time. It prints the statements that a database
    administrator runs for an account that can read and nothing else, then tests that account. The agent starts in
    shadow mode: it decides and reports everything and pays nothing until you type `rewards-agent mode live`.

    On the Moodle server: rewards-agent init --campus uni-example --moodle-config /var/www/moodle/config.php

    Elsewhere: rewards-agent init --campus uni-example --moodle-url mysql://companion_ro@db.example.org/moodle

    A hosted site: rewards-agent init --campus uni-example --moodle-url https://moodle.example.org

    Posts alone: rewards-agent init --campus uni-example --tool-trigger https://rewards.example.org

    Posts beside the log: the same with --moodle-config or --moodle-url

    For a service: the same with --dir /etc/rewards-agent
    """
    _sensible(tool_trigger, preview)
    home = directory.absolute()
    config = home / "config.toml"
    if config.exists():
        _kept(config, [option for option in _ONCE if _was_typed(ctx, option)])
        settings = _read(config)
        if tool_trigger:
            workflows.require_source(settings)
    else:
        campus, url, prefix = _answers(campus, moodle_url, moodle_config, posts_alone=bool(tool_trigger))
        plan = files.Plan(
            home=home,
            campus=campus,
            url=url,
            table_prefix=prefix if table_prefix is None else table_prefix,
            start_at=start_at,
            site_admins=(2,) if site_admin is None else tuple(site_admin),
            catalogue_url=catalogue,
            posts=bool(tool_trigger),
        )
        settings = _write_config(plan, config)
    _write_rest(settings)
    if tool_trigger:
        workflows.written(settings, tool_trigger)
    works = account.tested(settings, grant_host)
    previewing.offered(settings, preview, possible=works)
    account.next_steps(settings)


def _sensible(tool_trigger: str, preview: str) -> None:
    """See that options which are used last can be used, before anything is written.

    Raises:
        ConfigError: one cannot.
    """
    from agent.cli.terms.inforce import require_instant

    if tool_trigger:
        workflows.require_address(tool_trigger)
    if preview:
        try:
            require_instant(preview)
        except InvalidInputError as exc:
            raise ConfigError(f"--preview: {exc.message}", hint=exc.hint) from None


def _was_typed(ctx: typer.Context, option: str) -> bool:
    source = ctx.get_parameter_source(option.removeprefix("--").replace("-", "_"))
    return source is not None and source.name == "COMMANDLINE"


def _kept(config: Path, ignored: list[str]) -> None:
    _told(config, written=False)
    if ignored:
        typer.echo(f"         {', '.join(ignored)} changed nothing: edit that file, or move it away first")


def _answers(campus: str, url: str, config: Path | None, *, posts_alone: bool) -> tuple[str, str, str]:
    """Campus, database URL and table prefix, from options, or asked on a terminal."""
    missing = [] if campus else ["--campus"]
    asks = not url and config is None and not posts_alone
    if asks:
        missing.append("--moodle-config (or --moodle-url)")
    if missing and not sys.stdin.isatty():
        raise ConfigError(
            f"{' and '.join(missing)} missing",
            hint="for example: rewards-agent init --campus uni-example --moodle-config /var/www/moodle/config.php",
        )
    campus = campus or _asked("What does the catalogue call this institution (letters, digits, . _ -)?", _campus)
    if asks:
        likely = next((place for place in _PLACES if Path(place).is_file()), None)
        question = "Where is Moodle's config.php (or mysql://companion_ro@HOST/DATABASE)?"
        return campus, *_asked(question, _moodle, likely)
    if config is None:
        return campus, url, "mdl_"
    return campus, *_of_moodle(config)


def _asked(question: str, read: Callable[[str], Answer], likely: str | None = None) -> Answer:
    """What somebody types, as it is read; what cannot be read is told, and asked for again."""
    while True:
        try:
            return read(typer.prompt(question, default=likely))
        except ConfigError as exc:
            typer.echo(f"{exc}\n", err=True)


def _campus(said: str) -> str:
    from pydantic import TypeAdapter, ValidationError

    from agent.config.values import Name

    try:
        return TypeAdapter(Name).validate_python(said)
    except ValidationError:
        raise ConfigError(f"{said!r} is not a name", hint=_NAMED) from None


def _moodle(said: str) -> tuple[str, str]:
    """Database URL and table prefix, from the path of a config.php or from a URL."""
    return (said, "mdl_") if "://" in said else _of_moodle(Path(said).expanduser())


def _of_moodle(config: Path) -> tuple[str, str]:
    from agent.cli.setup import moodle_config

    if config.is_dir():
        config /= "config.php"  # of Moodle's directory
    try:
        found = moodle_config.read(config.read_text(encoding="utf-8", errors="replace"))
    except OSError as exc:
        raise ConfigError(
            f"{config} cannot be read: {exc.strerror}",
            hint="check the path"
            if isinstance(exc, FileNotFoundError)
            else "run this as a user who may, or give the database by hand: --moodle-url",
        ) from None
    return found.url, found.table_prefix


def _read(config: Path) -> Settings:
    from agent.config import support
    from agent.config.settings import load_settings

    settings = load_settings(config)
    support.check(settings)
    return settings


def _write_config(plan: files.Plan, config: Path) -> Settings:
    """Write config.toml, but only one that this version can run."""
    from agent.config import support
    from agent.config.document import Fault, FaultsError, parse
    from agent.config.settings import settings_in

    text = files.config_text(plan)

    def in_words(fault: Fault) -> str:
        lines = text.splitlines()[: fault.line]
        key = lines[-1].split("=")[0].strip()
        option = "--catalogue" if key == "url" and "[catalogue]" in lines else _OPTIONS.get(key, key)
        return f"{option}: {fault.message}" + (f", {fault.hint}" if fault.hint else "")

    try:
        document = parse(text.encode(), config)
        settings = settings_in(document)
        support.check(settings, document)
    except FaultsError as exc:
        told = "\n".join(in_words(fault) for fault in exc.faults)
        raise ConfigError(told, hint="nothing was written: correct it and run init again") from None
    try:
        plan.home.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise files.not_written(plan.home, exc) from None
    _told(config, files.write_new(config, text))
    return settings


def _write_rest(settings: Settings) -> None:
    """What config.toml names and is not there yet: rules, a password, the key."""
    from agent.config.secrets import secret_file
    from agent.outbox.key_file import new_key
    from agent.wiring.rules import read_rules

    rules = settings.home / "rules.toml"
    if settings.agent.rules == "rules.toml":
        _told(rules, files.write_new(rules, files.example_rules(hosted=not settings.log_sources)))
    for source in settings.log_sources:
        if source.password_file:
            path = secret_file(settings.home, source.password_file)
            _told(path, files.write_new(path, files.new_password() + "\n", secret=True))
    for post in settings.post_sources:
        for name in post.bearer_token_files:
            path = secret_file(settings.home, name)
            _told(path, files.write_new(path, files.new_password() + "\n", secret=True))
    path = settings.key_file
    there = path.exists()
    if not there:
        new_key(path)
    _told(path, written=not there)
    read_rules(settings)
    _recovery(settings)


def _recovery(settings: Settings) -> None:
    """The campus's recovery key, printed this once."""
    from agent.outbox.recovery.box import RecoveryKey, write_lock

    path = settings.recovery_file
    if path.exists():
        _told(path, written=False)
        return
    key = RecoveryKey.new()
    write_lock(path, key.lock)
    _told(path, written=True)
    typer.echo(
        "\nThe recovery key of this campus. It is shown this once; with it a lost disk loses no learner. Print it, and"
        f"\nkeep it away from this machine:\n\n    {key.text()}\n"
    )


def _told(path: Path, written: bool) -> None:
    typer.echo(f"{'written' if written else 'kept   '}  {path}")
