"""The catalogue's key changes: the chain from the key that was pinned to the one that signs now is followed."""

from __future__ import annotations

import contextlib
from dataclasses import replace

from agent.errors import TransientError
from agent.ledger.delivery import Identity
from agent.outbox.client import Client
from wire import keys
from wire.canonical import MalformedError
from wire.keys import fingerprint

_OK = 200


async def chain(client: Client, pinned: str) -> tuple[bytes, ...]:
    """Every key of the chain that holds the one of this fingerprint, the newest last; empty where nothing proves one.

    Raises:
        TransientError: no whole answer came.
    """
    answer = await client.get_keys()
    if answer.status != _OK:
        return ()
    with contextlib.suppress(MalformedError):
        return keys.followed(keys.parse_links(answer.body), pinned)
    return ()


async def followed(client: Client, who: Identity) -> Identity:
    """``who`` with the catalogue's keys as they are now; unchanged where no chain leads on from the pinned one."""
    with contextlib.suppress(TransientError):
        found = await chain(client, fingerprint(who.catalogue_public))
        if found:
            return replace(who, catalogue_public=found[-1], catalogue_keys=found)
    return who
