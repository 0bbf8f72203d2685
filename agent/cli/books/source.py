"""`rewards-agent source …`: say that a log which is not what it was is the right one all the same."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.access import carry_out, ledger_of
from agent.cli.frame import ConfigOption, JsonOption, emit_json, emit_one, run_async, settings_of, utc
from agent.cli.terms.inforce import ByOption, whoever
from agent.errors import InvalidInputError
from machine.commands import Application, confirmed

if TYPE_CHECKING:
    from agent.collectors.logstore.start import Rewind
    from agent.config.settings import LogSource, Settings
    from agent.model import SourceState

app = Application(no_args_is_help=True, help="Where the agent reads: accept a log anew.")

_WHERE = "see: rewards-agent status"


@app.callback()
def sources() -> None:
    """Where the agent reads. `rewards-agent status` shows how far each source is read, and its fault."""


@app.command("accept-rewind")
def accept_rewind(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The source, as [[source]] names it.")],
    by: ByOption = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Read a source's log again from where payment began, after it stopped because it was not the same log any more.

    First it shows what the log looks like now. Say yes only if that is the log you mean: a database restored on
    purpose, a log that was emptied. What was paid before is recognised and not paid twice. Where it is the log it was
    again (an older replica stood in for it for a while), reading goes on where it stood. Nothing happens before you say
    yes; who said it is recorded. A running agent goes on by itself.

    Example: rewards-agent source accept-rewind moodle --by "B. Admin"
    """
    from agent.ledger import sources as stored_sources

    settings = settings_of(config)
    source = _source(settings, name)
    with ledger_of(config) as connection:
        stored = stored_sources.load(connection, name)
        events = _events_from(connection, name)
    seen = run_async(_looked_at(settings, source, stored))
    preview = _preview(seen, stored, events)
    if not json:
        emit_one(preview, json=False)
    if not preview["fault"]:
        raise InvalidInputError(f"source {name!r} has no fault: there is nothing to accept", hint=_WHERE)
    if not yes:
        asked = (
            "It is the log it was. Go on where it stood"
            if seen.the_same
            else f"Read the log of {name} again, as it is now"
        )
        confirmed(f"{asked}?")
    result = carry_out(config, "source.accept-rewind", source=name, by=whoever(by))
    if json:
        emit_json({**preview, **result})
    else:
        typer.echo(
            f"{name} is read {'on' if seen.the_same else 'again'} from id {result['position'] + 1}: "
            "at once where the agent runs, else next time"
        )


def _source(settings: Settings, name: str) -> LogSource:
    for source in settings.log_sources:
        if source.name == name:
            return source
    known = ", ".join(source.name for source in settings.log_sources)
    raise InvalidInputError(f"there is no log source {name!r}", hint=f"the configuration has: {known}")


def _events_from(connection: sqlite3.Connection, name: str) -> int:
    row = connection.execute(
        "SELECT count(*) FROM event v JOIN name n ON n.no = v.source_no WHERE n.text = ?", (name,)
    ).fetchone()
    return int(row[0])


async def _looked_at(settings: Settings, source: LogSource, stored: SourceState | None) -> Rewind:
    from agent.clock import SystemClock
    from agent.collectors.logstore.collector import LogstoreCollector
    from agent.model import SourceState
    from agent.wiring.sources.options import logstore_options

    collector = LogstoreCollector(logstore_options(settings, source), clock=SystemClock())
    try:
        return await collector.rewound(stored or SourceState())
    finally:
        await collector.close()


def _preview(seen: Rewind, stored: SourceState | None, events: int) -> dict[str, Any]:
    return {
        "source": seen.source,
        "fault": stored.fault if stored else "",
        "read_to_id": stored.position if stored else 0,
        "events_known": events,
        "log_first_id": seen.first_id,
        "log_last_id": seen.last_id,
        "log_first_at": utc(seen.first_at),
        "log_last_at": utc(seen.last_at),
        "log_rows": seen.rows,
        "log_is_the_same": seen.the_same,
        "payment_began_at": utc(seen.start_at),
        "rows_to_read_again": seen.rows_to_read,
    }
