"""`backup` and `restore`: copies that prove themselves, and putting one back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from catalogue.cli.common import Answer, Centre, act, iso
from machine.commands import confirmed
from machine.reaching import names
from machine.words import counted


def backup(
    to: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", readable=False, help="Where copies go; without it, `backups` in the data directory."
        ),
    ] = None,
    keep: Annotated[int, typer.Option(metavar="N", min=1, help="How many copies are kept.")] = 14,
    *,
    centre: Centre,
    answer: Answer,
) -> None:
    """Copy the whole catalogue, prove the copy, and keep the newest copies. Servers may run meanwhile.

    SQLite is copied online and the copy is verified; PostgreSQL is copied by pg_dump at the very moment that is
    verified. Books that do not agree make no backup: nothing of it stays, the older ones do, and the command exits
    with 3. Keys and settings are not in a copy: keep copies of catalogue.ed25519 and vouchers.key elsewhere, once.

    Example: rewards-catalogue backup --to /var/backups/rewards-catalogue --keep 30
    """
    from catalogue import acts
    from catalogue.backup import noted, taking
    from catalogue.backup.copies import FOLDER
    from catalogue.server import load_key

    found = centre.settings
    folder = to or found.data_dir / FOLDER
    said = act(acts.EVERYWHERE, noted.TAKEN)
    public = load_key(found).public
    place, manifest = names.run(taking.take(found, folder, public=public, keep=keep, said=said))
    done: dict[str, Any] = {
        "backup": str(place),
        "made_at": iso(manifest.made_at),
        "campuses": manifest.campuses,
        "batches": manifest.batches,
        "entries": manifest.entries,
        "wallets": manifest.wallets,
        "files": list(manifest.files),
        "kept": len(taking.made(folder)),
    }
    answer.show(done, lines=lambda: _lines(done))
    if to is None:
        typer.echo(
            "note: it lies on the catalogue's own disk: copy it elsewhere, or name another place: --to DIR", err=True
        )


def restore(
    copy: Annotated[Path, typer.Argument(metavar="BACKUP", help="The directory of one backup.", show_default=False)],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    *,
    centre: Centre,
    answer: Answer,
) -> None:
    """Put a backup back. Stop the service first; nothing is overwritten.

    The backup is checked before anything is touched: its files must be those that were made, and not of a newer
    program. An embedded database that is there is set aside; of PostgreSQL the database that [database] url names must
    be empty. What is there then is verified and held against what the backup says of itself. A backup of an embedded
    database goes into an empty one of PostgreSQL, too: so a catalogue that grew moves there.

    Example: rewards-catalogue restore /var/backups/rewards-catalogue/catalogue-20261121T023000Z
    """
    from catalogue import acts
    from catalogue.backup import noted, restoring
    from catalogue.backup.copies import Manifest
    from catalogue.server import load_key

    found = centre.settings
    public = load_key(found).public
    manifest = Manifest.read(copy)
    if not yes:
        place = found.database.render_as_string(hide_password=True)
        entries = counted(manifest.entries, "entry", "entries")
        confirmed(f"Put the backup of {iso(manifest.made_at)} with {entries} into {place}?")
    said = act(acts.EVERYWHERE, noted.PUT_BACK)
    done = names.run(restoring.restore(found, copy, public=public, said=said))
    fields: dict[str, Any] = {
        "restored": str(copy),
        "made_at": iso(manifest.made_at),
        "entries": manifest.entries,
        "wallets": manifest.wallets,
        "set_aside": str(done.set_aside or ""),
        "remarks": list(done.remarks),
    }
    answer.show(fields, lines=lambda: _lines(fields))
    typer.echo("note: next: start the service; then rewards-catalogue backup", err=True)


def _lines(fields: dict[str, Any]) -> list[str]:
    """A line for each field that says something; of remarks each its own."""
    told: list[str] = []
    for name, value in fields.items():
        if name == "remarks":
            told += [f"- {one}" for one in value]
        elif value != "":
            said = ", ".join(value) if isinstance(value, list) else value
            told.append(f"{name.replace('_', ' '):9} {said}")
    return told
