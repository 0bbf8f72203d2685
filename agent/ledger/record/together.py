"""Which accounts one erasure marked together, so that a person is readmitted whole.

Beside each mark lies the list of all of them, sealed: only the ledger's key together with one of these accounts opens
it. So the rows tell nobody which marks are one person's, and whoever names one account learns the others. They are
settings because every copy of a ledger has that table, whatever its schema.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from hashlib import blake2s

import aiosqlite
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from agent.ledger.record.erased import BESIDE, Account, Erased, mark_of

_NONCE_BYTES = 12
_PADDED_TO = 128
"""Lists are filled up to a multiple of so many bytes: how long one is says little of how many accounts it has."""
_KEEP = "INSERT OR REPLACE INTO setting (key, value) VALUES (?, ?)"
_LET_GO = "DELETE FROM setting WHERE key = ?"
_KEPT = "SELECT value FROM setting WHERE key = ?"


def sealed(key: bytes, account: Account, accounts: Iterable[Account]) -> str:
    """The list of ``accounts`` for who has ``key``, that of the marks, and names ``account``; hexadecimal."""
    text = json.dumps([list(one) for one in accounts], ensure_ascii=False).encode()
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return (nonce + _cipher(key, account).encrypt(nonce, text + b" " * (-len(text) % _PADDED_TO), None)).hex()


def opened(key: bytes, account: Account, text: str) -> tuple[Account, ...]:
    """What was sealed; nobody where it does not open: then each account is readmitted by itself."""
    try:
        kept = bytes.fromhex(text)
        found = json.loads(_cipher(key, account).decrypt(kept[:_NONCE_BYTES], kept[_NONCE_BYTES:], None))
    except (ValueError, InvalidTag):
        return ()
    return tuple((site, user) for site, user in found)


def _cipher(key: bytes, account: Account) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(blake2s("\0".join(account).encode(), key=key, person=b"beside").digest())


async def keep(connection: aiosqlite.Connection, erased: Erased, accounts: Sequence[Account]) -> None:
    """Note that these are erased together; where all are marked already, what is known of them stands."""
    if all(erased.bars_now(one) for one in accounts):
        return
    rows = [(_name(erased, one), sealed(erased.key, one, accounts)) for one in accounts]
    await connection.executemany(_KEEP, rows)


async def let_go(connection: aiosqlite.Connection, erased: Erased, accounts: Collection[Account]) -> None:
    """Forget whose other accounts they are: their marks are lifted."""
    await connection.executemany(_LET_GO, [(_name(erased, one),) for one in accounts])


def marked_with(connection: sqlite3.Connection, erased: Erased, account: Account) -> tuple[Account, ...]:
    """The marked accounts of the erasure that marked ``account``, that one first; empty where nobody kept which."""
    kept = connection.execute(_KEPT, (_name(erased, account),)).fetchone()
    return _still(erased, account, kept[0]) if kept else ()


async def marked_with_each(
    connection: aiosqlite.Connection, erased: Erased, accounts: Iterable[Account]
) -> tuple[Account, ...]:
    """These accounts, and all that were marked with any of them; inside one of the writer's units."""
    found = dict.fromkeys(accounts)
    for account in tuple(found):
        for (text,) in await connection.execute_fetchall(_KEPT, (_name(erased, account),)):
            found |= dict.fromkeys(_still(erased, account, text))
    return tuple(found)


def _still(erased: Erased, account: Account, text: str) -> tuple[Account, ...]:
    listed = opened(erased.key, account, text)
    others = sorted(one for one in listed if one != account and erased.bars_now(one))
    return (account, *others) if listed else ()


def _name(erased: Erased, account: Account) -> str:
    return BESIDE + mark_of(erased.key, account).hex()
