"""`rewards-agent restore`: a copy put back, or the ledger that the catalogue acknowledged."""

from __future__ import annotations

import sqlite3
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.frame import ConfigOption, JsonOption, emit_one, note, run_async, settings_of, utc
from agent.errors import ConfigError, RewardsError
from machine.commands import Application, confirmed
from machine.words import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.config.settings import Settings
    from agent.wiring.restoring import Since, Wanted

app = Application()

STANDARD_INPUT = "-"
TOKEN_CHARS_MAX = 1_000


@app.command()
def restore(
    copy: Annotated[
        Path | None, typer.Argument(metavar="BACKUP", help="The directory of one backup.", show_default=False)
    ] = None,
    from_catalogue: Annotated[
        bool, typer.Option("--from-catalogue", help="Instead of a backup: what the catalogue has acknowledged.")
    ] = False,
    recovery_key: Annotated[
        Path | None,
        typer.Option(
            "--recovery-key", metavar="FILE", help="A file with the campus's recovery key, as init printed it."
        ),
    ] = None,
    token: Annotated[
        str,
        typer.Option(
            metavar="TOKEN", help="A token for this very agent, where its ledger or its key is lost; - reads it."
        ),
    ] = "",
    lose_persons: Annotated[
        bool,
        typer.Option(
            "--lose-persons", help="Go on although nobody can tell whose some entries are. There is no way back."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Put a backup in place of the ledger. Stop the agent first; the files that are there are set aside, not deleted.

    The backup is checked before anything is touched: its files must be those that were made, of this campus, and not of
    a newer program. Then the agent reads Moodle's log again from where the backup stands. Where the catalogue has more
    than the backup, that is told first, and what to do instead.

    Example: rewards-agent restore /var/backups/rewards-agent/rewards-20261121T020000Z

    With --from-catalogue the ledger is put together from what was delivered: after a lost disk, or where a backup is
    older than what the catalogue has. The agent reads Moodle's log again from the beginning of payment, recognises what
    was paid, and pays what was not delivered yet, once.

    Example: rewards-agent restore --from-catalogue --recovery-key recovery.txt --token - < token
    """
    settings = settings_of(config)
    if from_catalogue == (copy is not None):
        raise ConfigError(
            "name a backup, or --from-catalogue", hint="for example: rewards-agent restore /var/backups/rewards-agent/…"
        )
    if copy is not None:
        _put_back(settings, copy, yes=yes, json=json)
    else:
        _fetched(settings, _wanted(recovery_key, token, lose_persons), yes=yes, json=json)
    note("next: rewards-agent ledger verify, then start the agent")


def _put_back(settings: Settings, copy: Path, *, yes: bool, json: bool) -> None:
    from agent.ledger import file
    from agent.ledger.acts.journal import noted_in
    from agent.ledger.backup.restoring import acknowledged, outrun
    from agent.ledger.backup.restoring import restore as put_back
    from agent.ledger.backup.taking import read_manifest
    from agent.privacy import copies
    from agent.wiring.people.erasing import sites_of
    from agent.wiring.restoring import Since

    manifest = read_manifest(copy)
    here = acknowledged(settings.agent.data_dir, copy)
    told = _asked(settings, copy) if here is None else Since(seq=here[0], later=here[1])
    warning = outrun(manifest, told.seq, later=told.later)
    if warning:
        note(warning)
    if not yes:
        entries = counted(manifest.entries, "entry", "entries")
        confirmed(f"Put back the backup of {utc(manifest.made_at)} with {entries}?")
    about, now = {"backup": copy.name, "entries": manifest.entries}, int(time.time())
    is_noted: list[bool] = []

    def before(fresh: Path) -> None:
        copies.kept_out(settings.agent.data_dir, fresh, sites_of(settings), told=told.marks)
        is_noted.append(noted_in(fresh / file.FILE_NAME, "restore", about, now))

    done = put_back(
        settings.agent.data_dir,
        copy,
        campus=settings.agent.campus,
        environment=settings.agent.environment,
        now=now,
        before=before,
        warning=warning,
    )
    emit_one(
        {
            "restored": str(copy),
            "made_at": utc(done.manifest.made_at),
            "entries": done.manifest.entries,
            "set_aside": str(done.set_aside or ""),
            "remarks": list(done.remarks),
        },
        json=json,
    )
    if not all(is_noted):
        _noted(settings.agent.data_dir, about, now)


def _noted(data_dir: Path, about: Mapping[str, object], now: int) -> None:
    """In a copy of before acts were written down, which is brought up to date for it; it is put back in any case."""
    from agent.ledger.acts.journal import noted

    try:
        run_async(noted(data_dir, "restore", about, now))
    except RewardsError as error:
        note(f"it is put back, and only the list of acts does not say so: {error.message}\n  {error.hint}")


def _asked(settings: Settings, copy: Path) -> Since:
    """What the catalogue knows of after the backup, where no ledger that is there does."""
    from agent.clock import SystemClock
    from agent.wiring.restoring import Since, since

    if settings.catalogue is None:
        return Since()
    try:
        return run_async(since(settings, copy, SystemClock()))
    except (RewardsError, sqlite3.Error) as error:
        note(f"the catalogue cannot say who was erased and what was delivered after this backup: {error}")
        note("erase them again before the agent starts: rewards-agent learner erase")
        note("if it then says that histories differ: rewards-agent restore --from-catalogue")
        return Since()


def _wanted(recovery_key: Path | None, token: str, lose_persons: bool) -> Wanted:
    from agent.outbox.recovery.box import read_recovery_key
    from agent.wiring.restoring import Wanted

    key = None if recovery_key is None else read_recovery_key(recovery_key)
    if token == STANDARD_INPUT:
        token = sys.stdin.readline(TOKEN_CHARS_MAX).strip()
    return Wanted(token=token, key=key, lose_persons=lose_persons)


def _fetched(settings: Settings, wanted: Wanted, *, yes: bool, json: bool) -> None:
    from agent.cli.tuning.bar import bar
    from agent.clock import SystemClock
    from agent.wiring.restoring import restore as fetch

    if not yes:
        confirmed("Put what the catalogue acknowledged in place of the ledger?")
    with bar("asking the catalogue") as advance:
        done = run_async(
            fetch(
                settings,
                wanted,
                clock=SystemClock(),
                progress=lambda here, of: advance(here, of, f"{here:,} of {of:,}"),
            )
        )
    emit_one(
        {
            "restored": "catalogue",
            "agent": done.agent,
            "epoch": done.epoch,
            "entries": done.entries,
            "head": done.head,
            "persons": done.persons,
            "strangers": done.strangers,
            "set_aside": str(done.set_aside or ""),
            "by_hand_again": [dict(one) for one in done.by_hand],
            "remarks": list(done.remarks),
        },
        json=json,
    )
