"""`partner add|list|pause|resume|reconcile`: who makes vouchers for us."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from catalogue.cli.common import Answer, Application, Centre, act, now, operator, text_of

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from catalogue.partners.reconcile import Report
    from catalogue.partners.registry import Partner
    from catalogue.redemption.desk import Desk
    from catalogue.store import Store

app = Application(no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The partner, as partner list names it.")]


@app.command()
def add(
    partner: Name,
    url: Annotated[str, typer.Argument(help="Where its orders are posted.")],
    title: Annotated[str, typer.Option(help="A name for people.")] = "",
    repeatable: Annotated[
        bool | None,
        typer.Option(
            "--repeatable/--once-only", help="It knows an order again (Idempotency-Key): asking twice is safe; or not."
        ),
    ] = None,
    timeout: Annotated[
        int | None, typer.Option(help="How long its answer may take, in seconds; 10 at first.", min=1, max=120)
    ] = None,
    owner: Annotated[str, typer.Option(help="The campus whose partner it is; '*' is every campus's.")] = "*",
    *,
    centre: Centre,
) -> None:
    """Make a partner known, or change its address and what else is said; the rest stays as it is.

    Orders are signed with the catalogue's key; init prints its fingerprint.

    Example: rewards-catalogue partner add books-inc https://api.books.example/orders --title Books
    """

    async def work(store: Store) -> Partner:
        from catalogue import acts, schema
        from catalogue.partners import registry
        from catalogue.partners.breaker import Circuit
        from catalogue.partners.registry import TIMEOUT_S, Partner

        new = Partner(
            owner=owner,
            partner=partner,
            title=partner,
            url=url,
            repeatable=False,
            timeout_s=TIMEOUT_S,
            state="active",
            circuit=Circuit(),
        )
        concerned = acts.rows(schema.partner, campus=owner, partner=partner)
        async with acts.acting(store, act(owner, "partner.add", partner), concerned) as conn:
            known = await registry.find(conn, owner, partner)
            was = known if known is not None and known.owner == owner else new
            made = dataclasses.replace(
                was,
                url=url,
                title=title or was.title,
                repeatable=was.repeatable if repeatable is None else repeatable,
                timeout_s=timeout or was.timeout_s,
            )
            await registry.put(conn, made)
        return made

    made = centre.do(work, owner=owner)
    again = "sent again" if made.repeatable else "sent no more"
    typer.echo(f"partner {partner} is known; an order that got no answer is {again}")


@app.command(name="list")
def list_(centre: Centre, answer: Answer) -> None:
    """List partners, how each is doing, and what waits.

    Example: rewards-catalogue partner list
    """

    async def look(conn: AsyncConnection) -> list[dict[str, Any]]:
        from catalogue.partners import registry

        return await registry.listed(conn)

    rows = centre.look(look)
    answer.show(rows, lines=lambda: [_line(row, now()) for row in rows] or ["no partners"])


@app.command()
def pause(partner: Name, centre: Centre) -> None:
    """Send a partner nothing, and let nobody order from it, until it is resumed.

    Example: rewards-catalogue partner pause books-inc
    """
    _set_state(centre, partner, "paused")


@app.command()
def resume(partner: Name, centre: Centre) -> None:
    """Let a partner go on; what waits is sent at once.

    Example: rewards-catalogue partner resume books-inc
    """
    _set_state(centre, partner, "active")


@app.command()
def reconcile(
    partner: Name,
    file: Annotated[
        Path, typer.Argument(help="Its statement: CSV with redemption,status[,code][,amount]; - is stdin.")
    ],
    complete_until: Annotated[
        str, typer.Option(help="It names every order from before then: what it does not name was never made.")
    ] = "",
    *,
    centre: Centre,
    answer: Answer,
) -> None:
    """Settle from a partner's statement what nobody knows, and tell what differs (exit 3).

    Example: rewards-catalogue partner reconcile books-inc statement.csv --complete-until 2026-09-30T00:00:00Z
    """

    async def work(desk: Desk) -> Report:
        from catalogue.errors import CatalogueError
        from catalogue.partners import reconcile as statement
        from catalogue.partners import registry
        from catalogue.rewards import times

        try:
            until = times.moment(complete_until)
        except ValueError as exc:
            raise CatalogueError(f"--complete-until: {exc}") from None
        lines = statement.read(text_of(file))
        async with desk.store.reading() as conn:
            if partner not in {row["partner"] for row in await registry.listed(conn)}:
                raise CatalogueError(f"there is no partner {partner}", hint="see: rewards-catalogue partner list")
        return await statement.reconcile(desk, partner, lines, complete_until=until, now=now(), by=operator())

    report = dataclasses.asdict(centre.at_desk(work))
    counted = ", ".join(f"{len(report[name])} {name}" for name in ("agreed", "fulfilled", "released"))
    billed = [f"billed {minor // 100}.{minor % 100:02} {code}" for code, minor in sorted(report["billed"].items())]
    answer.show(report, lines=lambda: [", ".join([counted, *billed]), *report["differ"]])
    if report["differ"]:
        raise typer.Exit(3)


def _set_state(centre: Centre, partner: str, state: str) -> None:
    async def work(store: Store) -> None:
        from catalogue import acts, schema
        from catalogue.partners import registry

        verb = "pause" if state == "paused" else "resume"
        concerned = acts.rows(schema.partner, partner=partner)
        async with acts.acting(store, act(acts.EVERYWHERE, f"partner.{verb}", partner), concerned) as conn:
            await registry.set_state(conn, partner, state)

    centre.do(work)
    typer.echo(f"partner {partner} is {state}")


def _line(row: dict[str, Any], at: int) -> str:
    state = (
        row["state"] if row["state"] != "active" or row["open_until"] <= at else f"resting, {row['failures']} failures"
    )
    waiting = row["reserved"] + row["doubtful"] + row["sending"] + row["resending"]
    kind = "repeatable" if row["repeatable"] else "once only"
    orders = f"{waiting:>5} waiting {row['unknown']:>5} unknown"
    whose = "" if row["campus"] == "*" else f" ({row['campus']}'s alone)"
    return f"{row['partner']:20} {state:22} {kind:10} {orders}  {row['title']}{whose}"
