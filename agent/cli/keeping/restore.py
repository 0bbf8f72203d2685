"""`rewards-agent restore`: a copy put back."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from agent.cli.frame import ConfigOption, JsonOption, emit_one, note, settings_of, utc

app = typer.Typer()


@app.command()
def restore(
    copy: Annotated[Path, typer.Argument(metavar="BACKUP", help="The directory of one backup.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Put a backup in place of the ledger. Stop the agent first; the files that are there are set aside, not deleted.

    The backup is checked before anything is touched: its files must be those that were made, of this campus, and not of
    a newer program. Then the agent reads Moodle's log again from where the backup stands.

    Example: rewards-agent restore /var/backups/rewards-agent/rewards-20261121T020000Z
    """
    from agent.ledger.backup.restoring import restore as put_back
    from agent.ledger.backup.taking import read_manifest

    settings = settings_of(config)
    manifest = read_manifest(copy)
    if not yes:
        typer.confirm(
            f"Put back the backup of {utc(manifest.made_at)} with {manifest.entries:,} entries?", abort=True, err=True
        )
    done = put_back(
        settings.agent.data_dir,
        copy,
        campus=settings.agent.campus,
        environment=settings.agent.environment,
        now=int(time.time()),
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
    note("next: rewards-agent ledger verify, then start the agent")
