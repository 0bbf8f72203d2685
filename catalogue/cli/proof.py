"""`key show|rotate`, `entry list|accept|release`, `site list|move`: the key, what is set aside, whose sites."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from catalogue.cli.common import Answer, Application, Campus, Centre, act, iso, now
from machine.words import counted
from wire.money.amounts import amount

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from catalogue.acts import Act
    from catalogue.proof.accepting import Settled
    from catalogue.proof.rejected import Wanted
    from catalogue.store import Store

key = Application(no_args_is_help=True)
entry = Application(no_args_is_help=True)
site = Application(no_args_is_help=True)

Agent = Annotated[str, typer.Argument(help="As agent list names it.")]
OnlyAgent = Annotated[str | None, typer.Option("--agent", help="Only this agent's.")]
Because = Annotated[str, typer.Option(help="Only those whose reason, as entry list shows it, has this in it.")]
After = Annotated[str, typer.Option(metavar="PLACE", help="Only those after this one: agent-1/1-1001.")]
Most = Annotated[int, typer.Option(min=1, max=100_000, help="Try at most so many, the first ones.")]
By = Annotated[str, typer.Option("--by", help="Who decides this; it is recorded.")]
Why = Annotated[str, typer.Option("--reason", help="Why; it is recorded.")]
TOLD_MAX = 20
"""So many of those that stay aside are told one by one."""


@key.command(name="show")
def show_key(centre: Centre, answer: Answer) -> None:
    """Print the public key that signs receipts, and those that signed before it.

    Example: rewards-catalogue key show
    """
    from catalogue.proof import keys
    from catalogue.server import load_key
    from wire.keys import fingerprint

    signs = load_key(centre.settings)

    async def look(conn: AsyncConnection) -> list[dict[str, Any]]:
        chain = await keys.links(conn)
        return [
            {"fingerprint": fingerprint(link.old), "public": link.old.hex(), "until": iso(link.made_at)}
            for link in chain
            if link.old != signs.public
        ]

    before = centre.look(look)
    answer.show(
        {"fingerprint": signs.fingerprint, "public": signs.public.hex(), "before": before},
        lines=lambda: [
            f"{signs.fingerprint}  signs now",
            *(f"{one['fingerprint']}  signed until {one['until']}" for one in reversed(before)),
        ],
    )


@key.command()
def rotate(centre: Centre, answer: Answer) -> None:
    """Let a new key sign from now on; agents follow, because the old key and the new one vouch for each other.

    Workers on this machine take the new key by themselves; copy the file to workers on other machines at once. Agents
    that were offline meanwhile, over any number of rotations, follow when they come back. Broken off, run it again.

    Example: rewards-catalogue key rotate
    """
    from catalogue import acts, schema
    from catalogue.proof import keys

    found = centre.settings
    old, new = keys.prepare(found.key_file)

    async def work(store: Store) -> None:
        said = act(acts.EVERYWHERE, "key.rotate", f"{old.fingerprint} to {new.fingerprint}")
        async with acts.acting(store, said, acts.rows(schema.catalogue_key)) as conn:
            await keys.announce(conn, old, new, now=now())

    centre.do(work)
    keys.take_over(found.key_file)
    answer.show(
        {"file": str(found.key_file), "fingerprint": new.fingerprint, "before": old.fingerprint},
        lines=lambda: [f"{found.key_file}: {new.fingerprint} signs now (keep a copy: agents take no other)"],
    )


@entry.command(name="list")
def list_entries(
    campus: Campus,
    agent: OnlyAgent = None,
    because: Because = "",
    after: After = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")] = 1000,
    *,
    centre: Centre,
    answer: Answer,
) -> None:
    """List entries that were set aside and move no wallet, each with its reason. Where there are more, that is said.

    Example: rewards-catalogue entry list uni-example --agent agent-1
    """
    from catalogue.proof import rejected
    from catalogue.proof.rejected import Place, Wanted

    wanted = Wanted(agent=agent, because=because, after=Place.parse(after))

    async def look(conn: AsyncConnection) -> tuple[list[dict[str, Any]], int]:
        found = await rejected.listed(conn, campus, wanted, most=limit + 1)
        return found, await rejected.count(conn, campus, wanted)

    found, total = centre.look(look, campus=campus)
    rows = found[:limit]
    if len(found) > limit:
        last = Place(*(rows[-1][name] for name in Place._fields))
        typer.echo(f"note: {total} are aside in all; the next: --after {last}", err=True)
    answer.show(
        rows,
        lines=lambda: [f"{row['agent']:12} {row['seq']:>10}  {row['reason']}" for row in rows] or ["nothing is aside"],
    )


@entry.command()
def accept(
    campus: Campus,
    agent: Annotated[str | None, typer.Argument(help="As agent list names it; with --all only its entries.")] = None,
    seq: Annotated[int | None, typer.Argument(min=1, help="The entry, as entry list names it.")] = None,
    *,
    by: By,
    reason: Why,
    every: Annotated[bool, typer.Option("--all", help="All that --because and --after leave, in order.")] = False,
    because: Because = "",
    after: After = "",
    most: Most = 1000,
    centre: Centre,
    answer: Answer,
) -> None:
    """Post an entry that was set aside, from its stored bytes and by what this version knows; dated today.

    With --all many of them, one by one: what cannot be posted stays aside and is told, the rest goes on (exit 1).

    Example: rewards-catalogue entry accept uni-example --all --because "would go beyond" --by Ann --reason "room again"
    """
    from catalogue import acts, schema
    from catalogue.errors import CatalogueError
    from catalogue.proof import rejected
    from catalogue.proof.rejected import Place, Wanted
    from catalogue.wallets import currencies

    if every and seq is None:
        wanted = Wanted(agent=agent, because=because, after=Place.parse(after))
        _accept_all(centre, answer, act(campus, "entry.accept", why=reason), wanted, by=by, most=most)
        return
    if every or agent is None or seq is None or because or after:
        raise CatalogueError(
            "which entries?", hint=f"entry accept {campus} AGENT SEQ, or --all with --because, --after"
        )

    async def work(store: Store) -> tuple[dict[str, Any], dict[str, int]]:
        said = act(campus, "entry.accept", f"{agent} {seq}", why=reason)
        concerned = acts.rows(schema.accepted_entry, campus=campus, agent=agent, seq=seq)
        async with acts.acting(store, said, concerned) as conn:
            moved = await rejected.accept(store, conn, campus, agent, seq, by=by, reason=reason, now=said.at)
            return moved, await currencies.decimals(conn, campus)

    done, decimals = centre.do(work, campus=campus)
    much = amount(done["amount"], done["currency"], decimals)
    told_line = f"{much} for {done['learner']}: entry {seq} of {agent} is posted"
    answer.show(done, lines=lambda: [told_line, *_still_aside([done])])


@entry.command()
def release(
    campus: Campus,
    *,
    by: By,
    reason: Why,
    agent: OnlyAgent = None,
    after: After = "",
    most: Most = 1000,
    centre: Centre,
    answer: Answer,
) -> None:
    """Post entries that were over the issue limit, from their stored bytes; dated today, beside today's limit.

    What cannot be posted stays aside and is told, the rest goes on (exit 1).

    Example: rewards-catalogue entry release uni-example --by Ann --reason "an open day"
    """
    from catalogue.proof.rejected import Place, Wanted

    wanted = Wanted(agent=agent, over=True, after=Place.parse(after))
    said = act(campus, "entry.release", why=reason)
    _accept_all(centre, answer, said, wanted, by=by, most=most)


def _accept_all(centre: Centre, answer: Answer, said: Act, wanted: Wanted, *, by: str, most: int) -> None:
    from catalogue.proof.accepting import accept_all

    done = centre.do(lambda store: accept_all(store, said, wanted, by=by, most=most), campus=said.campus)
    after = str(done.last) if done.more or done.stopped else None
    answer.show(
        {"posted": done.posted, "aside": done.aside, "next": after, "stopped": done.stopped},
        lines=lambda: _settled(done, said.campus, after),
    )
    if done.aside or done.stopped:
        raise typer.Exit(1)


def _settled(done: Settled, campus: str, after: str | None) -> list[str]:
    lines = [counted(len(done.posted), f"entry of {campus} is posted", f"entries of {campus} are posted")]
    if done.aside:
        lines.append(f"{counted(len(done.aside), 'entry stays', 'entries stay')} aside:")
        lines += [f"  {one['why']}" for one in done.aside[:TOLD_MAX]]
    if len(done.aside) > TOLD_MAX:
        lines.append(f"  … and {len(done.aside) - TOLD_MAX} more: see them all with --json")
    if done.stopped:
        lines.append(f"the database ended it: {done.stopped}")
    lines += _still_aside(done.posted)
    if after is not None:
        lines.append(f"there are more: go on with --after {after}")
    return lines


def _still_aside(posted: Sequence[dict[str, Any]]) -> list[str]:
    """The campus took back what was posted, and that is set aside yet: learners have what they should not."""
    there = {(one["agent"], one["seq"]) for one in posted}
    back = [(one["agent"], one["seq"], seq) for one in posted for seq in one["taken_back_by"]]
    left = [(agent, of, seq) for agent, of, seq in back if (agent, seq) not in there]
    return [f"entry {seq} of {agent} takes {of} back and is still aside: accept it too" for agent, of, seq in left]


@site.command(name="list")
def list_sites(campus: Campus, centre: Centre, answer: Answer) -> None:
    """List a campus's sites, which agent reads each, and who wanted one besides.

    Example: rewards-catalogue site list uni-example
    """
    from catalogue.proof import sites

    async def look(conn: AsyncConnection) -> list[dict[str, Any]]:
        return await sites.listed(conn, campus)

    rows = centre.look(look, campus=campus)
    answer.show(
        rows,
        lines=lambda: [
            f"{row['site']:30} {row['agent']:12} since {iso(row['since'])}"
            + (f"  wanted by {row['claimed_by']} {iso(row['claimed_at'])}" if row["claimed_by"] else "")
            for row in rows
        ],
    )


@site.command()
def move(
    campus: Campus,
    name: Annotated[str, typer.Argument(metavar="SITE", help="As site list names it.")],
    agent: Agent,
    centre: Centre,
) -> None:
    """Give a site to another agent of its campus; the one that had it is refused from then on.

    Example: rewards-catalogue site move uni-example moodle agent-2
    """
    from catalogue import acts, schema
    from catalogue.proof import sites

    async def work(store: Store) -> None:
        concerned = acts.rows(schema.site, campus=campus, site=name)
        async with acts.acting(store, act(campus, "site.move", f"{name} to {agent}"), concerned) as conn:
            await sites.move(conn, campus, name, agent, now=now())

    centre.do(work, campus=campus)
    typer.echo(f"site {name} of {campus} is read by {agent}")
