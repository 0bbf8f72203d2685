"""Seals entries into the exact bytes of a batch. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from agent.errors import IntegrityError
from agent.ledger.delivery import Identity, Sealed, StoredEntry
from agent.ledger.recovery.marks import FIELD as RESUME
from agent.ledger.recovery.marks import Marks
from wire import batch, chain
from wire.money.terms import FIELD, Terms, encode

SITES = "sites"
"""The header's field that says whose log this agent reads: the catalogue lets each site be one agent's."""
SEAL_ENTRIES_MAX = batch.BATCH_ENTRIES_MAX
SEAL_BYTES_MAX = 900_000
"""Entry bytes in one batch: what is sealed cannot be made smaller later, and many proxies stop at a megabyte."""


def seal(
    who: Identity,
    previous: bytes,
    chosen: Sequence[StoredEntry],
    *,
    marks: Marks,
    terms: Terms,
    sites: Sequence[str] = (),
    environment: str,
    now: int,
) -> Sealed:
    """The next batch: of ``chosen`` (see `fitting`), on top of ``previous`` (32 bytes).

    Raises:
        IntegrityError: the entries' bytes do not lead from ``previous`` to their stored hash.
    """
    bodies = [entry.body for entry in chosen]
    first_seq, last_seq = chosen[0].seq, chosen[-1].seq
    head = chain.head(previous, bodies)
    if head != chosen[-1].hash or len(chosen) != last_seq - first_seq + 1:
        raise IntegrityError(
            f"the ledger's chain is broken between seq {first_seq} and {last_seq}",
            hint="nothing more is delivered; run: rewards-agent ledger verify",
        )
    header = batch.Header(
        campus=who.campus,
        agent=who.agent,
        epoch=who.epoch,
        first_seq=first_seq,
        last_seq=last_seq,
        previous=previous,
        head=head,
        low_water=marks.low_water,
        environment=environment,
        extra={FIELD: encode(terms), RESUME: marks.resume(), SITES: list(sites)},
    )
    body = batch.encode(header, bodies)
    return Sealed(epoch=who.epoch, first_seq=first_seq, last_seq=last_seq, head=head, body=body, sealed_at=now)


def fitting(stored: Sequence[StoredEntry]) -> Sequence[StoredEntry]:
    """As many of ``stored`` (at least one, in order) as fit one batch."""
    size = 0
    for count, entry in enumerate(stored[:SEAL_ENTRIES_MAX]):
        size += len(entry.body) + 1
        if size > SEAL_BYTES_MAX and count:
            return stored[:count]
    return stored[:SEAL_ENTRIES_MAX]
