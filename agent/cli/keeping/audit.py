"""`rewards-agent audit`: what administrators had this agent do."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from agent.cli.access import ledger_of
from agent.cli.frame import ConfigOption, JsonOption, emit, emit_json, settings_of, utc
from agent.cli.terms.inforce import SinceOption, UntilOption, rules_in_force, span_of
from machine.commands import Application
from machine.sheets import Table

if TYPE_CHECKING:
    from agent.ledger.acts.journal import Act

app = Application(no_args_is_help=True, help="What administrators had this agent do: list, export.")

EXPORTED_MAX = 1_000_000
COLUMNS = ("no", "at", "what", "by", "account", "about", "outcome")

What = Annotated[str, typer.Option("--what", metavar="COMMAND", help="Only this: review.approve; or review for all.")]
By = Annotated[str, typer.Option("--by", metavar="NAME", help="Only what this name, or account, had done.")]


@app.command(name="list")
def list_(
    *,
    since: SinceOption = None,
    until: UntilOption = None,
    what: What = "",
    by: By = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="So many at most.")] = 50,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """List acts, newest first: when, what, who, and what it came to.

    An act is written down before it is done. `not known`: the agent ended meanwhile, or it failed (a full disk, no
    answer of the catalogue), so look whether it was done. Learners, reasons and secrets are not written here; an entry
    or a hold that is named leads to them.

    Example: rewards-agent audit list --what review --since 2026-09-01
    """
    rows = _rows(config, since, until, what=what, by=by, most=limit)
    if not json:
        rows = [{**row, "at": utc(row["at"]), "about": _told(row["about"])} for row in rows]
    emit(rows, COLUMNS, json=json, empty="nothing was done by hand")


@app.command()
def export(
    *,
    form: Annotated[Literal["csv", "json"], typer.Option("--format", help="csv or json, to stdout.")] = "csv",
    since: SinceOption = None,
    until: UntilOption = None,
    what: What = "",
    by: By = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Write all acts to stdout, newest first, for whoever keeps them elsewhere.

    Example: rewards-agent audit export --format csv > acts.csv
    """
    rows = _rows(config, since, until, what=what, by=by, most=EXPORTED_MAX)
    if json or form == "json":
        emit_json(rows)
        return
    Table(sys.stdout, [*COLUMNS, "ended_at"]).rows(
        {**row, "at": utc(row["at"]), "ended_at": utc(row["ended_at"]), "about": _told(row["about"])} for row in rows
    )


def _rows(
    config: Path | None, since: str | None, until: str | None, *, what: str, by: str, most: int
) -> list[dict[str, Any]]:
    from agent.ledger.acts import journal

    with ledger_of(config) as connection:
        begin, end = 0, 2**62
        if since or until:
            begin, end = span_of(since, until, rules_in_force(settings_of(config), connection)[1])
        found = journal.listed(connection, since=begin, until=end, what=what, by=by, newest=most)
        return [_row(act) for act in found]


def _row(act: Act) -> dict[str, Any]:
    return {
        "no": act.act_no,
        "at": act.at,
        "what": act.what,
        "by": act.by,
        "account": act.account,
        "about": dict(act.about),
        "outcome": act.outcome or "not known",
        "ended_at": act.ended_at,
    }


def _told(about: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in about.items() if value is not None and value != "")
