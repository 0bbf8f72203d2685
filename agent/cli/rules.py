"""`rewards-agent rules …`: check the rules, and see what they can be about."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.frame import ConfigOption, JsonOption, emit, emit_json, emit_one, note, settings_of
from agent.errors import ConfigError

if TYPE_CHECKING:
    from agent.config.document import Fault

app = typer.Typer(no_args_is_help=True, help="Check and look at the rules.")

FilesArgument = Annotated[
    list[Path] | None,
    typer.Argument(metavar="[FILE]…", help="Files of rules; without them those of the configuration."),
]


@app.command()
def check(files: FilesArgument = None, config: ConfigOption = None, json: JsonOption = False) -> None:
    """Tell every fault of the rules at once, as FILE:LINE:COLUMN; exits with 2 where there is one.

    Examples in the rules are tried. Warnings are told too and break nothing.
    """
    from agent.config.document import FaultsError
    from agent.config.kinds import KindTable
    from agent.config.rulefile import load_rules
    from agent.engine.rules import compile_rules

    paths = tuple(files) if files else settings_of(config).rule_files()
    try:
        rules = load_rules(paths)
        compile_rules(rules, KindTable())
    except FaultsError as error:
        if json:
            emit_json({"ok": False, "faults": [_told(fault) for fault in error.faults], "warnings": []})
            raise typer.Exit(error.exit_code) from None
        raise
    if json:
        warnings = [_told(fault) for fault in rules.warnings]
        emit_json({"ok": True, "faults": [], "warnings": warnings, "rules": len(rules.rules), "version": rules.version})
        return
    for warning in rules.warnings:
        note(f"warning: {warning}")
    emit_one({"in order": f"{len(rules.rules)} rules", "version": rules.version}, json=False)


@app.command()
def facts(
    kind: Annotated[str | None, typer.Argument(metavar="[KIND]", help="One kind, such as quiz.submitted.")] = None,
    json: JsonOption = False,
) -> None:
    """List the facts that conditions can look at: kind, fact, type, unit, who supplies it, and a real sample."""
    from agent.config.document import nearest
    from agent.config.facts import FactTable
    from agent.config.kinds import KindTable

    kinds = sorted(KindTable().kinds())
    if kind is not None and kind not in kinds:
        likely = nearest(kind, tuple(kinds))
        hint = f"did you mean {likely}?" if likely else f"known: {', '.join(kinds)}"
        raise ConfigError(f"there is no kind {kind}", hint=hint)
    table = FactTable()
    rows = [
        {
            "kind": one,
            "fact": fact.name,
            "type": fact.type,
            "unit": fact.unit,
            "supplied_by": sorted(table.suppliers(fact.name, one)),
            "sample": fact.sample,
            "meaning": fact.meaning,
        }
        for one in ([kind] if kind else kinds)
        for fact in table.for_kind(one)
    ]
    columns = ("kind", "fact", "type", "unit", "supplied_by", "sample", *(("meaning",) if kind else ()))
    emit(rows, columns, json=json, empty="no facts")


def _told(fault: Fault) -> dict[str, object]:
    return {key: getattr(fault, key) for key in ("file", "line", "column", "message", "hint")}
