"""`rewards-agent rules diff`: what is different between two sets of rules."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.frame import ConfigOption, JsonOption, emit_json, note, settings_of

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

Rules = Annotated[str, typer.Argument(help="A file of rules, or a version that was in force (or how it begins).")]


def diff(old: Rules, new: Rules, config: ConfigOption = None, json: JsonOption = False) -> None:
    """Tell which rules were added, removed or changed, and what of them, in plain words.

    Comments, spelling and examples' order are no difference.

    Example: rewards-agent rules diff 87a2a4f5 rules.toml
    """
    from agent.cli.tuning.chosen import named
    from agent.config.rulefile.difference import differences

    with ExitStack() as stack:
        ledger = _ledger(config, stack, old, new)
        found = differences(named(old, ledger), named(new, ledger))
    if json:
        emit_json([asdict(one) for one in found])
        return
    if not found:
        note("they mean the same")
    for one in found:
        typer.echo(f"{one.what} {one.name} {one.change}".replace("  ", " "))
        for detail in one.details:
            typer.echo(f"  {detail}")


def _ledger(config: Path | None, stack: ExitStack, *names: str) -> sqlite3.Connection | None:
    """The configured ledger, where one of the names is no file and there is a ledger."""
    from pathlib import Path

    from agent.errors import ConfigError
    from agent.ledger import file

    if all(Path(name).exists() for name in names):
        return None
    try:
        data_dir = settings_of(config).agent.data_dir
    except ConfigError:
        if config is not None:
            raise
        return None
    return stack.enter_context(file.reading(data_dir)) if file.ledger_path(data_dir).exists() else None
