"""`reward …`: what points can be spent on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from catalogue.cli.common import Answer, Application, Campus, Centre, act, now, text_of
from machine.words import counted
from wire.money.amounts import amount

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from catalogue.acts import Rows
    from catalogue.rewards.model import Reward
    from catalogue.rewards.shelf import Offered
    from catalogue.store import Store

app = Application(no_args_is_help=True)

Owner = Annotated[str, typer.Argument(help="The campus whose reward it is; '*' is every campus's.")]
Name = Annotated[str, typer.Argument(help="The reward's id: small letters, digits, '.', '_' and '-'.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="column=cell, as in a sheet (reward export shows them)."),
]


@app.command()
def add(
    owner: Owner,
    reward: Name,
    *,
    title: Annotated[str, typer.Option(help="What learners read.")],
    price: Annotated[str, typer.Option(help="What it costs, in smallest units: points=500, or points=500; stars=2")],
    type_: Annotated[str, typer.Option("--type", help="benefit, discount, giftcard, item, voucher, or your own.")] = "",
    category: Annotated[str, typer.Option(help="general, or your own.")] = "",
    handing: Annotated[str, typer.Option(help="display, codes or partner: how the learner gets it.")] = "",
    partner: Annotated[str, typer.Option(help="The partner that makes it (--handing partner).")] = "",
    stock: Annotated[str, typer.Option(help="How many each campus has; left out: as many as are asked for.")] = "",
    tier: Annotated[str, typer.Option(help="Only for learners of this tier: bronze, silver, gold, or your own.")] = "",
    cells: Set = None,
    approve: Annotated[bool, typer.Option("--approve", help="Let the owner's learners have it at once.")] = False,
    centre: Centre,
    answer: Answer,
) -> None:
    """Put a reward on the shelf. Learners have it once it is approved for their campus.

    Example: rewards-catalogue reward add uni-example tea --title "A cup of tea" --price points=50 --stock 100
    """
    named = {"title": title, "price": price, "type": type_, "category": category, "handing": handing}
    named |= {"partner": partner, "stock": stock, "tier": tier, "id": reward}

    async def work(store: Store) -> Any:
        from catalogue import acts
        from catalogue.rewards import shelf
        from catalogue.rewards.model import SHARED

        made = shelf.described(_fields(named, cells))
        async with acts.acting(store, act(owner, "reward.add", reward), *_rows(owner, reward)) as conn:
            await shelf.put(conn, owner, made, now=now(), new=True)
            await _note_unpayable(conn, owner, [made])
            if approve and owner != SHARED:
                await shelf.approve(conn, owner, owner, reward, approved=True, now=now())
        return made.model_dump(mode="json")

    made = centre.do(work, owner=owner)
    answer.show(
        made | {"owner": owner},
        lines=lambda: [f"reward {reward} of {owner} is on the shelf; {_next(owner, reward, approved=approve)}"],
    )


def _next(owner: str, reward: str, *, approved: bool) -> str:
    """What is left to do until learners can have a reward; what is every campus's, each campus approves."""
    from catalogue.rewards.model import SHARED

    if owner == SHARED:
        return f"each campus approves it: rewards-catalogue reward approve CAMPUS {reward}"
    return "learners can have it" if approved else f"approve it: rewards-catalogue reward approve {owner} {reward}"


@app.command()
def change(
    owner: Owner,
    reward: Name,
    cells: Set = None,
    state: Annotated[str, typer.Option(help="draft, active, paused or retired.")] = "",
    *,
    centre: Centre,
) -> None:
    """Change a reward: what was redeemed keeps what it was redeemed for. An empty cell (--set stock=) clears it.

    Example: rewards-catalogue reward change uni-example tea --set stock=80
    """

    async def work(store: Store) -> None:
        from catalogue import acts
        from catalogue.errors import CatalogueError
        from catalogue.rewards import sheet, shelf

        async with acts.acting(store, act(owner, "reward.change", reward), *_rows(owner, reward)) as conn:
            known = await shelf.find(conn, owner, reward)
            if known is None:
                raise CatalogueError(f"{owner} has no reward {reward}", hint=shelf.listing(owner))
            if not cells and not state:
                raise CatalogueError("nothing is to be changed", hint="say what: --set column=cell, or --state")
            made = shelf.described(_fields(sheet.cells(known) | {"state": state or known.state}, cells))
            await shelf.put(conn, owner, made, now=now())
            await _note_unpayable(conn, owner, [made])

    centre.do(work, owner=owner)
    typer.echo(f"reward {reward} of {owner} is changed")


@app.command(name="list")
def list_(
    campus: Campus,
    learner: Annotated[str | None, typer.Option(help="Say for each what stands against it for this pseudonym.")] = None,
    cohort: Annotated[list[str] | None, typer.Option(help="A cohort of the learner.")] = None,
    country: Annotated[str, typer.Option(help="The learner's country: GB.")] = "",
    *,
    centre: Centre,
    answer: Answer,
) -> None:
    """List what a campus may offer: its own rewards and every campus's.

    Example: rewards-catalogue reward list uni-example --learner 2mfi7spslsw3rstao7u5yyit
    """

    async def look(conn: AsyncConnection) -> tuple[list[dict[str, Any]], dict[str, int]]:
        from catalogue.redemption import facts
        from catalogue.rewards import shelf
        from catalogue.wallets import currencies

        found = [one async for one in shelf.shelf(conn, campus)]
        whose = frozenset(cohort or ())
        who = await facts.about(conn, campus, learner or "")
        against = [
            "" if learner is None else await facts.against(conn, who, one, whose, country, now=now()) for one in found
        ]
        rows = [
            _row(one) | ({} if learner is None else {"against": why}) for one, why in zip(found, against, strict=True)
        ]
        return rows, await currencies.decimals(conn, campus)

    rows, decimals = centre.look(look, campus=campus)
    answer.show(rows, lines=lambda: [_told(row, decimals) for row in rows] or ["no rewards"])


@app.command()
def approve(
    campus: Campus,
    reward: Name,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="No longer.")] = False,
    *,
    centre: Centre,
) -> None:
    """Let a campus's learners have a reward, its own or every campus's: the institution says yes.

    Example: rewards-catalogue reward approve uni-example tea
    """

    async def work(store: Store) -> None:
        from catalogue import acts, schema
        from catalogue.errors import CatalogueError
        from catalogue.rewards import shelf

        said = act(campus, "reward.withdraw" if withdraw else "reward.approve", reward)
        async with acts.acting(store, said, acts.rows(schema.offer, campus=campus, reward=reward)) as conn:
            found = await shelf.offered(conn, campus, reward)
            if found is None:
                raise CatalogueError(
                    f"there is no reward {reward}", hint=f"see: rewards-catalogue reward list {campus}"
                )
            await shelf.approve(conn, campus, found.owner, reward, approved=not withdraw, now=now())

    centre.do(work, campus=campus)
    typer.echo(f"reward {reward} is {'withdrawn from' if withdraw else 'approved for'} {campus}")


@app.command()
def remove(owner: Owner, reward: Name, centre: Centre) -> None:
    """Take a reward off the shelf that nobody ever redeemed.

    Example: rewards-catalogue reward remove uni-example tea
    """

    async def work(store: Store) -> None:
        from catalogue import acts
        from catalogue.rewards import shelf

        async with acts.acting(store, act(owner, "reward.remove", reward), *_rows(owner, reward)) as conn:
            await shelf.remove(conn, owner, reward)

    centre.do(work, owner=owner)
    typer.echo(f"reward {reward} of {owner} is gone")


@app.command(name="import")
def import_(
    owner: Owner,
    file: Annotated[Path, typer.Argument(help="A sheet as reward export writes it; - is standard input.")],
    check: Annotated[bool, typer.Option("--check", help="Only say what is wrong with it.")] = False,
    *,
    centre: Centre,
) -> None:
    """Put a whole sheet on the shelf, or nothing of it: every bad cell is told with its line and column.

    Example: rewards-catalogue reward import uni-example shelf.csv --check
    """

    async def work(store: Store) -> int:
        from catalogue import acts, schema
        from catalogue.rewards import sheet, shelf

        found = sheet.read(text_of(file))
        if check:
            async with store.writing() as conn:
                await shelf.put_all(conn, owner, found, now=now())
                await _note_unpayable(conn, owner, [one for _, one in found])
                await conn.rollback()
            return len(found)
        shelved = acts.rows(schema.reward, campus=owner)
        async with acts.acting(store, act(owner, "reward.import"), shelved, each=True) as conn:
            await shelf.put_all(conn, owner, found, now=now())
            await _note_unpayable(conn, owner, [one for _, one in found])
        return len(found)

    count = centre.do(work, owner=owner)
    told = "right" if check else f"on the shelf of {owner}"
    typer.echo(f"{counted(count, 'reward is', 'rewards are')} {told}")


@app.command()
def export(owner: Owner, centre: Centre, answer: Answer) -> None:
    """Write an owner's rewards as a sheet to stdout.

    Example: rewards-catalogue reward export uni-example > shelf.csv
    """
    from catalogue.rewards import sheet, shelf

    async def look(conn: AsyncConnection) -> list[Reward]:
        return [one.reward async for one in shelf.shelf(conn, owner) if one.owner == owner]

    mine = centre.look(look, owner=owner)
    if answer.as_json:
        answer.show([one.model_dump(mode="json") | {"owner": owner} for one in mine], lines=list)
    else:
        sys.stdout.writelines(sheet.write(mine))


@app.command()
def label(
    owner: Owner,
    kind: Annotated[str, typer.Argument(help="type, category, group, brand or tier.")],
    name: Annotated[str, typer.Argument(help="Small letters, digits, '.', '_' and '-'.")],
    *,
    title: Annotated[str, typer.Option(help="What learners read.")] = "",
    earned: Annotated[
        str | None, typer.Option(help="Of a tier: what must have been earned in all: points=200; '' for nothing.")
    ] = None,
    badges: Annotated[
        str | None, typer.Option(help="Of a tier: badges that are needed: quiz-ace; helper; '' for none.")
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Forget it; no reward may have it.")] = False,
    centre: Centre,
) -> None:
    """Make a name that rewards can be sorted by, or change what is said of it; the rest stays as it is.

    Example: rewards-catalogue reward label uni-example category food --title "Food and drink"
    """

    async def work(store: Store) -> None:
        from catalogue import acts, schema
        from catalogue.rewards import sheet, shelf

        said = act(owner, "label.remove" if remove else "label.put", f"{kind} {name}")
        async with acts.acting(store, said, acts.rows(schema.label, campus=owner, kind=kind, name=name)) as conn:
            if remove:
                await shelf.remove_label(conn, owner, kind, name)
                return
            cells = {"earned": earned, "badges": badges}
            given = {column: cell for column, cell in cells.items() if cell is not None}
            known = (await shelf.labels(conn, owner)).get((kind, name))
            was = {"kind": kind, "name": name, "title": name} if known is None else known.model_dump(mode="json")
            gate = {} if known is None else known.gate.model_dump(mode="json", exclude=set(given))
            now_is = was | ({"title": title} if title else {}) | {"gate": gate | sheet.gate(given)}
            await shelf.put_label(conn, owner, shelf.named(now_is))

    centre.do(work, owner=owner)
    typer.echo(f"{kind} {name} of {owner} is {'gone' if remove else 'there'}")


@app.command()
def labels(campus: Owner, centre: Centre, answer: Answer) -> None:
    """List the names that a campus's rewards can be sorted by, and what each tier asks for.

    Example: rewards-catalogue reward labels uni-example
    """

    async def look(conn: AsyncConnection) -> list[dict[str, Any]]:
        from catalogue.rewards import gates, shelf
        from catalogue.wallets import currencies

        found = await shelf.labels(conn, campus)
        decimals = await currencies.decimals(conn, campus)
        return [
            one.model_dump(mode="json") | {"asks": gates.asked_of(one, decimals)} for _, one in sorted(found.items())
        ]

    rows = centre.look(look, owner=campus)
    answer.show(rows, lines=lambda: [_label(row) for row in rows])


def _label(row: dict[str, Any]) -> str:
    asks = f"  for {', '.join(row['asks'])}" if row["asks"] else ""
    return f"{row['kind']:10} {row['name']:24} {row['title']}{asks}"


def _fields(named: dict[str, str], cells: list[str] | None) -> dict[str, Any]:
    """A description from options and --set cells."""
    from catalogue.errors import CatalogueError
    from catalogue.rewards import sheet

    given = dict(named)
    for cell in cells or ():
        column, equals, value = cell.partition("=")
        if column == "id":
            raise CatalogueError("--set id=…: a reward keeps its id", hint="another id is another reward: reward add")
        if not equals or column not in sheet.COLUMNS:
            raise CatalogueError(f"--set {cell!r} is not column=cell", hint=f"columns are: {', '.join(sheet.COLUMNS)}")
        given[column] = value
    said, unread = sheet.fields(given)
    if unread:
        told_ = "\n  ".join(f"{column}: {why}" for column, why in unread.items())
        raise CatalogueError(f"this is no reward:\n  {told_}", hint="see: rewards-catalogue reward add --help")
    return said


async def _note_unpayable(conn: AsyncConnection, owner: str, rewards: Sequence[Reward]) -> None:
    """Say on stderr which currencies of these prices nobody can have: a slip of the pen, or rules that are to come."""
    from catalogue.rewards import shelf
    from catalogue.wallets import currencies

    if unknown := await shelf.unpayable(conn, owner, rewards):
        there = ", ".join(await currencies.of_campus(conn, owner))
        typer.echo(f"note: the rules of {owner} name no currency {', '.join(unknown)} (there are {there})", err=True)


def _rows(owner: str, reward: str) -> list[Rows]:
    """What a change of a reward changes."""
    from catalogue import acts, schema

    return [
        acts.rows(schema.reward, campus=owner, reward=reward),
        acts.rows(schema.offer, owner=owner, reward=reward),
    ]


def _row(one: Offered) -> dict[str, Any]:
    return one.reward.model_dump(mode="json") | {"owner": one.owner, "approved": one.approved, "taken": one.taken}


def _told(row: dict[str, Any], decimals: dict[str, int]) -> str:
    prices = " or ".join(amount(units, currency, decimals) for currency, units in row["price"].items())
    state = row["state"] if row["state"] != "active" else ("approved" if row["approved"] else "not approved")
    why = f"  {row['against'] or 'can be had'}" if "against" in row else ""
    whose = " (every campus's)" if row["owner"] == "*" else ""
    return f"{row['id']:24} {state:13} {prices:>18}  {row['title']}{whose}{why}"
