"""`token add|list|revoke`: who else may read a campus's books, over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from catalogue.cli.common import Answer, Application, Centre, act, iso, now, operator

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from catalogue.store import Store

app = Application(no_args_is_help=True)

DAY_S = 86_400
Campus = Annotated[str, typer.Argument(help="The campus whose books it opens; no other's.")]
Name = Annotated[str, typer.Argument(help="A name for it, such as power-bi.")]


@app.command()
def add(
    campus: Campus,
    name: Name,
    scope: Annotated[
        list[str],
        typer.Option(
            "--scope",
            help="points:read, ledger:read, names:read, rewards:read, rewards:write, vouchers:use, recognition:read,"
            " recognition:write or recognition:moderate.",
        ),
    ],
    days: Annotated[int, typer.Option("--days", min=1, max=3660, help="How long it may be used.")] = 365,
    per_minute: Annotated[int, typer.Option("--per-minute", min=1, max=10_000, help="Requests it may make.")] = 300,
    *,
    centre: Centre,
    answer: Answer,
) -> None:
    """Make a token and print it, this once: only its hash is kept.

    Example: rewards-catalogue token add uni-example power-bi --scope ledger:read --days 365
    """
    from catalogue import acts, schema
    from catalogue.api import tokens

    at = now()
    until = at + days * DAY_S

    async def work(store: Store) -> str:
        concerned = acts.rows(schema.api_token, campus=campus, name=name)
        async with acts.acting(store, act(campus, "token.add", name), concerned) as conn:
            return await tokens.add(
                conn, campus, name, scope, expires_at=until, by=operator(), now=at, per_minute=per_minute
            )

    text = centre.do(work, campus=campus)
    answer.show(
        {"campus": campus, "name": name, "token": text, "expires_at": iso(until)},
        lines=lambda: [f"token {name} of {campus}, until {iso(until)}; it is not shown again:", text],
    )


@app.command(name="list")
def list_(campus: Campus, centre: Centre, answer: Answer) -> None:
    """List a campus's tokens, the revoked ones too; never their secrets.

    Example: rewards-catalogue token list uni-example
    """
    from catalogue.api import tokens

    async def look(conn: AsyncConnection) -> list[dict[str, Any]]:
        return await tokens.listed(conn, campus, now=now())

    rows = centre.look(look, campus=campus)
    answer.show(
        rows,
        lines=lambda: [
            f"{row['name']:24} {row['state']:8} until {iso(row['expires_at'])}  {' '.join(row['scopes'])}"
            f"  by {row['created_by']}"
            for row in rows
        ],
    )


@app.command()
def revoke(campus: Campus, name: Name, centre: Centre) -> None:
    """Let a token open nothing from now on.

    Example: rewards-catalogue token revoke uni-example power-bi
    """
    from catalogue import acts, schema
    from catalogue.api import tokens

    async def work(store: Store) -> None:
        concerned = acts.rows(schema.api_token, campus=campus, name=name)
        async with acts.acting(store, act(campus, "token.revoke", name), concerned) as conn:
            await tokens.revoke(conn, campus, name, now=now())

    centre.do(work, campus=campus)
    typer.echo(f"{name} of {campus} is revoked")
