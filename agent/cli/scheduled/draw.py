"""`rewards-agent rules draw …`: a draw repeated step by step, and the file with which strangers repeat it."""

from __future__ import annotations

import json as json_text
from pathlib import Path
from typing import Annotated, Any

import typer

from agent.cli.access import ledger_of
from agent.cli.frame import ConfigOption, JsonOption, emit_json, note
from agent.errors import InvalidInputError
from machine.commands import Application

app = Application(name="draw", no_args_is_help=True, help="Check a draw, or let others check it.")

RUN = "raffle@2026-12-20T22:00:00Z, or raffle for its newest."


@app.command("show")
def show(
    run: Annotated[str, typer.Argument(metavar="RUN", help=RUN)],
    export: Annotated[
        Path | None, typer.Option("--export", metavar="FILE", help="Write what an outsider needs; pseudonyms only.")
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Show a draw's list, announcement, receipt and winners, by pseudonym.

    The file of --export holds the participants with their tickets, the entries of the ledger that lead from the
    announcement to the receipt, the receipt with its signature, and the catalogue's public key.

    Example: rewards-agent rules draw show term-raffle --export draw.json
    """
    found = _bundle(config, run)
    text = json_text.dumps(found, indent=2, ensure_ascii=False)
    if export is not None:
        export.write_text(text + "\n", encoding="utf-8")
        note(f"written: {export}; anyone checks it with: rewards-agent rules draw verify --file {export}")
        return
    if json:
        emit_json(found)
        return
    typer.echo(text)


@app.command("verify")
def verify(
    run: Annotated[str | None, typer.Argument(metavar="RUN", help=RUN)] = None,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE", help="A file of draw show --export, instead of the ledger.")
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Repeat a draw and print every step; exits with 3 where one does not hold.

    With --file neither a ledger nor a configuration is needed. What the catalogue's key is must be asked of the
    catalogue's operator: a file names it, and nobody but them can say that it is theirs.

    Example: rewards-agent rules draw verify --file draw.json
    """
    import time

    from agent.schedule.proof import verified

    if (run is None) == (file is None):
        raise InvalidInputError("name a run, or a file", hint="rewards-agent rules draw verify raffle")
    found = _bundle(config, run) if run is not None else _read(file)
    steps = verified(found, now=int(time.time()))
    holds = all(step.holds for step in steps)
    if json:
        emit_json({"holds": holds, "steps": [{"step": step.what, "holds": step.holds} for step in steps]})
    else:
        for step in steps:
            typer.echo(f"{'ok ' if step.holds else 'NOT'} {step.what}")
        typer.echo("the draw is right" if holds else "the draw is NOT what was announced")
    if not holds:
        raise typer.Exit(3)


def _bundle(config: Path | None, run: str) -> dict[str, Any]:
    from agent.cli.scheduled.asked import run_called
    from agent.schedule.proof import bundle

    with ledger_of(config) as connection:
        return bundle(connection, run_called(connection, run))


def _read(file: Path | None) -> dict[str, Any]:
    try:
        found = json_text.loads(file.read_text(encoding="utf-8")) if file is not None else None
    except (ValueError, UnicodeDecodeError) as exc:
        raise InvalidInputError(f"{file} is not JSON: {exc}") from None
    if not isinstance(found, dict):
        raise InvalidInputError(f"{file} is not the file of a draw", hint="made by: rewards-agent rules draw show")
    return found
