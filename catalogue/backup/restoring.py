"""Putting a copy back: nothing is overwritten, what is there then is proven, and what it cannot know is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import acts, schema, tenants
from catalogue.acts import Act
from catalogue.backup.copies import Manifest, loading_of, require_known
from catalogue.backup.holding import Hold
from catalogue.config import Config
from catalogue.recognition import records
from catalogue.redemption import pool
from catalogue.verify import verify
from machine import copies
from wire.keys import fingerprint

LOST = (
    "what agents delivered after the backup comes again by itself: each learns where it stands and sends the rest",
    "what was redeemed after it is not here: hold partners' statements against it: rewards-catalogue partner reconcile",
    "what operators and learners did at the centre after it (rewards, budgets, refunds, kudos) is lost: do it again",
    "names that agents told of their learners are in no backup: each tells them anew, within a quarter of an hour",
    "who was erased at a campus after it is in it again until the campus's agent is heard: rewards-catalogue doctor",
)


HELD = (
    "{held} codes of pools are held back, because they may have been given out after it: ask the partner which were not"
    " used, and rewards-catalogue codes import those; or, if none was given out, rewards-catalogue codes free"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was put back, where the files went that were there (None: there were none), and what to know."""

    manifest: Manifest
    set_aside: Path | None
    remarks: tuple[str, ...]


async def restore(config: Config, copy: Path, *, public: bytes, said: Act) -> Restored:
    """Put a copy in place of an embedded database, or into an empty one of PostgreSQL; no server may run meanwhile.

    A copy of an embedded database goes into one of PostgreSQL too: so books move.

    ``public`` is the catalogue's key of today; ``said`` is who asked, and is written down among the acts.

    Raises:
        ConfigError: a server runs, the database is not empty, or the copy is of a newer program or another database.
        IntegrityError: the copy is damaged, or does not hold when it is read again. An embedded database is as it
            was then; one of PostgreSQL is full of its own copy, and empty of one that was to move.
        UnavailableError: the disk is full, or the database does not answer.
    """
    manifest = Manifest.read(copy)
    require_known(manifest, copy, config.database)
    kind = loading_of(manifest, config.database)
    manifest.require_whole(copy, kind.file)
    aside = config.data_dir / copies.name("set-aside-", said.at)
    # What moves is brought to this program's schema on the way.
    mine = manifest.schema == schema.REVISION or manifest.database != config.database.get_backend_name()

    withdrawn = 0

    async def proves(conn: AsyncConnection) -> None:
        if mine:
            manifest.require_same(await verify(conn, bytes.fromhex(manifest.key), now=said.at))

    async def notes(conn: AsyncConnection) -> None:
        nonlocal withdrawn
        if mine:
            withdrawn = await _noted(conn, said, copy, manifest)

    hold = Hold(proves=proves, notes=notes)
    there = await kind.load(copy / kind.file, config.database, copies.free(aside), hold)
    remarks = list(LOST)
    if mine:
        remarks += [HELD.format(held=withdrawn)] if withdrawn else []
    else:
        remarks.append(f"it has schema {manifest.schema}: run rewards-catalogue init, then rewards-catalogue verify")
        remarks.append("codes of pools may have been given out after it: rewards-catalogue codes withdraw, for each")
    if manifest.key != public.hex():
        remarks.append(
            f"the key that signs now ({fingerprint(public)}) is not the one of the backup"
            f" ({fingerprint(bytes.fromhex(manifest.key))}): put back that one and rotate again, else agents that have"
            " not met the new one must enrol anew"
        )
    return Restored(manifest=manifest, set_aside=there, remarks=tuple(remarks))


async def _noted(conn: AsyncConnection, said: Act, copy: Path, manifest: Manifest) -> int:
    """Write it down, and hold back what may have been given out since; how many codes that are.

    Numbers of kudos that may have been are passed over.

    Before the books are in their place: nobody may serve from them without it.
    """
    held = 0
    for one in await tenants.tenants(conn):
        held += await pool.withdraw_all(conn, one["campus"])
        await records.pass_over(conn, one["campus"], at=said.at)
    told = {"backup": copy.name, "made_at": manifest.made_at, "entries": manifest.entries, "codes_held": held}
    await acts.note(conn, said, **told)
    return held
