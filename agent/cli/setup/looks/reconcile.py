"""`rewards-agent doctor reconcile`: the log, the ledger and the catalogue, compared and shown."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from agent.cli.frame import emit, emit_json, note, run_async

if TYPE_CHECKING:
    from agent.config.settings import Settings
    from agent.wiring.sources.reconciling import Books, Log

COLUMNS = ("day", "rule", "currency", "entries", "amount", "there_entries", "there_amount", "same")


def show(settings: Settings, *, json: bool) -> None:
    """Compare, show, and exit with 3 where anything differs."""
    logs, books = run_async(_compared(settings))
    rows = [] if books is None else [_row(*item) for item in books.rows.items()]
    first = [one for one in (*(log.first for log in logs), "" if books is None else books.first) if one]
    if json:
        emit_json(
            {
                "logs": [asdict(log) for log in logs],
                "books": rows,
                "upto": books.upto if books else None,
                "aside": books.aside if books else 0,
                "differences": first,
            }
        )
    else:
        emit(rows, COLUMNS, json=False, empty="the catalogue has nothing of this agent" if books else "no catalogue")
        for line in _lines(logs, books):
            typer.echo(line)
        for one in first:
            typer.echo(f"DIFFERS  {one}")
        note("all three agree" if not first else "the first difference of each is named; see docs/ops/recovery.md")
    if first:
        raise typer.Exit(3)


async def _compared(settings: Settings) -> tuple[list[Log], Books | None]:
    from agent.clock import SystemClock
    from agent.wiring.rules import read_rules
    from agent.wiring.sources import reconciling

    clock = SystemClock()
    rulebook = read_rules(settings)[1]
    logs = [await reconciling.log(settings, source, rulebook, clock) for source in settings.log_sources]
    return logs, await reconciling.books(settings, clock) if settings.catalogue is not None else None


def _row(key: tuple[str, str, str], both: tuple[tuple[int, int], tuple[int, int]]) -> dict[str, Any]:
    (entries, amount), (there_entries, there_amount) = both
    return {
        "day": key[0],
        "rule": key[1],
        "currency": key[2],
        "entries": entries,
        "amount": amount,
        "there_entries": there_entries,
        "there_amount": there_amount,
        "same": "yes" if both[0] == both[1] else "NO",
    }


def _lines(logs: list[Log], books: Books | None) -> list[str]:
    lines = [
        f"log {log.source}: {log.recorded} of {log.acts} wanted acts are in the ledger"
        + (f", {log.before_the_rules} are of a time when no rule asked for them" if log.before_the_rules else "")
        + (f", {log.forgotten} earned nothing and are forgotten ([privacy] decisions_keep)" if log.forgotten else "")
        + (f", {log.absent} are of people who were erased, deleted or take no part" if log.absent else "")
        + (f", {log.missing} are missing" if log.missing else "")
        for log in logs
    ]
    if books is not None:
        told = f"catalogue: compared up to entry {books.upto}"
        waiting = f", {books.waiting} wait for delivery" if books.waiting else ""
        aside = f", {books.aside} are set aside there (rewards-agent sync status)" if books.aside else ""
        lines.append(told + waiting + aside)
    return lines
