"""`rewards-agent backup`: a copy that proves itself."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from agent.cli.frame import ConfigOption, JsonOption, emit_one, note, settings_of, utc
from machine.commands import Application

app = Application()


@app.command()
def backup(
    to: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", readable=False, help="Where copies go; without it, `backups` in the data directory."
        ),
    ] = None,
    keep: Annotated[int, typer.Option(metavar="N", min=1, help="How many copies are kept.")] = 14,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Copy the ledger and the inbox, read the copy again, and keep the newest copies. The agent may run meanwhile.

    A copy that does not hold does not count: it is removed, the older ones stay, and the command exits with 3. Copies
    hold who the pseudonyms are: keep them as safe as the ledger, and on another disk. Keys and settings are not in
    them.

    Example: rewards-agent backup --to /var/backups/rewards-agent --keep 30
    """
    from agent.cli.tuning.bar import bar
    from agent.ledger.backup import taking

    data_dir = settings_of(config).agent.data_dir
    folder = to or data_dir / taking.FOLDER
    with bar("reading the copy again") as advance:
        place, manifest = taking.take(
            data_dir, folder, keep=keep, now=int(time.time()), progress=lambda done: advance(done, 0, f"{done:,}")
        )
    emit_one(
        {
            "backup": str(place),
            "made_at": utc(manifest.made_at),
            "entries": manifest.entries,
            "head": manifest.head,
            "files": list(manifest.files),
            "kept": len(taking.copies(folder)),
        },
        json=json,
    )
    if to is None:
        note("it lies on the ledger's own disk: copy it elsewhere, or name another place: --to DIR")
