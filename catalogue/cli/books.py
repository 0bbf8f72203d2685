"""`wallet show` and `ledger export`: what the books say."""

from __future__ import annotations

import csv
import json
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from catalogue.cli.common import ConfigOption, DataDirOption, JsonOption, iso, settings, show, told, with_store

if TYPE_CHECKING:
    from sqlalchemy import Row

    from catalogue.store import Store

wallet = typer.Typer(no_args_is_help=True)
ledger = typer.Typer(no_args_is_help=True)

Campus = Annotated[str, typer.Argument(help="The campus.")]


class Format(StrEnum):
    """How an export is written: for spreadsheets, line by line as JSON, or the very bytes that were hashed."""

    csv = "csv"
    json = "json"
    raw = "raw"


@wallet.command(name="show")
@told
def show_wallets(
    campus: Campus,
    learner: Annotated[str | None, typer.Argument(help="Only this pseudonym.")] = None,
    currency: Annotated[str | None, typer.Option(help="Only this currency.")] = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show balances, by learner and currency."""

    async def work(store: Store) -> list[dict[str, Any]]:
        from catalogue import books, tenants

        async with store.reading() as conn:
            await tenants.need_tenant(conn, campus)
            return [row async for row in books.wallets(conn, campus, learner=learner, currency=currency)]

    rows = with_store(settings(config, data_dir), work)
    show(
        rows,
        as_json=as_json,
        lines=lambda: [f"{row['learner']:40} {row['balance']:>12} {row['currency']}" for row in rows] or ["no wallets"],
    )


@ledger.command()
@told
def export(
    campus: Campus,
    agent: Annotated[str | None, typer.Option(help="Only this agent.")] = None,
    form: Annotated[
        Format, typer.Option("--format", help="csv, json lines, or raw: the bytes that were hashed.")
    ] = Format.csv,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write every entry that came in, in order, to stdout."""
    form = Format.json if as_json else form

    async def work(store: Store) -> None:
        from catalogue import books, tenants

        out = csv.DictWriter(sys.stdout, books.COLUMNS, lineterminator="\n")
        async with store.reading() as conn:
            await tenants.need_tenant(conn, campus)
            if form is Format.csv:
                out.writeheader()
            async for row in books.entries(conn, campus, agent):
                _write(out, row, form)
        sys.stdout.flush()

    with_store(settings(config, data_dir), work)


def _write(out: csv.DictWriter[str], row: Row[Any], form: Format) -> None:
    from catalogue import books

    if form is Format.raw:
        sys.stdout.buffer.write(bytes(row.body) + b"\n")
        return
    fields = books.as_columns(row)
    if form is Format.json:
        print(json.dumps(fields, sort_keys=True, ensure_ascii=False))  # noqa: T201 - stdout is the product
        return
    times = {name: iso(fields[name]) for name in ("occurred_at", "recorded_at") if isinstance(fields[name], int)}
    out.writerow({name: _safe(value) for name, value in (fields | times).items()})


def _safe(value: Any) -> Any:
    """Texts that a spreadsheet would take for a formula are quoted; numbers stay numbers."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
