"""`rewards-agent sync …`: delivery to the catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.access import carry_out, ledger_of
from agent.cli.frame import (
    LIMIT_MAX,
    ConfigOption,
    JsonOption,
    emit,
    emit_json,
    emit_one,
    note,
    run_async,
    settings_of,
    utc,
)
from machine.commands import Application
from machine.words import counted

if TYPE_CHECKING:
    from agent.config.settings import Settings

app = Application(
    no_args_is_help=True,
    help="Delivery to the catalogue: now, where it stands, what goes out.",
)

Limit = Annotated[int, typer.Option("--limit", min=1, max=LIMIT_MAX, help="Show at most so many entries.")]


@app.command()
def now(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Deliver everything now, whatever the backoff says; exits with 1 where the catalogue does not take it.

    Example: rewards-agent sync now
    """
    result = carry_out(config, "sync.now")
    _show(result, json=json)
    if not result["answered"]:
        raise typer.Exit(1)


@app.command()
def status(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Where delivery stands, and how far the catalogue was heard; exits with 3 where its history is not ours.

    Example: rewards-agent sync status --json
    """
    from agent.ledger import delivery
    from agent.ledger.centre import called, mirror

    settings = settings_of(config)
    with ledger_of(config) as connection:
        found = {**delivery.standing(connection), "statement": mirror.told(connection)}
        if settings.names_told:
            told, waiting, _ = called.counts(connection)
            found |= {"names_told": told, "names_waiting": waiting}
    _show(found, json=json)
    if found["fault"]:
        raise typer.Exit(3)


@app.command()
def lost(config: ConfigOption = None, json: JsonOption = False) -> None:
    """List what the catalogue told once and no longer knows, because it was put back from an older copy.

    Balances here are those of the catalogue, without these. Give the list to its operator: a spend that is lost is a
    voucher that was not paid.

    Example: rewards-agent sync lost
    """
    from agent.ledger.centre import mirror

    with ledger_of(config) as connection:
        found = mirror.lost(connection)
    if not json:
        found = [{**row, "posted_at": utc(row["posted_at"])} for row in found]
    columns = ("posted_at", "kind", "learner", "currency", "amount", "ref")
    emit(found, columns, json=json, empty="nothing was lost")


@app.command()
def show(config: ConfigOption = None, limit: Limit = 20, json: JsonOption = False) -> None:
    """Print in clear what goes out next, for whoever must know what leaves the campus: one line for each entry.

    Learners are pseudonyms. A `reason` that somebody wrote by hand goes out as they wrote it, with who gave it. Where
    [privacy] identity lets names leave, what the catalogue is told beside the entries follows: the LMS is asked.

    Example: rewards-agent sync show
    """
    import orjson

    from agent.ledger import delivery

    with ledger_of(config) as connection:
        acked = delivery.standing(connection)["acked_seq"]
        rows = connection.execute("SELECT body FROM entry WHERE seq > ? ORDER BY seq LIMIT ?", (acked, limit))
        bodies = [body for (body,) in rows]
    settings = settings_of(config)
    names = run_async(_names(settings, acked + len(bodies), limit)) if settings.names_told else []
    if json:
        emit_json([*map(orjson.loads, bodies), *names])
        return
    if bodies:
        note(f"{counted(len(bodies), 'entry', 'entries')} after {acked}, to the byte as sent; each line is one entry")
        typer.echo(b"\n".join(bodies).decode())
    else:
        note("everything is delivered")
    if settings.names_told:
        note(f"beside the entries: {counted(len(names), settings.names_told)} to be told or taken back")
    for one in names:
        typer.echo(f"{one['learner']}  {one['name'] or '(has none any more)'}")


async def _names(settings: Settings, upto: int, limit: int) -> list[dict[str, str]]:
    """What the catalogue is told next of names, of everybody with an entry until ``upto``."""
    from contextlib import AsyncExitStack

    from agent.clock import SystemClock
    from agent.ledger import file
    from agent.outbox.people.naming import preview
    from agent.wiring.people.naming import calls_of

    clock = SystemClock()
    async with AsyncExitStack() as stack:
        calls = calls_of(stack, settings, clock)
        conn = await stack.enter_async_context(file.connect_for_reading(settings.agent.data_dir))
        found = await preview(conn, calls, upto=upto, now=clock.now(), most=limit)
    return [{"kind": "name", "learner": one.due.pseudonym, "name": one.name, "said_by": calls.said_by} for one in found]


def _show(found: dict[str, Any], *, json: bool) -> None:
    if not json:
        told = {f"statement {key}": value for key, value in found.pop("statement").items()}
        found = {key: _dated(key, value) for key, value in {**found, **told}.items()}
    emit_one(found, json=json)


def _dated(key: str, value: Any) -> Any:
    return utc(value or None) if key.endswith(("_at", " as_of")) else value
