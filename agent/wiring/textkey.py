"""The key under which texts are digested: made once for each agent, never shown, never leaving it.

The ledger remembers by its fingerprint with which key texts were digested: another one in its place does not know again
what was written before.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import aiosqlite

from agent.clock import Clock
from agent.ledger import delivery
from agent.ledger.writer import Writer
from machine.whole import write_new

KEY_BYTES = 32
_NAME = "text.key"
IN_USE, BEFORE, SINCE = "text_key", "text_key_before", "text_key_since"
"""Settings of the ledger: fingerprints of the key and of the one before it; since when it is another (seconds UTC)."""


def text_key(data_dir: Path) -> bytes:
    """The agent's key; where it cannot be read, one for this process alone (a preview compares within itself)."""
    return _kept(data_dir) or secrets.token_bytes(KEY_BYTES)


def fingerprint(data_dir: Path) -> str:
    """What the key is known by without being told; empty where it cannot be read."""
    found = _kept(data_dir)
    return hashlib.sha256(b"text.key" + found).hexdigest()[:32] if found else ""


async def settle_text_key(writer: Writer, data_dir: Path, clock: Clock) -> None:
    """Make the key where there is none, in a directory that is locked, and remember which one is in use.

    Where it cannot be written, digests of this run are compared with each other alone. One that is put back is the old
    one again.
    """
    with suppress(OSError):
        write_new(data_dir / _NAME, secrets.token_bytes(KEY_BYTES))
    mine = fingerprint(data_dir)
    if not mine:
        return

    async def unit(connection: aiosqlite.Connection) -> None:
        stored = await delivery.settings(connection, (IN_USE, BEFORE))
        if stored.get(IN_USE) != mine:
            await delivery.keep_settings(_settled(stored, mine, clock.now()))(connection)

    await writer.run(unit)


def _settled(stored: Mapping[str, str], mine: str, now: int) -> dict[str, str]:
    if IN_USE not in stored or stored.get(BEFORE) == mine:
        return {IN_USE: mine, BEFORE: "", SINCE: ""}
    return {IN_USE: mine, BEFORE: stored[IN_USE], SINCE: str(now)}


def _kept(data_dir: Path) -> bytes:
    try:
        found = (data_dir / _NAME).read_bytes()
    except OSError:
        return b""
    return found if len(found) == KEY_BYTES else b""
