"""`rewards-agent rules import`: rules in the YAML form of older guides, as TOML."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agent.cli.frame import note
from agent.errors import ConfigError


def convert(
    file: Annotated[Path, typer.Argument(metavar="FILE.yaml", help="Rules as id, event, conditions, points, …")],
    zone: Annotated[
        str, typer.Option("--timezone", metavar="ZONE", help="The IANA time zone for days and weeks.")
    ] = "UTC",
) -> None:
    r"""Print rules of the YAML form (id, event, conditions, points, frequency, cooldown) as TOML.

    Event names of guides, such as core\event\quiz_attempt_submitted, are understood. What cannot be converted is told
    with its place, and then nothing is printed.

    Example: rewards-agent rules import rules.yaml > rules.toml
    """
    from agent.config.document import FaultsError
    from agent.config.rulefile import load_rules_text
    from agent.config.yamlrules import converted

    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}", hint="check the path") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{file} is not UTF-8", hint="save it as UTF-8") from None
    made = converted(text, str(file), zone)
    typer.echo(made, nl=False)
    try:
        warnings = load_rules_text(made).warnings
    except FaultsError as error:
        message = "the rules were converted and are not in order yet; places are those of the TOML above"
        raise ConfigError(f"{message}\n{error}", hint="correct the YAML, or the TOML") from None
    for warning in warnings:
        note(f"warning: {warning}")
