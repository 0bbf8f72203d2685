"""`tenant add|token|list|suspend|resume`: campuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from catalogue.cli.common import (
    ConfigOption,
    DataDirOption,
    JsonOption,
    act,
    iso,
    now,
    settings,
    show,
    told,
    with_store,
)

if TYPE_CHECKING:
    from catalogue.config import Config
    from catalogue.store import Store

app = typer.Typer(no_args_is_help=True)

Campus = Annotated[str, typer.Argument(help="The campus, as its agent's config.toml names it.")]
Hours = Annotated[int, typer.Option("--hours", min=1, max=24 * 365, help="How long the token may be used.")]


@app.command()
@told
def add(
    campus: Campus,
    title: Annotated[str, typer.Option(help="A name for people.")] = "",
    environment: Annotated[str, typer.Option(help="production or staging: their wallets never mix.")] = "production",
    hours: Hours = 72,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a campus known and print the one-time token its agent enrols with."""
    from catalogue import acts, schema, tenants

    async def work(store: Store) -> None:
        concerned = acts.rows(schema.tenant, campus=campus)
        async with acts.acting(store, act(campus, "tenant.add", campus), concerned) as conn:
            await tenants.add_tenant(conn, campus, title=title or campus, environment=environment, now=now())

    found = settings(config, data_dir)
    with_store(found, work)
    _print_token(found, campus, hours, as_json=as_json)


@app.command()
@told
def token(
    campus: Campus,
    agent: Annotated[str | None, typer.Option(help="For this agent, which lost its key; else for a new one.")] = None,
    hours: Hours = 72,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print another one-time token for a known campus."""
    _print_token(settings(config, data_dir), campus, hours, agent=agent, as_json=as_json)


@app.command(name="list")
@told
def list_(config: ConfigOption = None, data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """List every campus."""
    from catalogue import tenants

    async def work(store: Store) -> list[dict[str, Any]]:
        async with store.reading() as conn:
            return await tenants.tenants(conn)

    rows = with_store(settings(config, data_dir), work)
    show(
        rows,
        as_json=as_json,
        lines=lambda: [
            f"{row['campus']:30} {row['state']:10} {row['environment']:12} {row['agents']:3} agents"
            f"  since {iso(row['created_at'])}  {row['title']}"
            for row in rows
        ],
    )


@app.command()
@told
def suspend(campus: Campus, config: ConfigOption = None, data_dir: DataDirOption = None) -> None:
    """Take nothing from a campus until it is resumed; its agents keep what they have and try again."""
    _set_state(settings(config, data_dir), campus, "suspended")


@app.command()
@told
def resume(campus: Campus, config: ConfigOption = None, data_dir: DataDirOption = None) -> None:
    """Take batches from a suspended campus again."""
    _set_state(settings(config, data_dir), campus, "active")


def _set_state(config: Config, campus: str, state: str) -> None:
    from catalogue import acts, schema, tenants

    verb = "suspend" if state == "suspended" else "resume"

    async def work(store: Store) -> None:
        concerned = acts.rows(schema.tenant, campus=campus)
        async with acts.acting(store, act(campus, f"tenant.{verb}", campus), concerned) as conn:
            await tenants.set_tenant_state(conn, campus, state)

    with_store(config, work)
    typer.echo(f"{campus} is {state}")


def _print_token(config: Config, campus: str, hours: int, *, as_json: bool, agent: str | None = None) -> None:
    from catalogue import acts, schema, tenants
    from catalogue.server import load_key

    key = load_key(config)
    expires_at = now() + hours * 3600

    async def work(store: Store) -> str:
        concerned = acts.rows(schema.enrolment, campus=campus)
        async with acts.acting(store, act(campus, "tenant.token", agent or ""), concerned) as conn:
            made = await tenants.new_token(conn, campus, key.fingerprint, expires_at=expires_at, name=agent)
            return made.text()

    text = with_store(config, work)
    show(
        {"campus": campus, "token": text, "expires_at": iso(expires_at)},
        as_json=as_json,
        lines=lambda: [f"token for {campus}, good once, until {iso(expires_at)}:", text],
    )
