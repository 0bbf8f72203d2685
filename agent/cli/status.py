"""`rewards-agent status`: where everything stands."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.access import ledger_of
from agent.cli.delivery import callback
from agent.cli.frame import ConfigOption, JsonOption, emit, emit_json, emit_one, note, run_async, settings_of, utc
from agent.cli.scheduled.asked import COLUMNS, standing_of
from agent.cli.setup.looks.edge.aside import failing
from agent.cli.setup.looks.finding import duration
from agent.errors import RewardsError, TransientError
from agent.ledger import delivery, reading, sources
from agent.ledger.backup import taking
from agent.ledger.feeds import aside
from agent.ledger.feeds.lost import lost
from agent.ledger.past import promised
from agent.ledger.rules import versions
from machine.commands import Application

if TYPE_CHECKING:
    from agent.config.rulefile import RuleFile
    from agent.config.settings import Settings
    from agent.engine.timing.quiet import Quiet

app = Application()

SOURCE_COLUMNS = (
    "source",
    "position",
    "newest_row_at",
    "open_gaps",
    "missing_ids",
    "given_up_ids",
    "set_aside",
    "updated_at",
    "quiet_since",
    "fault",
    "failing",
)
PULL_COLUMNS = ("source", "every", "last_ok_at", "tried_at", "attempts", "facts", "trouble")
NO_CATALOGUE = "none configured: nothing is delivered"
_ODD = frozenset({"attempts", "clock_ahead_s", "accepted_later"})
"""Figures of delivery that say nothing where they are 0."""
CALLBACK_COLUMNS = ("callback", "waiting", "attempts", "last_ok_at", "last_error")


@app.command()
def status(
    live: Annotated[
        bool, typer.Option("--live", help="Ask the running agent first; 1 where none answers within five seconds.")
    ] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Where everything stands: sources, gaps, ledger, holds, delivery. Exits with 3 where something has a fault.

    It reads the ledger's file, so it tells the same whether an agent runs or not. With --live it ends with 1 unless an
    agent is at work and answers: that is what a supervisor or a container's health check asks; the agent then tells
    which sources it fails on, too.

    Example: rewards-agent status --live
    """
    now: Mapping[str, tuple[str, str]] = {}
    if live:
        run_async(_require_alive(settings_of(config)))
        now = run_async(failing(settings_of(config)))
    with ledger_of(config) as connection:
        found = standing(connection, settings_of(config))
    for source in found["sources"]:
        source["failing"] = now.get(source["source"], ("", ""))[0]
    if json:
        emit_json(found)
    else:
        emit_one(found["agent"], json=False)
        for warning in (*found["rules"]["held_for_ever"], *found["rules"]["doubtful_names"]):
            note(f"warning: {warning}")
        emit(found["sources"], SOURCE_COLUMNS, json=False, empty="no source was read yet")
        if found["pulls"]:
            emit(found["pulls"], PULL_COLUMNS, json=False)
        emit_one(found["ledger"] | {"last_backup": _told_backup(found["backup"])}, json=False)
        emit_one(_told(found["delivery"]), json=False)
        if found["callbacks"]:
            emit(found["callbacks"], CALLBACK_COLUMNS, json=False)
        if found["scheduled"]:
            emit(found["scheduled"], COLUMNS, json=False)
    if any(source["fault"] for source in found["sources"]) or found["delivery"]["fault"]:
        raise typer.Exit(3)


async def _require_alive(settings: Settings) -> None:
    """See that an agent answers.

    Raises:
        TransientError: none does, or not in time.
    """
    from agent.service import control

    try:
        await control.ask(settings.agent.data_dir, control.ALIVE, {}, within_s=control.ALIVE_WITHIN_S)
    except TransientError as exc:
        raise TransientError(
            f"no agent is at work on {settings.agent.data_dir}, or it does not answer",
            hint="start it, or restart it: systemctl restart rewards-agent; why it is so: journalctl -u rewards-agent",
        ) from exc


def _backup(settings: Settings) -> dict[str, Any]:
    """The last backup that counted; ``old`` where it is older than it may be, or none was ever made."""
    last, within_s = taking.newest(settings.agent.data_dir), settings.agent.backup_within_s
    return {
        "made_at": utc(last.made_at if last else None),
        "place": last.place if last else "",
        "old": within_s is not None and (last is None or time.time() - last.made_at > within_s),
    }


def _told_backup(backup: Mapping[str, Any]) -> str:
    what = f"{backup['made_at']} in {backup['place']}" if backup["made_at"] else "none yet"
    return f"{what}; what to do: rewards-agent doctor" if backup["old"] else what


def _told(delivery: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a person needs of delivery: no line for what is not there, one line where there is no catalogue."""
    if not delivery["enrolled"] and delivery["catalogue"] == NO_CATALOGUE:
        return {"catalogue": NO_CATALOGUE}
    told = {name: utc(value or None) if name.endswith("_at") else value for name, value in delivery.items()}
    return {name: value for name, value in told.items() if value not in ("", None) and (value or name not in _ODD)}


def standing(connection: sqlite3.Connection, settings: Settings) -> dict[str, Any]:
    """Agent, rules, sources, ledger and delivery, each as what JSON can carry."""
    rules = _rules(settings)
    return {
        "agent": {
            "campus": settings.agent.campus,
            "mode": settings.agent.mode,
            "environment": settings.agent.environment,
            "data_dir": str(settings.agent.data_dir),
        },
        "rules": {
            "held_for_ever": _held_for_ever(rules, settings),
            "doubtful_names": versions.doubts_kept(connection),
        },
        "sources": _sources(connection, rules),
        "pulls": _pulls(settings),
        "ledger": {**_ledger(connection), "held_too_long": _overdue(connection, rules)},
        "backup": _backup(settings),
        "scheduled": standing_of(connection, settings),
        "delivery": {**delivery.standing(connection), "catalogue": _catalogue(settings)},
        "callbacks": callback.standing(connection, settings),
    }


def _catalogue(settings: Settings) -> str:
    return str(settings.catalogue.url) if settings.catalogue is not None else NO_CATALOGUE


def _rules(settings: Settings) -> RuleFile | None:
    """The rules as they are written now; None where they cannot be read, which is no matter of this command's."""
    from agent.config.rulefile import load_rules

    try:
        return load_rules(settings.rule_files())
    except RewardsError:
        return None


def _held_for_ever(rules: RuleFile | None, settings: Settings) -> list[str]:
    """Where the rules ask for a trust that no source reaches."""
    from agent.config.rulefile.sense.reach import unreached

    return [str(fault) for fault in unreached(rules, settings)] if rules is not None else []


def _sources(connection: sqlite3.Connection, rules: RuleFile | None) -> list[dict[str, Any]]:
    """Each source, and whether it is quieter than its own weeks; not judged where the rules cannot be read."""
    from agent.review.feeds import Week, quiet_feeds

    silent: Mapping[str, Quiet] = {}
    apart = {one.source: one.count for one in aside.sums(connection)}
    if rules is not None:
        silent = quiet_feeds(connection, Week.of(rules), int(time.time()))
    return [
        {
            **_source(connection, name),
            "set_aside": apart.get(name, 0),
            "quiet_since": utc(silent[name].since) if name in silent else None,
            "events_missed": silent[name].expected if name in silent else 0,
        }
        for name in sources.names(connection)
    ]


def _source(connection: sqlite3.Connection, name: str) -> dict[str, Any]:
    state = sources.load(connection, name)
    if state is None:
        return {"source": name}
    still_open = [gap for gap in state.gaps if gap.state == "open"]
    given_up = [gap for gap in state.gaps if gap.state == "given_up"]
    awaited, over, _ = sources.awaited(state.gaps)
    gone = lost(state.counts)
    return {
        "source": name,
        "position": state.position,
        "start_at": utc(state.start_at),
        "newest_row_at": utc(state.high_water or None),
        "open_gaps": len(still_open),
        "missing_ids": awaited,
        "passed_over_ids": over,
        "given_up_ids": sum(gap.missing for gap in given_up),
        "lost_ids": gone.ids if gone else 0,
        "lost_until": utc(gone.until) if gone else None,
        "counts": dict(state.counts),
        "updated_at": utc(sources.updated_at(connection, name)),
        "fault": state.fault,
    }


def _pulls(settings: Settings) -> list[dict[str, Any]]:
    """How it goes with the systems that are asked."""
    asked = {source.name: source.pull for source in settings.post_sources if source.pull is not None}
    if not asked:
        return []
    from agent.collectors.inbox.pulls import standings
    from agent.collectors.inbox.store import FILE_NAME

    known = {one.source: one for one in standings(settings.agent.data_dir / FILE_NAME)}
    return [
        {
            "source": name,
            "every": duration(pull.every_s),
            "last_ok_at": utc(one.ok_at or None) if (one := known.get(name)) else None,
            "tried_at": utc(one.tried_at or None) if one else None,
            "attempts": one.attempts if one else 0,
            "facts": one.facts if one else 0,
            "trouble": one.trouble if one else "never asked yet",
        }
        for name, pull in asked.items()
    ]


def _overdue(connection: sqlite3.Connection, rules: RuleFile | None) -> int:
    """Decisions that are held for longer than the rules want; 0 where they do not say how long."""
    after_s = rules.remind_after if rules is not None else 0
    return promised.overdue(connection, int(time.time()) - after_s)[0] if after_s else 0


def _ledger(connection: sqlite3.Connection) -> dict[str, Any]:
    seq, head = reading.head(connection)
    counted = {
        "events": "SELECT count(*) FROM event",
        "people": "SELECT count(*) FROM person",
        "held": "SELECT count(*) FROM hold WHERE state = 'open'",
        "links_held": "SELECT (SELECT count(*) FROM link_held WHERE reason NOT LIKE 'nothing was seen %')"
        " + (SELECT count(*) FROM elsewhere WHERE held <> '')",
    }
    return {
        "entries": seq,
        "head": head.hex()[:16],
        **{name: connection.execute(sql).fetchone()[0] for name, sql in counted.items()},
    }
