"""`key show|rotate`, `entry list|accept`, `site list|move`: the catalogue's key, what is set aside, whose sites."""

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
    from catalogue.store import Store

key = typer.Typer(no_args_is_help=True)
entry = typer.Typer(no_args_is_help=True)
site = typer.Typer(no_args_is_help=True)

Campus = Annotated[str, typer.Argument(help="The campus.")]
Agent = Annotated[str, typer.Argument(help="As agent list names it.")]


@key.command(name="show")
@told
def show_key(config: ConfigOption = None, data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """Print the public key that signs receipts, and those that signed before it."""
    from catalogue.proof import keys
    from catalogue.server import load_key
    from wire.keys import fingerprint

    found = settings(config, data_dir)
    signs = load_key(found)

    async def work(store: Store) -> list[dict[str, Any]]:
        async with store.reading() as conn:
            chain = await keys.links(conn)
        return [
            {"fingerprint": fingerprint(link.old), "public": link.old.hex(), "until": iso(link.made_at)}
            for link in chain
            if link.old != signs.public
        ]

    before = with_store(found, work)
    show(
        {"fingerprint": signs.fingerprint, "public": signs.public.hex(), "before": before},
        as_json=as_json,
        lines=lambda: [
            f"{signs.fingerprint}  signs now",
            *(f"{one['fingerprint']}  signed until {one['until']}" for one in reversed(before)),
        ],
    )


@key.command()
@told
def rotate(config: ConfigOption = None, data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """Let a new key sign from now on; agents follow, because the old key and the new one vouch for each other.

    Workers on this machine take the new key by themselves; copy the file to workers on other machines at once. Agents
    that were offline meanwhile, over any number of rotations, follow when they come back. Broken off, run it again.
    """
    from catalogue import acts, schema
    from catalogue.proof import keys

    found = settings(config, data_dir)
    old, new = keys.prepare(found.key_file)

    async def work(store: Store) -> None:
        said = act(acts.EVERYWHERE, "key.rotate", f"{old.fingerprint} to {new.fingerprint}")
        async with acts.acting(store, said, acts.rows(schema.catalogue_key)) as conn:
            await keys.announce(conn, old, new, now=now())

    with_store(found, work)
    keys.take_over(found.key_file)
    show(
        {"file": str(found.key_file), "fingerprint": new.fingerprint, "before": old.fingerprint},
        as_json=as_json,
        lines=lambda: [f"{found.key_file}: {new.fingerprint} signs now (keep a copy: agents take no other)"],
    )


@entry.command(name="list")
@told
def list_entries(
    campus: Campus,
    agent: Annotated[str | None, typer.Option(help="Only this agent.")] = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """List entries that were set aside and move no wallet, each with its reason."""
    from catalogue.proof import rejected

    async def work(store: Store) -> list[dict[str, Any]]:
        async with store.reading() as conn:
            return await rejected.listed(conn, campus, name=agent)

    rows = with_store(settings(config, data_dir), work, campus=campus)
    show(
        rows,
        as_json=as_json,
        lines=lambda: [f"{row['agent']:12} {row['seq']:>10}  {row['reason']}" for row in rows] or ["nothing is aside"],
    )


@entry.command()
@told
def accept(
    campus: Campus,
    agent: Agent,
    seq: Annotated[int, typer.Argument(min=1, help="The entry, as entry list names it.")],
    by: Annotated[str, typer.Option("--by", help="Who decides this; it is recorded.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it is recorded.")],
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Post an entry that was set aside, from its stored bytes and by what this version knows; dated today."""
    from catalogue import acts, schema
    from catalogue.proof import rejected

    async def work(store: Store) -> dict[str, Any]:
        said = act(campus, "entry.accept", f"{agent} {seq}", why=reason)
        concerned = acts.rows(schema.accepted_entry, campus=campus, agent=agent, seq=seq)
        async with acts.acting(store, said, concerned) as conn:
            return await rejected.accept(store, conn, campus, agent, seq, by=by, reason=reason, now=now())

    done = with_store(settings(config, data_dir), work, campus=campus)
    told_line = f"{done['amount']} {done['currency']} for {done['learner']}: entry {seq} of {agent} is posted"
    show(done, as_json=as_json, lines=lambda: [told_line])


@entry.command()
@told
def release(
    campus: Campus,
    by: Annotated[str, typer.Option("--by", help="Who decides this; it is recorded.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it is recorded.")],
    agent: Annotated[str | None, typer.Option(help="Only this agent's.")] = None,
    most: Annotated[int, typer.Option(min=1, max=1000, help="At most so many, the oldest first.")] = 1000,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Post entries that were over the issue limit, from their stored bytes; dated today, beside today's limit."""
    from catalogue import acts, schema
    from catalogue.proof import rejected

    async def work(store: Store) -> list[dict[str, Any]]:
        async with store.reading() as conn:
            waiting = await rejected.over_the_limit(conn, campus, name=agent, most=most)
        done = []
        for name, seq in waiting:
            said = act(campus, "entry.release", f"{name} {seq}", why=reason)
            concerned = acts.rows(schema.accepted_entry, campus=campus, agent=name, seq=seq)
            async with acts.acting(store, said, concerned) as conn:
                done.append(await rejected.accept(store, conn, campus, name, seq, by=by, reason=reason, now=now()))
        return done

    done = with_store(settings(config, data_dir), work, campus=campus)
    show(done, as_json=as_json, lines=lambda: [f"{len(done)} entries of {campus} are posted"])


@site.command(name="list")
@told
def list_sites(
    campus: Campus, config: ConfigOption = None, data_dir: DataDirOption = None, as_json: JsonOption = False
) -> None:
    """List a campus's sites, which agent reads each, and who wanted one besides."""
    from catalogue.proof import sites

    async def work(store: Store) -> list[dict[str, Any]]:
        async with store.reading() as conn:
            return await sites.listed(conn, campus)

    rows = with_store(settings(config, data_dir), work, campus=campus)
    show(
        rows,
        as_json=as_json,
        lines=lambda: [
            f"{row['site']:30} {row['agent']:12} since {iso(row['since'])}"
            + (f"  wanted by {row['claimed_by']} {iso(row['claimed_at'])}" if row["claimed_by"] else "")
            for row in rows
        ],
    )


@site.command()
@told
def move(
    campus: Campus,
    name: Annotated[str, typer.Argument(metavar="SITE", help="As site list names it.")],
    agent: Agent,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Give a site to another agent of its campus; the one that had it is refused from then on."""
    from catalogue import acts, schema
    from catalogue.proof import sites

    async def work(store: Store) -> None:
        concerned = acts.rows(schema.site, campus=campus, site=name)
        async with acts.acting(store, act(campus, "site.move", f"{name} to {agent}"), concerned) as conn:
            await sites.move(conn, campus, name, agent, now=now())

    with_store(settings(config, data_dir), work, campus=campus)
    typer.echo(f"site {name} of {campus} is read by {agent}")
