"""`rewards-agent callback …`: who is told what happens in the ledger, and whether that works."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.access import carry_out, ledger_of
from agent.cli.frame import ConfigOption, JsonOption, emit, emit_one, run_async, settings_of, utc
from agent.cli.terms.inforce import ByOption, whoever
from agent.errors import InvalidInputError
from machine.commands import Application

if TYPE_CHECKING:
    import sqlite3

    from agent.config.settings import Settings
    from agent.config.tables.callback import CallbackSettings

app = Application(
    no_args_is_help=True,
    help="Who is told what happens in the ledger, and whether it works.",
)

COLUMNS = ("callback", "on", "format", "waiting", "last_ok_at", "next_try_at", "last_error")
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="A [[callback]] of config.toml.")]


@app.command("list")
def listed(config: ConfigOption = None, json: JsonOption = False) -> None:
    """List the receivers: what each is told, how far it is, and what is wrong with it.

    Example: rewards-agent callback list
    """
    settings = settings_of(config)
    with ledger_of(config) as connection:
        rows = standing(connection, settings)
    emit(rows, COLUMNS, json=json, empty="config.toml has no [[callback]]")


@app.command("test")
def tried(name: NameArgument, config: ConfigOption = None, json: JsonOption = False) -> None:
    """Send one signed message of type `test` now, and say whether it was taken; exits with 1 where it was not.

    It does not touch what the receiver is still to be told. Works while the agent runs.

    Example: rewards-agent callback test chat
    """
    settings = settings_of(config)
    callback = _named(settings, name)
    run_async(_send(settings, callback))
    emit_one({"callback": name, "test": "taken"}, json=json)


@app.command()
def skip(
    name: NameArgument,
    by: ByOption = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Leave out the one message that a receiver does not take, and go on after it. Who did it is recorded.

    A receiver that answers something else than 2xx to one message waits there for ever, because the order is kept:
    first see what it says in its own log.

    Example: rewards-agent callback skip chat --by "B. Desk"
    """
    _named(settings_of(config), name)
    emit_one(carry_out(config, "callback.skip", callback=name, by=whoever(by)), json=json)


def standing(connection: sqlite3.Connection, settings: Settings) -> list[dict[str, Any]]:
    """Where every receiver stands, as rows. ``waiting`` counts entries, whether or not it wants to hear of them."""
    from agent.ledger.stream import items, positions

    newest = items.newest(connection)
    rows = []
    for callback in settings.callbacks:
        stands = positions.read(connection, callback.name)
        rows.append(
            {
                "callback": callback.name,
                "on": list(callback.on),
                "format": callback.format,
                "acked_seq": stands.at.seq if stands else None,
                "acked_decision": stands.at.decision_no if stands else None,
                "waiting": newest.seq - stands.at.seq if stands else None,
                "attempts": stands.attempts if stands else 0,
                "last_ok_at": utc(stands.last_ok_at if stands else None),
                "next_try_at": utc(stands.next_try_at or None if stands else None),
                "last_error": stands.last_error if stands else "",
            }
        )
    return rows


def _named(settings: Settings, name: str) -> CallbackSettings:
    known = {callback.name: callback for callback in settings.callbacks}
    if name not in known:
        hint = f"config.toml has: {', '.join(known) or 'none'}"
        raise InvalidInputError(f"there is no callback {name!r}", hint=hint)
    return known[name]


async def _send(settings: Settings, callback: CallbackSettings) -> None:
    from agent.clock import SystemClock
    from agent.ledger.stream.items import Position
    from agent.outbox.callbacks.message import From, made
    from agent.outbox.callbacks.post import Post
    from agent.wiring.callbacks import callback_address

    now = SystemClock().now()
    sender = From(settings.agent.campus, settings.agent.environment)
    message = made("test", f"test-{now}", {"recorded_at": utc(now)}, Position(0, 0), callback, sender)
    post = Post(callback_address(settings, callback))
    try:
        await post.send(message, now=now)
    finally:
        await post.close()
