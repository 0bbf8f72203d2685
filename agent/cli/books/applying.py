"""`rewards-agent review apply`: what somebody has decided in a spreadsheet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from agent.cli.access import ledger_of, reached
from agent.cli.books import sheet
from agent.cli.frame import ConfigOption, EncodingOption, JsonOption, emit_json, note, settings_of
from agent.cli.terms.inforce import ByOption, rules_in_force, whoever
from machine.reaching import names

_AT_ONCE = 100


def apply(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A CSV file: decision, verdict, amount, reason.")],
    *,
    by: ByOption = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what it would come to; settle nothing.")] = False,
    encoding: EncodingOption = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Settle held decisions as a spreadsheet says: `approve` or `reject` in the column verdict, nothing leaves it open.

    Begin with `review list --csv`. An amount (40, or points=40) is approved instead of the promised one, inside the
    rule's guardrails. Bad lines are told by row and column, good ones go through; a second time changes nothing.

    Example: rewards-agent review apply held.csv --by "B. Desk" --dry-run
    """
    from agent.ledger import reading

    settings = settings_of(config)
    with ledger_of(config) as connection:
        _, rulebook = rules_in_force(settings, connection)
        held = {row.decision_no: row.decision for row in reading.holds(connection, state="all")}
    asked = sheet.read(file, held, rulebook, encoding=encoding)
    for fault in asked.faults:
        note(f"{file.name}: {fault}")
    results: list[dict[str, Any]] = []
    with names.runner() as runner, reached(runner, settings) as carry_out:
        for start in range(0, len(asked.verdicts), _AT_ONCE):
            part = list(asked.verdicts[start : start + _AT_ONCE])
            results += carry_out("review.apply", verdicts=part, by=whoever(by), dry_run=dry_run)
            if len(asked.verdicts) > _AT_ONCE:
                note(f"{min(start + _AT_ONCE, len(asked.verdicts))} of {len(asked.verdicts)}")
    told = _told(results, asked, dry_run=dry_run)
    if json:
        emit_json({**told, "faults": list(asked.faults), "results": results})
    else:
        for result in results:
            if result["outcome"] == "refused":
                typer.echo(f"{result['decision']}: not settled: {result['reason']}")
        typer.echo(", ".join(_so_many(name, count) for name, count in told.items() if count) or "nothing")
    if asked.faults or told["not_settled"]:
        raise typer.Exit(1)


def _told(results: list[dict[str, Any]], asked: sheet.Sheet, *, dry_run: bool) -> dict[str, int]:
    """How many of each; what a dry run would come to has its own names."""
    would = "would_be_" if dry_run else ""
    outcomes = [result["outcome"] for result in results]
    approved = sum(outcome == "awarded" or outcome.startswith("counted") for outcome in outcomes)
    return {
        f"{would}approved": approved,
        f"{would}rejected": outcomes.count("rejected"),
        "stood_already": outcomes.count("stands"),
        "decided_again": sum(result["count"] for result in results if result["outcome"] == "decided again"),
        "not_settled": outcomes.count("refused"),
        "bad_lines": len(asked.faults),
        "left_open": asked.blank,
    }


def _so_many(name: str, count: int) -> str:
    words = name.replace("_", " ")
    return f"{count} {words.removesuffix('s') if count == 1 else words}"
