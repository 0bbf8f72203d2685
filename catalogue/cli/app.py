"""`rewards-catalogue`: the list of commands."""

from __future__ import annotations

import typer

from catalogue.cli import agent, books, operate, tenant

app = typer.Typer(
    help="The central rewards catalogue: campuses, their agents, their learners' wallets.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command()(operate.init)
app.command()(operate.serve)
app.command()(operate.verify)
app.add_typer(tenant.app, name="tenant", help="Campuses.")
app.add_typer(agent.app, name="agent", help="The campuses' agents.")
app.add_typer(books.wallet, name="wallet", help="What learners have.")
app.add_typer(books.ledger, name="ledger", help="What came in.")


def main() -> None:
    """The console script."""
    app()
