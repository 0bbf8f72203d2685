"""`rewards-agent learner export`: everything that is held about one person, for the person who asks."""

from __future__ import annotations

import contextlib
import json as json_text
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

from agent.cli.access import ledger_of
from agent.cli.frame import ConfigOption, JsonOption, emit_json, note, run_async, settings_of, text_of, utc
from agent.cli.terms.inforce import rules_in_force
from agent.cli.terms.who import StudentArgument, person, words_of

if TYPE_CHECKING:
    from agent.cli.terms.who import Who
    from agent.config.settings import Settings
    from agent.ledger.privacy.holdings import Subject
    from agent.ledger.record.erased import Account

_NOT_TOLD = (
    "the person's secret and the keys of this agent: with them anybody could tell whose the pseudonyms are",
    "backups: copies of the same ledger, with nothing that is not here or was not here before",
    "what the LMS itself holds: ask there",
    "kudos and what was said in them: they stand at the catalogue (rewards-agent kudos list --as LEARNER)",
)


def export(student: StudentArgument, config: ConfigOption = None, json: JsonOption = False) -> None:
    """Show everything that this agent holds about one person: tables by tables, and what was posted about them.

    It is meant to be handed over: nothing in it is about anybody else, but for acts in which others took part. Nothing
    is written. Works while the agent runs.

    Example: rewards-agent learner export ann@example.org --json > ann.json
    """
    from agent.ledger.privacy import holdings

    settings = settings_of(config)
    with ledger_of(config) as connection:
        file, _ = rules_in_force(settings, connection)
        who = run_async(person(settings, connection, student, file))
        accounts = holdings.accounts_of(connection, who.learner)
        words = run_async(words_of(settings, accounts, file))
        found = _everything(settings, connection, who, accounts, words)
    if json:
        emit_json(found)
        return
    _show(found, who)


def _everything(
    settings: Settings,
    connection: sqlite3.Connection,
    who: Who,
    accounts: Sequence[Account],
    words: Sequence[str],
) -> dict[str, Any]:
    from agent.clock import SystemClock
    from agent.ledger.privacy import holdings

    connection.execute("BEGIN")  # everything as it is at one moment
    subject = holdings.subject_of(connection, accounts)
    sites = [(source.name, source.site_name) for source in settings.log_sources]
    held = holdings.holdings(connection, subject, sites)
    called = [*words, *(row["name"] for row in held["name_said"])]
    connection.execute("ROLLBACK")
    return {
        "made_at": utc(SystemClock().now()),
        "campus": settings.agent.campus,
        **who.facts(),
        "email": "" if who.user is None else who.user.email,
        "accounts": [":".join(account) for account in subject.accounts],
        "ledger": {table: [_readable(row) for row in rows] for table, rows in held.items()},
        "posts": [_readable(row) for row in _posts(settings, subject, called)],
        "given_to": _given_to(settings, connection, held),
        "kept_for": {"posts_s": settings.privacy.payloads_keep_s, "decisions_s": settings.privacy.decisions_keep_s},
        "not_included": list(_NOT_TOLD),
    }


def _posts(settings: Settings, subject: Subject, words: Sequence[str]) -> Iterator[dict[str, Any]]:
    """What is kept of what systems posted about the person, who is called so."""
    from agent.collectors.inbox import store
    from agent.collectors.inbox.personal import Traits, posts_about
    from agent.ledger import file

    path = settings.agent.data_dir / store.FILE_NAME
    if not path.exists():
        return
    sources = {source.name: (source.kind, source.site_name) for source in settings.post_sources}
    with contextlib.closing(sqlite3.connect(file.read_only(path), uri=True)) as inbox:
        yield from posts_about(inbox, Traits.of(subject.accounts, words), sources)


def _given_to(
    settings: Settings, connection: sqlite3.Connection, held: Mapping[str, Sequence[Mapping[str, Any]]]
) -> list[dict[str, str]]:
    """Who outside the campus was told anything, and under which name."""
    readers = dict(connection.execute("SELECT name, acked_seq FROM reader").fetchall())
    found = []
    if settings.catalogue is not None:
        upto = readers.get("catalogue", 0)
        found.append({"to": "catalogue", "told": f"entries up to {upto}", "called": "pseudonym"})
    for row in held["name_told"]:
        if row["at_the_catalogue"] in {"yes", "under way"}:
            told = f"what they are called, at {utc(row['told_at'])}"
            found.append({"to": "catalogue", "told": told, "called": row["kind_of_name"]})
    for one in settings.callbacks:
        called = {"pseudonym": "pseudonym", "lms-id": "LMS user id", "none": "nothing"}[one.learner]
        found.append({"to": f"callback {one.name}", "told": ", ".join(one.on), "called": called})
    return found


def _readable(row: Mapping[str, Any]) -> dict[str, Any]:
    """Times and outcomes as people write them."""
    from agent.model import Outcome, Trust

    named = {"outcome": Outcome, "trust": Trust}
    return {
        name: utc(value)
        if name.endswith("_at") and (value is None or isinstance(value, int))
        else (named[name](value).name if name in named else value)
        for name, value in row.items()
    }


def _show(found: Mapping[str, Any], who: Who) -> None:
    from agent.ledger.privacy.tables import LEDGER

    typer.echo(f"{who.title()}: everything held at {found['campus']} on {found['made_at']}")
    typer.echo(f"accounts: {', '.join(found['accounts'])}")
    for table, rows in found["ledger"].items():
        _section(f"{LEDGER[table].holds} ({table})", rows)
    _section("what systems posted, as long as it is kept", found["posts"])
    _section("who outside was told", found["given_to"])
    typer.echo("\nNot in here:")
    for one in found["not_included"]:
        typer.echo(f"  {one}")
    note("for programs, and to hand it over: --json")


def _section(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    typer.echo(f"\n{title[0].upper()}{title[1:]}: {len(rows) or 'nothing'}")
    for row in rows:
        typer.echo("  - " + "; ".join(f"{name.replace('_', ' ')}: {_cell(value)}" for name, value in row.items()))


def _cell(value: Any) -> str:
    return json_text.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else text_of(value)
