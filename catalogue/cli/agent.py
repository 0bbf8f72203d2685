"""`agent add|list|revoke`: the campuses' agents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from catalogue.cli.common import Answer, Application, Campus, Centre, act, iso, nothing_left, now

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from catalogue.store import Store

app = Application(no_args_is_help=True)

SKEW_TOLD_S = 30
"""From how far apart two clocks are told, in seconds."""


@app.command()
def add(
    campus: Campus,
    public_key: Annotated[str, typer.Argument(help="Its public key in hex, as rewards-agent key new prints it.")],
    centre: Centre,
    answer: Answer,
) -> None:
    """Make an agent known by its public key, without a token; prints its name and the catalogue's key to pin.

    Example: rewards-catalogue agent add uni-example 3ccd241cffc9b3618044b97d036d8614593d8b017c340f1dee8773385517654b
    """
    from catalogue import acts, schema, tenants
    from catalogue.errors import CatalogueError
    from catalogue.server import load_key
    from wire import canonical

    try:
        public = canonical.octets({"public key": public_key}, "public key")
    except canonical.MalformedError as exc:
        raise CatalogueError(str(exc), hint="copy what prints: rewards-agent key show") from None
    key = load_key(centre.settings)

    async def work(store: Store) -> str:
        agents, keys = acts.rows(schema.agent, campus=campus), acts.rows(schema.agent_key, campus=campus)
        async with acts.acting(store, act(campus, "agent.add"), agents, keys) as conn:
            tenants.refuse_closed(campus, await tenants.hold_tenant(conn, campus))
            return await tenants.add_agent(conn, campus, public, now=now())

    name = centre.do(work)
    answer.show(
        {"campus": campus, "agent": name, "catalogue_public": key.public.hex()},
        lines=lambda: [f"agent {name} of {campus}", f"catalogue key {key.public.hex()}"],
    )


@app.command(name="list")
def list_(campus: Campus, centre: Centre, answer: Answer) -> None:
    """List a campus's agents and where each stands.

    Example: rewards-catalogue agent list uni-example
    """
    from catalogue import tenants

    async def look(conn: AsyncConnection) -> list[dict[str, Any]]:
        return await tenants.agents(conn, campus)

    rows = centre.look(look, campus=campus)
    answer.show(
        rows,
        lines=lambda: [
            f"{row['agent']:12} {row['state']:8} epoch {row['epoch']} seq {row['seq']}  heard {iso(row['heard_at'])}"
            + (f"  its clock is {row['skew_s']} s ahead" if abs(row["skew_s"] or 0) >= SKEW_TOLD_S else "")
            for row in rows
        ],
    )


@app.command()
def revoke(
    campus: Campus,
    agent: Annotated[str, typer.Argument(help="As agent list names it.")],
    centre: Centre,
) -> None:
    """Take nothing more from an agent; what it sent stays, but for what its learners are called.

    Example: rewards-catalogue agent revoke uni-example agent-1
    """
    from catalogue import acts, schema, tenants
    from catalogue.people import names

    async def work(store: Store) -> None:
        concerned = acts.rows(schema.agent, campus=campus, agent=agent)
        async with acts.acting(store, act(campus, "agent.revoke", agent), concerned) as conn:
            await tenants.revoke_agent(conn, campus, agent)
            await names.drop(conn, campus, agent, now=now())  # it could withdraw or erase them no more
        await nothing_left(store)

    centre.do(work, campus=campus)
    typer.echo(f"{agent} of {campus} is revoked")
