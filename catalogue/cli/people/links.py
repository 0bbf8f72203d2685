"""`wallet links|link|unlink`: whose wallets at several agents of a campus are one person's."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated, Any

import typer

from catalogue.cli.common import Answer, Campus, Centre, act, iso, now, operator

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from catalogue.people.names import Called
    from catalogue.store import Store

Pseudonym = Annotated[str, typer.Argument(help="As rewards-agent learner show and wallet show name the learner.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is recorded.")]


def list_links(
    campus: Campus,
    held: Annotated[bool, typer.Option("--held", help="Only those that wait for somebody to decide.")] = False,
    *,
    centre: Centre,
    answer: Answer,
) -> None:
    """List whose wallets are one person's, and whose may be and wait for somebody to decide.

    Example: rewards-catalogue wallet links uni-example --held
    """

    async def look(conn: AsyncConnection) -> dict[str, list[dict[str, Any]]]:
        from catalogue.people import knowing, names

        both = {"linked": await knowing.listed(conn, campus), "held": await knowing.held(conn, campus)}
        both["lost"] = await knowing.lost(conn, campus)
        called = await names.of(conn, campus, (row["name"] for rows in both.values() for row in rows))
        return {kind: [row | _called(called.get(row["name"])) for row in rows] for kind, rows in both.items()}

    found = centre.look(look, campus=campus)
    if held:
        found["linked"] = []
    waiting = [
        f"{row['name']:26} {row['agent']:12} held: {row['reason']}{_beside(row)}{_said(row)}" for row in found["held"]
    ]
    lost = [line for row in found["lost"] for line in _lost(campus, row)]
    answer.show(found, lines=lambda: [*_purses(found["linked"]), *waiting, *lost] or ["nobody is linked"])


def _purses(rows: list[dict[str, Any]]) -> list[str]:
    """One line for each name; the names of a purse stand together."""
    lines, purse = [], ""
    for row in rows:
        lead = "one person:" if row["purse"] != purse else ""
        purse = row["purse"]
        lines.append(
            f"{lead:12}{row['name']:26} {row['agent']:12} {iso(row['linked_at'])} {row['why']} ({row['linked_by']})"
            f"{_said(row)}"
        )
    return lines


def _lost(campus: str, row: dict[str, Any]) -> list[str]:
    """Whoever lets a link wait and has nothing may be nobody; what to type then."""
    name, agent = row["name"], row["agent"]
    return [
        f"{name:26} {agent:12} has no wallet: where rewards-agent learner show {name} knows nobody, it was lost; type",
        f'  rewards-catalogue wallet unlink {shlex.quote(campus)} {name} --lost --reason "lost with a ledger"',
    ]


def _beside(row: dict[str, Any]) -> str:
    return f"; beside {', '.join(row['others'])}" if row["others"] else ""


def _called(one: Called | None) -> dict[str, str]:
    return {} if one is None else {"called": one.name}


def _said(row: dict[str, Any]) -> str:
    return f"  {row['called']}" if "called" in row else ""


def link(campus: Campus, learner: Pseudonym, other: Pseudonym, reason: Reason, centre: Centre, answer: Answer) -> None:
    """Say that two agents' learners are one person: their wallets are counted and spent as one from now on.

    Example: rewards-catalogue wallet link uni-example 2mfi7spslsw3rstao7u5yyit q3oexbcsjrxpsd4pd2gjq5ge
    --reason "one student, asked"
    """
    from catalogue.people import acting, links

    async def work(store: Store) -> None:
        said = act(campus, "wallet.link", f"{learner} {other}", why=reason)
        async with acting.linking(store, said) as conn:
            await links.unite(conn, campus, learner, other, now=now(), by=operator(), why=reason)

    centre.do(work, campus=campus)
    line = f"{learner} and {other} are one person: undo it with wallet unlink"
    answer.show({"campus": campus, "linked": [learner, other]}, lines=lambda: [line])


def unlink(
    campus: Campus,
    learner: Pseudonym,
    reason: Reason,
    *,
    lost: Annotated[
        bool, typer.Option("--lost", help="It is nobody's: its agent lost it with a ledger (wallet links --held).")
    ] = False,
    centre: Centre,
    answer: Answer,
) -> None:
    """Say that a learner is another person than those of the linked wallets: each has what its own agent paid it.

    Whatever tags say, they are not linked again but by wallet link. With --lost what the learner was known by is
    forgotten, and whoever waited because of it is looked at again.

    Example: rewards-catalogue wallet unlink uni-example q3oexbcsjrxpsd4pd2gjq5ge --reason "twins"
    """
    from catalogue.people import acting, links

    async def work(store: Store) -> list[str]:
        said = act(campus, "wallet.unlink", learner, why=reason)
        if lost:
            async with acting.losing(store, said) as conn:
                await links.lose(conn, campus, learner, now=now())
                return []
        async with acting.linking(store, said) as conn:
            return await links.take_apart(conn, campus, learner, now=now(), by=operator(), why=reason)

    others = centre.do(work, campus=campus)
    line = f"{learner} is forgotten" if lost else f"{learner} is another person than {', '.join(others)}"
    answer.show({"campus": campus, "unlinked": learner, "others": others}, lines=lambda: [line])
